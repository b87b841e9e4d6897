"""Arrow and PostgreSQL types: which stands for which, and how tables are made to fit.

No Django here: query workers use it as well as publishers.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["columns_of", "conform_upload", "quote", "sql_type", "stored"]

LONGEST_NAME = 63
"""Bytes of a name that PostgreSQL keeps."""
MOST_COLUMNS = 1500
SCALARS: dict[pa.DataType, str] = {
    pa.bool_(): "BOOLEAN",
    pa.uint8(): "SMALLINT",
    pa.int16(): "SMALLINT",
    pa.int32(): "INTEGER",
    pa.int64(): "BIGINT",
    pa.float32(): "REAL",
    pa.float64(): "DOUBLE PRECISION",
    # Compared byte by byte, as in DuckDB, whatever the database's own order is.
    pa.string(): 'TEXT COLLATE "C"',
}


def quote(name: str) -> str:
    """A name as SQL takes it, whatever is in it."""
    return '"' + name.replace('"', '""') + '"'


def sql_type(arrow: pa.DataType) -> str:
    """The column type that holds values of an Arrow type (`tap.arrowtypes.arrow_type`).

    Raises
    ------
    ValueError
        For types that no VOTable has.
    """
    if pa.types.is_list(arrow):
        return SCALARS[arrow.value_type].split(" COLLATE")[0] + "[]"
    if arrow not in SCALARS:
        raise ValueError(f"there is no column type for {arrow}")
    return SCALARS[arrow]


def columns_of(schema: pa.Schema) -> str:
    """The columns in CREATE TABLE.

    Raises
    ------
    ValueError
        If names are too long to differ, or the columns are too many.
    """
    if len(schema) > MOST_COLUMNS:
        raise ValueError(f"it has {len(schema)} columns, {MOST_COLUMNS} is the most")
    kept = [name.encode()[:LONGEST_NAME] for name in schema.names]
    if len(set(kept)) < len(kept):
        raise ValueError(f"two of its columns have the same first {LONGEST_NAME} characters")
    return ", ".join(f"{quote(field.name)} {sql_type(field.type)}" for field in schema)


def stored(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Rows in the types that ADBC's driver writes: unsigned bytes as SMALLINT, text without NUL characters."""
    arrays = [_stored(array) for array in batch.columns]
    return pa.RecordBatch.from_arrays(arrays, names=batch.schema.names)


def _stored(array: pa.Array) -> pa.Array:
    if array.type == pa.uint8():
        return array.cast(pa.int16())
    if array.type == pa.list_(pa.uint8()):
        return array.cast(pa.list_(pa.int16()))
    if array.type == pa.string() and pc.any(pc.match_substring(array, "\0")).as_py():
        return pc.replace_substring(array, "\0", "")
    return array


def conform_upload(rows: pa.Table) -> pa.Table:
    """`stored` for a whole table."""
    batches = [stored(batch) for batch in rows.combine_chunks().to_batches()]
    if batches:
        return pa.Table.from_batches(batches)
    return pa.table([_stored(pa.array([], field.type)) for field in rows.schema], names=rows.schema.names)
