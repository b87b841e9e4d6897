"""DuckDB as an engine: the query worker processes of one process, and their replacement.

A query that is not wanted any more is interrupted; all else that can go wrong with a worker ends in SIGKILL
and a new worker.  The client gets an error, never a hang.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa

from gateway.vo.errors import NotAvailable
from tap.copies.plan import Plan
from tap.engines.answer import WorkerAnswer
from tap.engines.base import QUEUE, Lane, OnLeave, QueryCancelled, StartFailed, WorkerDied, WorkerLeft
from tap.engines.lanes import LOOK, Lanes, Leaving
from tap.engines.worker import Limits, Worker, remove_stale_scratch

log = logging.getLogger("vogate.query")

AT_ONCE = 0.1
"""A worker that dies within so many seconds of a query's beginning is thought to have been dying before."""


class Pool:
    """Workers of one process, started when they are first needed.

    A query takes the first worker that is free: the one that was started for it, or another that was quicker.

    Parameters
    ----------
    short, long, share, waiting
        See `Lanes`.
    limits
        What each worker may use.
    """

    def __init__(self, short: int, long: int, limits: Limits, *, share: int = 0, waiting: int = 0) -> None:
        self.limits = limits
        self._lanes = Lanes(short, long, share=share, waiting=waiting)
        self._changed = self._lanes.changed
        self._at_work: list[WorkerAnswer] = []
        self._idle: list[Worker] = []
        self._starting: list[Worker] = []
        self._wanting = 0
        """Queries that wait for a worker to be free."""
        self._failed: tuple[float, int, StartFailed] | None = None
        """When a worker last failed to start, for which version of the archive, and why."""
        self._warden: threading.Thread | None = None
        self._closed = False
        limits.scratch.mkdir(parents=True, exist_ok=True)
        remove_stale_scratch(limits.scratch)

    def run(
        self,
        sql: str | Plan,
        version: int,
        files: Mapping[str, Path],
        *,
        seconds: float,
        uploads: Mapping[str, pa.Table] | None = None,
        lane: Lane = Lane.SHORT,
        patience: float = QUEUE,
        on_leave: OnLeave | None = None,
        key: str = "",
        gather: bool = False,
        values: Sequence[float] = (),
    ) -> WorkerAnswer:
        """See `tap.engines.base.Engine.run`."""
        begun: float | None = None
        leaving = Leaving(self._changed)
        if on_leave is not None:
            on_leave(leaving)
        while True:
            answer = self._admitted(version, files, seconds, lane, patience, key, leaving)
            begun = time.monotonic() if begun is None else begun
            leaving.attach(answer.cancel)
            try:
                answer.start(sql, values, uploads or {}, gather=gather)
            except WorkerDied as error:
                # A worker that goes at once was dying already, which shows only when it is used.
                if time.monotonic() - begun > AT_ONCE and not isinstance(error, WorkerLeft):
                    raise
                continue
            return answer

    def _admitted(
        self,
        version: int,
        files: Mapping[str, Path],
        seconds: float,
        lane: Lane,
        patience: float,
        key: str,
        leaving: Leaving,
    ) -> WorkerAnswer:
        """Wait for the query's turn and for a worker."""
        with self._changed:
            ticket = self._lanes.queue(lane, key)
            try:
                while True:
                    self._lanes.wait(ticket, patience, leaving)
                    worker = self._idle_one(version, files)
                    if worker is not None:
                        break
                    self._await_worker(version, files, leaving)
                self._watch()
                answer = WorkerAnswer(worker, lane, seconds, key, self._release)
                self._lanes.running.append(answer)
                self._at_work.append(answer)
            finally:
                self._lanes.unqueue(ticket)
        return answer

    def _idle_one(self, version: int, files: Mapping[str, Path]) -> Worker | None:
        """A free worker with the right files, the one that was used last; those with older files are given up."""
        stale = [worker for worker in self._idle if worker.version < version or not worker.alive]
        self._idle = [worker for worker in self._idle if worker not in stale]
        self._give_up(stale)
        for worker in reversed(self._idle):
            if worker.version == version and worker.files == files:
                self._idle.remove(worker)
                return worker
        return None

    def _await_worker(self, version: int, files: Mapping[str, Path], leaving: Leaving) -> None:
        """Wait until something has changed among the workers, having started enough of them."""
        begun = time.monotonic()
        if self._closed:
            raise NotAvailable("The service is going down.", hint="Try again in a moment.")
        self._wanting += 1
        try:
            if len(self._starting) < self._wanting:
                # A worker that nobody can use makes room for the one that is started.
                if self._idle and not self._has_place():
                    self._give_up([self._idle.pop(0)])
                if self._has_place():
                    self._start(version, files)
            self._changed.wait(LOOK)
        finally:
            self._wanting -= 1
        if leaving.gone:
            raise QueryCancelled("The query was cancelled while it waited.")
        if self._failed is not None and self._failed[0] >= begun and self._failed[1] == version:
            error = self._failed[2]
            raise StartFailed(error.message, hint=error.hint) from error

    @staticmethod
    def _give_up(workers: list[Worker]) -> None:
        def end() -> None:
            for worker in workers:
                log.info("query worker %d is given up: nobody can use it any more", worker.process.pid)
                worker.kill()

        if workers:
            threading.Thread(target=end, name="query-give-up", daemon=True).start()

    def _start(self, version: int, files: Mapping[str, Path]) -> threading.Thread:
        """Start a worker in the background; the caller holds the lock."""
        worker = self._new_worker(version, files)

        def wait() -> None:
            failure: StartFailed | None = None
            try:
                worker.ready()
            except StartFailed as error:
                failure = error
            except Exception as error:  # noqa: BLE001 (the place must not be taken for ever)
                failure = StartFailed("The query engine did not start.", hint="Try again in a moment.")
                failure.__cause__ = error
            with self._changed:
                self._starting.remove(worker)
                keep = failure is None and not self._closed
                if keep:
                    self._idle.append(worker)
                elif failure is not None and not self._closed:
                    log.warning("%s (%s)", failure, failure.__cause__)
                    self._failed = (time.monotonic(), version, failure)
                self._changed.notify_all()
            if not keep:
                worker.kill()

        thread = threading.Thread(target=wait, name="query-start", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:  # no more threads
            log.error("a query worker cannot be waited for: %s", error)
            worker.kill()
            raise NotAvailable(
                "The query engine could not be started.", hint="Try again in a moment."
            ) from error
        self._starting.append(worker)
        return thread

    def _new_worker(self, version: int, files: Mapping[str, Path]) -> Worker:
        return Worker(version, files, self.limits)

    def _has_place(self) -> bool:
        return len(self._idle) + len(self._starting) + len(self._at_work) < self._lanes.places

    def _release(self, answer: WorkerAnswer, usable: bool) -> None:
        """Take a worker back after a query."""
        with self._changed:
            if answer in self._at_work:
                self._at_work.remove(answer)
            keep = usable and not self._closed
            if keep:
                self._idle.append(answer.worker)
            self._lanes.leave(answer)
        if not keep:
            log.info("query worker %d is given up: %s", answer.worker.process.pid, answer.state)
            answer.worker.kill()

    def warm(self, version: int, files: Mapping[str, Path], count: int = 1) -> None:
        """Start workers in the background, so that the first queries need not wait for them."""

        def start() -> None:
            for _ in range(count):
                with self._changed:
                    if self._closed or not self._has_place():
                        return
                    try:
                        thread = self._start(version, files)
                    except NotAvailable as error:
                        log.warning("%s", error)
                        return
                thread.join()

        threading.Thread(target=start, name="query-warm", daemon=True).start()

    def _watch(self) -> None:
        """Drop readers that stall; one thread for as long as the pool lives."""
        if self._warden is not None:
            return

        def watch() -> None:
            while not self._closed:
                time.sleep(1.0)
                now = time.monotonic()
                for answer in list(self._at_work):
                    try:
                        answer.drop_if_stalled(now)
                    except Exception:  # the thread has to live as long as the pool
                        log.exception("a query whose reader has stalled is not stopped")

        warden = threading.Thread(target=watch, name="query-warden", daemon=True)
        with contextlib.suppress(RuntimeError):  # no more threads: the next query tries
            warden.start()
            self._warden = warden

    def load(self) -> dict[str, int]:
        """How many queries run and wait and how many workers are idle, for the metrics."""
        return {**self._lanes.load(), "idle": len(self._idle)}

    def processes(self) -> list[int]:
        """Process ids of all workers."""
        with self._changed:
            workers = [*self._idle, *self._starting, *(answer.worker for answer in self._at_work)]
        return [worker.process.pid for worker in workers]

    def close(self) -> None:
        """Cancel what runs and end all workers."""
        with self._changed:
            self._closed = True
            idle, self._idle = self._idle + self._starting, []
            running = list(self._at_work)
            self._changed.notify_all()
        for answer in running:
            answer.cancel()
        for worker in idle:
            worker.kill()
