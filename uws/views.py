"""UWS 1.1 over HTTP: parse, call the controller, render.  Decides nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseNotAllowed,
    StreamingHttpResponse,
)
from django.views.decorators.csrf import csrf_exempt

from gateway.vo.dali import Parameters
from gateway.vo.errors import GatewayError, NotFound, UsageError
from gateway.vo.middleware import render_error
from gateway.vo.sessions import caller_of
from uws import batch, controller, forms, kinds, links, wait, xml
from uws.access import get_job, jobs_of
from uws.models import Job
from uws.phases import WAITABLE, Phase

SYNC_SECONDS = 600
"""A synchronous call that is not done by then is told where its job is."""
LIST_CHUNK = 2000

View = Callable[..., HttpResponseBase]


def methods(*allowed: str) -> Callable[[View], View]:
    """The methods of a resource; programs send no CSRF token (the accounts middleware looks at cookies)."""

    def decorate(view: View) -> View:
        @csrf_exempt
        @wraps(view)
        def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if request.method not in allowed:
                return HttpResponseNotAllowed(allowed)
            response = view(request, *args, **kwargs)
            response.headers.setdefault("Cache-Control", "private, no-cache")
            return response

        return checked

    return decorate


def find(request: HttpRequest, tool: str, job_id: str) -> Job:
    """The job of a URL, if it is one of this tool's and the caller may use it."""
    return get_job(job_id, caller_of(request), tool=tool.partition("@")[0])


def see_other(url: str) -> HttpResponse:
    """303: how UWS answers every change."""
    response = HttpResponse(status=303)
    response["Location"] = url
    return response


def wants_page(request: HttpRequest) -> bool:
    """True for a browser.  Java's clients accept text/html too, but never XHTML."""
    return "application/xhtml+xml" in request.headers.get("Accept", "")


def text(value: object) -> HttpResponse:
    return HttpResponse(str(value), content_type="text/plain; charset=utf-8")


def document(content: bytes) -> HttpResponse:
    return HttpResponse(content, content_type=xml.CONTENT_TYPE)


# -- the list, and creation -----------------------------------------------------------------------------


@methods("GET", "HEAD", "POST")
def jobs(request: HttpRequest, tool: str) -> HttpResponseBase:
    """/async: the caller's jobs, or a new one."""
    if request.method == "POST":
        return _create(request, tool)
    kind = kinds.kind_of(tool)
    if wants_page(request):
        return see_other(f"{links.base_url(request)}/jobs/")
    caller = caller_of(request)
    parent = Parameters(request.GET).get("PARENT")
    # Whoever may use a request may list its jobs, also where only its address leads to it.
    mine = (
        get_job(parent, caller, tool=kind.name).children.all()
        if parent
        else jobs_of(caller).filter(parent=None)
    )
    rows = _filtered(request, mine.filter(tool_name=kind.name, deleted_at__isnull=True))
    collection = f"{links.base_url(request)}/{Job(tool_name=kind.name).service_path}"
    body = xml.job_list(rows.iterator(chunk_size=LIST_CHUNK), collection, caller.username)
    response = StreamingHttpResponse(body, content_type=xml.CONTENT_TYPE)
    response["Vary"] = "Accept, Cookie, Authorization"
    return response


def _filtered(request: HttpRequest, rows: Any) -> Any:
    """PHASE (repeatable), AFTER (strict) and LAST (newest first), all of which hold (UWS 1.1, 2.2.2.1).

    The jobs of a request over many inputs are listed on their own: PARENT=<its id>.
    """
    query = Parameters(request.GET)
    wanted = [forms.phase(value).value for value in query.all("PHASE") if value.strip()]
    rows = rows.filter(phase__in=wanted) if wanted else rows.exclude(phase=Phase.ARCHIVED)
    for value in query.all("AFTER"):
        rows = rows.filter(creation_time__gt=forms.instant("AFTER", value))
    last = [forms.integer("LAST", value, minimum=1) for value in query.all("LAST")]
    if last:
        rows = rows.order_by("-creation_time", "-id")[: min(last)]
    return rows.only("id", "phase", "run_id", "creation_time")


def _create(request: HttpRequest, tool: str) -> HttpResponse:
    asked = forms.read(request, forms.CREATION)
    job = _make(request, tool, asked, run=_run_wanted(asked))
    return see_other(links.job_url(job, links.base_url(request)))


def _run_wanted(asked: forms.Request) -> bool:
    phase = asked.one("PHASE")
    if phase is None or not phase:
        return False
    if phase.upper() != "RUN":
        raise UsageError(f"PHASE={phase[:40]!r} at creation.", hint="PHASE=RUN starts it.", field="PHASE")
    return True


def _make(request: HttpRequest, tool: str, asked: forms.Request, *, run: bool) -> Job:
    caller = caller_of(request)
    duration, destruction = asked.one("EXECUTIONDURATION"), asked.one("DESTRUCTION")
    reuse = asked.one("REUSE")
    return controller.create(
        tool,
        asked.values,
        caller,
        run_id=asked.one("RUNID") or "",
        uploads=asked.uploads,
        session=bool(caller.session_key),
        run=run,
        base_url=links.base_url(request),
        execution_duration=_duration(duration) if duration else None,
        destruction=forms.instant("DESTRUCTION", destruction) if destruction else None,
        each=asked.one("EACH") or "",
        reuse=forms.boolean("REUSE", reuse) if reuse else None,
    )


def _duration(value: str) -> int:
    return forms.integer("EXECUTIONDURATION", value, minimum=0)


# -- one job --------------------------------------------------------------------------------------------


@methods("GET", "HEAD", "POST", "DELETE")
def job(request: HttpRequest, tool: str, job_id: str) -> HttpResponseBase:
    """/async/<id>: the job; DELETE or ACTION=DELETE removes it."""
    found = find(request, tool, job_id)
    base = links.base_url(request)
    if request.method in ("POST", "DELETE"):
        if (
            request.method == "POST"
            and (forms.read(request, ["ACTION"]).one("ACTION") or "").upper() != "DELETE"
        ):
            raise UsageError(
                "A POST to a job needs ACTION=DELETE.", hint="PHASE=RUN and PHASE=ABORT go to .../phase."
            )
        controller.destroy(found)
        return see_other(f"{base}/{found.service_path}")
    query = Parameters(request.GET)
    if query.get("WAIT"):
        now = wait.wait_here(request, found, query.get("WAIT"), query.get("PHASE"), base, xml.job)
        if now is None:
            return document(b"")
        found = now
    elif wants_page(request):
        response = see_other(links.page_url(found, base))
        response["Vary"] = "Accept"
        return response
    return document(xml.job(found, base))


@methods("GET", "HEAD", "POST")
def phase(request: HttpRequest, tool: str, job_id: str) -> HttpResponseBase:
    """/phase: what it is; PHASE=RUN or ABORT changes it."""
    found = find(request, tool, job_id)
    if request.method != "POST":
        return text(found.phase)
    word = (forms.read(request, ["PHASE"]).one("PHASE") or "").upper()
    if word == "RUN":
        controller.run(found, caller_of(request))
    elif word == "ABORT":
        controller.abort(found)
    else:
        raise UsageError("PHASE is RUN or ABORT here.", field="PHASE")
    return see_other(links.job_url(found, links.base_url(request)))


@methods("POST")
def rerun(request: HttpRequest, tool: str, job_id: str) -> HttpResponseBase:
    """/rerun: a new job like this one; of a request over many inputs, over those that failed."""
    found = find(request, tool, job_id)
    base = links.base_url(request)
    return see_other(links.job_url(batch.rerun(found, caller_of(request), base_url=base), base))


@methods("GET", "HEAD", "POST")
def execution_duration(request: HttpRequest, tool: str, job_id: str) -> HttpResponseBase:
    """/executionduration, in seconds."""
    found = find(request, tool, job_id)
    if request.method != "POST":
        return text(found.execution_duration)
    controller.set_duration(found, _duration(_needed(request, "EXECUTIONDURATION")))
    return see_other(links.job_url(found, links.base_url(request)))


@methods("GET", "HEAD", "POST")
def destruction(request: HttpRequest, tool: str, job_id: str) -> HttpResponseBase:
    """/destruction, a time."""
    found = find(request, tool, job_id)
    if request.method != "POST":
        return text(xml.instant(found.destruction))
    controller.set_destruction(found, forms.instant("DESTRUCTION", _needed(request, "DESTRUCTION")))
    return see_other(links.job_url(found, links.base_url(request)))


def _needed(request: HttpRequest, name: str) -> str:
    value = forms.read(request, [name]).one(name)
    if not value:
        raise UsageError(f"{name} is missing.", field=name)
    return value


@methods("GET", "HEAD")
def quote(request: HttpRequest, tool: str, job_id: str) -> HttpResponseBase:
    """/quote: when the job is likely to be complete; empty for `don't know`."""
    return text(xml.instant(find(request, tool, job_id).quote))


@methods("GET", "HEAD")
def owner(request: HttpRequest, tool: str, job_id: str) -> HttpResponseBase:
    """/owner: the account's name; empty for an anonymous one."""
    return text(find(request, tool, job_id).owner_name)


@methods("GET", "HEAD")
def error(request: HttpRequest, tool: str, job_id: str) -> HttpResponseBase:
    """/error: why the job failed, in the service's own form of errors (TAP: a VOTable); empty if it did not."""
    found = find(request, tool, job_id)
    if not found.error_message:
        return text("")
    rendered = render_error(request, GatewayError(found.error_message))
    rendered.status_code = 200
    return rendered


@methods("GET", "HEAD", "POST")
def parameters(request: HttpRequest, tool: str, job_id: str) -> HttpResponseBase:
    """/parameters: all of them; POST adds and replaces while the job is pending."""
    found = find(request, tool, job_id)
    if request.method != "POST":
        return document(xml.parameters(found))
    asked = forms.read(request, ["RUNID"])
    controller.set_parameters(
        found, asked.values, caller_of(request), asked.uploads, run_id=asked.one("RUNID")
    )
    return see_other(links.job_url(found, links.base_url(request)))


@methods("GET", "HEAD", "POST", "PUT")
def parameter(request: HttpRequest, tool: str, job_id: str, name: str) -> HttpResponseBase:
    """/parameters/<name>: one value as text (several, one per line); POST VALUE=... or PUT replaces it."""
    found = find(request, tool, job_id)
    if request.method in ("POST", "PUT"):
        value: Any = request.body.decode("utf-8", "replace") if request.method == "PUT" else None
        if value is None:
            value = forms.read(request, ["VALUE"]).one("VALUE") or ""
        controller.set_parameters(found, {name: value}, caller_of(request), replacing=True)
        return see_other(links.job_url(found, links.base_url(request)))
    values = [value for known, value in xml.parameter_values(found) if known.lower() == name.lower()]
    if not values:
        raise NotFound(f"The job has no parameter {name[:60]!r}.")
    return text("\n".join(values))


# -- synchronous calls ----------------------------------------------------------------------------------


@methods("GET", "HEAD", "POST")
def sync(request: HttpRequest, tool: str) -> HttpResponseBase:
    """/sync: run the tool and answer with its main result (by a redirect) or its error.

    If the client leaves, the job is aborted.
    """
    asked = forms.read(request, forms.CREATION)
    made = _make(request, tool, asked, run=True)
    gone = threading.Event()
    token = request.META.get("vogate.token")
    if token is not None:
        token.on_leave(gone.set)
    wait.wait_until_final(made.pk, SYNC_SECONDS, gone=gone)
    made.refresh_from_db()
    base = links.base_url(request)
    if gone.is_set() and Phase(made.phase) in WAITABLE:
        controller.abort(made, "The client of the synchronous call left.")
        return text("")
    if Phase(made.phase) in WAITABLE:
        return see_other(links.job_url(made, base))
    if made.phase != Phase.COMPLETED:
        raise JobFailed(made, base)
    results = list(made.results.all())
    main = next((r for r in results if r.role == "main"), results[0] if results else None)
    if main is None:
        return see_other(f"{links.job_url(made, base)}/results")
    return see_other(links.result_url(made, main.name, base))


class JobFailed(GatewayError):
    """The job of a synchronous call did not complete."""

    status, code = 500, "FatalFault"

    def __init__(self, job: Job, base: str) -> None:
        message = job.error_message or f"The job ended as {job.phase}."
        super().__init__(message, hint=f"Its log: {links.job_url(job, base)}/log")
        if job.error_type == "transient":
            self.status, self.code = 503, "TransientFault"
