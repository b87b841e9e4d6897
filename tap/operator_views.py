"""For operators: metrics, and what the engine does with a query."""

from __future__ import annotations

from django.conf import settings
from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from gateway.vo.dali import Parameters
from gateway.vo.errors import Forbidden
from gateway.vo.sessions import caller_of
from tap import metrics, service, workers
from uws.models import Job

LOCAL = ("127.0.0.1", "::1")


@require_safe
def prometheus(request: HttpRequest) -> HttpResponse:
    """`/metrics`, for staff and for addresses in `[query] metrics_from` (this machine by default)."""
    caller = caller_of(request)
    allowed = settings.SITE.query.get("metrics_from", LOCAL)
    if not caller.is_staff and caller.address not in allowed:
        raise Forbidden("Metrics are for the operators of this service.")
    phases = Job.objects.order_by().values_list("phase").annotate(count=Count("pk"))
    document = metrics.text(workers.engine().load(), {str(phase): count for phase, count in phases})
    return HttpResponse(document, content_type=metrics.TYPE)


@require_safe
def explain(request: HttpRequest) -> HttpResponse:
    """The SQL that a query becomes and the engine's plan for it; for staff."""
    caller = caller_of(request)
    if not caller.is_staff:
        raise Forbidden("EXPLAIN is for the operators of this service.")
    return HttpResponse(
        service.plan(Parameters(request.GET).required("QUERY"), caller),
        content_type="text/plain; charset=utf-8",
    )
