"""Parquet, with the metadata of VOParquet or of the fields where they are."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from gateway.vo.columns import Column
from tap.arrowtypes import column_of
from tap.sources.base import ROWS, Source, numbered

VOPARQUET = b"IVOA.VOTable-Parquet.content"
_KEYS = ("unit", "ucd", "utype", "xtype", "description")


def open_source(path: Path) -> Source:
    """A Parquet file; nested columns other than lists of numbers become text."""
    file = pq.ParquetFile(path)
    schema = file.schema_arrow
    described, description = _voparquet(schema.metadata or {})
    columns = tuple(_column(field, described.get(field.name)) for field in schema)

    def batches() -> Iterator[pa.RecordBatch]:
        for batch in pq.ParquetFile(path).iter_batches(batch_size=ROWS):
            yield numbered([_plain(array) for array in batch.columns])

    return Source(columns, batches, description=description, rows=file.metadata.num_rows)


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
