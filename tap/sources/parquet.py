"""Parquet, with the metadata of VOParquet or of the fields where they are."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import yaml

from gateway.vo.columns import Column
from tap.arrowtypes import column_of
from tap.sources import astropy_yaml
from tap.sources.base import ROWS, Source, numbered

VOPARQUET = b"IVOA.VOTable-Parquet.content"
ASTROPY = b"table_meta_yaml"
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
    noted = _astropy(schema.metadata or {})
    masks = {
        data: mask
        for data, mask in astropy_yaml.masks(noted).items()
        if {data, mask} <= set(schema.names) and pa.types.is_boolean(schema.field(mask).type)
    }
    texts = {str(item.get("name")): astropy_yaml.texts(item) for item in noted.get("datatype", ())}
    names = [name for name in schema.names if name not in masks.values()]
    columns = tuple(_column(schema.field(name), described.get(name), texts.get(name, {})) for name in names)

    def batches() -> Iterator[pa.RecordBatch]:
        for batch in _opened(given).iter_batches(batch_size=ROWS):
            yield numbered([_plain(_masked(batch, name, masks.get(name))) for name in names])

    return Source(
        columns,
        batches,
        description=description or astropy_yaml.description(noted),
        rows=file.metadata.num_rows,
    )


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


def _masked(batch: pa.RecordBatch, name: str, mask: str | None) -> pa.Array:
    """A column of the batch, NULL where its mask is true."""
    array = batch.column(name)
    if mask is None:
        return array
    return pc.if_else(pc.fill_null(batch.column(mask), False), pa.nulls(len(array), array.type), array)


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


def _column(field: pa.Field, described: Column | None, noted: Mapping[str, str]) -> Column:
    """`described` is what VOParquet says, `noted` what astropy does; the field's own metadata come before that."""
    kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
    column = column_of(field.name, kind)
    if described is not None:
        return replace(column, **{key: getattr(described, key) or getattr(column, key) for key in _KEYS})
    raw = {
        key.decode("utf-8", "replace").lower(): value.decode("utf-8", "replace")
        for key, value in (field.metadata or {}).items()
    }
    return replace(column, **{**noted, **{key: raw[key] for key in _KEYS if raw.get(key)}})


def _astropy(metadata: Mapping[bytes, bytes]) -> dict[str, Any]:
    """What astropy has written of the columns into the footer; empty if it has not."""
    content = metadata.get(ASTROPY)
    try:
        return astropy_yaml.loaded(content.decode("utf-8")) if content else {}
    except (yaml.YAMLError, UnicodeDecodeError):
        return {}


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
