"""Many at once: one request over N inputs is a job whose N children do the work.

The parent is a UWS job like others: its progress is that of its children, its results are theirs as they
come, and ABORT and DELETE reach all of them.  Children over their owner's limit of active jobs are HELD
and follow as others end.
"""

from __future__ import annotations

import logging
import os
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from django.db import transaction

from gateway.vo.caller import Caller
from gateway.vo.errors import Conflict, UsageError
from provenance.inserting import insert
from uws import controller, creation, moves, queues, reuse, rows, storage
from uws.kinds import kind_of
from uws.models import ErrorType, HeldFor, Job, JobInput, JobResult, now
from uws.phases import ACTIVE, FINAL, Phase

log = logging.getLogger("vogate.uws")

NAMED_FAILURES = 3

__all__ = ["Counts", "after", "counts", "failed", "listed", "rerun", "start", "sum_up", "tend"]


@dataclass(frozen=True)
class Counts:
    """The children of a batch by how they stand."""

    total: int
    completed: int
    failed: int
    """ERROR or ABORTED."""
    active: int
    held: int

    @property
    def final(self) -> bool:
        return self.completed + self.failed == self.total


def counts(job: Job) -> Counts:
    """How the children of a batch stand."""
    found = rows.query("SELECT phase, COUNT(*) FROM uws_job WHERE parent_id = %s GROUP BY phase", [job.pk])
    phases = Counter(dict(found))
    done = phases[Phase.COMPLETED.value] + phases[Phase.ARCHIVED.value]
    return Counts(
        total=sum(phases.values()),
        completed=done,
        failed=phases[Phase.ERROR.value] + phases[Phase.ABORTED.value],
        active=sum(phases[phase.value] for phase in ACTIVE),
        held=phases[Phase.HELD.value],
    )


def start(job: Job) -> None:
    """Make the children and queue as many as the owner's limit has room for; in a transaction."""
    inputs = list(job.inputs.order_by("role", "position"))
    shared = [row for row in inputs if row.role != job.each]
    own = [row for row in inputs if row.role == job.each]
    if not own:
        raise UsageError(f"{job.each} has no files.", hint="A batch needs at least one.", field=job.each)
    job.refresh_from_db()
    kind, moment = kind_of(job.tool_name, job.tool_version), now()
    children = [
        Job(
            parent=job,
            child_number=number,
            tool_name=job.tool_name,
            tool_version=job.tool_version,
            tool_digest=job.tool_digest,
            executor=kind.executor,
            run_id=job.run_id,
            owner_id=job.owner_id,
            rights=job.rights,
            session=job.session,
            fair_use=job.fair_use,
            priority=job.priority,
            creation_time=moment,
            queued_at=moment + timedelta(microseconds=number),
            destruction=job.destruction,
            execution_duration=job.execution_duration,
            base_url=job.base_url,
            reuse=job.reuse,
            parameters=job.parameters,
            phase=Phase.HELD.value,
            held_for=HeldFor.LIMIT,
            stage="Waits for other jobs of this request",
        )
        for number in range(1, len(own) + 1)
    ]
    insert(children, new=True)
    copies = [
        _copy(row, child, 0 if row is mine else row.position)
        for child, mine in zip(children, own, strict=True)
        for row in (*shared, mine)
    ]
    insert(copies, new=True)
    moves.spread(job)
    if reuse.wanted(job):
        for child in children:
            reuse.answer(child)
    queues.release_limited(job.fair_use)


def _copy(row: JobInput, job: Job, position: int) -> JobInput:
    values = {name: getattr(row, name) for name in _COPIED}
    return JobInput(**values | {"job_id": job.pk, "position": position})


_COPIED = [field.attname for field in JobInput._meta.fields if not field.primary_key]


def after(job: Job) -> None:
    """A job has ended: sum up its batch, and let the next of its owner's jobs go.  Never raises.

    What fails here is done again by `tend`.
    """
    try:
        if job.parent_id:
            sum_up(job.parent_id)
        if queues.is_held(job.fair_use):
            with transaction.atomic():
                queues.release_limited(job.fair_use)
    except Exception:
        log.exception("job %s: its batch is not summed up yet", job.pk)


def sum_up(parent_id: str) -> None:
    """Bring a batch's progress in line with its children, and end it when all of them have ended."""
    parent = rows.first(Job, "id = %s AND phase = 'EXECUTING'", [parent_id])
    if parent is None:
        return
    found = counts(parent)
    done = found.completed + found.failed
    text = f"{done} of {found.total} done" + (f", {found.failed} failed" if found.failed else "")
    if not found.final:
        moves.report(parent.pk, parent.attempt, progress=done / max(1, found.total), stage=text)
        return
    Job.objects.filter(pk=parent.pk).update(stage=text)
    phase = Phase.ERROR if found.failed else Phase.COMPLETED
    outcome = moves.Outcome(phase, message=_failures(parent, found), error_type=ErrorType.TRANSIENT)
    moves.finish(parent.pk, parent.attempt, outcome)


def _failures(parent: Job, found: Counts) -> str:
    if not found.failed:
        return ""
    named = [
        f"{child.child_number:04d}: {child.error_message or child.phase}"
        for child in failed(parent)[:NAMED_FAILURES]
    ]
    rest = f" and {found.failed - len(named)} more" if found.failed > len(named) else ""
    return f"{found.failed} of {found.total} failed. {' '.join(named)}{rest}. POST to rerun repeats these."


def failed(parent: Job) -> list[Job]:
    """The children that did not complete."""
    wrong = [Phase.ERROR.value, Phase.ABORTED.value]
    return list(parent.children.filter(phase__in=wrong).order_by("child_number"))


def tend() -> None:
    """Sum up batches whose last child ended while the process that should have done it was killed."""
    for pk in Job.objects.filter(executor=creation.BATCH, phase=Phase.EXECUTING).values_list("pk", flat=True)[
        :200
    ]:
        sum_up(pk)


def listed(job: Job) -> Iterator[tuple[str, JobResult]]:
    """(name, result) of a job; of a batch, those of its children that have any, `<number>-<name>`."""
    if not job.is_batch:
        for result in rows.results_of(job):
            yield result.name, result
        return
    found = JobResult.objects.filter(job__parent=job).select_related("job")
    for result in found.order_by("job__child_number", "position"):
        yield f"{result.job.child_number:04d}-{result.name}", result


def rerun(job: Job, caller: Caller, *, base_url: str = "") -> Job:
    """A new job like this one that has ended; of a batch, one over the inputs that failed.

    Raises
    ------
    Conflict
        If the job has not ended, or nothing of the batch failed.
    """
    if Phase(job.phase) not in FINAL:
        raise Conflict(f"This job is {job.phase}.", hint="It can be repeated when it has ended.")
    inputs = list(job.inputs.order_by("role", "position"))
    if job.is_batch:
        again = failed(job)
        if not again:
            raise Conflict("Nothing of this request failed.", hint="Make a new job for other inputs.")
        inputs = [row for row in inputs if row.role != job.each]
        inputs += [row for child in again for row in child.inputs.filter(role=job.each)]
    kind = kind_of(job.tool_name, job.tool_version)
    draft = creation.draft(
        kind, job.parameters, caller, inputs={}, complete=False, run_id=job.run_id,
        session=bool(caller.session_key), base_url=base_url or job.base_url,
        execution_duration=job.execution_duration,
    )  # fmt: skip
    new = draft.job
    new.reuse = False
    new.each, new.executor = job.each, creation.BATCH if job.each else new.executor
    positions: Counter[str] = Counter()
    try:
        for row in inputs:
            copied = _copy(row, new, positions[row.role])
            positions[row.role] += 1
            if row.owned:
                copied.path = str(_keep(Path(row.path), new))
            draft.inputs.append(copied)
        with transaction.atomic():
            draft.save()
        return controller.run(new, caller)
    except BaseException:
        storage.remove(new.folder)
        Job.objects.filter(pk=new.pk).delete()
        raise


def _keep(source: Path, job: Job) -> Path:
    """An uploaded file of an earlier job, in the folder of the new one."""
    if not source.is_file():
        raise Conflict("The files that were sent with this job are gone.", hint="Send them with a new job.")
    target = storage.fresh_path(job.folder / "inputs", source.name)
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
    return target
