"""A query at work in a worker process, as the master sees it."""

from __future__ import annotations

import contextlib
import json
import logging
import select
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import TypeVar

import pyarrow as pa

from gateway.vo.errors import GatewayError, NotAvailable
from tap.copies import plan as plans
from tap.copies.plan import Plan
from tap.engines import wire
from tap.engines.base import (
    STALL,
    EngineError,
    Fault,
    Lane,
    QueryCancelled,
    StartFailed,
    WorkerDied,
    WorkerLeft,
    over_time,
)
from tap.engines.worker import Worker

log = logging.getLogger("vogate.query")

DRAIN = 0.3
"""Seconds in which a worker has to stop when it is asked to, before it is killed."""

T = TypeVar("T")
Release = Callable[["WorkerAnswer", bool], object]
"""Takes the worker back when the query has been left; false if it cannot be used again."""


class WorkerAnswer:
    """A running query: its Arrow schema, then its batches; cancel it from any thread.

    `seconds` counts the time that the engine works, not the time that the reader takes between batches.
    """

    def __init__(self, worker: Worker, lane: Lane, seconds: float, key: str, release: Release) -> None:
        self.worker, self.lane, self._release = worker, lane, release
        self._lock = threading.Lock()
        self._left = self._limit = seconds
        self._why = ""
        self.key = key
        self._number: int | None = None
        """What the worker calls this query, once it has been sent."""
        self._broken = False
        """The exchange with the worker stopped in the middle of a frame."""
        self._open = True
        self._finished = False
        self.started = time.monotonic()
        self.idle_since: float | None = None
        self.schema: pa.Schema

    def start(
        self,
        sql: str | Plan,
        values: Sequence[float],
        uploads: Mapping[str, pa.Table],
        *,
        gather: bool = False,
    ) -> None:
        """Send the query, or the plan of one, and wait for the shape of its result."""
        try:
            self._await_worker()
            if isinstance(sql, Plan):
                kind, text = wire.SCAN, plans.dumps(sql)
            else:
                kind, text = wire.GATHER if gather else wire.QUERY, sql.encode()
            try:
                self._timed(lambda: self._send(text, values, uploads, kind))
            except WorkerDied as error:
                if uploads:  # which may be what killed it
                    raise
                raise WorkerLeft(error.message, hint=error.hint) from error
            kind, payload = self._next_frame()
            if kind != wire.SCHEMA:
                raise NotAvailable("The query engine gave no answer.")
            self.schema = _schema(bytes(payload))
        except BaseException:
            self.close()
            raise

    def _await_worker(self) -> None:
        try:
            self.worker.ready()
        except StartFailed:
            if self._why:
                raise self._error() from None
            raise

    def _send(
        self, text: bytes, values: Sequence[float], uploads: Mapping[str, pa.Table], kind: bytes
    ) -> None:
        sock = self.worker.socket
        for name, table in uploads.items():
            sink = pa.BufferOutputStream()
            with pa.ipc.new_stream(sink, table.schema) as writer:
                writer.write_table(table)
            wire.send(sock, wire.UPLOAD, json.dumps({"name": name}).encode())
            wire.send(sock, wire.ROWS, sink.getvalue())
        self._number = self.worker.begin()
        frames = [(wire.VALUES, json.dumps(values).encode())] if values else []
        wire.send_all(sock, [*frames, (kind, text)])

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        try:
            while not self._finished:
                self.idle_since = None
                kind, payload = self._next_frame()
                if kind == wire.END:
                    return
                batch = pa.ipc.read_record_batch(pa.py_buffer(payload), self.schema)
                self.idle_since = time.monotonic()
                yield batch
        finally:
            self.close()

    def available(self, seconds: float) -> bool:
        """Whether the engine says something more within `seconds`."""
        if self._finished or not self._open:
            return False
        if self.worker.inbox.holds_more:
            return True
        poll = select.poll()
        poll.register(self.worker.socket, select.POLLIN)
        return bool(poll.poll(1000 * seconds))

    def _next_frame(self) -> tuple[bytes, bytearray]:
        kind, payload = self._timed(self.worker.inbox.receive)
        if kind in (wire.END, wire.FAILURE):
            self._finished = True
        if kind == wire.FAILURE:
            if self._why:
                raise self._error()
            raise self._failure(**json.loads(payload))
        return kind, payload

    def _failure(self, kind: str, message: str, fault: str) -> GatewayError:
        """What the worker says of the query (`tap.engines.serving.Failure`)."""
        if fault == "timeout":
            return over_time(self._limit)
        if fault == "cancelled":
            return QueryCancelled("The query was cancelled.")
        if fault == "gone":
            self._broken = True
            return WorkerLeft("The query engine lost its connection.", hint="Try again in a moment.")
        if fault == "stale":
            return StartFailed("A table of the query was replaced meanwhile.", hint="Try again.")
        return EngineError(kind, message, Fault(fault))

    def _timed(self, call: Callable[[], T]) -> T:
        """Exchange with the worker within what is left of the time."""
        begun = time.monotonic()
        if not self._open:  # the worker may be at another query
            raise QueryCancelled("The query was left before its rows were read.")
        try:
            if self._why:
                raise self._error()
            self.worker.socket.settimeout(max(self._left, 0.001))
            return call()
        except TimeoutError:
            self._broken = True
            self._stop("timeout")
            raise self._error() from None
        except (OSError, wire.ConnectionLost):
            self._broken = True
            raise self._error() from None
        finally:
            self._left -= time.monotonic() - begun

    def _error(self) -> GatewayError:
        if self._why == "timeout":
            return over_time(self._limit)
        if self._why == "stalled":
            return QueryCancelled("The query was stopped because its rows were not taken.")
        if self._why:
            return QueryCancelled("The query was cancelled.")
        log.error("a query worker died by itself (exit code %s)", self.worker.process.poll())
        return WorkerDied(
            "The query engine stopped while it worked on this query.",
            hint="It may have needed too much memory; ask for less, or try again.",
        )

    def _stop(self, why: str) -> None:
        with self._lock:
            if not self._open or self._finished:
                return
            self._why = self._why or why
            if self._broken or not self.worker.usable:
                self.worker.signal()
                return
        with contextlib.suppress(OSError):
            self.worker.interrupt(self._number)
        killer = threading.Timer(DRAIN, self._kill)
        killer.daemon = True
        killer.start()

    def _kill(self) -> None:
        """End a worker that did not stop when it was asked to."""
        with self._lock:
            if self._open and not self._finished:
                self.worker.signal()

    def cancel(self) -> None:
        """See `tap.engines.base.Answer`."""
        self._stop("cancelled")

    def drop_if_stalled(self, now: float) -> None:
        since = self.idle_since
        if since is not None and now - since > STALL:
            self._stop("stalled")

    @property
    def state(self) -> str:
        """How far the query got, for the log."""
        if not self.worker.alive:
            return f"it ended ({self._why or 'by itself'})"
        return (
            f"{'finished' if self._finished else 'not finished'}{', broken off' * self._broken} {self._why}"
        )

    def close(self) -> None:
        """Give the worker back; it is asked to stop if the query has not finished, and ended if it does not."""
        with self._lock:
            if not self._open:
                return
            self._open = False
        usable = self._finished or self._drained()
        self._release(self, usable)

    def _drained(self) -> bool:
        """Interrupt what nobody wants any more, and take what is still on the way."""
        if self._broken or not self.worker.usable:
            return False
        until = time.monotonic() + DRAIN
        try:
            self.worker.interrupt(self._number)
            while True:
                self.worker.socket.settimeout(max(until - time.monotonic(), 0.001))
                kind, _ = self.worker.inbox.receive()
                if kind in (wire.END, wire.FAILURE):
                    return True
        except (OSError, wire.ConnectionLost):  # TimeoutError is an OSError
            return False


@lru_cache(maxsize=64)
def _schema(serialised: bytes) -> pa.Schema:
    """Queries of one shape have the same."""
    return pa.ipc.read_schema(pa.py_buffer(serialised))
