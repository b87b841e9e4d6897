"""The job table as a queue: claims and leases, each one atomic statement."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from django.db import connection, transaction
from django.db.models import Q, QuerySet

from uws import controller, queues
from uws.models import Job, now
from uws.phases import Phase

LEASE_SECONDS = 30.0
"""A worker that has not renewed its lease for so long counts as gone."""


def claim(executors: Sequence[str], worker: str, host: str) -> Job | None:
    """Take the next queued job of these executors, or None.

    The attempt's number grows with the claim: it is the fence that keeps an older worker out.
    """
    if not executors:
        return None
    table = Job._meta.db_table
    marks = ", ".join(["%s"] * len(executors))
    skip = "FOR UPDATE SKIP LOCKED" if connection.vendor == "postgresql" else ""
    moment = now()
    allowed, names = queues.blocked().sql("q.")
    # The highest priority first; among equals who has the fewest running, then who has waited longest.
    statement = f"""
        UPDATE {table} SET attempt = attempt + 1, worker = %s, lease_until = %s
        WHERE id = (
            SELECT q.id FROM {table} q
            WHERE q.phase = 'QUEUED' AND q.executor IN ({marks}) AND q.deleted_at IS NULL
              AND (q.not_before IS NULL OR q.not_before <= %s) AND {allowed}
            ORDER BY q.priority DESC,
              (SELECT COUNT(*) FROM {table} r
               WHERE r.fair_use = q.fair_use AND r.phase = 'EXECUTING' AND r.each = ''),
              q.queued_at, q.id LIMIT 1 {skip})
          AND phase = 'QUEUED'
        RETURNING id, attempt"""
    lease = moment + timedelta(seconds=LEASE_SECONDS)
    adapt = connection.ops.adapt_datetimefield_value
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(statement, [worker, adapt(lease), *executors, adapt(moment), *names])
            row = cursor.fetchone()
        if row is None or not controller.start(row[0], row[1], worker, host):
            return None
        return Job.objects.select_related("owner").get(pk=row[0])


def waiting(executors: Sequence[str]) -> bool:
    """True if a job could be claimed now: a cheap look before the write lock is taken."""
    return due(executors).order_by().exists()


def due(executors: Sequence[str]) -> QuerySet[Job]:
    """The jobs that could be claimed now."""
    jobs = Job.objects.filter(
        Q(not_before__isnull=True) | Q(not_before__lte=now()),
        phase=Phase.QUEUED,
        executor__in=executors,
        deleted_at__isnull=True,
    )
    # Whether anything is blocked matters only if something waits: the look has to stay cheap.
    return queues.blocked().filter(jobs) if jobs.order_by().exists() else jobs


def renew(worker: str, held: dict[str, int]) -> set[str]:
    """Prolong the leases of the jobs that the worker holds.

    Parameters
    ----------
    held
        Attempt by job id.

    Returns
    -------
    The ids that are still its own and executing; the others have been aborted, deleted or passed on.
    """
    mine = still_mine(worker, held)
    Job.objects.filter(pk__in=mine, worker=worker, phase=Phase.EXECUTING).update(
        lease_until=now() + timedelta(seconds=LEASE_SECONDS)
    )
    return mine


def still_mine(worker: str, held: dict[str, int]) -> set[str]:
    """As `renew`, without writing."""
    if not held:
        return set()
    rows = Job.objects.filter(
        pk__in=list(held), worker=worker, phase=Phase.EXECUTING, deleted_at__isnull=True
    ).values_list("pk", "attempt")
    return {pk for pk, attempt in rows if held[pk] == attempt}


def take_over(job: Job, worker: str) -> bool:
    """Make a job that another worker left one's own; False if somebody else was faster."""
    return bool(
        Job.objects.filter(pk=job.pk, phase=Phase.EXECUTING, attempt=job.attempt, worker=job.worker).update(
            worker=worker, lease_until=now() + timedelta(seconds=LEASE_SECONDS)
        )
    )
