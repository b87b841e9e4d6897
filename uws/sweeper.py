"""What nobody is looking after: jobs of dead workers, leftover processes, jobs past their destruction."""

from __future__ import annotations

import logging
import os
import platform
from collections.abc import Collection
from datetime import timedelta

from django.db.models import F, Q

from uws import batch, controller, executors, moves, nudges, queue, queues, remaking, shepherd, storage
from uws.models import Attempt, AttemptOutcome, Job, now
from uws.phases import Phase

log = logging.getLogger("vogate.uws")

BATCH = 200
RENUDGE_MOST = 20
OTHER_HOST_GRACE = 60.0
"""Seconds after the end of its lease that a worker on another machine is given up."""


def host_name() -> str:
    return platform.node() or "localhost"


def worker_name() -> str:
    """A name that no other process ever has: host, process id, its start, the machine's boot."""
    pid = os.getpid()
    return f"{host_name()}:{pid}:{shepherd.process_start(pid)}:{shepherd.boot_id()[:8]}"


def is_here(worker: str) -> bool:
    return worker.rpartition(":")[0].rpartition(":")[0].rpartition(":")[0] == host_name()


def is_alive(worker: str) -> bool:
    """True if the process of that name, on this machine, lives."""
    try:
        _, pid, start, boot = worker.rsplit(":", 3)
    except ValueError:
        return False
    return shepherd.boot_id()[:8] == boot and str(shepherd.process_start(pid)) == start


def abandoned(worker: str, held: Collection[str], only: Collection[str] | None = None) -> list[Job]:
    """Executing jobs that nobody looks after, and that this worker has taken over.

    Their worker is dead, or has let its lease run out; that may be this one itself, if the end of a job
    could not be written (`held` are the jobs that it does look after).  `only` these executors' jobs.
    """
    moment = now()
    jobs = Job.objects.select_related("owner").filter(phase=Phase.EXECUTING).exclude(pk__in=held)
    if only is not None:
        jobs = jobs.filter(executor__in=only)
    mine = []
    for job in jobs.order_by("lease_until")[:BATCH]:
        expired = job.lease_until is None or job.lease_until < moment
        if is_here(job.worker):
            gone = expired or (job.worker != worker and not is_alive(job.worker))
        else:
            gone = expired and (
                job.lease_until is None or job.lease_until < moment - timedelta(seconds=OTHER_HOST_GRACE)
            )
        if gone and queue.take_over(job, worker):
            log.warning("job %s: taking over from %s", job.pk, job.worker or "nobody")
            job.worker = worker
            mine.append(job)
    return mine


def leftovers(tended: set[str], only: Collection[str] | None = None) -> list[Job]:
    """Jobs that have ended or passed on while an attempt on this machine still has its row open.

    The job objects carry the number of that attempt.  Attempts that a living worker looks after are its
    own business.
    """
    rows = (
        Attempt.objects.select_related("job", "job__owner")
        .filter(ended_at__isnull=True, host=host_name())
        .exclude(
            Q(job__phase=Phase.EXECUTING) & Q(job__attempt=F("number")) & Q(job__deleted_at__isnull=True)
        )
    )
    if only is not None:
        rows = rows.filter(job__executor__in=only)
    found = []
    for row in rows[:BATCH]:
        if row.job_id in tended or (row.worker != worker_name() and is_alive(row.worker)):
            continue
        job = row.job
        job.attempt = row.number
        found.append(job)
    return found


def renudge() -> None:
    """Send nudges for jobs that wait although their executor's message queue is empty.

    A message may have been lost with its broker, or before it could be sent; a job that was lost and
    waits for its next try has none.  Before that, jobs that were kept back and may start are queued.
    """
    go_on()
    for name in executors.of_type(executors.ExecutorType.CELERY):
        due = queue.due([name]).order_by("queued_at").values_list("pk", flat=True)
        pks = list(due[:RENUDGE_MOST])
        if pks and nudges.pending(name) == 0:
            for pk in pks:
                nudges.send(name, pk)


def go_on() -> None:
    """Queue what may start again after a pause or over a limit, and sum up batches that nobody did."""
    try:
        queues.release()
        batch.tend()
        remaking.tend()
    except Exception:
        log.exception("waiting jobs are not looked after")


def reroute() -> None:
    """Queued jobs of executors that the site no longer has go where their tool runs now."""
    known = {*executors.configured(), *executors.RESERVED}
    lost = Job.objects.filter(phase=Phase.QUEUED, deleted_at__isnull=True).exclude(executor__in=known)
    for job in lost[:BATCH]:
        target = executors.assignment(job.tool_name).executor.name
        if Job.objects.filter(pk=job.pk, phase=Phase.QUEUED).update(executor=target):
            log.warning(
                "job %s: there is no executor %s any more; it goes to %s", job.pk, job.executor, target
            )


def requeue_runner(job: Job) -> None:
    """A runner's thread died with its worker."""
    moves.requeue(job.pk, job.attempt, AttemptOutcome.LOST, "its worker ended")


def destroy_due() -> int:
    """Archive the jobs whose destruction time has come; returns how many."""
    due = Job.objects.filter(destruction__lte=now(), deleted_at__isnull=True).exclude(phase=Phase.ARCHIVED)
    count = 0
    for job in due.order_by("destruction")[:BATCH]:
        try:
            count += controller.archive(job)
        except Exception:
            log.exception("job %s cannot be archived", job.pk)
    return count


def purge_deleted() -> None:
    """Remove deleted jobs whose processes have ended."""
    for job in Job.objects.filter(deleted_at__isnull=False)[:BATCH]:
        try:
            storage.discard(job)
        except Exception:
            log.exception("job %s cannot be removed", job.pk)
