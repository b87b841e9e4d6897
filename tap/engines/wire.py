"""Frames between a query worker and its master, over a Unix socket.

A frame is one byte of kind, eight bytes of length (little endian), and the payload.  The same module
serves both ends; it imports neither Django nor DuckDB.
"""

from __future__ import annotations

import socket
import struct
from typing import Any

HEAD = struct.Struct("<cQ")
BUFFER = 1 << 20
"""Socket buffers: large enough that a batch of rows is handed over without waiting."""

# Master to worker.
UPLOAD = b"U"
"""JSON of the table's name, then the frame ROWS with an Arrow IPC stream."""
QUERY = b"Q"
GATHER = b"G"
"""A query with few rows, which is answered faster if they are collected first."""
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
    if len(view) < 1 << 16:
        sock.sendall(head + view)
        return
    sock.sendall(head)
    sock.sendall(view)


def receive(sock: socket.socket) -> tuple[bytes, bytearray]:
    """The next frame.

    Raises
    ------
    ConnectionLost
        If the other end closed its socket or died.
    TimeoutError
        If the socket's timeout passed.
    """
    head = _exactly(sock, HEAD.size)
    kind, length = HEAD.unpack(head)
    return kind, _exactly(sock, length)


def _exactly(sock: socket.socket, length: int) -> bytearray:
    data = bytearray(length)
    view = memoryview(data)
    while view:
        try:
            count = sock.recv_into(view)
        except ConnectionError as error:
            raise ConnectionLost(str(error)) from None
        if count == 0:
            raise ConnectionLost("the other end closed its socket")
        view = view[count:]
    return data
