"""The worker: takes jobs from the queue, has them run, and takes in what they leave."""

from __future__ import annotations

import concurrent.futures
import contextlib
import logging
import os
import select
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from django.db import Error as DatabaseError
from django.db import close_old_connections, connection

from uws import executors, moves, queue, runners, sweeper, warm
from uws.executor import Executor, open_executor
from uws.executors import ExecutorType
from uws.models import AttemptOutcome, Job
from uws.phases import Phase
from uws.tending import State, Tended
from uws.tools import registry
from uws.watch import POLL_SECONDS, open_watch

log = logging.getLogger("vogate.uws")

CHECK_SECONDS = 0.5
LEASE_EVERY = 8.0
SWEEP_EVERY = 2.0
DESTROY_EVERY = 15.0
NUDGE_EVERY = 3.0
WARM_EVERY = 2.0
RUNNER_SLOTS = 4
RUNNER_GRACE = 5.0
"""Seconds that a cancelled runner has before its job ends without it."""
STOP_SECONDS = 8.0


class Threaded:
    """A runner's job in a thread of this worker."""

    def __init__(self, job: Job, wake: int) -> None:
        self.job, self.context = job, runners.Context(job)
        self.deadline = time.monotonic() + job.execution_duration
        self.cancelled_at = 0.0
        self._wake = wake
        self.thread = threading.Thread(target=self._run, name=f"job-{job.pk}", daemon=True)
        self.thread.start()

    def _run(self) -> None:
        close_old_connections()
        try:
            outcome = runners.execute(self.job, self.context)
            if outcome is None:
                moves.requeue(
                    self.job.pk, self.job.attempt, AttemptOutcome.STOPPED, "The gateway was stopped."
                )
            else:
                moves.finish(self.job.pk, self.job.attempt, outcome)
        except Exception:
            log.exception("job %s: its end cannot be written; it will be tried again", self.job.pk)
        finally:
            connection.close()
            _poke(self._wake)

    def cancel(self, why: str) -> None:
        if not self.cancelled_at:
            self.cancelled_at = time.monotonic()
            self.context.cancel(why)


class Worker:
    """One process that runs jobs.

    Parameters
    ----------
    slots
        Shepherded jobs at once.
    runner_slots
        Runners (TAP queries) at once.
    end_jobs_on_exit
        End running attempts on exit and queue their jobs again; otherwise their shepherds live on and
        the next worker takes them over.
    zygotes
        What forks the shepherds of this machine; without them each is started anew.
    kinds
        The executors whose jobs it claims, and nobody else's jobs interest it then; by default all those of the
        site that have no workers of their own, and it looks after the whole queue.
    collectors
        Where results are taken in, which may last as long as they are large; two threads by default.
    """

    def __init__(
        self,
        slots: int,
        *,
        runner_slots: int = RUNNER_SLOTS,
        end_jobs_on_exit: bool = False,
        zygotes: warm.Zygotes | None = None,
        kinds: Sequence[str] | None = None,
        collectors: concurrent.futures.Executor | None = None,
    ) -> None:
        self.slots, self.runner_slots, self.end_jobs_on_exit = slots, runner_slots, end_jobs_on_exit
        self.zygotes = zygotes
        self._executors: dict[str, Executor] = {}
        self.kinds = list(_own_kinds() if kinds is None else kinds)
        self.only = None if kinds is None else tuple(kinds)
        self.name, self.host = sweeper.worker_name(), sweeper.host_name()
        self.stopping = self.draining = False
        self.tended: dict[str, Tended] = {}
        self.threads: dict[str, Threaded] = {}
        self._collectors = collectors or ThreadPoolExecutor(2, thread_name_prefix="collect")
        self._wake_read, self._wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._watch = open_watch()
        # Whoever starts a gateway wants its pages first: libraries are loaded a moment later.
        self._due = {"warm": time.monotonic() + WARM_EVERY}

    def stop(self, *_: object) -> None:
        """Have `run` end soon; a signal's handler."""
        self.stopping = True
        _poke(self._wake_write)

    def run(self) -> None:
        """Work until `stop` is called."""
        log.info("worker %s: %s slots", self.name, self.slots)
        with self._held_open():
            while not self.stopping:
                self._round()
            self.shut_down()

    def run_until_idle(self, seconds: float) -> bool:
        """Work until nothing waits, or for about `seconds`; True if something still waits.

        A database that fails at the start is the caller's business, later on it is waited for.
        """
        end = time.monotonic() + seconds
        with self._held_open():
            while True:
                if time.monotonic() > end:
                    self.draining = True
                if not self.tended and (self.draining or not queue.waiting(self.kinds)):
                    break
                self._round()
            self.shut_down()
        return queue.waiting(self.kinds)

    @contextlib.contextmanager
    def _held_open(self) -> Iterator[None]:
        """Leave nothing open where it fails: a Celery worker's process makes one for each message."""
        try:
            yield
        except BaseException:
            self._close()
            raise

    def _round(self) -> None:
        try:
            self.step()
        except DatabaseError as error:
            log.error("the database fails: %s", error)
            connection.close()
            time.sleep(1.0)
        except OSError as error:
            log.error("the worker is hindered: %s", error)
            time.sleep(1.0)
        self._wait()

    def step(self) -> None:
        """One round: what has ended, what is no longer ours, what is new."""
        freed = self._reap()
        if self._watch.changed() or freed or self._is_due("check", CHECK_SECONDS):
            self._let_go()
            self._claim()
        for tended in list(self.tended.values()):
            if tended.state is State.RUNNING:
                tended.take_progress()
        self._watch_runners()
        if self._is_due("lease", LEASE_EVERY):
            queue.renew(self.name, self._held())
        if self._is_due("sweep", SWEEP_EVERY):
            self._sweep()
        if self.only is None and self._is_due("warm", WARM_EVERY):
            self._keep_warm()
        if self.only is None and self._is_due("nudge", NUDGE_EVERY):
            sweeper.renudge()
        if self.only is None and self._is_due("destroy", DESTROY_EVERY):
            sweeper.destroy_due()
            sweeper.purge_deleted()
            sweeper.reroute()

    def _is_due(self, what: str, seconds: float) -> bool:
        moment = time.monotonic()
        if moment < self._due.get(what, 0.0):
            return False
        self._due[what] = moment + seconds
        return True

    def _held(self) -> dict[str, int]:
        held = {pk: t.attempt for pk, t in self.tended.items() if t.state is not State.ENDING}
        return held | {pk: t.job.attempt for pk, t in self.threads.items()}

    # -- taking and letting go ----------------------------------------------------------------------

    def _claim(self) -> None:
        """Fill the free slots."""
        while not self.stopping and not self.draining:
            kinds = [name for name in self.kinds if self._has_room(name)]
            if len(self.threads) < self.runner_slots:
                kinds.append("runner")
            if not kinds or not queue.waiting(kinds):
                return
            job = queue.claim(kinds, self.name, self.host)
            if job is None:
                return
            self._begin(job)

    def _has_room(self, name: str) -> bool:
        executor = self._executor(name)
        taken = (State.RUNNING, State.COLLECTING)
        held = [t for t in self.tended.values() if t.executor is executor and t.state in taken]
        return len(held) < (self.slots if executor.slots is None else executor.slots)

    def executor_of(self, job: Job) -> Executor:
        """What runs, or ran, the job's attempts."""
        return self._executor(job.executor)

    def _executor(self, name: str) -> Executor:
        if name not in self._executors:
            self._executors[name] = open_executor(name, self.zygotes)
        return self._executors[name]

    def _begin(self, job: Job) -> None:
        if job.executor == "runner":
            self.threads[job.pk] = Threaded(job, self._wake_write)
            return
        tended = Tended(job, self.executor_of(job))
        tended.begin()
        if tended.state is not State.DONE:
            self.tended[job.pk] = tended

    def _let_go(self) -> None:
        """End the processes of jobs that were aborted, deleted or passed on."""
        held = self._held()
        if not held:
            return
        mine = queue.still_mine(self.name, held)
        for pk in held.keys() - mine:
            if pk in self.threads:
                self.threads[pk].cancel("ABORTED")
            elif self.tended[pk].state is State.RUNNING:
                self.tended[pk].end()

    def _reap(self) -> bool:
        """Conclude attempts whose processes have ended; True if a slot has become free."""
        freed = False
        moment = time.monotonic()
        for pk, tended in list(self.tended.items()):
            if tended.state is State.DONE:
                del self.tended[pk]
                freed = True
            elif (
                tended.state in (State.COLLECTING, State.TIDYING) or moment < tended.retry_at or tended.alive
            ):
                continue
            else:
                tended.retry_at = moment + 3600.0  # in hand; `conclude` sets it anew if it fails
                self._collectors.submit(self._conclude, tended)
        for pk, threaded in list(self.threads.items()):
            if not threaded.thread.is_alive():
                del self.threads[pk]
                freed = True
        return freed

    def _conclude(self, tended: Tended) -> None:
        tended.conclude()
        _poke(self._wake_write)

    def _watch_runners(self) -> None:
        moment = time.monotonic()
        for pk, threaded in list(self.threads.items()):
            if moment > threaded.deadline:
                threaded.cancel("TIMEOUT")
            if threaded.cancelled_at and moment - threaded.cancelled_at > RUNNER_GRACE:
                log.error("job %s does not heed its cancellation; it ends without it", pk)
                job = threaded.job
                text = f"The job ran longer than its executionDuration of {job.execution_duration} s."
                outcome = moves.Outcome(Phase.ABORTED, message=text, attempt=AttemptOutcome.TIMEOUT)
                moves.finish(pk, job.attempt, outcome)
                del self.threads[pk]

    def _keep_warm(self) -> None:
        if self.zygotes is not None:
            self.zygotes.want(registry.all_tools())
            self.zygotes.tend()

    def _sweep(self) -> None:
        if self.draining:
            return
        for job in sweeper.abandoned(self.name, set(self.tended) | set(self.threads), self.only):
            if job.executor == "runner":
                sweeper.requeue_runner(job)
            elif job.pk not in self.tended:
                self.tended[job.pk] = Tended(job, self.executor_of(job))
        for job in sweeper.leftovers(set(self.tended) | set(self.threads), self.only):
            tended = Tended(job, self.executor_of(job), State.ENDING)
            tended.end()
            self.tended[job.pk] = tended

    # -- waiting and stopping -----------------------------------------------------------------------

    def _wait(self) -> None:
        """Until a process ends, a thread has news, or 20 ms have passed."""
        poll = select.poll()
        poll.register(self._wake_read, select.POLLIN)
        for tended in self.tended.values():
            if tended.state in (State.RUNNING, State.ENDING) and tended.retry_at < time.monotonic():
                fd = tended.executor.waitable(tended.folder)
                if fd is not None:
                    poll.register(fd, select.POLLIN)
        for fd, _event in poll.poll(int(POLL_SECONDS * 1000)):
            if fd == self._wake_read:
                os.read(self._wake_read, 4096)

    def shut_down(self) -> None:
        """Leave nothing half done."""
        for threaded in self.threads.values():
            threaded.cancel("STOPPED")
        if self.end_jobs_on_exit:
            for tended in self.tended.values():
                if tended.state is State.RUNNING and tended.executor.is_here:
                    tended.executor.stop(tended.folder)
            end = time.monotonic() + STOP_SECONDS
            while time.monotonic() < end and any(t.alive for t in self.tended.values() if t.executor.is_here):
                time.sleep(0.02)
            self._reap()
        self._collectors.shutdown(wait=True)
        for threaded in self.threads.values():
            threaded.thread.join(3.0)
        self._close()
        log.info("worker %s stopped", self.name)

    def _close(self) -> None:
        """Let go of threads and files."""
        self._collectors.shutdown(wait=True)
        self._watch.close()
        for executor in self._executors.values():
            executor.close()
        # A runner that hangs would write into what has this number then.
        if not self.threads and self._wake_write >= 0:
            os.close(self._wake_write)
            os.close(self._wake_read)
            self._wake_write = self._wake_read = -1


def _own_kinds() -> list[str]:
    """The site's executors that have no workers of their own."""
    return [name for name, config in executors.configured().items() if config.type is not ExecutorType.CELERY]


def _poke(fd: int) -> None:
    try:
        os.write(fd, b"x")
    except OSError:
        pass
