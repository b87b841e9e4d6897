"""Putting tables into the archive, atomically, while queries run."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from gateway.vo.columns import Column, Schema, Table
from gateway.vo.errors import UsageError
from tap import archive, live, spatial, stores, tapschema
from tap.archive import Manifest
from tap.arrowtypes import arrow_type, conform_array

__all__ = ["ensure_archive", "publish_schema", "put_in_place", "unpublish_schema"]


def publish_schema(schema: Schema, data: Mapping[str, pa.Table]) -> Manifest:
    """Replace everything that is published under `schema.name`.

    Running queries go on with what they began with; queries that start afterwards see the new tables.
    Publishers exclude each other by a lock on the archive's folder.

    Parameters
    ----------
    schema
        Metadata; `nrows` is filled in, and text columns with characters beyond ASCII become unicodeChar.
    data
        Unqualified table name -> rows, with at least the columns of the metadata (others are dropped).

    Returns
    -------
    Manifest
        The archive from now on.

    Raises
    ------
    UsageError
        If names clash, a table or column has no data, or values do not fit their declared type.
    """
    check_names(schema)
    prepared = {}
    tables = []
    for table in schema.tables:
        if table.name not in data:
            raise UsageError(f"There are no rows for table {table.qualified_name}.")
        meta, rows = _prepare(table, data[table.name])
        tables.append(meta)
        prepared[meta.name] = rows
    with locked():
        previous = archive.current()
        others = [item for item in previous.schemas if item.name.lower() != schema.name.lower()]
        return _replace(previous, [*others, replace(schema, tables=tuple(tables))], {schema.name: prepared})


def unpublish_schema(name: str) -> Manifest:
    """Take a schema out of the archive; no error if it is not there."""
    with locked():
        previous = archive.current()
        return _replace(
            previous, [item for item in previous.schemas if item.name.lower() != name.lower()], {}
        )


def ensure_archive() -> Manifest:
    """The current manifest; an archive that holds nothing yet gets its TAP_SCHEMA."""
    manifest = archive.current()
    if archive.complete(manifest):
        return manifest
    with locked():
        manifest = archive.current()
        return manifest if archive.complete(manifest) else _replace(manifest, list(manifest.schemas), {})


def check_names(schema: Schema) -> None:
    """Refuse names that clash with each other or with the service's own."""
    reserved = {item.name for item in live.schemas()} | {tapschema.NAME, "tap_upload"}
    if schema.name.lower() in reserved:
        raise UsageError(f"{schema.name} is a schema of the service itself; choose another name.")

    def distinct(names: list[str], what: str) -> None:
        seen: dict[str, str] = {}
        for name in names:
            if name.lower() in seen:
                raise UsageError(f"{what} {seen[name.lower()]} and {name} differ only in case; rename one.")
            seen[name.lower()] = name

    distinct([table.name for table in schema.tables], f"In schema {schema.name}, the tables")
    for table in schema.tables:
        distinct([column.name for column in table.columns], f"In {table.qualified_name}, the columns")
        if hidden := [column.name for column in table.columns if column.name.startswith("_")]:
            raise UsageError(
                f"Column {hidden[0]} of {table.qualified_name} begins with _: those are hidden ones."
            )


def _prepare(table: Table, rows: pa.Table) -> tuple[Table, pa.Table]:
    """Metadata and rows that fit each other, with the hidden index columns."""
    columns: list[Column] = []
    arrays: list[pa.ChunkedArray] = []
    for column in table.columns:
        if column.name not in rows.column_names:
            raise UsageError(f"Column {column.name} of {table.qualified_name} has no data.")
        try:
            chunks = [conform_array(chunk, column) for chunk in rows.column(column.name).chunks]
        except pa.ArrowException as error:
            raise UsageError(f"Column {column.name} of {table.qualified_name}: {error}") from None
        array = pa.chunked_array(chunks, arrow_type(column))
        if column.datatype == "char" and pc.all(pc.string_is_ascii(array)).as_py() is False:
            column = replace(column, datatype="unicodeChar")
        columns.append(column)
        arrays.append(array)
    meta = replace(table, columns=tuple(columns), nrows=len(rows))
    plain = pa.Table.from_arrays(arrays, names=[column.name for column in columns])
    indexed = spatial.index_columns(plain, meta)
    if meta.region is not None:
        least = pc.min(indexed.column(spatial.LEAST)).as_py()
        meta = replace(meta, region_reach=spatial.reach(least))
    return meta, indexed


@contextlib.contextmanager
def locked() -> Iterator[None]:
    """Keep other publishers out."""
    with stores.current().locked():
        yield


def put_in_place(previous: Manifest, schema: Schema, draft: Any) -> Manifest:
    """Make a finished draft (`stores.Draft.finish`) the tables of `schema`; the caller holds the lock (`locked`)."""
    others = [item for item in previous.schemas if item.name.lower() != schema.name.lower()]
    return _replace(previous, [*others, schema], {}, {schema.name: draft})


def _replace(
    previous: Manifest,
    schemas: list[Schema],
    data: Mapping[str, Mapping[str, pa.Table]],
    drafts: Mapping[str, Any] | None = None,
) -> Manifest:
    """Write what the schemas in `data` hold, and TAP_SCHEMA, then the manifest.

    `drafts` are written already, by schema.
    """
    drafts = drafts or {}
    alive = {schema.name: schema for schema in live.schemas()}
    known = previous.stored | data.keys() | drafts.keys()
    stored = [schema for schema in schemas if schema.name in known]
    kept = [schema for schema in stored if schema.name != tapschema.NAME and schema.name not in alive]
    kept += alive.values()
    kept.sort(key=lambda item: (item.schema_index is None, item.schema_index or 0, item.name))
    described = tapschema.data([*kept, tapschema.SCHEMA])
    own = replace(
        tapschema.SCHEMA,
        tables=tuple(replace(table, nrows=len(described[table.name])) for table in tapschema.SCHEMA.tables),
    )
    return stores.current().replace(previous, (*kept, own), {**data, tapschema.NAME: described}, drafts)
