"""The query workers of one process: short and long lanes, limits, replacement.

A query begins in the short lane.  If it still runs after `PROMOTION` seconds and somebody waits, it
moves to the long lane, so that slow queries do not stand in the way of quick ones.  A query that is not
wanted any more is interrupted; all else that can go wrong with a worker ends in SIGKILL and a new worker.
The client gets an error, never a hang.
"""

from __future__ import annotations

import contextlib
import json
import logging
import select
import threading
import time
from collections import Counter
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
DRAIN = 0.3
"""Seconds in which a worker has to stop when it is asked to, before it is killed."""


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


class Leaving:
    """Stops a query wherever it is: in the queue, or at work.  Can be called from any thread."""

    def __init__(self, changed: threading.Condition) -> None:
        self._changed = changed
        self._lock = threading.Lock()
        self._answer: Answer | None = None
        self.gone = False

    def __call__(self) -> None:
        with self._lock:
            self.gone = True
            answer = self._answer
        if answer is not None:
            answer.cancel()
            return
        with self._changed:
            self._changed.notify_all()

    def attach(self, answer: Answer) -> None:
        """From now on it is this answer that has to be stopped."""
        with self._lock:
            self._answer = answer
            gone = self.gone
        if gone:
            answer.cancel()


class Answer:
    """A running query: its Arrow schema, then its batches; cancel it from any thread.

    `seconds` counts the time that the engine works, not the time that the reader takes between batches.
    """

    def __init__(self, pool: Pool, worker: Worker, lane: Lane, seconds: float) -> None:
        self._pool, self.worker, self.lane = pool, worker, lane
        self._lock = threading.Lock()
        self._left = self._limit = seconds
        self._why = ""
        self.key = ""
        """Whose query it is."""
        self._broken = False
        """The exchange with the worker stopped in the middle of a frame."""
        self._open = True
        self._finished = False
        self.started = time.monotonic()
        self.idle_since: float | None = None
        self.schema: pa.Schema

    def start(self, sql: str, uploads: Mapping[str, pa.Table], *, gather: bool = False) -> None:
        """Send the query and wait for the shape of its result."""
        try:
            self._await_worker()
            self._timed(lambda: self._send(sql, uploads, wire.GATHER if gather else wire.QUERY))
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

    def _send(self, sql: str, uploads: Mapping[str, pa.Table], kind: bytes) -> None:
        sock = self.worker.socket
        for name, table in uploads.items():
            sink = pa.BufferOutputStream()
            with pa.ipc.new_stream(sink, table.schema) as writer:
                writer.write_table(table)
            wire.send(sock, wire.UPLOAD, json.dumps({"name": name}).encode())
            wire.send(sock, wire.ROWS, sink.getvalue())
        self.worker.begin()
        wire.send(sock, kind, sql.encode())

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
            if self._why:
                raise self._error()
            failure = json.loads(payload)
            raise EngineError(failure["kind"], failure["message"])
        return kind, payload

    def _timed(self, call: Callable[[], T]) -> T:
        """Exchange with the worker within what is left of the time."""
        begun = time.monotonic()
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
            if self._broken or not self.worker.usable:
                self.worker.signal()
                return
        with contextlib.suppress(OSError):
            self.worker.interrupt()
        killer = threading.Timer(DRAIN, self._kill)
        killer.daemon = True
        killer.start()

    def _kill(self) -> None:
        """End a worker that did not stop when it was asked to."""
        with self._lock:
            if self._open and not self._finished:
                self.worker.signal()

    def cancel(self) -> None:
        """Stop the query; whoever reads gets QueryCancelled.  No effect once it has ended."""
        self._stop("cancelled")

    def drop_if_stalled(self, now: float) -> None:
        since = self.idle_since
        if since is not None and now - since > STALL:
            self._stop("stalled")

    def close(self) -> None:
        """Give the worker back; it is asked to stop if the query has not finished, and ended if it does not."""
        with self._lock:
            if not self._open:
                return
            self._open = False
        usable = self._finished or self._drained()
        self._pool.release(self, self.worker, usable)

    def _drained(self) -> bool:
        """Interrupt what nobody wants any more, and take what is still on the way."""
        if self._broken or not self.worker.usable:
            return False
        until = time.monotonic() + DRAIN
        try:
            self.worker.interrupt()
            while True:
                self.worker.socket.settimeout(max(until - time.monotonic(), 0.001))
                kind, _ = wire.receive(self.worker.socket)
                if kind in (wire.END, wire.FAILURE):
                    return True
        except (OSError, wire.ConnectionLost):  # TimeoutError is an OSError
            return False


class Pool:
    """Workers of one process, started when they are first needed.

    Parameters
    ----------
    short, long
        How many queries may run at once in each lane.
    limits
        What each worker may use.
    share
        Most queries of one caller that run at once; others of theirs wait. 0 for no limit.
    waiting
        Most queries of one caller that wait; others are refused. 0 for no limit.
    """

    def __init__(self, short: int, long: int, limits: Limits, *, share: int = 0, waiting: int = 0) -> None:
        self.limits = limits
        self.share, self.waiting = share, waiting
        self._queue: Counter[str] = Counter()
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
        key: str = "",
        gather: bool = False,
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
            Called with a function that stops the query, before it begins to wait for a worker.
        key
            Whose query it is, for the limits of one caller; '' for nobody's.
        gather
            There are few rows at most: collecting them first is faster than streaming.

        Raises
        ------
        Busy
            If no worker became free in time, or the caller has too many queries waiting.
        EngineError, TimeLimit, QueryCancelled, NotAvailable
            As the query fails; the same may be raised while the batches are read.
        """
        begun = time.monotonic()
        leaving = Leaving(self._changed)
        if on_leave is not None:
            on_leave(leaving)
        while True:
            answer = self._admit(version, files, seconds, lane, patience, key, leaving)
            leaving.attach(answer)
            try:
                answer.start(sql, uploads or {}, gather=gather)
            except WorkerDied:
                # A worker that goes at once was dying already, which shows only when it is used.
                if time.monotonic() - begun > AT_ONCE:
                    raise
                continue
            return answer

    def _admit(
        self,
        version: int,
        files: Mapping[str, Path],
        seconds: float,
        lane: Lane,
        patience: float,
        key: str,
        leaving: Leaving,
    ) -> Answer:
        with self._changed:
            self._wait(lane, patience, key, leaving)
            worker, stale = self._take_idle(version, files)
            if worker is None:
                worker = Worker(version, files, self.limits)
            answer = Answer(self, worker, lane, seconds)
            answer.key = key
            self._running.append(answer)
            self._watch()
        for old in stale:
            old.kill()
        return answer

    def _wait(self, lane: Lane, patience: float, key: str, leaving: Leaving) -> None:
        """Wait until there is room; the caller holds the lock."""
        if self._may_start(lane, key):
            return
        if key and self.waiting and self._queue[key] >= self.waiting:
            raise Busy(
                f"You have {self._queue[key]} queries waiting already, the limit.",
                hint="Wait for some of them, or run them asynchronously.",
                headers={"Retry-After": "5"},
            )
        self._queue[key] += 1
        until = time.monotonic() + patience
        try:
            while not self._may_start(lane, key):
                left = until - time.monotonic()
                if leaving.gone:
                    raise QueryCancelled("The query was cancelled while it waited.")
                if left <= 0:
                    raise Busy(
                        "Too many queries are running.",
                        hint="Try again in a moment, or run the query asynchronously.",
                        headers={"Retry-After": "10"},
                    )
                self._changed.wait(min(left, 0.2))
        finally:
            self._queue[key] -= 1
            if not self._queue[key]:
                del self._queue[key]

    def _may_start(self, lane: Lane, key: str) -> bool:
        if key and self.share and sum(1 for answer in self._running if answer.key == key) >= self.share:
            return False
        return self._has_room(lane)

    def load(self) -> dict[str, int]:
        """How many queries run and wait and how many workers are idle, for the metrics."""
        with self._changed:
            running = Counter(answer.lane.value for answer in self._running)
            return {
                "running_short": running["short"],
                "running_long": running["long"],
                "waiting": self._queue.total(),
                "idle": len(self._idle),
            }

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
            self._changed.notify_all()
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
