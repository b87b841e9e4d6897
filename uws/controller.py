"""What may be asked of a job: to be made, run, changed, aborted, deleted.  Phases are changed by `uws.moves`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from gateway.vo.caller import Caller
from gateway.vo.errors import Busy, Conflict
from uws import creation, moves, nudges, queues, quotas, quotes, record, rows, storage
from uws import reuse as reusing
from uws.kinds import kind_of
from uws.models import HeldFor, Job, JobResult, now
from uws.phases import ACTIVE, FINAL, REMOVABLE, WAITABLE, Phase
from uws.tools.description import Tool

__all__ = [
    "abort",
    "archive",
    "create",
    "destroy",
    "run",
    "set_destruction",
    "set_duration",
    "set_parameters",
]


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
        rows.refresh(draft.job)
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
    rows.refresh(job)
    return job


def set_parameters(
    job: Job,
    values: Mapping[str, Any],
    caller: Caller,
    uploads: Iterable[creation.Upload] = (),
    *,
    run_id: str | None = None,
    replacing: bool = False,
) -> Job:
    """Add or replace parameters and inputs of a pending job, and its label.

    `replacing` replaces those parameters, too, whose values add to each other (UPLOAD of TAP).
    """
    if job.phase != Phase.PENDING:
        raise Conflict(f"Parameters are fixed once a job is {job.phase}.", hint="Make a new job.")
    creation.add_parameters(job, values, caller, uploads, replacing=replacing)
    if run_id is not None:
        Job.objects.filter(pk=job.pk).update(run_id=run_id[:200])
    rows.refresh(job)
    return job


def abort(job: Job, message: str = "Aborted on request.") -> Job:
    """End a job that has not ended; harmless if it has.

    The phase changes at once.  The worker sees it and ends the processes within 2.5 s.
    """
    with transaction.atomic():
        moves.abort(job, message)
    rows.refresh(job)
    return job


def destroy(job: Job) -> None:
    """Delete a job with its files; its provenance stays, as a tombstone.

    The job is invisible from now on.  A worker that runs it ends the processes first, then the row goes.
    """
    with transaction.atomic():
        moves.abort(job, "Deleted on request.")
        children = list(job.children.all()) if job.is_batch else []
        for one in (*children, job):
            Job.objects.filter(pk=one.pk).update(deleted_at=now())
            record.forget(one, deleted=True)
            moves.notify(one.pk)
    for one in (*children, job):
        storage.discard(one)


def archive(job: Job) -> bool:
    """The destruction time has come: results and files go, the description stays (STANDARDS 25)."""
    with transaction.atomic():
        if Phase(job.phase) not in REMOVABLE:
            moves.abort(job, "The job's destruction time was reached.")
        moved = moves.archive(job)
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
        moves.hold(job, HeldFor.PAUSE, queues.text(stop))
        return
    moves.queue(job, quotes.quote(job))
    transaction.on_commit(lambda: nudges.send(job.executor, job.pk))


def _check_active_limit(limits: creation.JobLimits, fair_use: str) -> None:
    active = queues.active(fair_use)
    if active >= limits.active_jobs:
        raise Busy(
            f"You have {active} jobs queued or running; {limits.active_jobs} is the limit.",
            hint="Wait for one of them to end, abort one, or sign in for a higher limit.",
            headers={"Retry-After": "30"},
        )
