"""A query worker for PostgreSQL: one process, one connection, one query at a time.

Started by `tap.engines.postgres` as `python -m tap.engines.postgres_worker FD LIFELINE CONFIGURATION`; the database's
address comes in the environment (`VOGATE_QUERY_DATABASE`), where other users of the machine cannot read it.  Rows come
as binary COPY and become Arrow in ADBC's driver, so that memory does not grow with the result.
"""

from __future__ import annotations

import json
import os
import re
import resource
import socket
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
from adbc_driver_manager import Error
from adbc_driver_postgresql import dbapi

from tap.engines import serving, wire
from tap.postgres_types import columns_of, conform_upload, quote

BATCH_BYTES = 512 << 10
GATHERED_BYTES = 16 << 20
STREAMED_GRACE = 3600
"""Seconds that the server itself allows a streamed query beyond its limit: it also counts the time that the reader takes."""
DATABASE = "VOGATE_QUERY_DATABASE"

SETTINGS = {
    "search_path": "vogate",
    "timezone": "UTC",
    "datestyle": "ISO",
    "default_transaction_read_only": "on",
    "client_min_messages": "error",
    "jit": "off",  # compiling takes longer than most queries
    "lock_timeout": "10s",
    "random_page_cost": "1.1",
    "idle_in_transaction_session_timeout": "60s",
    # The server itself notices when this process was killed.
    "client_connection_check_interval": "500ms",
}
_VALUES = ("22", "21", "23", "0A")
_MEMORY = ("53", "54")
_GONE = ("08", "57P")
_NO_NUMBER = re.compile(r"invalid input syntax for type (\w[\w ]*): \"(.*)\"")
_TYPES = {
    "smallint": "INT16",
    "integer": "INT32",
    "bigint": "INT64",
    "real": "FLOAT",
    "double precision": "DOUBLE",
    "boolean": "BOOL",
    "timestamp": "TIMESTAMP",
}
"""What DuckDB calls them in the same message."""
_TOO_LARGE = re.compile(r"invalid memory alloc request|out of memory|requested length too large|too long for")


class Gone(Exception):
    """The server ended the connection."""


class PostgreSQL:
    """The connection, and the temporary tables of the query at work."""

    def __init__(self, connection: Any, configuration: dict[str, Any]) -> None:
        self.connection = connection
        self._timeout = -1
        self._interrupted = False
        self._uploads = False
        self._lost = False
        role = configuration.get("role")
        given = SETTINGS | {"work_mem": str(configuration.get("work_mem", "64MB"))}
        for name, value in given.items():
            self._execute(f"SET {name} = '{value}'")
        self._limit_files(str(configuration.get("temporary_files", "")))
        if role:
            self._execute(f"SET ROLE {quote(role)}")
        self._seconds = int(configuration.get("seconds", 0))
        self.backend = int(self._rows("SELECT pg_backend_pid()")[0][0])

    def _limit_files(self, size: str) -> None:
        """What sorts may write: for whom a superuser allows it (GRANT SET ON PARAMETER temp_file_limit)."""
        try:
            if size:
                self._execute(f"SET temp_file_limit = '{size}'")
        except Error as error:
            if getattr(error, "sqlstate", None) != "42501":
                raise

    def _cursor(self, *, copy: bool = True, size: int = BATCH_BYTES) -> Any:
        options = {
            "adbc.postgresql.use_copy": "true" if copy else "false",
            "adbc.postgresql.batch_size_hint_bytes": str(size),
        }
        return self.connection.cursor(adbc_stmt_kwargs=options)

    def _execute(self, sql: str) -> None:
        with self._cursor(copy=False) as cursor:
            cursor.execute(sql)

    def _rows(self, sql: str) -> list[tuple[Any, ...]]:
        with self._cursor(copy=False) as cursor:
            cursor.execute(sql)
            rows: list[tuple[Any, ...]] = cursor.fetchall()
            return rows

    def upload(self, name: str, rows: pa.Table) -> None:
        self._uploads = True
        try:
            rows = conform_upload(rows)
            self._execute("BEGIN READ WRITE")
            try:
                self._execute(f"CREATE TEMPORARY TABLE {quote(name)} ({columns_of(rows.schema)})")
                if rows.num_rows:
                    with self._cursor() as cursor:
                        cursor.adbc_ingest(name, rows, mode="append", temporary=True)
            finally:
                self._execute("COMMIT")  # rolls back what failed
            self._execute("BEGIN READ WRITE")
            # Statistics of lists of cells (tap.adql.crossmatch_postgres) would help no plan.
            known = ", ".join(quote(item.name) for item in rows.schema if not pa.types.is_list(item.type))
            self._execute(f"ANALYZE pg_temp.{quote(name)} ({known})" if known else "SELECT 1")
            self._execute("COMMIT")
        except Error as error:
            try:
                refused = failure(error)
            except Gone:
                self._lost = True  # `answer` says so
                return
            raise serving.Refused(refused.message) from error
        except ValueError as error:
            raise serving.Refused(str(error)) from error

    def clear(self) -> None:
        if self._lost:
            raise Gone
        try:
            if self._interrupted:
                self._settle()
            if self._uploads:
                self._execute("BEGIN READ WRITE")
                self._execute("DISCARD TEMP")
                self._execute("COMMIT")
        except Error as error:
            raise Gone(str(error)) from error
        self._uploads = False

    def _settle(self) -> None:
        """Let a cancellation that is still on its way hit nothing that matters."""
        self._interrupted = False
        for _ in range(3):
            try:
                self._rows("SELECT 1")
                return
            except Error as error:
                if getattr(error, "sqlstate", None) != "57014":
                    raise

    def interrupt(self) -> None:
        self._interrupted = True
        self.connection.adbc_cancel()

    def answer(
        self, sock: socket.socket, sql: str, values: Sequence[float], *, gather: bool
    ) -> serving.Frames:
        if self._lost:
            raise serving.Failure("Gone", "the connection was lost", "gone")
        begun = False
        try:
            self._limit(self._seconds + (1 if gather else STREAMED_GRACE))
            explained = sql.startswith("EXPLAIN ")
            size = GATHERED_BYTES if gather else BATCH_BYTES
            with self._cursor(copy=not explained, size=size) as cursor:
                cursor.execute(sql)
                reader = cursor._results.reader  # the one that keeps errors' SQLSTATE
                begun = True
                wire.send(sock, wire.SCHEMA, plain(reader.schema).serialize())
                for batch in _batches(reader):
                    wire.send(sock, wire.BATCH, batch.serialize())
            return []
        except Error as error:
            try:
                raise failure(error) from error
            except Gone:
                if begun:
                    raise
                self._lost = True
                raise serving.Failure("Gone", primary(error), "gone") from error
        except (pa.ArrowException, MemoryError) as error:
            raise serving.Failure(type(error).__name__, str(error), "memory") from error

    def _limit(self, seconds: int) -> None:
        """The server's own limit, should nobody be left to cancel the query."""
        if seconds != self._timeout:
            self._execute(f"SET statement_timeout = '{seconds}s'")
            self._timeout = seconds


def plain(schema: pa.Schema) -> pa.Schema:
    """The schema without the driver's remarks."""
    return pa.schema([pa.field(item.name, _plain_type(item.type)) for item in schema])


def _plain_type(arrow: pa.DataType) -> pa.DataType:
    return pa.list_(arrow.value_type) if pa.types.is_list(arrow) else arrow


def _batches(reader: Any) -> Iterator[pa.RecordBatch]:
    while True:
        try:
            batch = reader.read_next_batch()
        except StopIteration:
            return
        if batch.num_rows:
            yield batch


def _text(value: bytes | str) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else value


def primary(error: Exception) -> str:
    """The one line that says what is wrong; neither SQL nor hints of the server."""
    for name, value in getattr(error, "details", None) or ():
        if _text(name).endswith("MESSAGE_PRIMARY"):
            return _text(value)
    text = str(error)
    found = re.search(r"(?:ERROR|FATAL):\s+(.*)", text)
    line = found[1] if found else text.splitlines()[0] if text else type(error).__name__
    return re.sub(r"\s*\. SQLSTATE: \w+$", "", line).strip()


def failure(error: Error) -> serving.Failure:
    """What went wrong, sorted by whose fault it is.

    Raises
    ------
    Gone
        If the connection is lost.
    """
    state, message = getattr(error, "sqlstate", None) or "", primary(error)
    if state.startswith(_GONE) or (not state and "connection" in str(error).lower()):
        raise Gone(message) from error
    if state == "57014":
        return serving.Failure(state, message, "timeout" if "timeout" in message else "cancelled")
    if state in ("42P01", "3F000"):
        return serving.Failure(state, message, "stale")
    if state.startswith(_MEMORY) or _TOO_LARGE.search(message):
        return serving.Failure(state, message, "memory")
    if found := _NO_NUMBER.match(message):
        message = f"Could not convert string '{found[2]}' to {_TYPES.get(found[1], found[1])}"
    if state.startswith(_VALUES):
        return serving.Failure(state, message, "values")
    return serving.Failure(state, message, "ours")


def main(arguments: list[str]) -> int:
    sock = socket.socket(fileno=int(arguments[0]))
    serving.die_with_master(int(arguments[1]))
    configuration = json.loads(arguments[2])
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        connection = dbapi.connect(os.environ.pop(DATABASE), autocommit=True)
        session = PostgreSQL(connection, configuration)
    except (Error, OSError, KeyError) as error:
        return serving.start_failed(sock, error)
    wire.send(sock, wire.READY, json.dumps({"backend": session.backend}).encode())
    try:
        serving.serve(sock, session)
    except Gone:
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
