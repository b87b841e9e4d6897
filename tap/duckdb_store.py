"""The archive in DuckDB: one file per schema and version, never rewritten."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import logging
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from gateway.vo.columns import Schema, Table
from gateway.vo.errors import NotAvailable, UsageError
from tap import archive, spatial
from tap.adql.duckdb import Emitter, source_name
from tap.adql.scope import HEALPIX_COLUMN
from tap.archive import Manifest

log = logging.getLogger("vogate.publish")

ROW_GROUP = 16384
"""Rows of a DuckDB row group: small ones let positional ranges skip more (DESIGN 4)."""
WORK, WORK_LOCK = ".publish-", ".lock"
LEFT_SECONDS = 86400.0
"""A folder without a lock that is older than this is nobody's."""


def _quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"


@contextlib.contextmanager
def _written() -> Iterator[None]:
    """What keeps the archive from being written, a full disk above all, in one sentence."""
    try:
        yield
    except duckdb.IOException as error:
        raise NotAvailable(f"The archive cannot be written: {_reason(error)}") from error
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES):
            raise
        raise NotAvailable(f"The archive cannot be written: {error.strerror}.") from error


@contextlib.contextmanager
def _work_folder() -> Iterator[str]:
    """A folder beside the archive for what is being written; it is locked, so that others know that it is in use."""
    folder = archive.folder()
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.glob(f"{WORK}*"):
        if _is_left(path):
            shutil.rmtree(path, ignore_errors=True)
            log.info("removed %s, which an interrupted publication has left", path.name)
    with (
        tempfile.TemporaryDirectory(dir=folder, prefix=WORK) as work,
        open(Path(work) / WORK_LOCK, "w") as lock,
    ):
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield work


def _is_left(work: Path) -> bool:
    """Whether nobody works in a folder any more."""
    try:
        with open(work / WORK_LOCK) as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
    except BlockingIOError:
        return False
    except FileNotFoundError:  # just made, or by a gateway of before
        with contextlib.suppress(FileNotFoundError):
            return time.time() - work.stat().st_mtime > LEFT_SECONDS
        return False


class DuckDBStore:
    """See `tap.stores.Store`."""

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        folder = archive.folder()
        folder.mkdir(parents=True, exist_ok=True)
        with open(folder / ".lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    @_written()
    def replace(
        self,
        previous: Manifest,
        schemas: tuple[Schema, ...],
        data: Mapping[str, Mapping[str, pa.Table]],
        drafts: Mapping[str, Any],
    ) -> Manifest:
        version = previous.version + 1
        names = {schema.name for schema in schemas}
        files = {name: path for name, path in previous.files.items() if name in names - data.keys()}
        for name, tables in data.items():
            files[name] = _write_file(name, version, tables)
        for name, draft in drafts.items():
            files[name] = _path(name, version)
            os.replace(draft, files[name])
        manifest = Manifest(version, schemas, files)
        archive.write(manifest)
        _remove_unused(manifest, previous)
        return manifest

    @contextlib.contextmanager
    def draft(self, memory: str) -> Iterator[DuckDBDraft]:
        with (
            _written(),
            _work_folder() as work,
            duckdb.connect(config={"memory_limit": memory, "temp_directory": work}) as connection,
        ):
            yield DuckDBDraft(connection, Path(work) / "draft.duckdb")

    def emitter(self, manifest: Manifest) -> Callable[[], Emitter]:
        return Emitter

    def relation(self, manifest: Manifest, schema: str, table: str) -> str:
        return source_name(schema, table)


class DuckDBDraft:
    """A file beside the archive; see `tap.stores.Draft`."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, path: Path) -> None:
        self.connection, self.path = connection, path
        with _written():
            connection.execute(f"ATTACH {_literal(path)} AS draft (ROW_GROUP_SIZE {ROW_GROUP})")

    def add(self, table: Table, schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> Table:
        name = _quote(table.name)
        order = f" ORDER BY {HEALPIX_COLUMN}" if table.position else ""
        self.connection.register("incoming", pa.RecordBatchReader.from_batches(schema, batches))
        failures: list[Exception] = []
        try:
            self.connection.execute(f"CREATE TABLE draft.{name} AS SELECT * FROM incoming{order}")
        except duckdb.Error as error:
            failures.append(error)
        finally:
            self.connection.unregister("incoming")
        if failures:
            raise UsageError(f"{table.qualified_name}: {_reason(failures[0])}") from failures[0]
        return self._completed(table)

    def _completed(self, table: Table) -> Table:
        """Number of rows, and text columns with characters beyond ASCII as unicodeChar."""
        texts = [column.name for column in table.columns if column.datatype == "char"]
        wide = ", ".join(f"bool_or(strlen({_quote(name)}) <> length({_quote(name)}))" for name in texts)
        row = self.connection.execute(
            f"SELECT count(*){', ' + wide if wide else ''} FROM draft.{_quote(table.name)}"
        ).fetchall()[0]
        unicode = {name for name, found in zip(texts, row[1:], strict=True) if found}
        columns = tuple(
            replace(column, datatype="unicodeChar") if column.name in unicode else column
            for column in table.columns
        )
        table = replace(table, columns=columns, nrows=int(row[0]))
        if table.region is None:
            return table
        text = f"SELECT min({_quote(spatial.LEAST)}) FROM draft.{_quote(table.name)}"
        return replace(table, region_reach=spatial.reach(self.connection.execute(text).fetchall()[0][0]))

    def keep(self, previous: Manifest, schema: Schema, tables: Sequence[Table]) -> None:
        """Copies: as they are, index columns and order included."""
        if not tables:
            return
        self.connection.execute(f"ATTACH {_literal(previous.files[schema.name])} AS former (READ_ONLY)")
        for table in tables:
            name = _quote(table.name)
            self.connection.execute(f"CREATE TABLE draft.{name} AS SELECT * FROM former.{name}")
        self.connection.execute("DETACH former")

    def finish(self) -> Path:
        self.connection.execute("DETACH draft")
        return self.path


def _reason(error: Exception) -> str:
    """What a reader of rows complained about, without the engine's wrapping."""
    text = " ".join(str(error).split())
    for mark in ("UsageError: ", "ValueError: ", "ArrowInvalid: "):
        text = text.split(mark, 1)[-1]
    return text.split(" Detail:", 1)[0].split(" At:", 1)[0][:400]


def _path(schema: str, version: int) -> Path:
    stem = re.sub(r"[^A-Za-z0-9_]", "_", schema)
    return archive.folder() / f"{stem}-{version}.duckdb"


def _write_file(schema: str, version: int, tables: Mapping[str, pa.Table]) -> Path:
    """One DuckDB file, complete and closed before it gets its name."""
    path = _path(schema, version)
    with _work_folder() as work:
        draft = Path(work) / "draft.duckdb"
        connection = duckdb.connect()
        try:
            connection.execute(f"ATTACH {_literal(draft)} AS draft (ROW_GROUP_SIZE {ROW_GROUP})")
            for name, rows in tables.items():
                connection.register("incoming", rows)
                connection.execute(f"CREATE TABLE draft.{_quote(name)} AS SELECT * FROM incoming")
                connection.unregister("incoming")
            connection.execute("DETACH draft")
        finally:
            connection.close()
        os.replace(draft, path)
    return path


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
