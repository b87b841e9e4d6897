"""One result by itself: a page that can be bookmarked."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from gateway.portal import jobpage
from gateway.portal.views.common import job_title, tool_of
from gateway.vo.errors import Gone, NotFound
from gateway.vo.sessions import caller_of
from uws.access import get_job
from uws.models import JobResult
from uws.phases import Phase


@never_cache
@require_safe
def view(request: HttpRequest, job_id: str, name: str) -> HttpResponse:
    """The viewer of one result."""
    job = get_job(job_id, caller_of(request))
    result = JobResult.objects.select_related("job").filter(job=job, name=name).first()
    if result is None and job.phase == Phase.ARCHIVED:
        raise Gone("The results of this job are gone.", hint="Run it again from its page.")
    if result is None:
        raise NotFound(f"This job has no result {name[:80]!r}.", hint="Its page lists what there is.")
    tool = tool_of(job)
    context = {"job": job, "title": job_title(job, tool), "view": jobpage.view_of(result), "alone": True}
    return render(request, "portal/view.html", context)
