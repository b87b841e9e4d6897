"""A DuckDB query worker: one process, one connection, one query at a time.

Started by `tap.engines.pool` as `python -m tap.engines.duckdb_worker FD LIFELINE CONFIGURATION`.  It
attaches the archive's files read-only, locks its configuration, and answers queries on the socket FD
until that or the pipe LIFELINE is closed.  It imports no Django and reads no file but those attached.
"""

from __future__ import annotations

import json
import os
import resource
import select
import socket
import sys
import threading
import warnings
from collections import OrderedDict
from typing import Any

import duckdb
import pyarrow as pa

from tap.adql import functions
from tap.engines import wire

BATCH_ROWS = 16384
UPLOAD_SCHEMA = "tap_upload"


def quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def connect(configuration: dict[str, object]) -> duckdb.DuckDBPyConnection:
    """A connection that can read the archive and nothing else.

    `configuration` has `files` (alias -> path), `memory_limit`, `temp_directory` and
    `max_temp_directory_size`.
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


class Interrupts:
    """Stops the query at work if it is the one that was meant."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._connection: duckdb.DuckDBPyConnection | None = None
        self._number = 0

    def begin(self, connection: duckdb.DuckDBPyConnection) -> None:
        with self._lock:
            self._number = (self._number + 1) % 256
            self._connection = connection

    def end(self) -> None:
        with self._lock:
            self._connection = None

    def stop(self, number: int) -> None:
        with self._lock:
            if self._connection is not None and number == self._number:
                self._connection.interrupt()


INTERRUPTS = Interrupts()


def die_with_master(lifeline: int) -> None:
    """End this process when the master is gone, even in the middle of a query; a byte interrupts one."""
    master = os.getppid()

    def watch() -> None:
        while True:
            readable, _, _ = select.select([lifeline], [], [], 1.0)
            order = os.read(lifeline, 1) if readable else b""
            if (readable and not order) or os.getppid() != master:
                os._exit(0)
            if order:
                INTERRUPTS.stop(order[0])

    threading.Thread(target=watch, name="lifeline", daemon=True).start()


class Uploads:
    """The tables of one query; gone when it ends."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self.connection = connection
        self.names: list[str] = []

    def add(self, name: str, rows: pa.Table) -> None:
        # A copy in DuckDB's own form has statistics and joins faster than a scan of Arrow.
        self.names.append(name)
        self.connection.register("incoming", rows)
        try:
            self.connection.execute(f"CREATE TABLE {UPLOAD_SCHEMA}.{quote(name)} AS SELECT * FROM incoming")
        finally:
            self.connection.unregister("incoming")

    def clear(self) -> None:
        for name in self.names:
            self.connection.execute(f"DROP TABLE IF EXISTS {UPLOAD_SCHEMA}.{quote(name)}")
        self.names.clear()


class Statements:
    """Queries that differ in the values of their placeholders alone are parsed once."""

    MOST = 64

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self.connection = connection
        self._known: OrderedDict[str, Any] = OrderedDict()

    def of(self, sql: str) -> Any:
        """What `execute` takes."""
        found = self._known.get(sql)
        if found is None:
            (found,) = self.connection.extract_statements(sql)
            self._known[sql] = found
            if len(self._known) > self.MOST:
                self._known.popitem(last=False)
        self._known.move_to_end(sql)
        return found

    def gather(self, sql: str, values: list[float]) -> pa.Table:
        """All rows of a query at once."""
        if values:
            return self.connection.execute(self.of(sql), values).to_arrow_table()
        return self.connection.execute(sql).to_arrow_table()


def gathered(sock: socket.socket, table: pa.Table) -> None:
    """Send a result that is complete."""
    batches = table.combine_chunks().to_batches(max_chunksize=BATCH_ROWS)
    wire.send_all(
        sock,
        [
            (wire.SCHEMA, table.schema.serialize()),
            *((wire.BATCH, batch.serialize()) for batch in batches if batch.num_rows),
            (wire.END, b""),
        ],
    )


def streamed(sock: socket.socket, reader: pa.RecordBatchReader) -> None:
    """Send a result as it comes."""
    wire.send(sock, wire.SCHEMA, reader.schema.serialize())
    for batch in reader:
        if batch.num_rows:
            wire.send(sock, wire.BATCH, batch.serialize())
    reader.close()
    wire.send(sock, wire.END)


def answer(
    sock: socket.socket, statements: Statements, sql: str, values: list[float], *, gather: bool
) -> None:
    """Run one query and send its batches; a failure of the query becomes a FAILURE frame."""
    try:
        # `sql` streams but plans everything twice; `execute` collects all rows first.
        if gather or values:
            gathered(sock, statements.gather(sql, values))
        else:
            streamed(sock, statements.connection.sql(sql).to_arrow_reader(BATCH_ROWS))
    except (duckdb.Error, pa.ArrowException, OSError, RuntimeError, MemoryError, AttributeError) as error:
        if isinstance(error, ConnectionError):
            raise
        failure = {"kind": type(error).__name__, "message": str(error)}
        wire.send(sock, wire.FAILURE, json.dumps(failure).encode())


def serve(sock: socket.socket, connection: duckdb.DuckDBPyConnection) -> None:
    uploads, statements, inbox = Uploads(connection), Statements(connection), wire.Inbox(sock)
    refused = ""
    values: list[float] = []
    while True:
        kind, payload = inbox.receive()
        if kind == wire.UPLOAD:
            name = json.loads(payload)["name"]
            _, rows = inbox.receive()
            try:
                uploads.add(name, pa.ipc.open_stream(pa.py_buffer(rows)).read_all())
            except (duckdb.Error, pa.ArrowException, MemoryError) as error:
                refused = f"The uploaded table {name} could not be taken in: {error}"
        elif kind == wire.VALUES:
            values = json.loads(payload)
        elif kind in (wire.QUERY, wire.GATHER):
            INTERRUPTS.begin(connection)
            if refused:
                failure = {"kind": "Upload", "message": refused}
                wire.send(sock, wire.FAILURE, json.dumps(failure).encode())
            else:
                answer(sock, statements, payload.decode(), values, gather=kind == wire.GATHER)
            INTERRUPTS.end()
            uploads.clear()
            refused, values = "", []


def main(arguments: list[str]) -> int:
    sock = socket.socket(fileno=int(arguments[0]))
    die_with_master(int(arguments[1]))
    configuration = json.loads(arguments[2])
    # A last defence should DuckDB's own accounting fail: the address space has a ceiling.
    if ceiling := int(configuration.get("address_space", 0)):
        resource.setrlimit(resource.RLIMIT_AS, (ceiling, ceiling))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        connection = connect(configuration)
    except (duckdb.Error, OSError) as error:
        failure = {"kind": type(error).__name__, "message": str(error)}
        wire.send(sock, wire.FAILURE, json.dumps(failure).encode())
        return 1
    wire.send(sock, wire.READY)
    try:
        serve(sock, connection)
    except (wire.ConnectionLost, BrokenPipeError):
        return 0
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
