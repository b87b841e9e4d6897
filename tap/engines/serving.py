"""What the processes of all query workers do alike: answer on a socket, stop when asked to, end with their master."""

from __future__ import annotations

import json
import os
import select
import socket
import threading
from collections.abc import Sequence
from typing import Protocol

import pyarrow as pa

from tap.copies import scan
from tap.engines import wire
from tap.engines.faults import Failure, Frames, Refused

__all__ = ["Failure", "Frames", "Refused", "Session", "die_with_master", "serve", "start_failed"]


class Interruptible(Protocol):
    """A query at work."""

    def interrupt(self) -> None:
        """Make it fail soon; called in another thread."""
        ...


class Session(Interruptible, Protocol):
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


class Interrupts:
    """Stops the query at work if it is the one that was meant."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._at_work: Interruptible | None = None
        self._number = 0

    def begin(self, query: Interruptible) -> None:
        with self._lock:
            self._number = (self._number + 1) % 256
            self._at_work = query

    def end(self) -> None:
        with self._lock:
            self._at_work = None

    def stop(self, number: int) -> None:
        with self._lock:
            if self._at_work is not None and number == self._number:
                self._at_work.interrupt()


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
    uploads: dict[str, bytearray] = {}
    values: list[float] = []
    while True:
        kind, payload = inbox.receive()
        if kind == wire.UPLOAD:
            name = json.loads(payload)["name"]
            _, uploads[name] = inbox.receive()
        elif kind == wire.VALUES:
            values = json.loads(payload)
        elif kind in (wire.QUERY, wire.GATHER, wire.SCAN):
            break
    refused = "" if kind == wire.SCAN else _taken_in(session, uploads)
    try:
        if kind == wire.SCAN:
            work = scan.Scan()
            INTERRUPTS.begin(work)
            left = work.answer(sock, payload, uploads)
        else:
            INTERRUPTS.begin(session)
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


def _taken_in(session: Session, uploads: dict[str, bytearray]) -> str:
    """Hand uploaded tables to the database; why one was refused, if one was."""
    refused = ""
    for name, rows in uploads.items():
        try:
            session.upload(name, pa.ipc.open_stream(pa.py_buffer(rows)).read_all())
        except (Refused, pa.ArrowException, MemoryError) as error:
            refused = f"The uploaded table {name} could not be taken in: {error}"
    return refused
