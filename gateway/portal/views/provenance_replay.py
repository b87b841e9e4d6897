"""Doing a job again from its page: the plan, the new run, and the comparison of two runs."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.safestring import mark_safe
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from gateway.portal import difference_svg, differences
from gateway.portal.views.common import base_url, job_title, tool_of
from gateway.portal.views.provenance import downloads
from gateway.portal.views.provenance_graph import page_of
from gateway.portal.views.withdrawal import withdrawal_of_job
from gateway.vo.caller import Caller
from gateway.vo.errors import GatewayError, NotFound, UsageError
from gateway.vo.sessions import caller_of, ensure_session
from provenance import access, models
from uws import replay
from uws.access import get_job
from uws.comparing import Comparison, State, Tolerance
from uws.models import Job

OTHER_RUNS = 20
STATES = {
    State.SAME: "same bytes",
    State.EQUAL: "same values",
    State.DIFFERENT: "different",
    State.MISSING: "only the earlier run has it",
    State.NEW: "only the later run has it",
    State.UNKNOWN: "other bytes; a file is gone",
}
SECTIONS = (
    ("tool", "Tool"),
    ("parameters", "Parameters"),
    ("inputs", "Inputs"),
    ("environment", "Platform and container"),
    ("phase", "End"),
)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def replay_job(request: HttpRequest, job_id: str) -> HttpResponse:
    """What it takes to run a job again; a POST does it (`action` is `rerun` or `verify`)."""
    if request.method == "POST":
        return _run(request, job_id)
    caller = caller_of(request)
    plan = replay.plan(job_id, caller)
    record = replay.final_record(job_id)
    job = Job.objects.filter(pk=job_id).first()
    context = {
        "plan": plan,
        "withdrawal": withdrawal_of_job(plan.job),
        "record": record,
        "title": record.name or record.description.name,
        "parameters": [(item.name, item.value, item.unit) for item in record.parameters],
        "sources": [
            (source, page_of("e", source.identifier.removeprefix("job:"))) for source in plan.sources
        ],
        "job_url": job.page_url if job else "",
        "activity_url": page_of("a", record.key),
        "others": _other_runs(job_id, record.requestDigest, caller),
        "downloads": downloads(job_id),
    }
    return render(request, "portal/provenance_replay.html", context)


def _run(request: HttpRequest, job_id: str) -> HttpResponse:
    action = request.POST.get("action", "")
    if action not in ("rerun", "verify"):
        raise UsageError("This is nothing that can be done with a job.")
    try:
        job = replay.rerun(
            job_id,
            ensure_session(request),
            accept_changes=bool(request.POST.get("accept_changes")),
            base_url=base_url(request),
        )
    except GatewayError as error:
        messages.error(request, str(error))
        return HttpResponseRedirect(reverse("portal:job-replay", args=[job_id]), status=303)
    if action == "verify":
        query = urlencode({"with": job.pk})
        return HttpResponseRedirect(f"{reverse('portal:job-compare', args=[job_id])}?{query}", status=303)
    messages.success(request, f"This is job {job_id} again: the same tool version, parameters and inputs.")
    return HttpResponseRedirect(job.page_url, status=303)


def _other_runs(job_id: str, digest: str, caller: Caller) -> list[models.Activity]:
    """Other jobs of the caller that were asked for exactly the same."""
    if not digest:
        return []
    rows = access.activities(caller).filter(requestDigest=digest, final=True, step="")
    return list(rows.exclude(job=job_id).order_by("-endTime")[:OTHER_RUNS])


@never_cache
@require_safe
def compare(request: HttpRequest, job_id: str) -> HttpResponse:
    """The job beside the one that `with` names: what was asked for, and what came out.

    While one of them runs the page says so and is asked for again.
    """
    caller = caller_of(request)
    if _running(job_id, caller) is None:
        access.check(job_id, caller)
    other = request.GET.get("with", "").strip().rstrip("/").rpartition("/")[2]
    context: dict[str, Any] = {
        "job_id": job_id,
        "other": other,
        "rtol": request.GET.get("rtol", ""),
        "atol": request.GET.get("atol", ""),
    }
    first, second = _in_order(job_id, other)
    if other:
        running = [job for job in (_running(one, caller) for one in (job_id, other)) if job is not None]
        if running:
            context["running"] = running
        else:
            try:
                tolerance = Tolerance(_number(request, "rtol"), _number(request, "atol"))
                context |= _comparison(replay.verify(first, second, caller, tolerance), caller)
            except GatewayError as error:
                context["error"] = error
    status = context["error"].status if "error" in context else 200
    seen = [one for one in (first, second) if one and (one == job_id or status == 200)]
    context["jobs"] = [_told(one) for one in seen]
    return render(request, "portal/provenance_compare.html", context, status=status)


def _running(job_id: str, caller: Caller) -> Job | None:
    """The job if it has not ended; None if it has, or if only its record is left.

    Raises
    ------
    NotFound, Forbidden, NotAuthenticated
        If it is not the caller's to see.
    """
    job = Job.objects.filter(pk=job_id).first()
    if job is None:
        if not models.Activity.objects.filter(job=job_id).exists():
            raise NotFound(f"There is no job {job_id[:60]!r}.")
        return None
    if job.is_final:
        return None
    return get_job(job_id, caller)


def _began(job_id: str) -> datetime | None:
    """When the job was made, or what is left of it began."""
    made = Job.objects.filter(pk=job_id).values_list("creation_time", flat=True).first()
    starts = models.Activity.objects.filter(job=job_id).order_by("startTime")
    return made or starts.values_list("startTime", flat=True).first()


def _in_order(job_id: str, other: str) -> tuple[str, str]:
    """The earlier job and the later one."""
    first, second = _began(job_id), _began(other)
    return (other, job_id) if first and second and second < first else (job_id, other)


def _told(job_id: str) -> dict[str, Any]:
    """A job as the head of a comparison names it."""
    job = Job.objects.filter(pk=job_id).first()
    title = job_title(job, tool_of(job)) if job else replay.final_record(job_id).description.name
    return {
        "id": job_id,
        "page": _page(job_id),
        "title": f"{title} {job.run_id if job else ''}".strip(),
        "time": _began(job_id),
    }


def _page(job_id: str) -> str:
    """The job's page; its activity's where the job is gone."""
    job = Job.objects.filter(pk=job_id).exclude(phase="ARCHIVED").first()
    return job.page_url if job else page_of("a", job_id)


def _number(request: HttpRequest, name: str) -> float:
    text = request.GET.get(name, "").strip() or "0"
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise UsageError(f"{name}={text[:30]!r} is not a number from 0.", field=name)
    return value


def _comparison(found: replay.Verification, caller: Caller) -> dict[str, Any]:
    drawn: dict[str, str] = {}
    main = [output for output in found.outputs if output.role not in ("log", "preview")]
    return {
        "found": found,
        "sections": _sections(found),
        "uncounted": len(found.outputs) > len(main) > 0,
        "outputs": [
            {
                "output": output,
                "state": STATES[output.state],
                "agrees": output.agrees,
                "pictures": _pictures(found, output),
                **_drawn(found, output, caller, drawn),
            }
            for output in found.outputs
        ],
        "main_count": len(main),
        "agreeing": sum(output.agrees for output in main),
    }


def _sections(found: replay.Verification) -> list[tuple[str, list[tuple[Any, ...]]]]:
    """What differs in the requests, with units of parameters and names of inputs; (title, [(name, earlier, later)])."""
    records = [replay.final_record(job_id) for job_id in (found.earlier, found.later)]
    units = [{one.name: one.unit for one in record.parameters} for record in records]
    names = {
        use.entity.sha256: f"{use.entity.name or use.entity.id} (SHA-256 {use.entity.sha256[:10]}…)"
        for record in records
        for use in record.used
        if use.entity.sha256
    }

    def told(key: str, name: str, side: int, value: Any) -> Any:
        if value is None:
            return None
        if key == "parameters" and (unit := units[side].get(name)):
            return f"{value} {unit}"
        return names.get(value, value) if key == "inputs" else value

    return [
        (
            title,
            [
                (name, *(told(key, name, side, value) for side, value in enumerate(pair)))
                for name, pair in found.request[key].items()
            ],
        )
        for key, title in SECTIONS
        if found.request[key]
    ]


def _drawn(
    found: replay.Verification, output: Comparison, caller: Caller, drawn: dict[str, str]
) -> dict[str, Any]:
    """A drawing of what differs, and the same in a sentence; of one table in several formats only once.

    `drawn` has the products by their drawings, and is added to.
    """
    if output.state is not State.DIFFERENT:
        return {}
    sides = [replay.product_of(job_id, output.name, caller) for job_id in (found.earlier, found.later)]
    paths = [side.path if side is not None else None for side in sides]
    if paths[0] is None or paths[1] is None or sides[0] is None:
        return {}
    change = differences.difference(paths[0], paths[1], sides[0].preview)
    if change is None:
        return {}
    picture, said = difference_svg.draw(change), difference_svg.describe(change)
    first = drawn.setdefault(picture, output.name)
    if first != output.name:
        return {"said": f"As {first}."}
    return {"drawing": mark_safe(picture), "said": said}


def _pictures(found: replay.Verification, output: Comparison) -> list[tuple[str, str]]:
    """Both pictures of an image that differs, the earlier one first."""
    if output.state is not State.DIFFERENT:
        return []
    pictures = []
    for word, job_id in (("earlier", found.earlier), ("later", found.later)):
        job = Job.objects.filter(pk=job_id).first()
        row = job.results.filter(name=output.name, media_type__startswith="image/").first() if job else None
        if row is None or row.media_type.partition(";")[0] not in (
            "image/png",
            "image/jpeg",
            "image/svg+xml",
        ):
            return []
        pictures.append((word, row.url))
    return pictures
