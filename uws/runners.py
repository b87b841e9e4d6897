"""Jobs that run in a thread of the worker instead of under a shepherd (`VOGATE_JOB_RUNNERS`)."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway.vo.caller import Caller
from gateway.vo.errors import Busy, GatewayError, NotAvailable
from provenance.records import UsedRecord
from uws import moves, results, storage
from uws.kinds import RunnerKind, kind_of
from uws.models import AttemptOutcome, ErrorType, Job, JobResult, now
from uws.moves import Outcome
from uws.phases import Phase

log = logging.getLogger("vogate.uws")

REPORT_SECONDS = 0.5


@dataclass(frozen=True)
class ResultFile:
    """A file that a runner has written into its folder."""

    name: str
    """The result's id."""
    path: Path
    media_type: str
    role: str = "main"
    label: str = ""
    preview: str = ""


class Context:
    """What a runner knows of its job, and how it reports.

    Attributes
    ----------
    folder
        An empty folder of the attempt, for what the runner writes.
    caller
        The job's owner.
    base_url
        Public URL of the gateway, without a slash at the end.
    seconds
        executionDuration: the runner is cancelled when it is over.
    used
        What the runner read beside the job's inputs, for its provenance.
    """

    def __init__(self, job: Job) -> None:
        self.job_id, self.attempt = job.pk, job.attempt
        self.folder = job.attempt_folder / "work"
        self.caller = owner_of(job)
        self.base_url = job.base_url
        self.seconds = job.execution_duration
        self.why = ""
        self.used: list[UsedRecord] = []
        self._lock = threading.Lock()
        self._callbacks: list[Callable[[], object]] = []
        self._cancelled = False
        self._reported = 0.0

    @property
    def cancelled(self) -> bool:
        """True once the job is to end: aborted, deleted, over its time, or the worker stops."""
        return self._cancelled

    def on_cancel(self, callback: Callable[[], object]) -> None:
        """Call `callback` (from another thread) when the job is to end; at once if that has happened."""
        with self._lock:
            if not self._cancelled:
                self._callbacks.append(callback)
                return
        callback()

    def progress(self, fraction: float | None, stage: str = "") -> None:
        """Show progress (0 to 1) and what is being done; too frequent calls are left out."""
        moment = time.monotonic()
        if moment - self._reported >= REPORT_SECONDS:
            self._reported = moment
            moves.report(self.job_id, self.attempt, progress=fraction, stage=stage)

    def cancel(self, why: str) -> None:
        """End the runner; `why` is ABORTED, TIMEOUT or STOPPED."""
        with self._lock:
            if self._cancelled:
                return
            self._cancelled, self.why = True, why
            callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            try:
                callback()
            except Exception:
                log.exception("cancelling job %s failed", self.job_id)


def owner_of(job: Job) -> Caller:
    """The caller in whose name a worker acts."""
    if job.owner is None:
        return Caller(method="internal")
    return Caller(
        user_id=job.owner.pk,
        username=job.owner.get_username(),
        groups=frozenset(job.owner.groups.values_list("name", flat=True)),
        is_staff=job.owner.is_staff,
        method="internal",
    )


def execute(job: Job, context: Context) -> Outcome | None:
    """Run the job in this thread; None if the worker's own stop ended it.  Never raises."""
    outcome: Outcome | None = None
    try:
        kind = kind_of(job.tool_name)
        assert isinstance(kind, RunnerKind)
        context.folder.mkdir(parents=True, exist_ok=True)
        files = kind.run()(job, context)
        if not context.cancelled:
            rows = take(job, files)
            outcome = Outcome(
                Phase.COMPLETED, results=rows, end_time=now(), extra={"used": tuple(context.used)}
            )
    except GatewayError as error:
        transient = isinstance(error, Busy | NotAvailable)
        outcome = _error(str(error), ErrorType.TRANSIENT if transient else ErrorType.FATAL)
    except OSError as error:
        log.exception("job %s failed", job.pk)
        outcome = _error(f"The job failed: {storage.plain(error)}. Try again later.", ErrorType.TRANSIENT)
    except Exception:
        log.exception("job %s failed", job.pk)
        outcome = _error("Something went wrong on our side; the operators find it in the log.")
    if context.why == "STOPPED":
        return None
    if context.why == "TIMEOUT":
        text = f"The job ran longer than its executionDuration of {job.execution_duration} s and was ended."
        return Outcome(Phase.ABORTED, message=text, attempt=AttemptOutcome.TIMEOUT, end_time=now())
    if context.why == "ABORTED":
        return Outcome(Phase.ABORTED, message="Aborted.", attempt=AttemptOutcome.ABORTED, end_time=now())
    return outcome


def _error(message: str, kind: str = ErrorType.FATAL) -> Outcome:
    return Outcome(
        Phase.ERROR, message=message, error_type=kind, attempt=AttemptOutcome.FAILED, end_time=now()
    )


def take(job: Job, files: Sequence[ResultFile]) -> list[JobResult]:
    """Move a runner's files into the results folder."""
    storage.remove(job.results_folder)  # what an interrupted attempt may have left
    rows = []
    for position, file in enumerate(files):
        target = storage.fresh_path(job.results_folder, file.path.name)
        file.path.replace(target)
        digest, size = results.hash_file(target, lasting=True)
        rows.append(
            JobResult(
                job=job,
                name=file.name,
                position=position,
                output=file.name,
                file_name=target.name,
                media_type=file.media_type,
                size=size,
                sha256=digest,
                role=file.role,
                preview=file.preview,
                label=file.label,
            )
        )
    return rows
