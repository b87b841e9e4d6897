"""The caller's jobs, and the page of each."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from gateway.portal import jobpage
from gateway.portal.scripts import scripts
from gateway.portal.views.common import base_url, duration_text, job_title, limits_of, tool_of
from gateway.portal.views.provenance import downloads
from gateway.portal.views.withdrawal import withdrawal_of_job
from gateway.vo.caller import Caller
from gateway.vo.errors import GatewayError, UsageError
from gateway.vo.sessions import caller_of
from obscore import products
from provenance.models import Activity
from uws import batch, controller
from uws.access import get_job, jobs_of
from uws.creation import UPLOAD_PREFIX
from uws.logs import tail
from uws.models import Job, Rights
from uws.phases import Phase

PAGE_ROWS = 30
LISTED_PHASES = [phase.value for phase in Phase if phase is not Phase.ARCHIVED]
ACTION_LIMIT = 200
ERROR_LINES = 15
"""Lines of a failed job's log that stand beside the reason."""


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def jobs(request: HttpRequest) -> HttpResponse:
    """The caller's jobs, newest first; a POST aborts or deletes those that are ticked."""
    if request.method == "POST":
        return _act_on_many(request)
    mine = jobs_of(caller_of(request))
    parent = request.GET.get("parent")
    # The jobs of a request over many inputs are folded into it.
    mine = mine.filter(parent=parent) if parent else mine.filter(parent=None)
    chosen = (
        _filtered(mine, request)
        .annotate(result_count=Count("results", distinct=True), child_count=Count("children", distinct=True))
        .order_by("-creation_time", "id")
    )
    page = Paginator(chosen, PAGE_ROWS).get_page(request.GET.get("page"))
    about = jobpage.about(list(page))
    kept = [(name, value) for name, values in request.GET.lists() if name != "page" for value in values]
    context = {
        "page": page,
        "parent": parent,
        "rows": [_row(job, about.get(job.pk, "")) for job in page],
        "filters": _filters(mine, request),
        "is_filtered": any(request.GET.get(name) for name in ("phase", "tool", "q")),
        "has_active": any(job.is_active for job in page),
        "query": urlencode(kept),
        "limits": limits_of(caller_of(request)),
        "lifetime": duration_text(limits_of(caller_of(request)).lifetime),
    }
    return render(request, "portal/jobs.html", context)


def _filtered(mine: QuerySet[Job], request: HttpRequest) -> QuerySet[Job]:
    phases = [phase for phase in request.GET.getlist("phase") if phase in Phase.__members__]
    mine = mine.filter(phase__in=phases) if phases else mine.exclude(phase=Phase.ARCHIVED.value)
    if request.GET.get("tool"):
        mine = mine.filter(tool_name=request.GET["tool"])
    if request.GET.get("q"):
        mine = mine.filter(run_id__icontains=request.GET["q"].strip())
    return mine


def _filters(mine: QuerySet[Job], request: HttpRequest) -> dict[str, Any]:
    """What the filter form offers: phases and tools that the caller has jobs of."""
    counts = dict(mine.order_by().values_list("phase").annotate(Count("pk")))
    names = mine.order_by("tool_name").values_list("tool_name", flat=True).distinct()
    selected = request.GET.getlist("phase")
    return {
        "phases": [(p.value, counts[p.value], p.value in selected) for p in Phase if p.value in counts],
        "tools": [(name, _title(name), name == request.GET.get("tool")) for name in names],
        "q": request.GET.get("q", ""),
    }


def _title(tool_name: str) -> str:
    job = Job(tool_name=tool_name)
    return job_title(job, tool_of(job))


def _row(job: Job, about: str) -> dict[str, Any]:
    return {
        "job": job,
        "about": about,
        "title": job_title(job, tool_of(job)),
        "run_time": duration_text(job.run_time),
        "percent": None if job.progress is None else round(100 * job.progress),
        "detail": job.stage if job.phase == Phase.EXECUTING else job.error_message[:160],
    }


def _act_on_many(request: HttpRequest) -> HttpResponse:
    action = request.POST.get("action", "")
    if action not in ("abort", "delete"):
        raise UsageError("Choose what to do with the jobs.")
    done = 0
    for job_id in request.POST.getlist("job")[:ACTION_LIMIT]:
        try:
            job = get_job(job_id, caller_of(request))
        except GatewayError:
            continue
        if action == "delete":
            controller.destroy(job)
        elif not job.is_final:
            controller.abort(job)
        else:
            continue
        done += 1
    word = {"abort": "cancelled", "delete": "deleted"}[action]
    text = f"{done} job{'' if done == 1 else 's'} {word}." if done else "Nothing to do: no job was ticked."
    messages.add_message(request, messages.SUCCESS if done else messages.INFO, text)
    back = request.POST.get("query", "")
    return HttpResponseRedirect(reverse("portal:jobs") + (f"?{back}" if back else ""), status=303)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def job(request: HttpRequest, job_id: str) -> HttpResponse:
    """A job's page; a POST cancels, starts or deletes it."""
    found = get_job(job_id, caller_of(request))
    if request.method == "POST":
        return _act(request, found)
    tool = tool_of(found)
    results = list(found.results.select_related("job"))
    log, log_next = tail(found, -jobpage.LOG_BYTES, jobpage.LOG_BYTES)
    lines, failed = log.rstrip().splitlines(), found.phase == Phase.ERROR
    views = jobpage.result_views(results)
    published = products.published(found.id)
    context = {
        "job": found,
        "tool": tool,
        "title": job_title(found, tool),
        "status": jobpage.status_text(found),
        "percent": None if found.progress is None else round(100 * found.progress),
        "run_time": duration_text(found.run_time),
        "execution_duration": duration_text(found.execution_duration),
        "parameters": jobpage.parameter_rows(found, tool),
        "inputs": jobpage.input_rows(found, tool),
        "terms": sorted({one.terms for one in found.inputs.all() if one.terms}),
        "results": [(jobpage.view_of_listed(one), published.get(one.name)) for one in results],
        "can_publish": _can_publish(found, caller_of(request)),
        "figures": [one for one in views if one.is_figure and one.kind != "image"],
        "pictures": [one for one in views if one.kind == "image"],
        "contents": [one for one in views if not one.is_figure],
        "log": log,
        "log_next": log_next,
        "log_truncated": log_next > jobpage.LOG_BYTES,
        "log_tail": "\n".join(lines[-ERROR_LINES:]) if failed else "",
        "log_in_error": failed and 0 < len(lines) <= ERROR_LINES,
        "can_run": found.phase in (Phase.PENDING, Phase.HELD),
        "can_abort": not found.is_final,
        "is_mine": found.rights != "capability",
        "uws_url": base_url(request) + found.uws_url,
        # The form makes one job of all inputs, so it does not repeat a request over each of them.
        "again_url": f"{reverse('portal:tool', args=[found.tool_name])}?from={found.id}"
        if tool and not found.is_batch
        else "",
        "scripts": _scripts(request, found, tool),
        "has_provenance": Activity.objects.filter(job=found.id).exists(),
        "provenance_downloads": downloads(found.id),
        "withdrawal": withdrawal_of_job(found.id) if found.is_final else None,
    }
    return render(request, "portal/job.html", context)


def _can_publish(found: Job, caller: Caller) -> bool:
    return found.rights == Rights.ACCOUNT and found.phase == Phase.COMPLETED and not products.refusal(caller)


def _scripts(request: HttpRequest, found: Job, tool: Any) -> list[Any]:
    if tool is None:
        return []
    inputs: dict[str, list[str]] = {}
    files = []
    for one in found.inputs.all():
        if one.identifier.startswith(UPLOAD_PREFIX):
            files.append((one.role, one.title))
        else:
            inputs.setdefault(one.role, []).append(one.identifier)
    known = {name: value for name, value in found.parameters.items() if tool.parameter(name)}
    if found.is_batch:
        known["EACH"] = found.each
    signed_in = caller_of(request).is_authenticated
    return scripts(
        tool, known, inputs, base_url(request), files=files, run_id=found.run_id, needs_token=signed_in
    )


def _act(request: HttpRequest, found: Job) -> HttpResponse:
    action = request.POST.get("action", "")
    if action == "delete":
        controller.destroy(found)
        messages.success(request, f"Job {found.run_id or found.id} is deleted; its provenance record stays.")
        return HttpResponseRedirect(reverse("portal:jobs"), status=303)
    if action == "abort":
        controller.abort(found)
    elif action == "rerun":
        again = batch.rerun(found, caller_of(request), base_url=base_url(request))
        return HttpResponseRedirect(again.page_url, status=303)
    elif action == "run":
        _start(request, found, caller_of(request))
    else:
        raise UsageError("This is nothing that can be done with a job.")
    return HttpResponseRedirect(found.page_url, status=303)


def _start(request: HttpRequest, found: Job, caller: Caller) -> None:
    try:
        controller.run(found, caller)
    except GatewayError as error:
        messages.error(request, str(error))


@never_cache
@require_safe
def job_state(request: HttpRequest, job_id: str) -> HttpResponse:
    """Phase, progress and the new part of the log, as JSON for the job's page."""
    found = get_job(job_id, caller_of(request))
    offset = request.GET.get("log", "0")
    return JsonResponse(jobpage.state(found, int(offset) if offset.isdigit() else 0))
