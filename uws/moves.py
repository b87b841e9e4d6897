"""The one module that changes a job's phase.

Every step is one conditional UPDATE: it names the phases from which it is legal and, for a worker's
steps, the attempt that the worker holds.  Whoever comes second changes nothing and is told so.  A final
phase, its results and its provenance record are one transaction.
"""

from __future__ import annotations

import logging
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from django.db import connection, transaction

from gateway.vo.errors import Conflict
from provenance.inserting import insert
from uws import nudges, record, rows
from uws.models import Attempt, AttemptOutcome, ErrorType, HeldFor, Job, JobResult, now
from uws.phases import Phase, sources

__all__ = [
    "CHANNEL",
    "MAX_LOSSES",
    "Outcome",
    "abort",
    "archive",
    "claim",
    "close_attempt",
    "finish",
    "hold",
    "notify",
    "queue",
    "release",
    "repeat",
    "report",
    "requeue",
    "spread",
    "suspend",
]

log = logging.getLogger("vogate.uws")

CHANNEL = "vogate_jobs"
"""PostgreSQL's NOTIFY channel; SQLite's readers watch `PRAGMA data_version`."""
MAX_LOSSES = 3
"""A job whose attempts were lost this often is given up: it may be what kills the machine."""
AT_ONCE = 500
"""Jobs that are moved by one statement."""
_NEVER = datetime(9999, 1, 1, tzinfo=UTC)
BACK_OFF_SECONDS = 2.0
"""Pause before a lost attempt is tried again; doubled each time."""


@dataclass(frozen=True)
class Outcome:
    """How an attempt ended, as the worker saw it."""

    phase: Phase
    results: Sequence[JobResult] = ()
    """Not saved yet; their files are in the results folder."""
    message: str = ""
    """For a job that did not complete: what went wrong and what to do, in a sentence or two."""
    error_type: str = ErrorType.FATAL
    attempt: AttemptOutcome = AttemptOutcome.COMPLETED
    end_time: datetime | None = None
    exit_code: int | None = None
    cpu_seconds: float | None = None
    max_rss_kb: int | None = None
    platform: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)


def claim(selection: str, values: Sequence[Any], worker: str, host: str, lease: timedelta) -> Job | None:
    """QUEUED to EXECUTING for the job that a query selects (`uws.queue`); None if there is none.

    The attempt's number grows with the claim: it is the fence that keeps an older worker out.
    """
    moment = now()
    changes = {
        "phase": Phase.EXECUTING.value,
        "worker": worker,
        "lease_until": moment + lease,
        **_begun(moment),
    }
    with transaction.atomic():
        taken = rows.update(
            Job, changes, f"id = ({selection}) AND phase = 'QUEUED'", values, also="attempt = attempt + 1"
        )
        if not taken:
            return None
        (job,) = taken
        notify(job.pk)
        _open_attempt(job.pk, job.attempt, worker, host)
    _log(job.pk, Phase.EXECUTING)
    return job


def _begun(moment: datetime) -> dict[str, Any]:
    return {"start_time": moment, "end_time": None, "progress": None, "stage": ""}


def _open_attempt(job_id: str, attempt: int, worker: str, host: str) -> None:
    insert([Attempt(job_id=job_id, number=attempt, worker=worker, host=host)], new=True)


def report(job_id: str, attempt: int, *, progress: float | None, stage: str) -> bool:
    """Progress of a running attempt; False if it is no longer the current one."""
    changes = {"progress": progress, "stage": stage[:200]}
    return bool(
        rows.update(Job, changes, "id = %s AND attempt = %s AND phase = 'EXECUTING'", [job_id, attempt])
    )


def finish(job_id: str, attempt: int, outcome: Outcome) -> Job | None:
    """End a job by the outcome of its current attempt; None if it has ended or passed on already."""
    ended = outcome.end_time or now()
    with transaction.atomic():
        moved = _move(
            job_id,
            outcome.phase,
            attempt=attempt,
            end_time=ended,
            lease_until=None,
            error_message=outcome.message,
            error_type=outcome.error_type if outcome.message else "",
            held_for="",
            **({"progress": 1.0} if outcome.phase is Phase.COMPLETED else {}),
        )
        close_attempt(job_id, attempt, outcome.attempt, outcome)
        if moved is None:
            return None
        insert(outcome.results, new=True)
        record.record(moved, outcome)
        _ended(moved)
    return moved


def repeat(job: Job, earlier: str, results: Sequence[JobResult]) -> None:
    """PENDING or HELD to COMPLETED at once, with the results of an earlier job; in a transaction.

    No worker sees it queued: the transaction ends after the last step.
    """
    queue(job)
    Job.objects.filter(pk=job.pk).update(attempt=1, answered_from=earlier)
    if _move(job.pk, Phase.EXECUTING, **_begun(now())):
        _open_attempt(job.pk, 1, "reuse", platform.node())
    report(job.pk, 1, progress=None, stage=f"Answered from job {earlier}")
    finish(job.pk, 1, Outcome(Phase.COMPLETED, results=results, extra={"answered_from": earlier}))


def hold(job: Job, why: HeldFor, text: str = "") -> bool:
    """PENDING or QUEUED to HELD, until `release`; `text` is what its owner reads meanwhile."""
    return bool(_move(job.pk, Phase.HELD, held_for=why, stage=text[:200], queued_at=job.queued_at or now()))


def suspend(job: Job, text: str) -> bool:
    """EXECUTING to SUSPENDED: the worker ends the processes, `release` lets it start again."""
    with transaction.atomic():
        moved = _move(
            job.pk, Phase.SUSPENDED, attempt=job.attempt, held_for=HeldFor.PAUSE, stage=text[:200],
            lease_until=None, progress=None,
        )  # fmt: skip
        if moved:
            outcome = Outcome(Phase.ABORTED, message=text, attempt=AttemptOutcome.STOPPED)
            record.record(job, outcome, final=False)
    return moved is not None


def queue(job: Job, quote: datetime | None = None) -> Job:
    """PENDING or HELD to QUEUED; the job as it is then.

    Raises
    ------
    Conflict
        If its phase has changed meanwhile.
    """
    moved = _move(job.pk, Phase.QUEUED, queued_at=now(), not_before=None, held_for="", quote=quote)
    if moved is None:
        raise Conflict("The job's phase has changed meanwhile.", hint="Look at it again.")
    return moved


def release(jobs: Sequence[Job]) -> int:
    """HELD or SUSPENDED to QUEUED, in the places that they had in the queue; returns how many of them were."""
    count = 0
    for start in range(0, len(jobs), AT_ONCE):
        some = [job.pk for job in jobs[start : start + AT_ONCE]]
        condition = f"id IN ({rows.marks(some)}) AND phase IN ('HELD', 'SUSPENDED')"
        changes = {"phase": Phase.QUEUED.value, "held_for": "", "stage": "", "worker": ""}
        moved = rows.update(Job, changes, condition, some)
        for job in moved:
            notify(job.pk)
            _log(job.pk, Phase.QUEUED)
            transaction.on_commit(partial(nudges.send, job.executor, job.pk))
        count += len(moved)
    return count


def spread(job: Job) -> None:
    """A batch begins: PENDING to EXECUTING; its children do the work, no worker takes it."""
    moment = now()
    queue(job)
    # The lease is for those who look for jobs of dead workers: this one has none.
    _move(job.pk, Phase.EXECUTING, start_time=moment, progress=0.0, lease_until=_NEVER)


def requeue(job_id: str, attempt: int, why: AttemptOutcome, message: str = "") -> bool:
    """An attempt is gone without a result: try again, or give up after `MAX_LOSSES` lost ones."""
    with transaction.atomic():
        job = Job.objects.select_for_update().filter(pk=job_id, attempt=attempt).first()
        if job is None or Phase(job.phase) not in sources(Phase.QUEUED):
            close_attempt(job_id, attempt, why, Outcome(Phase.QUEUED, message=message))
            return False
        losses = job.losses + (why == AttemptOutcome.LOST)
        if losses >= MAX_LOSSES:
            text = f"The job was lost {losses} times while it ran ({message or 'its processes vanished'})."
            hint = "It may need more memory than this machine has; tell the operators if it persists."
            end = Outcome(Phase.ERROR, message=f"{text} {hint}", error_type=ErrorType.TRANSIENT, attempt=why)
            return finish(job_id, attempt, end) is not None
        pause = BACK_OFF_SECONDS * 2 ** (losses - 1) if why == AttemptOutcome.LOST else 0.0
        close_attempt(job_id, attempt, why, Outcome(Phase.QUEUED, message=message))
        record.record(job, Outcome(Phase.ABORTED, message=message, attempt=why), final=False)
        moved = _move(
            job_id, Phase.QUEUED, attempt=attempt, losses=losses, not_before=now() + timedelta(seconds=pause),
            lease_until=None, worker="", progress=None, stage="", held_for="",
        )  # fmt: skip
        return moved is not None


def archive(job: Job) -> bool:
    """To ARCHIVED: the row stays, results and files are the caller's to remove."""
    return bool(_move(job.pk, Phase.ARCHIVED, end_time=job.end_time or now()))


def abort(job: Job, message: str) -> None:
    """Any phase that is not final to ABORTED, with a batch's children; in a transaction."""
    current = Job.objects.select_for_update(of=("self",)).get(pk=job.pk)
    # An attempt that was lost has its own record already; an end in the queue comes after it.
    number = current.attempt + (current.phase == Phase.QUEUED)
    moved = _move(job.pk, Phase.ABORTED, end_time=now(), lease_until=None, error_message=message, held_for="")
    if moved is None:
        return
    for child in job.children.filter(deleted_at__isnull=True) if job.is_batch else ():
        abort(child, message)
    outcome = Outcome(Phase.ABORTED, message=message, attempt=AttemptOutcome.ABORTED)
    record.record(moved, outcome, attempt=number)
    _ended(moved)


def close_attempt(job_id: str, number: int, why: AttemptOutcome, outcome: Outcome) -> None:
    """Write down that none of an attempt's processes is left."""
    changes = {
        "ended_at": outcome.end_time or now(),
        "outcome": why,
        "exit_code": outcome.exit_code,
        "cpu_seconds": outcome.cpu_seconds,
        "max_rss_kb": outcome.max_rss_kb,
        "message": outcome.message[:500],
    }
    rows.update(Attempt, changes, "job_id = %s AND number = %s AND ended_at IS NULL", [job_id, number])


def _move(job_id: str, to: Phase, *, attempt: int | None = None, **fields: Any) -> Job | None:
    """The conditional UPDATE behind every step; the job as it is then, None if the step was not legal."""
    legal = [phase.value for phase in sources(to)]
    condition = f"id = %s AND phase IN ({rows.marks(legal)})"
    values: list[Any] = [job_id, *legal]
    if attempt is not None:
        condition, values = f"{condition} AND attempt = %s", [*values, attempt]
    moved = rows.update(Job, {"phase": to.value, **fields}, condition, values)
    if not moved:
        return None
    notify(job_id)
    _log(job_id, to, attempt, fields.get("error_message") or fields.get("stage", ""))
    return moved[0]


def _log(job_id: str, to: Phase, attempt: int | None = None, said: str = "") -> None:
    number, why = f", attempt {attempt}" if attempt else "", f" ({said})" if said else ""
    log.info("job %s: %s%s%s", job_id, to.value, number, why)


def _ended(job: Job) -> None:
    """What waits for it: its batch, its owner's jobs over the limit, what is made again from its results."""
    from uws import batch, remaking

    transaction.on_commit(lambda: batch.after(job))
    transaction.on_commit(lambda: remaking.after(job))


def notify(job_id: str) -> None:
    """Tell the watchers of PostgreSQL when the transaction commits."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_notify(%s, %s)", [CHANNEL, job_id])
