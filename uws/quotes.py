"""`quote`: when a job is likely to be complete, from earlier runs of the tool and the queue before it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from statistics import median

from django.db.models import Count

from uws.models import Job, now
from uws.phases import Phase

EARLIER = 25
"""Runs of a tool that are looked at, the latest."""
LEAST = 3
"""With fewer nothing is foretold: `don't know` is an honest quote."""


def typical_seconds(tool_name: str) -> float | None:
    """The median run time of the tool's latest completed jobs; None if there are too few."""
    rows = (
        Job.objects.filter(tool_name=tool_name, phase=Phase.COMPLETED.value, each="")
        .exclude(start_time=None)
        .order_by("-end_time")
        .values_list("start_time", "end_time")[:EARLIER]
    )
    times = [(end - start).total_seconds() for start, end in rows if start and end]
    return median(times) if len(times) >= LEAST else None


def quote(job: Job) -> datetime | None:
    """When a job that is queued now is likely to be complete; None for `don't know`.

    The jobs ahead of it take turns on as many places as are at work now.
    """
    own = typical_seconds(job.tool_name)
    if own is None:
        return None
    ahead = Job.objects.filter(executor=job.executor, deleted_at__isnull=True, each="").order_by()
    waiting = ahead.filter(phase=Phase.QUEUED, priority__gte=job.priority).exclude(pk=job.pk)
    running = ahead.filter(phase=Phase.EXECUTING)
    places = running.count()
    seconds = own
    if places and waiting.exists():
        work = _seconds(waiting.values_list("tool_name").annotate(Count("pk")), own)
        # Those that run are half done, on average.
        work += _seconds(running.values_list("tool_name").annotate(Count("pk")), own) / 2
        seconds += work / places
    return now() + timedelta(seconds=min(seconds, 30 * 86400))


def _seconds(counts: Iterable[tuple[str, int]], otherwise: float) -> float:
    return sum(number * (typical_seconds(name) or otherwise) for name, number in counts)
