"""The tests' archive in PostgreSQL, as the publisher writes it and the query worker reads it."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
from adbc_driver_manager import Error
from adbc_driver_postgresql import dbapi

from tap import postgres_setup
from tap.adql import CompiledQuery
from tap.adql.crossmatch_postgres import add_cells
from tap.adql.postgres import PostgresEmitter
from tap.engines.postgres_worker import SETTINGS
from tap.postgres_store import PostgresStore
from tap.postgres_types import columns_of, quote
from tests.tap.adql.archive import EXTRA, FIELDS, STARS, Archive, indexed

MINE = pa.table({"ra": [40.0, 0.0], "dec": [20.0, 90.0], "label": ["here", "pole"]})


class _Rows:
    def __init__(self, table: pa.Table) -> None:
        self.table = table

    def fetchall(self) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in zip(*(column.to_pylist() for column in self.table.columns))]


class _Connection:
    """Has of DuckDB's connection what the tests use."""

    def __init__(self, url: str) -> None:
        self.connection = dbapi.connect(url, autocommit=True)

    def execute(self, sql: str) -> _Rows:
        copy = "false" if sql.startswith("EXPLAIN") else "true"
        with self.connection.cursor(adbc_stmt_kwargs={"adbc.postgresql.use_copy": copy}) as cursor:
            cursor.execute(sql)
            return _Rows(cursor.fetch_arrow_table())


class PostgresArchive(Archive):
    """The same with a connection to PostgreSQL."""

    engine = "postgres"
    failure = Error

    def __init__(self, url: str) -> None:
        self.tables = indexed()
        self.relations: dict[str, str] = {}
        with postgres_setup.connected(url) as connection:
            postgres_setup.prepare(connection)
            store = PostgresStore(url)
            for table in (STARS, EXTRA, FIELDS):
                name = store.write(connection, table, self.tables[table.name])
                self.relations[table.qualified_name] = name
                with connection.cursor() as cursor:
                    cursor.execute(f"CREATE SCHEMA IF NOT EXISTS s_{table.schema}")
                    cursor.execute(f"ALTER TABLE vogate_draft.{quote(name)} SET SCHEMA s_{table.schema}")
        self.connection = _Connection(url)
        for name, value in SETTINGS.items():
            self._command(f"SET {name} = '{value}'")
        self._upload(MINE)

    def emitter(self) -> PostgresEmitter:
        return PostgresEmitter(self.relations)

    def _upload(self, rows: pa.Table) -> None:
        self._command("BEGIN READ WRITE")
        self._command("DROP TABLE IF EXISTS mine")
        self._command(f"CREATE TEMPORARY TABLE mine ({columns_of(rows.schema)})")
        with self.connection.connection.cursor() as cursor:
            cursor.adbc_ingest("mine", rows, mode="append", temporary=True)
        self._command("COMMIT")

    def run(self, query: str | CompiledQuery, **options: Any) -> list[tuple[Any, ...]]:
        compiled = self.compile(query, **options) if isinstance(query, str) else query
        self._prepare(compiled)
        return super().run(compiled)

    def arrow(self, query: str | CompiledQuery) -> pa.Table:
        compiled = self.compile(query) if isinstance(query, str) else query
        self._prepare(compiled)
        return super().arrow(compiled)

    def _prepare(self, compiled: CompiledQuery) -> None:
        if compiled.spreads:
            rows = MINE
            for spread in compiled.spreads:
                rows = add_cells(rows, spread)
            self._upload(rows)

    def matches_by_cells(self, compiled: CompiledQuery) -> bool:
        return "LATERAL" in compiled.sql or super().matches_by_cells(compiled)

    def _command(self, sql: str) -> None:
        with self.connection.connection.cursor() as cursor:
            cursor.execute(sql)

    def _arrow(self, sql: str) -> pa.Table:
        return self.connection.execute(sql).table
