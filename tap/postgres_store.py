"""The archive in PostgreSQL: a schema `s_<name>` for each published one, with tables that are replaced, never changed.

A table is written and indexed in a schema for drafts; then it moves to its place and the manifest names it, in one
transaction.  Its name has a number of its own, so queries that run, or were compiled for the manifest before, go on with
the table that they know: those of the previous version stay until the next publication.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import psycopg2
import psycopg2.errors
import pyarrow as pa
from adbc_driver_manager import Error as DriverError
from adbc_driver_postgresql import dbapi

from gateway.vo.columns import Schema, Table
from gateway.vo.errors import UsageError
from tap import archive, postgres_manifest, postgres_setup
from tap.adql.duckdb import Emitter
from tap.adql.postgres import PostgresEmitter
from tap.adql.scope import HEALPIX_COLUMN, REGION_COLUMNS
from tap.archive import Manifest
from tap.engines.postgres_worker import primary
from tap.postgres_setup import DRAFTING, DRAFTS, PUBLISHING
from tap.postgres_types import columns_of, quote, stored

log = logging.getLogger("vogate.publish")

SORT_MEMORY = "256MB"
SMALL = 10_000
"""Rows of a table that is read whole anyway."""


@dataclass(frozen=True)
class Drafted:
    """Finished tables of one schema: those written by their name among the drafts, those kept by theirs."""

    new: Mapping[str, str] = field(default_factory=dict)
    kept: Mapping[str, str] = field(default_factory=dict)


class PostgresStore:
    """See `tap.stores.Store`."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._driver: Any = None

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        with postgres_setup.connected(self.url) as connection:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_lock(%s)", (PUBLISHING,))
            postgres_setup.prepare(connection)
            postgres_manifest.refresh(now=True)
            yield  # the lock goes with the connection

    def replace(
        self,
        previous: Manifest,
        schemas: tuple[Schema, ...],
        data: Mapping[str, Mapping[str, pa.Table]],
        drafts: Mapping[str, Any],
    ) -> Manifest:
        known = {table.qualified_name: table for schema in schemas for table in schema.tables}
        with postgres_setup.connected(self.url) as connection, self.writing():
            finished: dict[str, Drafted] = dict(drafts)
            for schema, tables in data.items():
                names = {
                    name: self.write(connection, known[f"{schema}.{name}"], rows)
                    for name, rows in tables.items()
                }
                finished[schema] = Drafted(names)
            relations = {
                name: relation
                for name, relation in previous.relations.items()
                if name in known and name.partition(".")[0] not in finished
            }
            for schema, draft in finished.items():
                relations |= {
                    f"{schema}.{name}": item for name, item in (*draft.kept.items(), *draft.new.items())
                }
            origin = postgres_manifest.read(connection).origin
            manifest = Manifest(previous.version + 1, schemas, {}, relations, origin)
            _commit(connection, manifest, finished)
            archive.write(manifest)
            _remove_unused(connection, manifest, previous)
        return manifest

    @contextlib.contextmanager
    def draft(self, memory: str) -> Iterator[PostgresDraft]:
        with self.locked():
            pass  # makes the schema for drafts
        with postgres_setup.connected(self.url) as connection:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_lock_shared(%s)", (DRAFTING,))
            yield PostgresDraft(self, connection)

    def emitter(self, manifest: Manifest) -> Callable[[], Emitter]:
        return lambda: PostgresEmitter(manifest.relations)

    def relation(self, manifest: Manifest, schema: str, table: str) -> str:
        return f"{quote(place(schema))}.{quote(manifest.relations[f'{schema}.{table}'])}"

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Keep one connection for the rows of several tables."""
        with dbapi.connect(self.url, autocommit=True) as self._driver:
            yield
        self._driver = None

    def write(self, connection: Any, table: Table, rows: pa.Table) -> str:
        """A complete, indexed table among the drafts; its name."""
        name = _new_name(connection, table)
        with connection.cursor() as cursor:
            _create(cursor, table, name, rows.schema)
        self.copy(table, name, rows.schema, iter(rows.combine_chunks().to_batches()))
        finish(connection, table, name)
        return name

    def _writer(self) -> contextlib.AbstractContextManager[Any]:
        if self._driver is not None:
            return contextlib.nullcontext(self._driver)
        return dbapi.connect(self.url, autocommit=True)

    def copy(self, table: Table, name: str, schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> None:
        """Write rows into a draft.

        Raises
        ------
        UsageError
            If the reader of the rows finds fault with them, or the database does.
        """
        faults: list[UsageError] = []

        def fitting() -> Iterator[pa.RecordBatch]:
            try:
                for batch in batches:
                    yield stored(batch)
            except UsageError as error:
                faults.append(error)
                raise

        first = stored(_empty(schema))
        reader = pa.RecordBatchReader.from_batches(first.schema, fitting())
        try:
            with self._writer() as driver, driver.cursor() as cursor:
                cursor.adbc_ingest(name, reader, mode="append", db_schema_name=DRAFTS)
        except (DriverError, pa.ArrowException, UsageError, OSError) as error:
            if faults:
                raise UsageError(
                    f"{table.qualified_name}: {faults[0].message}", hint=faults[0].hint
                ) from error
            raise UsageError(f"{table.qualified_name}: {primary(error)}") from error


def _empty(schema: pa.Schema) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([pa.array([], item.type) for item in schema], names=schema.names)


class PostgresDraft:
    """See `tap.stores.Draft`."""

    def __init__(self, store: PostgresStore, connection: Any) -> None:
        self.store, self.connection = store, connection
        self.new: dict[str, str] = {}
        self.kept: dict[str, str] = {}

    def add(self, table: Table, schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> Table:
        name = _new_name(self.connection, table)
        with self.connection.cursor() as cursor:
            if table.position is None:
                _create(cursor, table, name, schema)
                self.store.copy(table, name, schema, batches)
            else:
                unsorted = f"{name[:50]}_unsorted"
                _create(cursor, table, unsorted, schema, "UNLOGGED ")
                try:
                    self.store.copy(table, unsorted, schema, batches)
                    cursor.execute(
                        f"SET maintenance_work_mem = '{SORT_MEMORY}'; SET work_mem = '{SORT_MEMORY}'"
                    )
                    cursor.execute(
                        f"CREATE TABLE {quote(DRAFTS)}.{quote(name)} AS SELECT * FROM {quote(DRAFTS)}.{quote(unsorted)} "
                        f"ORDER BY {quote(HEALPIX_COLUMN)}"
                    )
                finally:
                    cursor.execute(f"DROP TABLE {quote(DRAFTS)}.{quote(unsorted)}")
        table = self._completed(table, name)
        finish(self.connection, table, name)
        self.new[table.name] = name
        return table

    def _completed(self, table: Table, name: str) -> Table:
        """Number of rows, and text columns with characters beyond ASCII as unicodeChar."""
        texts = [column.name for column in table.columns if column.datatype == "char"]
        wide = ", ".join(f"bool_or(octet_length({quote(text)}) <> length({quote(text)}))" for text in texts)
        with self.connection.cursor() as cursor:
            cursor.execute(f"SELECT count(*){', ' + wide if wide else ''} FROM {quote(DRAFTS)}.{quote(name)}")
            row = cursor.fetchone()
        unicode = {text for text, found in zip(texts, row[1:], strict=True) if found}
        columns = tuple(
            replace(column, datatype="unicodeChar") if column.name in unicode else column
            for column in table.columns
        )
        return replace(table, columns=columns, nrows=int(row[0]))

    def keep(self, previous: Manifest, schema: Schema, tables: Sequence[Table]) -> None:
        for table in tables:
            self.kept[table.name] = previous.relations[f"{schema.name}.{table.name}"]

    def finish(self) -> Drafted:
        return Drafted(self.new, self.kept)


def place(schema: str) -> str:
    """The database's schema that holds the tables of a published one."""
    return f"s_{schema.lower()}"


def _new_name(connection: Any, table: Table) -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT nextval('vogate.relation')")
        number = cursor.fetchone()[0]
    return f"{table.name.encode()[:40].decode(errors='ignore')}_{number}"


def _create(cursor: Any, table: Table, name: str, schema: pa.Schema, kind: str = "") -> None:
    try:
        columns = columns_of(schema)
    except ValueError as error:
        raise UsageError(f"{table.qualified_name}: {error}.") from None
    cursor.execute(f"CREATE {kind}TABLE {quote(DRAFTS)}.{quote(name)} ({columns})")


def finish(connection: Any, table: Table, name: str) -> None:
    """Indexes and statistics of a filled draft."""
    where = f"{quote(DRAFTS)}.{quote(name)}"
    with connection.cursor() as cursor:
        cursor.execute(f"SET maintenance_work_mem = '{SORT_MEMORY}'")
        if table.position is not None:
            cursor.execute(f"CREATE INDEX ON {where} ({quote(HEALPIX_COLUMN)})")
        if table.region is not None:
            cap = ", ".join(quote(column) for column in REGION_COLUMNS[1:])
            cursor.execute(f"CREATE INDEX ON {where} USING gist (vogate.vg_cap_box({cap}))")
        for column in sorted(_to_index(table)):
            # Values that are too long for an index entry: the column goes without.
            with contextlib.suppress(psycopg2.errors.ProgramLimitExceeded):
                cursor.execute(f"CREATE INDEX ON {where} ({quote(column)})")
        # The visibility map matters to index-only scans of large tables.
        cursor.execute(f"{'VACUUM (ANALYZE)' if (table.nrows or 0) > SMALL else 'ANALYZE'} {where}")


def _to_index(table: Table) -> set[str]:
    """Columns that queries look things up by: what the metadata call indexed, main identifiers, foreign keys."""
    names = {name for key in table.keys for name in key.from_columns}
    for column in table.columns:
        if column.indexed or column.ucd.replace(" ", "").lower() == "meta.id;meta.main":
            names.add(column.name)
    scalar = {
        column.name
        for column in table.columns
        if column.name != table.region
        and (column.datatype in ("char", "unicodeChar") or column.arraysize in ("", "1"))
    }
    return names & scalar


def _commit(connection: Any, manifest: Manifest, finished: Mapping[str, Drafted]) -> None:
    """Put the drafts in their places and name them in the manifest, in one transaction."""
    connection.autocommit = False
    try:
        with connection.cursor() as cursor:
            for schema, draft in finished.items():
                where = place(schema)
                cursor.execute(f"CREATE SCHEMA IF NOT EXISTS {quote(where)}")
                for relation in draft.new.values():
                    cursor.execute(f"ALTER TABLE {quote(DRAFTS)}.{quote(relation)} SET SCHEMA {quote(where)}")
                postgres_setup.grant(cursor, where, list(draft.new.values()))
            postgres_manifest.store(cursor, manifest)
        connection.commit()
    except BaseException:
        connection.rollback()
        raise
    finally:
        connection.autocommit = True


def _remove_unused(connection: Any, manifest: Manifest, previous: Manifest) -> None:
    """Drop tables that neither this version nor the one before names; one that is still read waits for its turn."""
    used = {
        (place(name.partition(".")[0]), relation)
        for item in (manifest, previous)
        for name, relation in item.relations.items()
    }
    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = '1s'")
        cursor.execute(
            "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
            "WHERE c.relkind = 'r' AND n.nspname LIKE 's\\_%' AND pg_has_role(c.relowner, 'MEMBER')"
        )
        unused = [row for row in cursor.fetchall() if row not in used]
        cursor.execute("SELECT pg_try_advisory_lock(%s)", (DRAFTING,))
        if cursor.fetchone()[0]:  # nobody is writing drafts: what is there was left behind
            cursor.execute(
                "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
                "WHERE c.relkind = 'r' AND n.nspname = %s",
                (DRAFTS,),
            )
            unused += cursor.fetchall()
        for schema, relation in unused:
            try:
                cursor.execute(f"DROP TABLE IF EXISTS {quote(schema)}.{quote(relation)}")
                log.info("removed %s.%s, which nobody uses", schema, relation)
            except psycopg2.errors.LockNotAvailable:
                log.info("%s.%s is still being read; the next publication removes it", schema, relation)
        cursor.execute("SELECT pg_advisory_unlock_all()")
