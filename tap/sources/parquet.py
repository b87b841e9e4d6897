"""Parquet, with the metadata of VOParquet or of the fields where they are."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from gateway.vo.columns import Column
from tap.arrowtypes import column_of
from tap.sources.base import ROWS, Source, numbered

VOPARQUET = b"IVOA.VOTable-Parquet.content"
LARGEST = 1 << 30
"""Bytes beyond which nobody counts."""
_KEYS = ("unit", "ucd", "utype", "xtype", "description")


def _opened(given: Path | bytes) -> pq.ParquetFile:
    return pq.ParquetFile(io.BytesIO(given) if isinstance(given, bytes) else given)


def open_source(given: Path | bytes) -> Source:
    """A Parquet file, or one's content; nested columns other than lists of numbers become text."""
    file = _opened(given)
    schema = file.schema_arrow
    described, description = _voparquet(schema.metadata or {})
    columns = tuple(_column(field, described.get(field.name)) for field in schema)

    def batches() -> Iterator[pa.RecordBatch]:
        for batch in _opened(given).iter_batches(batch_size=ROWS):
            yield numbered([_plain(array) for array in batch.columns])

    return Source(columns, batches, description=description, rows=file.metadata.num_rows)


def unpacked_size(content: bytes) -> int:
    """About how many bytes the values of a Parquet file take in memory; its own size says nothing of that.

    Strings are read as indices into the dictionaries that the file keeps of them, lists are counted by their elements.
    """
    file = pq.ParquetFile(io.BytesIO(content))
    metadata = file.metadata
    values = [
        metadata.row_group(group).column(number).num_values
        for group in range(metadata.num_row_groups)
        for number in range(metadata.num_columns)
    ]
    total = 8 * sum(max(count, 0) for count in values)
    texts = [
        field.name
        for field in file.schema_arrow
        if pa.types.is_dictionary(field.type)
        or pa.types.is_string(field.type)
        or pa.types.is_binary(field.type)
    ]
    if not texts or total > LARGEST:
        return total
    packed = pq.ParquetFile(io.BytesIO(content), read_dictionary=texts)
    for batch in packed.iter_batches(batch_size=ROWS, columns=texts):
        for array in batch.columns:
            lengths = pc.binary_length(array.dictionary).take(array.indices)
            total += pc.sum(lengths.cast(pa.int64())).as_py() or 0
        if total > LARGEST:
            break
    return total


def _plain(array: pa.Array) -> pa.Array:
    kind = array.type
    if pa.types.is_dictionary(kind):
        return array.dictionary_decode()
    if pa.types.is_fixed_size_list(kind):
        return array.cast(pa.list_(kind.value_type))
    if pa.types.is_large_string(kind) or pa.types.is_binary(kind) or pa.types.is_string_view(kind):
        return array.cast(pa.string())
    if pa.types.is_struct(kind) or pa.types.is_map(kind):
        return pa.array([None if value is None else str(value) for value in array.to_pylist()], pa.string())
    return array


def _column(field: pa.Field, described: Column | None) -> Column:
    kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
    column = column_of(field.name, kind)
    if described is not None:
        return replace(column, **{key: getattr(described, key) or getattr(column, key) for key in _KEYS})
    raw = {
        key.decode("utf-8", "replace").lower(): value.decode("utf-8", "replace")
        for key, value in (field.metadata or {}).items()
    }
    return replace(column, **{key: raw[key] for key in _KEYS if raw.get(key)})


def _voparquet(metadata: Mapping[bytes, bytes]) -> tuple[dict[str, Column], str]:
    """Columns by name and the table's description, from the VOTable that VOParquet keeps in the footer."""
    content = metadata.get(VOPARQUET)
    if not content:
        return {}, ""
    from astropy.io.votable import parse

    from tap.sources.votable import safe, votable_column

    safe(content)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        table = next(parse(io.BytesIO(content), verify="ignore").iter_tables(), None)
    if table is None:
        return {}, ""
    return {f.name: votable_column(f) for f in table.fields}, (table.description or "").strip()
