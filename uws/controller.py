"""The one module that changes a job's phase.

Every step is one conditional UPDATE: it names the phases from which it is legal and, for a worker's
steps, the attempt that the worker holds.  Whoever comes second changes nothing and is told so.  A final
phase, its results and its provenance record are one transaction.
"""

from __future__ import annotations

import logging
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection, transaction

from gateway.vo.caller import Caller
from gateway.vo.errors import Busy, Conflict
from uws import creation, nudges, queues, quotas, quotes, record, storage
from uws import reuse as reusing
from uws.kinds import kind_of
from uws.models import Attempt, AttemptOutcome, ErrorType, HeldFor, Job, JobResult, now
from uws.phases import ACTIVE, FINAL, REMOVABLE, WAITABLE, Phase, sources
from uws.tools.description import Tool

__all__ = [
    "CHANNEL",
    "MAX_LOSSES",
    "Outcome",
    "abort",
    "archive",
    "create",
    "destroy",
    "finish",
    "hold",
    "release",
    "repeat",
    "report",
    "requeue",
    "run",
    "set_destruction",
    "set_duration",
    "set_parameters",
    "spread",
    "start",
    "suspend",
]

log = logging.getLogger("vogate.uws")

CHANNEL = "vogate_jobs"
"""PostgreSQL's NOTIFY channel; SQLite's readers watch `PRAGMA data_version`."""
MAX_LOSSES = 3
"""A job whose attempts were lost this often is given up: it may be what kills the machine."""
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


def create(
    tool: Tool | str,
    parameters: Mapping[str, Any],
    caller: Caller,
    *,
    run_id: str = "",
    inputs: Mapping[str, Sequence[str]] | None = None,
    uploads: Iterable[creation.Upload] = (),
    session: bool = False,
    run: bool = False,
    base_url: str = "",
    execution_duration: int | None = None,
    destruction: datetime | None = None,
    each: str = "",
    reuse: bool | None = None,
) -> Job:
    """Make a job.

    Parameters
    ----------
    tool
        The tool, or its name (`name`, `name@version`, or that of a runner: `tap`).
    parameters
        Values as the user gave them; the tool's description checks and converts them.
    inputs
        Identifiers by input role.
    uploads
        Files that came with the request.
    session
        The job belongs to the caller's browser session.  Without session and account it is reached by
        its address and listed for nobody.
    run
        Queue it at once; otherwise what is still missing may follow.
    base_url
        Public URL of the gateway as the caller sees it, without a slash at the end.
    each
        An input role: each of its files makes a job of its own, and the job returned sums them up.
    reuse
        Whether an earlier result of the same request may answer it; None is as the site says.

    Raises
    ------
    UsageError
        With `.field` for the parameter or input at fault.
    Forbidden, NotAuthenticated, NotAvailable, NotFound
        If the caller may not run the tool, it cannot run here, or there is none.
    Busy
        If the caller has as many active jobs as the site allows.
    """
    kind = kind_of(tool)
    quotas.check(caller)
    if run and not each:
        _check_active_limit(creation.limits_of(caller.is_authenticated), creation.fair_use_digest(caller))
    draft = creation.draft(
        kind,
        parameters,
        caller,
        inputs=inputs or {},
        uploads=uploads,
        complete=run,
        run_id=run_id,
        session=session,
        base_url=base_url,
        execution_duration=execution_duration,
        destruction=destruction,
        each=each,
        reuse=reuse,
    )
    try:
        with transaction.atomic():
            draft.save()
            if run:
                _queue(draft.job)
    except BaseException:
        storage.remove(draft.job.folder)
        raise
    if run:
        draft.job.refresh_from_db()
    return draft.job


def run(job: Job, caller: Caller) -> Job:
    """Queue a pending or held job; harmless if it is active already.

    Raises
    ------
    UsageError
        If a parameter or input is still missing.
    Conflict
        If the job has ended.
    Busy
        If its owner has as many active jobs as the site allows.
    """
    if Phase(job.phase) in ACTIVE or job.held_for:
        return job
    if Phase(job.phase) in FINAL:
        raise Conflict(f"This job is {job.phase}; it cannot be run again.", hint="Make a new job.")
    parameters = creation.check_complete(job, caller)
    with transaction.atomic():
        Job.objects.filter(pk=job.pk, phase=job.phase).update(parameters=parameters)
        _queue(job)
    job.refresh_from_db()
    return job


def set_parameters(
    job: Job,
    values: Mapping[str, Any],
    caller: Caller,
    uploads: Iterable[creation.Upload] = (),
    *,
    run_id: str | None = None,
) -> Job:
    """Add or replace parameters and inputs of a pending job, and its label."""
    if job.phase != Phase.PENDING:
        raise Conflict(f"Parameters are fixed once a job is {job.phase}.", hint="Make a new job.")
    creation.add_parameters(job, values, caller, uploads)
    if run_id is not None:
        Job.objects.filter(pk=job.pk).update(run_id=run_id[:200])
    job.refresh_from_db()
    return job


def abort(job: Job, message: str = "Aborted on request.") -> Job:
    """End a job that has not ended; harmless if it has.

    The phase changes at once.  The worker sees it and ends the processes within 2.5 s.
    """
    with transaction.atomic():
        _abort(job, message)
    job.refresh_from_db()
    return job


def destroy(job: Job) -> None:
    """Delete a job with its files; its provenance stays, as a tombstone.

    The job is invisible from now on.  A worker that runs it ends the processes first, then the row goes.
    """
    with transaction.atomic():
        _abort(job, "Deleted on request.")
        children = list(job.children.all()) if job.is_batch else []
        for one in (*children, job):
            Job.objects.filter(pk=one.pk).update(deleted_at=now())
            record.forget(one, deleted=True)
            _notify(one.pk)
    for one in (*children, job):
        storage.discard(one)


def archive(job: Job) -> bool:
    """The destruction time has come: results and files go, the description stays (STANDARDS 25)."""
    with transaction.atomic():
        if Phase(job.phase) not in REMOVABLE:
            _abort(job, "The job's destruction time was reached.")
        moved = _move(job.pk, Phase.ARCHIVED, end_time=job.end_time or now())
        if moved:
            JobResult.objects.filter(job=job).delete()
            record.forget(job, deleted=False)
    if moved:
        storage.empty(job)
    return moved


def set_destruction(job: Job, moment: datetime) -> Job:
    """Set the destruction time, within the site's lifetime of jobs."""
    if job.phase == Phase.ARCHIVED:
        raise Conflict("This job is archived; its results are gone.")
    longest = job.creation_time + timedelta(seconds=creation.limits_of(job.owner_id is not None).lifetime)
    job.destruction = min(moment, longest)
    Job.objects.filter(pk=job.pk).update(destruction=job.destruction)
    return job


def set_duration(job: Job, seconds: int) -> Job:
    """Set executionDuration, within the limits of the tool and the site; 0 asks for the longest."""
    if Phase(job.phase) not in WAITABLE - {Phase.EXECUTING} | {Phase.HELD}:
        raise Conflict(f"executionDuration cannot be changed once a job is {job.phase}.")
    kind = kind_of(job.tool_name, job.tool_version)
    job.execution_duration = creation.duration(kind, job.owner_id is not None, seconds)
    Job.objects.filter(pk=job.pk).update(execution_duration=job.execution_duration)
    return job


def start(job_id: str, attempt: int, worker: str, host: str, **fields: Any) -> bool:
    """QUEUED to EXECUTING for a claim of `uws.queue`, which has set attempt, worker and lease."""
    moved = _move(job_id, Phase.EXECUTING, start_time=now(), end_time=None, progress=None, stage="", **fields)
    if moved:
        Attempt.objects.create(job_id=job_id, number=attempt, worker=worker, host=host)
    return moved


def report(job_id: str, attempt: int, *, progress: float | None, stage: str) -> bool:
    """Progress of a running attempt; False if it is no longer the current one."""
    return bool(
        Job.objects.filter(pk=job_id, attempt=attempt, phase=Phase.EXECUTING).update(
            progress=progress, stage=stage[:200]
        )
    )


def finish(job_id: str, attempt: int, outcome: Outcome) -> bool:
    """End a job by the outcome of its current attempt; False if it has ended or passed on already."""
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
        if not moved:
            return False
        JobResult.objects.bulk_create(outcome.results)
        job = Job.objects.select_related("owner").get(pk=job_id)
        record.record(job, outcome)
        _ended(job)
    return True


def repeat(job: Job, earlier: str, results: Sequence[JobResult]) -> None:
    """PENDING or HELD to COMPLETED at once, with the results of an earlier job; in a transaction.

    No worker sees it queued: the transaction ends after the last step.
    """
    if not _move(job.pk, Phase.QUEUED, queued_at=now(), not_before=None, held_for=""):
        raise Conflict("The job's phase has changed meanwhile.", hint="Look at it again.")
    Job.objects.filter(pk=job.pk).update(attempt=1, answered_from=earlier)
    start(job.pk, 1, "reuse", platform.node())
    report(job.pk, 1, progress=None, stage=f"Answered from job {earlier}")
    finish(job.pk, 1, Outcome(Phase.COMPLETED, results=results, extra={"answered_from": earlier}))


def hold(job: Job, why: HeldFor, text: str = "") -> bool:
    """PENDING or QUEUED to HELD, until `release`; `text` is what its owner reads meanwhile."""
    return _move(job.pk, Phase.HELD, held_for=why, stage=text[:200], queued_at=job.queued_at or now())


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
    return moved


def release(job: Job) -> bool:
    """HELD or SUSPENDED to QUEUED, in the place that it had in the queue."""
    moved = _move(job.pk, Phase.QUEUED, held_for="", stage="", queued_at=job.queued_at or now(), worker="")
    if moved:
        transaction.on_commit(lambda: nudges.send(job.executor, job.pk))
    return moved


def spread(job: Job) -> None:
    """A batch begins: PENDING to EXECUTING; its children do the work, no worker takes it."""
    moment = now()
    if not _move(job.pk, Phase.QUEUED, queued_at=moment):
        raise Conflict("The job's phase has changed meanwhile.", hint="Look at it again.")
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
            return finish(
                job_id,
                attempt,
                Outcome(Phase.ERROR, message=f"{text} {hint}", error_type=ErrorType.TRANSIENT, attempt=why),
            )
        pause = BACK_OFF_SECONDS * 2 ** (losses - 1) if why == AttemptOutcome.LOST else 0.0
        close_attempt(job_id, attempt, why, Outcome(Phase.QUEUED, message=message))
        record.record(job, Outcome(Phase.ABORTED, message=message, attempt=why), final=False)
        return _move(
            job_id,
            Phase.QUEUED,
            attempt=attempt,
            losses=losses,
            not_before=now() + timedelta(seconds=pause),
            lease_until=None,
            worker="",
            progress=None,
            stage="",
            held_for="",
        )


def close_attempt(job_id: str, number: int, why: AttemptOutcome, outcome: Outcome) -> None:
    """Write down that none of an attempt's processes is left."""
    Attempt.objects.filter(job_id=job_id, number=number, ended_at__isnull=True).update(
        ended_at=outcome.end_time or now(),
        outcome=why,
        exit_code=outcome.exit_code,
        cpu_seconds=outcome.cpu_seconds,
        max_rss_kb=outcome.max_rss_kb,
        message=outcome.message[:500],
    )


def _move(job_id: str, to: Phase, *, attempt: int | None = None, **fields: Any) -> bool:
    """The conditional UPDATE behind every step."""
    jobs = Job.objects.filter(pk=job_id, phase__in=[phase.value for phase in sources(to)])
    if attempt is not None:
        jobs = jobs.filter(attempt=attempt)
    moved = bool(jobs.update(phase=to.value, **fields))
    if moved:
        _notify(job_id)
        said = fields.get("error_message") or fields.get("stage")
        log.info(
            "job %s: %s%s%s",
            job_id,
            to.value,
            f", attempt {attempt}" if attempt else "",
            f" ({said})" if said else "",
        )
    return moved


def _abort(job: Job, message: str) -> None:
    current = Job.objects.select_for_update(of=("self",)).select_related("owner").get(pk=job.pk)
    # An attempt that was lost has its own record already; an end in the queue comes after it.
    number = current.attempt + (current.phase == Phase.QUEUED)
    moved = _move(job.pk, Phase.ABORTED, end_time=now(), lease_until=None, error_message=message, held_for="")
    if moved:
        for child in job.children.filter(deleted_at__isnull=True) if job.is_batch else ():
            _abort(child, message)
        current.refresh_from_db(fields=["end_time", "phase"])
        outcome = Outcome(Phase.ABORTED, message=message, attempt=AttemptOutcome.ABORTED)
        record.record(current, outcome, attempt=number)
        _ended(current)


def _ended(job: Job) -> None:
    """What waits for it: its batch, its owner's jobs over the limit, what is made again from its results."""
    from uws import batch, remaking

    transaction.on_commit(lambda: batch.after(job))
    transaction.on_commit(lambda: remaking.after(job))


def _queue(job: Job) -> None:
    if job.is_batch:
        from uws import batch

        batch.start(job)
        return
    if reusing.answer(job):
        return
    _check_active_limit(creation.limits_of(job.owner_id is not None), job.fair_use)
    stop = queues.stop_of(job)
    if stop is not None:
        hold(job, HeldFor.PAUSE, queues.text(stop))
        return
    if not _move(
        job.pk, Phase.QUEUED, queued_at=now(), not_before=None, held_for="", quote=quotes.quote(job)
    ):
        raise Conflict("The job's phase has changed meanwhile.", hint="Look at it again.")
    transaction.on_commit(lambda: nudges.send(job.executor, job.pk))


def _check_active_limit(limits: creation.JobLimits, fair_use: str) -> None:
    active = queues.active(fair_use)
    if active >= limits.active_jobs:
        raise Busy(
            f"You have {active} jobs queued or running; {limits.active_jobs} is the limit.",
            hint="Wait for one of them to end, abort one, or sign in for a higher limit.",
            headers={"Retry-After": "30"},
        )


def _notify(job_id: str) -> None:
    """Tell the watchers of PostgreSQL when the transaction commits."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_notify(%s, %s)", [CHANNEL, job_id])
