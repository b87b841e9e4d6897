"""The query workers of one process: short and long lanes, limits, replacement.

A query begins in the short lane.  If it still runs after `PROMOTION` seconds and somebody waits, it
moves to the long lane, so that slow queries do not stand in the way of quick ones.  Everything that
can go wrong with a worker ends in SIGKILL and a new worker; the client gets an error, never a hang.
"""

from __future__ import annotations

import json
import logging
import select
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from pathlib import Path
from typing import TypeVar

import pyarrow as pa

from gateway.vo.errors import Busy, GatewayError, NotAvailable
from tap.engines import wire
from tap.engines.worker import Limits, StartFailed, Worker, remove_stale_scratch

log = logging.getLogger("vogate.query")

PROMOTION = 2.0
STALL = 60.0
"""Seconds after which a reader that takes no rows is dropped."""
AT_ONCE = 0.1
QUEUE = 20.0
"""Seconds that a query waits for a free worker."""


T = TypeVar("T")


class Lane(Enum):
    SHORT = "short"
    LONG = "long"


class EngineError(GatewayError):
    """The engine refused or failed a query; `kind` is the class name of DuckDB's exception."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class QueryCancelled(GatewayError):
    """The query was stopped by its owner, or because its client left."""

    status, code = 409, "Cancelled"


class WorkerDied(NotAvailable):
    """The process that worked on the query ended by itself."""


class TimeLimit(GatewayError):
    """The query ran longer than it may."""

    status, code = 400, "UsageError"


class Answer:
    """A running query: its Arrow schema, then its batches; cancel it from any thread.

    `seconds` counts the time that the engine works, not the time that the reader takes between batches.
    """

    def __init__(self, pool: Pool, worker: Worker, lane: Lane, seconds: float) -> None:
        self._pool, self.worker, self.lane = pool, worker, lane
        self._lock = threading.Lock()
        self._left = self._limit = seconds
        self._why = ""
        self._open = True
        self._finished = False
        self.started = time.monotonic()
        self.idle_since: float | None = None
        self.schema: pa.Schema

    def start(self, sql: str, uploads: Mapping[str, pa.Table]) -> None:
        """Send the query and wait for the shape of its result."""
        try:
            self._await_worker()
            self._timed(lambda: self._send(sql, uploads))
            kind, payload = self._next_frame()
            if kind != wire.SCHEMA:
                raise NotAvailable("The query engine gave no answer.")
            self.schema = pa.ipc.read_schema(pa.py_buffer(payload))
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

    def _send(self, sql: str, uploads: Mapping[str, pa.Table]) -> None:
        sock = self.worker.socket
        for name, table in uploads.items():
            sink = pa.BufferOutputStream()
            with pa.ipc.new_stream(sink, table.schema) as writer:
                writer.write_table(table)
            wire.send(sock, wire.UPLOAD, json.dumps({"name": name}).encode())
            wire.send(sock, wire.ROWS, sink.getvalue())
        wire.send(sock, wire.QUERY, sql.encode())

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
        poll = select.poll()
        poll.register(self.worker.socket, select.POLLIN)
        return bool(poll.poll(1000 * seconds))

    def _next_frame(self) -> tuple[bytes, bytearray]:
        kind, payload = self._timed(lambda: wire.receive(self.worker.socket))
        if kind in (wire.END, wire.FAILURE):
            self._finished = True
        if kind == wire.FAILURE:
            failure = json.loads(payload)
            raise EngineError(failure["kind"], failure["message"])
        return kind, payload

    def _timed(self, call: Callable[[], T]) -> T:
        """Exchange with the worker within what is left of the time."""
        begun = time.monotonic()
        try:
            if self._why:
                raise wire.ConnectionLost(self._why)
            self.worker.socket.settimeout(max(self._left, 0.001))
            return call()
        except TimeoutError:
            self._stop("timeout")
            raise self._error() from None
        except (OSError, wire.ConnectionLost):
            raise self._error() from None
        finally:
            self._left -= time.monotonic() - begun

    def _error(self) -> GatewayError:
        if self._why == "timeout":
            return TimeLimit(
                f"The query was stopped after {self._limit:g} seconds, the time limit.",
                hint="Run it asynchronously, or restrict it further.",
            )
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
            self.worker.signal()

    def cancel(self) -> None:
        """Stop the query; whoever reads gets QueryCancelled.  No effect once it has ended."""
        self._stop("cancelled")

    def drop_if_stalled(self, now: float) -> None:
        since = self.idle_since
        if since is not None and now - since > STALL:
            self._stop("stalled")

    def close(self) -> None:
        """Give the worker back, or end it if the query has not finished."""
        with self._lock:
            if not self._open:
                return
            self._open = False
            usable = self._finished and not self._why
        self._pool.release(self, self.worker, usable)


class Pool:
    """Workers of one process, started when they are first needed.

    Parameters
    ----------
    short, long
        How many queries may run at once in each lane.
    limits
        What each worker may use.
    """

    def __init__(self, short: int, long: int, limits: Limits) -> None:
        self.limits = limits
        self._size = {Lane.SHORT: short, Lane.LONG: long}
        self._running: list[Answer] = []
        self._idle: list[Worker] = []
        self._changed = threading.Condition()
        self._warden: threading.Thread | None = None
        self._closed = False
        limits.scratch.mkdir(parents=True, exist_ok=True)
        remove_stale_scratch(limits.scratch)

    def run(
        self,
        sql: str,
        version: int,
        files: Mapping[str, Path],
        *,
        seconds: float,
        uploads: Mapping[str, pa.Table] | None = None,
        lane: Lane = Lane.SHORT,
        patience: float = QUEUE,
        on_leave: Callable[[Callable[[], object]], object] | None = None,
    ) -> Answer:
        """Start a query; returns when the engine has begun to answer.

        Parameters
        ----------
        sql
            DuckDB SQL made by the compiler.
        version, files
            The manifest it was compiled for: its number, and alias -> file.
        seconds
            Time that the engine may work on it.
        uploads
            Name -> rows, readable as `tap_upload.<name>` by this query alone.
        patience
            Seconds to wait for a free worker.
        on_leave
            Called with the answer's `cancel` before the query is sent.

        Raises
        ------
        Busy
            If no worker became free in time.
        EngineError, TimeLimit, QueryCancelled, NotAvailable
            As the query fails; the same may be raised while the batches are read.
        """
        begun = time.monotonic()
        while True:
            answer = self._admit(version, files, seconds, lane, patience)
            if on_leave is not None:
                on_leave(answer.cancel)
            try:
                answer.start(sql, uploads or {})
            except WorkerDied:
                # A worker that goes at once was dying already, which shows only when it is used.
                if time.monotonic() - begun > AT_ONCE:
                    raise
                continue
            return answer

    def _admit(
        self, version: int, files: Mapping[str, Path], seconds: float, lane: Lane, patience: float
    ) -> Answer:
        until = time.monotonic() + patience
        with self._changed:
            while not self._has_room(lane):
                left = until - time.monotonic()
                if left <= 0:
                    raise Busy(
                        "Too many queries are running.",
                        hint="Try again in a moment, or run the query asynchronously.",
                        headers={"Retry-After": "10"},
                    )
                self._changed.wait(min(left, 0.2))
            worker, stale = self._take_idle(version, files)
            if worker is None:
                worker = Worker(version, files, self.limits)
            answer = Answer(self, worker, lane, seconds)
            self._running.append(answer)
            self._watch()
        for old in stale:
            old.kill()
        return answer

    def _has_room(self, lane: Lane) -> bool:
        """Whether a query may start in `lane`, after slow ones were moved out of the short one."""
        count = {item: sum(1 for answer in self._running if answer.lane is item) for item in Lane}
        if count[lane] < self._size[lane]:
            return True
        if lane is Lane.LONG or count[Lane.LONG] >= self._size[Lane.LONG]:
            return False
        slow = [answer for answer in self._running if answer.lane is Lane.SHORT]
        oldest = min(slow, key=lambda answer: answer.started)
        if time.monotonic() - oldest.started < PROMOTION:
            return False
        oldest.lane = Lane.LONG
        return True

    def _take_idle(self, version: int, files: Mapping[str, Path]) -> tuple[Worker | None, list[Worker]]:
        """An idle worker with the right files; those with older files are given up."""
        stale = [worker for worker in self._idle if worker.version < version or not worker.alive]
        self._idle = [worker for worker in self._idle if worker not in stale]
        for worker in reversed(self._idle):
            if worker.version == version and worker.files == files:
                self._idle.remove(worker)
                return worker, stale
        # A worker that nobody can use makes room for the one that will be started.
        if self._idle and len(self._idle) + len(self._running) >= sum(self._size.values()):
            stale.append(self._idle.pop(0))
        return None, stale

    def release(self, answer: Answer, worker: Worker, usable: bool) -> None:
        """Take a worker back after a query (called by `Answer.close`)."""
        with self._changed:
            if answer in self._running:
                self._running.remove(answer)
            keep = usable and not self._closed
            if keep:
                self._idle.append(worker)
            self._changed.notify()
        if not keep:
            worker.kill()

    def warm(self, version: int, files: Mapping[str, Path], count: int = 1) -> None:
        """Start workers in the background, so that the first queries need not wait for them."""

        def start() -> None:
            for _ in range(count):
                try:
                    worker = Worker(version, files, self.limits)
                    worker.ready()
                except NotAvailable as error:
                    log.warning("%s", error)
                    return
                with self._changed:
                    keep = not self._closed and len(self._idle) + len(self._running) < sum(
                        self._size.values()
                    )
                    if keep:
                        self._idle.append(worker)
                if not keep:
                    worker.kill()

        threading.Thread(target=start, name="query-warm", daemon=True).start()

    def _watch(self) -> None:
        """Drop readers that stall; one thread for as long as the pool lives."""
        if self._warden is not None:
            return

        def watch() -> None:
            while not self._closed:
                time.sleep(1.0)
                now = time.monotonic()
                for answer in list(self._running):
                    answer.drop_if_stalled(now)

        self._warden = threading.Thread(target=watch, name="query-warden", daemon=True)
        self._warden.start()

    def processes(self) -> list[int]:
        """Process ids of all workers."""
        with self._changed:
            workers = [*self._idle, *(answer.worker for answer in self._running)]
        return [worker.process.pid for worker in workers]

    def close(self) -> None:
        """Cancel what runs and end all workers."""
        with self._changed:
            self._closed = True
            idle, self._idle = self._idle, []
            running = list(self._running)
        for answer in running:
            answer.cancel()
        for worker in idle:
            worker.kill()
