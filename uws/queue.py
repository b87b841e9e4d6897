"""The job table as a queue: claims and leases, each one atomic statement."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from django.db import connection
from django.db.models import Q, QuerySet

from uws import moves, queues, rows
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
    marks = rows.marks(executors)
    skip = "FOR UPDATE SKIP LOCKED" if connection.vendor == "postgresql" else ""
    allowed, names = queues.blocked().sql("q.")
    # The highest priority first; among equals who has the fewest running, then who has waited longest.
    selection = f"""
        SELECT q.id FROM uws_job q
        WHERE q.phase = 'QUEUED' AND q.executor IN ({marks}) AND q.deleted_at IS NULL
          AND (q.not_before IS NULL OR q.not_before <= %s) AND {allowed}
        ORDER BY q.priority DESC,
          (SELECT COUNT(*) FROM uws_job r
           WHERE r.fair_use = q.fair_use AND r.phase = 'EXECUTING' AND r.each = ''),
          q.queued_at, q.id LIMIT 1 {skip}"""
    lease = timedelta(seconds=LEASE_SECONDS)
    return moves.claim(selection, [*executors, now(), *names], worker, host, lease)


def waiting(executors: Sequence[str]) -> bool:
    """True if a job could be claimed now: a cheap look before the write lock is taken."""
    if not executors:
        return False
    statement = f"""
        SELECT 1 FROM uws_job q
        WHERE q.phase = 'QUEUED' AND q.executor IN ({rows.marks(executors)}) AND q.deleted_at IS NULL
          AND (q.not_before IS NULL OR q.not_before <= %s) AND """
    values = [*executors, now()]
    if not rows.query(f"{statement} 1 = 1 LIMIT 1", values):
        return False
    # What is blocked matters only if something waits.
    allowed, names = queues.blocked().sql("q.")
    return (
        not names
        and allowed == "1 = 1"
        or bool(rows.query(f"{statement} {allowed} LIMIT 1", [*values, *names]))
    )


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
    found = rows.query(
        "SELECT id, attempt FROM uws_job WHERE worker = %s AND phase = 'EXECUTING' AND deleted_at IS NULL"
        f" AND id IN ({rows.marks(held)})",
        [worker, *held],
    )
    return {pk for pk, attempt in found if held[pk] == attempt}


def take_over(job: Job, worker: str) -> bool:
    """Make a job that another worker left one's own; False if somebody else was faster."""
    return bool(
        Job.objects.filter(pk=job.pk, phase=Phase.EXECUTING, attempt=job.attempt, worker=job.worker).update(
            worker=worker, lease_until=now() + timedelta(seconds=LEASE_SECONDS)
        )
    )
