"""Putting tables into the archive, atomically, while queries run."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from gateway.vo.columns import Column, Schema, Table
from gateway.vo.errors import UsageError
from tap import archive, live, spatial, tapschema
from tap.archive import Manifest
from tap.arrowtypes import arrow_type, conform_array

log = logging.getLogger("vogate.publish")

ROW_GROUP = 16384
"""Rows of a DuckDB row group: small ones let positional ranges skip more (DESIGN 4)."""

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
    return meta, spatial.index_columns(plain, meta)


@contextlib.contextmanager
def locked() -> Iterator[None]:
    """Keep other publishers out."""
    folder = archive.folder()
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def put_in_place(previous: Manifest, schema: Schema, draft: Path) -> Manifest:
    """Make a complete file the one of `schema`; the caller holds the lock (`locked`)."""
    others = [item for item in previous.schemas if item.name.lower() != schema.name.lower()]
    return _replace(previous, [*others, schema], {}, {schema.name: draft})


def _replace(
    previous: Manifest,
    schemas: list[Schema],
    data: Mapping[str, Mapping[str, pa.Table]],
    drafts: Mapping[str, Path] | None = None,
) -> Manifest:
    """Write new files for the schemas in `data` and for TAP_SCHEMA, then the manifest.

    `drafts` are files that are written already, by schema.
    """
    version = previous.version + 1
    drafts = drafts or {}
    alive = {schema.name: schema for schema in live.schemas()}
    stored = [
        schema for schema in schemas if {schema.name} & (previous.files.keys() | data.keys() | drafts.keys())
    ]
    kept = [schema for schema in stored if schema.name != tapschema.NAME and schema.name not in alive]
    kept += alive.values()
    kept.sort(key=lambda item: (item.schema_index is None, item.schema_index or 0, item.name))
    described = tapschema.data([*kept, tapschema.SCHEMA])
    own = replace(
        tapschema.SCHEMA,
        tables=tuple(replace(table, nrows=len(described[table.name])) for table in tapschema.SCHEMA.tables),
    )
    files = {
        schema.name: previous.files[schema.name]
        for schema in kept
        if schema.name in previous.files and schema.name not in data
    }
    for name, tables in {**data, tapschema.NAME: described}.items():
        files[name] = _write_file(name, version, tables)
    for name, draft in drafts.items():
        files[name] = _path(name, version)
        os.replace(draft, files[name])
    manifest = Manifest(version, (*kept, own), files)
    _write_manifest(manifest)
    _remove_unused(manifest, previous)
    return manifest


def _path(schema: str, version: int) -> Path:
    stem = re.sub(r"[^A-Za-z0-9_]", "_", schema)
    return archive.folder() / f"{stem}-{version}.duckdb"


def _write_file(schema: str, version: int, tables: Mapping[str, pa.Table]) -> Path:
    """One DuckDB file, complete and closed before it gets its name."""
    path = _path(schema, version)
    with tempfile.TemporaryDirectory(dir=archive.folder(), prefix=".publish-") as work:
        draft = Path(work) / "draft.duckdb"
        connection = duckdb.connect()
        try:
            quoted_path = str(draft).replace("'", "''")
            connection.execute(f"ATTACH '{quoted_path}' AS draft (ROW_GROUP_SIZE {ROW_GROUP})")
            for name, rows in tables.items():
                quoted_name = name.replace('"', '""')
                connection.register("incoming", rows)
                connection.execute(f'CREATE TABLE draft."{quoted_name}" AS SELECT * FROM incoming')
                connection.unregister("incoming")
            connection.execute("DETACH draft")
        finally:
            connection.close()
        os.replace(draft, path)
    return path


def _write_manifest(manifest: Manifest) -> None:
    target = archive.manifest_path()
    draft = target.with_suffix(".draft")
    with open(draft, "w", encoding="utf-8") as file:
        file.write(archive.serialise(manifest))
        file.flush()
        os.fsync(file.fileno())
    os.replace(draft, target)


def _remove_unused(manifest: Manifest, previous: Manifest) -> None:
    """Remove files that neither this version nor the one before names.

    A worker that has an older file open keeps reading it; one that starts just now may still ask for a
    file of the version before.
    """
    used = {path.name for path in (*manifest.files.values(), *previous.files.values())}
    for path in archive.folder().glob("*.duckdb"):
        if path.name not in used:
            path.unlink(missing_ok=True)
            log.info("removed %s, which nobody uses", path.name)
