"""`quote`: when a job is likely to be complete, from earlier runs of the tool and the queue before it."""

from __future__ import annotations

from datetime import datetime, timedelta
from statistics import median

from uws import rows
from uws.models import Job, now
from uws.phases import Phase

EARLIER = 25
"""Runs of a tool that are looked at, the latest."""
LEAST = 3
"""With fewer nothing is foretold: `don't know` is an honest quote."""


def typical_seconds(tool_name: str) -> float | None:
    """The median run time of the tool's latest completed jobs; None if there are too few."""
    condition = "tool_name = %s AND phase = 'COMPLETED' AND each = '' AND start_time IS NOT NULL"
    found = rows.fields(
        Job, ("start_time", "end_time"), f"{condition} ORDER BY end_time DESC LIMIT %s", [tool_name, EARLIER]
    )
    times = [(end - start).total_seconds() for start, end in found if start and end]
    return median(times) if len(times) >= LEAST else None


def quote(job: Job) -> datetime | None:
    """When a job that is queued now is likely to be complete; None for `don't know`.

    The jobs ahead of it take turns on as many places as are at work now.
    """
    own = typical_seconds(job.tool_name)
    if own is None:
        return None
    seconds, places, work, waits = own, 0, 0.0, False
    for phase, tool, count in _ahead(job):
        # Those that run are half done, on average.
        share = 0.5 if phase == Phase.EXECUTING else 1.0
        places += count if phase == Phase.EXECUTING else 0
        work += share * count * ((own if tool == job.tool_name else typical_seconds(tool)) or own)
        waits = waits or phase == Phase.QUEUED
    if places and waits:
        seconds += work / places
    return now() + timedelta(seconds=min(seconds, 30 * 86400))


def _ahead(job: Job) -> list[tuple[str, str, int]]:
    """(phase, tool, number) of the jobs that run, and of those that are queued before this one."""
    common = "executor = %s AND each = '' AND deleted_at IS NULL GROUP BY phase, tool_name"
    return rows.query(
        f"SELECT phase, tool_name, COUNT(*) FROM uws_job WHERE phase = 'EXECUTING' AND {common} UNION ALL"
        " SELECT phase, tool_name, COUNT(*) FROM uws_job WHERE phase = 'QUEUED' AND priority >= %s AND id <> %s"
        f" AND {common}",
        [job.executor, job.priority, job.pk, job.executor],
    )
