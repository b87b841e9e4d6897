"""Figures about jobs, for `/metrics` (Prometheus) and the operators' page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta

from django.db.models import Count

from uws import queues
from uws.models import Attempt, Job, now
from uws.phases import Phase

__all__ = ["collect"]

Sample = tuple[str, Mapping[str, str], float, str]
"""(name, labels, value, help); the type is in the name: `_total` counts up, all others are gauges."""

CURRENT = (Phase.PENDING, Phase.HELD, Phase.QUEUED, Phase.EXECUTING, Phase.SUSPENDED)
RECENT = timedelta(hours=1)


def collect() -> Iterable[Sample]:
    """All figures, from a few queries on indexes; nothing is counted that grows with the job table."""
    current = Job.objects.filter(
        phase__in=[p.value for p in CURRENT], deleted_at__isnull=True, each=""
    ).order_by()
    text = "Jobs that have not ended, by tool and phase."
    for tool, phase, number in current.values_list("tool_name", "phase").annotate(Count("pk")):
        yield "vogate_jobs", {"tool": tool, "phase": phase}, number, text
    for state in queues.status():
        label = {"queue": state.name}
        yield "vogate_queue_length", label, state.queued, "Jobs that wait for a worker."
        yield (
            "vogate_queue_oldest_seconds",
            label,
            state.oldest or 0.0,
            "How long the first of them has waited.",
        )
        yield "vogate_queue_stopped", label, float(state.mode != "running"), "1 if paused or drained."
    running = Attempt.objects.filter(ended_at__isnull=True).order_by()
    text = "Attempts at work, by tool and host."
    for tool, host, number in running.values_list("job__tool_name", "host").annotate(Count("pk")):
        yield "vogate_attempts_running", {"tool": tool, "host": host}, number, text
    ended = Job.objects.filter(end_time__gt=now() - RECENT, each="").order_by()
    text = "Jobs that ended in the last hour, by tool and phase."
    for tool, phase, number in ended.values_list("tool_name", "phase").annotate(Count("pk")):
        yield "vogate_jobs_ended_last_hour", {"tool": tool, "phase": phase}, number, text
    attempts = (
        Attempt.objects.filter(job__end_time__gt=now() - RECENT).filter(ended_at__isnull=False).order_by()
    )
    text = "Attempts of the jobs that ended in the last hour, by tool and how they ended."
    for tool, outcome, number in attempts.values_list("job__tool_name", "outcome").annotate(Count("pk")):
        yield "vogate_attempts_ended_last_hour", {"tool": tool, "outcome": outcome}, number, text
    yield "vogate_disk_full", {}, float(queues.disk_is_full()), "1 if no job starts for want of disk space."
