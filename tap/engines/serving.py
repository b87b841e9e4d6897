"""What the processes of all query workers do alike: answer on a socket, stop when asked to, end with their master."""

from __future__ import annotations

import json
import os
import select
import socket
import threading
from collections.abc import Sequence
from typing import Any, Protocol

import pyarrow as pa

from tap.engines import wire

Frames = list[tuple[bytes, Any]]
"""Kinds and payloads, see `tap.engines.wire`."""

__all__ = ["Failure", "Frames", "Refused", "Session", "die_with_master", "serve", "start_failed"]


class Failure(Exception):
    """What the database says about a query.

    `kind` is its own name of the error; `fault` is a value of `tap.engines.base.Fault`, or `timeout`, `cancelled`, `stale`
    where a table is not there any more, or `gone` where the connection was lost before.
    """

    def __init__(self, kind: str, message: str, fault: str) -> None:
        super().__init__(message)
        self.kind, self.message, self.fault = kind, message, fault

    def frame(self) -> bytes:
        return json.dumps({"kind": self.kind, "message": self.message, "fault": self.fault}).encode()


class Refused(Exception):
    """An uploaded table that the database does not take; the message says why."""


class Session(Protocol):
    """A connection to a database that answers one query at a time."""

    def upload(self, name: str, rows: pa.Table) -> None:
        """Take in a table for the next query alone; raises Refused."""
        ...

    def answer(self, sock: socket.socket, sql: str, values: Sequence[float], *, gather: bool) -> Frames:
        """Send the SCHEMA and the BATCHes of a query, or give back those that may go with its END; raises Failure.

        `values` are what the placeholders $1, $2, ... stand for, in engines whose SQL has them.
        """
        ...

    def clear(self) -> None:
        """Forget what belonged to the last query."""
        ...

    def interrupt(self) -> None:
        """Make `answer` fail soon; called in another thread."""
        ...


class Interrupts:
    """Stops the query at work if it is the one that was meant."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._session: Session | None = None
        self._number = 0

    def begin(self, session: Session) -> None:
        with self._lock:
            self._number = (self._number + 1) % 256
            self._session = session

    def end(self) -> None:
        with self._lock:
            self._session = None

    def stop(self, number: int) -> None:
        with self._lock:
            if self._session is not None and number == self._number:
                self._session.interrupt()


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


def start_failed(sock: socket.socket, error: Exception) -> int:
    """Say that the database cannot be opened; the process's exit status."""
    wire.send(sock, wire.FAILURE, Failure(type(error).__name__, str(error), "ours").frame())
    return 1


def serve(sock: socket.socket, session: Session) -> None:
    """Answer queries until the master closes the socket."""
    inbox = wire.Inbox(sock)
    try:
        while True:
            _serve_one(sock, inbox, session)
    except (wire.ConnectionLost, BrokenPipeError):
        return


def _serve_one(sock: socket.socket, inbox: wire.Inbox, session: Session) -> None:
    """Take in uploads up to the next query, and answer that."""
    refused = ""
    values: list[float] = []
    while True:
        kind, payload = inbox.receive()
        if kind == wire.UPLOAD:
            name = json.loads(payload)["name"]
            _, rows = inbox.receive()
            try:
                session.upload(name, pa.ipc.open_stream(pa.py_buffer(rows)).read_all())
            except (Refused, pa.ArrowException, MemoryError) as error:
                refused = f"The uploaded table {name} could not be taken in: {error}"
        elif kind == wire.VALUES:
            values = json.loads(payload)
        elif kind in (wire.QUERY, wire.GATHER):
            break
    INTERRUPTS.begin(session)
    try:
        if refused:
            raise Failure("Upload", refused, "upload")
        left = session.answer(sock, payload.decode(), values, gather=kind == wire.GATHER)
    except Failure as failure:
        wire.send(sock, wire.FAILURE, failure.frame())
    else:
        wire.send_all(sock, [*left, (wire.END, b"")])
    finally:
        INTERRUPTS.end()
    session.clear()
