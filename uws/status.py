"""`/status/`: what operators see of the jobs, and the short form for everybody."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db.models import Count
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from gateway.vo.dali import Parameters
from gateway.vo.sessions import caller_of
from uws import queues
from uws.metrics import RECENT
from uws.models import Attempt, Job, QueueStop, now
from uws.phases import Phase

FAILURES = 20


@never_cache
@require_safe
def status(request: HttpRequest) -> HttpResponse:
    """Queues, what runs where, and (for staff) why jobs failed; FORMAT=json for programs."""
    full = _is_staff(request)
    facts = describe(full=full)
    if Parameters(request.GET).get("FORMAT").lower() == "json":
        return JsonResponse(facts)
    return render(request, "uws/status.html", {"facts": facts, "full": full})


def _is_staff(request: HttpRequest) -> bool:
    caller = caller_of(request)
    if caller.user_id is None:
        return False
    from django.contrib.auth import get_user_model

    return get_user_model().objects.filter(pk=caller.user_id, is_staff=True, is_active=True).exists()


def describe(*, full: bool) -> dict[str, Any]:
    """The facts as plain values; without `full` nothing about single jobs, hosts or people."""
    states = queues.status()
    facts: dict[str, Any] = {
        "accepting": not any(s.executor == queues.EVERYTHING for s in QueueStop.objects.all())
        and not queues.disk_is_full(),
        "queued": sum(s.queued for s in states if not s.name.startswith("tool:") and s.name != "all"),
        "running": sum(s.running for s in states if not s.name.startswith("tool:") and s.name != "all"),
        "oldest_seconds": max((s.oldest for s in states if s.oldest is not None), default=None),
        "stopped": [
            {"queue": s.name, "mode": s.mode, "reason": s.reason} for s in states if s.mode != "running"
        ],
    }
    if not full:
        return facts
    facts["queues"] = [vars(s) for s in states]
    running = Attempt.objects.filter(ended_at__isnull=True).order_by("job__tool_name", "host")
    facts["by_tool_and_host"] = [
        {"tool": tool, "host": host, "running": number}
        for tool, host, number in running.values_list("job__tool_name", "host").annotate(Count("pk"))
    ]
    facts["failures"] = list(_failures())
    recent = Job.objects.filter(end_time__gt=now() - RECENT, each="").order_by()
    facts["last_hour"] = dict(recent.values_list("phase").annotate(Count("pk")))
    facts["disk_full"] = queues.disk_is_full()
    return facts


def _failures() -> Iterable[dict[str, Any]]:
    jobs = Job.objects.filter(phase=Phase.ERROR, deleted_at__isnull=True, each="").select_related("owner")
    for job in jobs.order_by("-end_time")[:FAILURES]:
        yield {
            "job": job.pk,
            "tool": job.tool_name,
            "owner": job.owner_name,
            "ended": job.end_time.isoformat() if job.end_time else "",
            "attempt": job.attempt,
            "reason": job.error_message,
        }
