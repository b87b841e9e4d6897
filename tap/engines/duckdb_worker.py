"""A DuckDB query worker: one process, one connection, one query at a time.

Started by `tap.engines.pool` as `python -m tap.engines.duckdb_worker FD LIFELINE CONFIGURATION`.  It
attaches the archive's files read-only, locks its configuration, and answers queries on the socket FD
until that or the pipe LIFELINE is closed.  It imports no Django and reads no file but those attached.
"""

from __future__ import annotations

import json
import resource
import socket
import sys
import warnings
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import duckdb
import pyarrow as pa

from tap.adql import functions
from tap.engines import serving, wire

BATCH_ROWS = 16384
UPLOAD_SCHEMA = "tap_upload"
_FAULTS = (
    "Conversion Error",
    "Out of Range Error",
    "Invalid Input Error",
    "Invalid Argument",
    "Constraint Error",
)
"""How DuckDB begins messages of what depends on values."""


def quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def connect(configuration: dict[str, object]) -> duckdb.DuckDBPyConnection:
    """A connection that can read the archive and nothing else.

    `configuration` has `files` (alias -> path), `memory_limit`, `temp_directory` and
    `max_temp_directory_size`.  Queries cannot change settings: the compiler writes nothing but SELECT.
    """
    connection = duckdb.connect(
        config={
            "threads": 1,
            "memory_limit": str(configuration["memory_limit"]),
            "temp_directory": str(configuration["temp_directory"]),
            "max_temp_directory_size": str(configuration["max_temp_directory_size"]),
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "allow_community_extensions": False,
            "allowed_configs": ["threads"],
        }
    )
    files = configuration["files"]
    assert isinstance(files, dict)
    for alias, path in files.items():
        path = str(path).replace("'", "''")
        connection.execute(f"ATTACH '{path}' AS {quote(alias)} (READ_ONLY)")
    connection.execute(f"CREATE SCHEMA {UPLOAD_SCHEMA}")
    connection.execute("SET TimeZone='UTC'")
    functions.register(connection)
    connection.execute("SET enable_external_access=false")
    connection.execute("SET lock_configuration=true")
    # The other way, which plans everything twice, costs more than the copy that this warns of.
    warnings.filterwarnings("ignore", "Arrow output on a DB-API result")
    return connection


def failure(kind: str, message: str) -> serving.Failure:
    """What DuckDB says, sorted by whose fault it is; a fault of values in its shortest form."""
    head = message.splitlines()[0] if message else kind
    if "Out of Memory" in message or kind in ("MemoryError", "ArrowMemoryError", "OutOfMemoryException"):
        return serving.Failure(kind, message, "memory")
    if any(fault in head for fault in _FAULTS):
        return serving.Failure(kind, head.split("Error: ", 1)[-1], "values")
    return serving.Failure(kind, message, "ours")


class DuckDB:
    """The connection, and the tables of the query at work; `threads` work on queries that are not small."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, threads: int = 1) -> None:
        self.connection = connection
        self.statements = Statements(connection)
        self.names: list[str] = []
        self.most_threads, self._threads = threads, 1

    def _use(self, threads: int) -> None:
        if threads != self._threads:
            self.connection.execute(f"SET threads={threads}")
            self._threads = threads

    def upload(self, name: str, rows: pa.Table) -> None:
        # A copy in DuckDB's own form has statistics and joins faster than a scan of Arrow.
        self.names.append(name)
        self.connection.register("incoming", rows)
        try:
            self.connection.execute(f"CREATE TABLE {UPLOAD_SCHEMA}.{quote(name)} AS SELECT * FROM incoming")
        except duckdb.Error as error:
            raise serving.Refused(str(error)) from error
        finally:
            self.connection.unregister("incoming")

    def clear(self) -> None:
        for name in self.names:
            self.connection.execute(f"DROP TABLE IF EXISTS {UPLOAD_SCHEMA}.{quote(name)}")
        self.names.clear()

    def interrupt(self) -> None:
        self.connection.interrupt()

    def answer(
        self, sock: socket.socket, sql: str, values: Sequence[float], *, gather: bool
    ) -> serving.Frames:
        try:
            # Small cones, the queries with placeholders, lose by sharing their work.
            self._use(1 if values else self.most_threads)
            # `sql` streams but plans everything twice; `execute` collects all rows first.
            if gather or values:
                return gathered(self.statements.gather(sql, values))
            return streamed(sock, self.connection.sql(sql).to_arrow_reader(BATCH_ROWS))
        except (
            duckdb.Error, pa.ArrowException, OSError, RuntimeError, MemoryError, AttributeError
        ) as error:  # fmt: skip
            if isinstance(error, ConnectionError):
                raise
            raise failure(type(error).__name__, str(error).strip()) from error


class Statements:
    """Queries that differ in the values of their placeholders alone are parsed once."""

    MOST = 64

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self.connection = connection
        self._known: OrderedDict[str, Any] = OrderedDict()

    def _parsed(self, sql: str) -> Any:
        found = self._known.get(sql)
        if found is None:
            (found,) = self.connection.extract_statements(sql)
            self._known[sql] = found
            if len(self._known) > self.MOST:
                self._known.popitem(last=False)
        self._known.move_to_end(sql)
        return found

    def gather(self, sql: str, values: Sequence[float]) -> pa.Table:
        """All rows of a query at once."""
        if values:
            return self.connection.execute(self._parsed(sql), list(values)).to_arrow_table()
        return self.connection.execute(sql).to_arrow_table()


def gathered(table: pa.Table) -> serving.Frames:
    """A result that is complete."""
    batches = table.combine_chunks().to_batches(max_chunksize=BATCH_ROWS)
    return [
        (wire.SCHEMA, table.schema.serialize()),
        *((wire.BATCH, batch.serialize()) for batch in batches if batch.num_rows),
    ]


def streamed(sock: socket.socket, reader: pa.RecordBatchReader) -> serving.Frames:
    """Send a result as it comes; nothing is left."""
    wire.send(sock, wire.SCHEMA, reader.schema.serialize())
    for batch in reader:
        if batch.num_rows:
            wire.send(sock, wire.BATCH, batch.serialize())
    reader.close()
    return []


def main(arguments: list[str]) -> int:
    sock = socket.socket(fileno=int(arguments[0]))
    serving.die_with_master(int(arguments[1]))
    configuration = json.loads(arguments[2])
    # A last defence should DuckDB's own accounting fail: the address space has a ceiling.
    if ceiling := int(configuration.get("address_space", 0)):
        resource.setrlimit(resource.RLIMIT_AS, (ceiling, ceiling))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        connection = connect(configuration)
    except (duckdb.Error, OSError) as error:
        return serving.start_failed(sock, error)
    wire.send(sock, wire.READY)
    serving.serve(sock, DuckDB(connection, int(configuration.get("threads", 1))))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
