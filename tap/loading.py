"""Publishing tables that may be larger than memory: batches go into DuckDB as they are read.

The rows are sorted by position by DuckDB, which spills to disk.  The file is written beside the archive
first and gets its place in one step, so queries see the old table or the new one.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from gateway.vo.columns import Column, Schema, Table
from gateway.vo.errors import NotFound, UsageError
from tap import archive, publish, spatial
from tap.adql.scope import HEALPIX_COLUMN
from tap.archive import Manifest
from tap.arrowtypes import arrow_type, conform_array
from tap.describe import Described
from tap.sources.base import Source

__all__ = ["Load", "load", "unload"]

MEMORY = "1GB"
Progress = Callable[[str, int], object]


@dataclass(frozen=True)
class Load:
    """One table to publish, from one file or from several with the same columns."""

    described: Described
    sources: Sequence[Source]

    @property
    def table(self) -> Table:
        return self.described.table


def _quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def load(
    schema: Schema, loads: Sequence[Load], *, progress: Progress | None = None, memory: str = MEMORY
) -> Manifest:
    """Publish tables into a schema; those that it has beside them stay.

    Parameters
    ----------
    schema
        Name and description; a description of '' keeps the present one.
    progress
        Called now and then with a table's name and how many of its rows were read.
    memory
        What DuckDB may use before it spills to disk.

    Raises
    ------
    UsageError
        If names clash, or values do not fit; nothing is changed then.
    """
    publish.check_names(replace(schema, tables=tuple(item.table for item in loads)))
    folder = archive.folder()
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".publish-") as work:
        draft = Path(work) / "draft.duckdb"
        with duckdb.connect(config={"memory_limit": memory, "temp_directory": work}) as connection:
            connection.execute(f"ATTACH {_literal(draft)} AS draft (ROW_GROUP_SIZE {publish.ROW_GROUP})")
            tables = [_store(connection, item, progress) for item in loads]
            with publish.locked():
                previous = archive.current()
                known = previous.schema(schema.name)
                new = {table.name.lower() for table in tables}
                kept = [table for table in (known.tables if known else ()) if table.name.lower() not in new]
                _copy(connection, previous, known, kept)
                connection.execute("DETACH draft")
                merged = _merged(schema, known, [*kept, *tables])
                return publish.put_in_place(previous, merged, draft)


def unload(schema: str, table: str) -> Manifest:
    """Take one table out of the archive; a schema without tables goes with its last one.

    Raises
    ------
    NotFound
        If there is no such table.
    """
    folder = archive.folder()
    with tempfile.TemporaryDirectory(dir=folder, prefix=".publish-") as work:
        draft = Path(work) / "draft.duckdb"
        with duckdb.connect(config={"temp_directory": work}) as connection, publish.locked():
            previous = archive.current()
            known = previous.schema(schema)
            kept = [item for item in (known.tables if known else ()) if item.name.lower() != table.lower()]
            if known is None or len(kept) == len(known.tables):
                raise NotFound(f"There is no table {schema}.{table}.", hint="`vogate tables` lists them.")
            if kept:
                connection.execute(f"ATTACH {_literal(draft)} AS draft (ROW_GROUP_SIZE {publish.ROW_GROUP})")
                _copy(connection, previous, known, kept)
                connection.execute("DETACH draft")
                return publish.put_in_place(previous, replace(known, tables=tuple(kept)), draft)
    return publish.unpublish_schema(schema)


def _literal(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"


def _merged(schema: Schema, known: Schema | None, tables: Sequence[Table]) -> Schema:
    if known is None:
        return replace(schema, tables=tuple(tables))
    tables = [replace(table, schema=known.name) for table in tables]
    return replace(known, tables=tuple(tables), description=schema.description or known.description)


def _copy(
    connection: duckdb.DuckDBPyConnection, previous: Manifest, known: Schema | None, kept: Sequence[Table]
) -> None:
    """Tables that stay, as they are, index columns and order included."""
    if known is None or not kept:
        return
    connection.execute(f"ATTACH {_literal(previous.files[known.name])} AS former (READ_ONLY)")
    for table in kept:
        name = _quote(table.name)
        connection.execute(f"CREATE TABLE draft.{name} AS SELECT * FROM former.{name}")
    connection.execute("DETACH former")


def _store(connection: duckdb.DuckDBPyConnection, item: Load, progress: Progress | None) -> Table:
    """Write one table; its metadata with what only the rows tell."""
    table = item.table
    batches = _prepared(item, progress)
    first = next(batches, None)
    if first is None:
        raise UsageError(f"{table.qualified_name} has no rows.")

    def again() -> Iterator[pa.RecordBatch]:
        yield first
        yield from batches

    reader = pa.RecordBatchReader.from_batches(first.schema, again())
    name = _quote(table.name)
    order = f" ORDER BY {HEALPIX_COLUMN}" if table.position else ""
    connection.register("incoming", reader)
    failures: list[Exception] = []
    try:
        connection.execute(f"CREATE TABLE draft.{name} AS SELECT * FROM incoming{order}")
    except duckdb.Error as error:
        failures.append(error)
    finally:
        connection.unregister("incoming")
    if failures:
        raise UsageError(f"{table.qualified_name}: {_reason(failures[0])}") from failures[0]
    return _completed(connection, table)


def _reason(error: Exception) -> str:
    """What a reader of rows complained about, without the engine's wrapping."""
    text = " ".join(str(error).split())
    for mark in ("UsageError: ", "ValueError: ", "ArrowInvalid: "):
        text = text.split(mark, 1)[-1]
    return text.split(" Detail:", 1)[0].split(" At:", 1)[0][:400]


def _completed(connection: duckdb.DuckDBPyConnection, table: Table) -> Table:
    """Number of rows, and text columns with characters beyond ASCII as unicodeChar."""
    texts = [column.name for column in table.columns if column.datatype == "char"]
    wide = ", ".join(f"bool_or(strlen({_quote(name)}) <> length({_quote(name)}))" for name in texts)
    row = connection.execute(
        f"SELECT count(*){', ' + wide if wide else ''} FROM draft.{_quote(table.name)}"
    ).fetchall()[0]
    unicode = {name for name, found in zip(texts, row[1:], strict=True) if found}
    columns = tuple(
        replace(column, datatype="unicodeChar") if column.name in unicode else column
        for column in table.columns
    )
    return replace(table, columns=columns, nrows=int(row[0]))


def _prepared(item: Load, progress: Progress | None) -> Iterator[pa.RecordBatch]:
    """All rows in the types of the metadata, with the hidden index columns."""
    table, count = item.table, 0
    names = [column.name for column in table.columns]
    for source in item.sources:
        for batch in source.batches():
            arrays = []
            for number, column in zip(item.described.picked, table.columns, strict=True):
                arrays.append(_fitting(batch.column(number), column, count))
            rows = pa.Table.from_arrays(arrays, names=names)
            try:
                rows = spatial.add_columns(rows, table)
            except ValueError as error:
                raise UsageError(
                    f"{error} (after row {count}).",
                    hint="Say `position: none` in the YAML to publish it as it is.",
                ) from None
            count += batch.num_rows
            yield from rows.combine_chunks().to_batches()
            if progress is not None:
                progress(table.name, count)


def _fitting(array: pa.Array, column: Column, first: int) -> pa.Array:
    """An array in the type of its column; NaN is how FITS and others write that a number is missing."""
    target = arrow_type(column)
    try:
        if pa.types.is_null(array.type):
            return pa.nulls(len(array), target)
        array = conform_array(array, column).cast(target)
        if pa.types.is_floating(target) and pc.any(pc.is_nan(array)).as_py():
            array = pc.if_else(pc.is_nan(array), pa.scalar(None, target), array)
        return array
    except pa.ArrowException as error:
        raise UsageError(
            f"column {column.name}, after row {first}: {' '.join(str(error).split())[:200]}",
            hint="Give its datatype in the YAML beside the file.",
        ) from None
