"""Frames between a query worker and its master, over a Unix socket.

A frame is one byte of kind, eight bytes of length (little endian), and the payload.  The same module
serves both ends; it imports neither Django nor DuckDB.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterable
from typing import Any

HEAD = struct.Struct("<cQ")
BUFFER = 1 << 20
"""Socket buffers: large enough that a batch of rows is handed over without waiting."""

SMALL = 1 << 16
"""Frames up to this size are copied together and sent at once."""

# Master to worker.
UPLOAD = b"U"
"""JSON of the table's name, then the frame ROWS with an Arrow IPC stream."""
QUERY = b"Q"
GATHER = b"G"
"""A query with few rows, which is answered faster if they are collected first."""
SCAN = b"C"
"""JSON of a plan (`tap.copies.plan`), in place of a query."""
VALUES = b"V"
"""JSON of the numbers that the placeholders of the next query stand for."""
# Worker to master.
READY = b"R"
SCHEMA = b"S"
BATCH = b"B"
END = b"E"
FAILURE = b"X"
"""JSON of an error: {"kind": ..., "message": ...}."""
# Either way.
ROWS = b"A"


class ConnectionLost(ConnectionError):
    """The other end is gone."""


def send(sock: socket.socket, kind: bytes, payload: Any = b"") -> None:
    """Send one frame; `payload` is anything with the buffer protocol."""
    view = memoryview(payload).cast("B") if len(payload) else memoryview(b"")
    head = HEAD.pack(kind, len(view))
    if len(view) < SMALL:
        sock.sendall(head + view)
        return
    sock.sendall(head)
    sock.sendall(view)


def send_all(sock: socket.socket, frames: Iterable[tuple[bytes, Any]]) -> None:
    """Send several frames, those that are small with as few wake-ups of the other end as possible."""
    waiting = bytearray()
    for kind, payload in frames:
        if len(waiting) + len(payload) < SMALL:
            waiting += HEAD.pack(kind, len(payload))
            waiting += payload
            continue
        sock.sendall(waiting)
        waiting = bytearray()
        send(sock, kind, payload)
    if waiting:
        sock.sendall(waiting)


class Inbox:
    """Frames as they arrive at one end; what came with the frame before is kept for the next."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._ahead = bytearray()
        self._block = memoryview(bytearray(SMALL))

    @property
    def holds_more(self) -> bool:
        """Whether bytes of the next frame have been taken from the socket already."""
        return bool(self._ahead)

    def receive(self) -> tuple[bytes, bytearray]:
        """The next frame.

        Raises
        ------
        ConnectionLost
            If the other end closed its socket or died.
        TimeoutError
            If the socket's timeout passed; the exchange is broken then.
        """
        while len(self._ahead) < HEAD.size:
            self._take()
        kind, length = HEAD.unpack_from(self._ahead)
        end = HEAD.size + length
        if length < SMALL:
            while len(self._ahead) < end:
                self._take()
            payload = self._ahead[HEAD.size : end]
            del self._ahead[:end]
            return kind, payload
        payload = bytearray(length)
        had = self._ahead[HEAD.size : end]
        payload[: len(had)] = had
        del self._ahead[:end]
        view = memoryview(payload)[len(had) :]
        while view:
            view = view[self._into(view) :]
        return kind, payload

    def _take(self) -> None:
        count = self._into(self._block)
        self._ahead += self._block[:count]

    def _into(self, view: memoryview) -> int:
        try:
            count = self._sock.recv_into(view)
        except ConnectionError as error:
            raise ConnectionLost(str(error)) from None
        if count == 0:
            raise ConnectionLost("the other end closed its socket")
        return count
