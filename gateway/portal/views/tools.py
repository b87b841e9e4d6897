"""The tools, and the form of each."""

from __future__ import annotations

from itertools import groupby
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse, QueryDict
from django.shortcuts import render
from django.template.loader import render_to_string
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from gateway.portal.scripts import fields_of, scripts
from gateway.portal.toolform import FieldView, ToolForm, chosen_identifiers, sent_files, typed_values
from gateway.portal.views.common import base_url, duration_text, job_title, limits_of, tool_of
from gateway.vo.errors import GatewayError, UsageError
from gateway.vo.sessions import caller_of, ensure_session
from uws import controller, reuse
from uws.access import get_job
from uws.creation import UPLOAD_PREFIX
from uws.fetched import upload_bytes
from uws.models import Job
from uws.tools import registry
from uws.tools.description import Tool
from uws.tools.values import identifiers

DURATIONS = (60, 300, 600, 1800, 3600, 2 * 3600, 6 * 3600, 12 * 3600, 86400)


@require_safe
def tools(request: HttpRequest) -> HttpResponse:
    """All tools by category; `?obs=...` is carried on to the form."""
    chosen = request.GET.getlist("obs")
    query = f"?{urlencode([('obs', one) for one in chosen])}" if chosen else ""
    shown = [
        {
            "name": tool.name,
            "version": tool.version,
            "title": tool.title,
            "summary": tool.summary,
            "deprecated": tool.deprecated,
            "category": tool.category,
            "reason": tool.why_not or tool.refusal(caller_of(request)),
            "usable": tool.available and not tool.refusal(caller_of(request)),
            "url": reverse("portal:tool", args=[tool.name]) + query,
        }
        for tool in registry.all_tools()
    ]
    categories = [(name, list(group)) for name, group in groupby(shown, key=lambda tool: tool["category"])]
    context = {
        "categories": categories,
        "inputs": chosen,
        "problems": registry.current().problems(),
        "base_url": base_url(request),
    }
    return render(request, "portal/tools.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def tool(request: HttpRequest, name: str) -> HttpResponse:
    """The form of a tool (`name` or `name@version`); a POST with action=run makes a job of it."""
    found = registry.get(name)
    data = request.POST if request.method == "POST" else request.GET
    source = _source_job(request, data, found)
    form = _form(request, found, data, source if request.method != "POST" else None)
    action, _, rest = data.get("action", "").partition(" ") if request.method == "POST" else ("", "", "")
    if action in ("add", "remove", "reset"):
        return HttpResponseRedirect(_changed(request, form, data, action, rest, source), status=303)
    if action == "script":
        return _scripts(request, form, data, source)
    if action == "run":
        response = _run(request, form, data)
        if response is not None:
            return response
    return _page(request, form, data, source)


def _source_job(request: HttpRequest, data: QueryDict, found: Tool) -> Job | None:
    """The earlier job whose values fill the form."""
    job_id = data.get("from", "")
    return get_job(job_id, caller_of(request), tool=found.name) if job_id else None


def _form(request: HttpRequest, found: Tool, data: QueryDict, source: Job | None) -> ToolForm:
    typed, inputs = typed_values(found, data), chosen_identifiers(found, data)
    if source is not None:
        old = {name: value for name, value in source.parameters.items() if found.parameter(name)}
        typed = {**old, **typed}
        if not inputs:
            for one in source.inputs.all():
                if not one.identifier.startswith(UPLOAD_PREFIX):
                    inputs.setdefault(one.role, []).append(one.identifier)
    caller = caller_of(request)
    return ToolForm(found, caller, limits_of(caller), typed, inputs, sent_files(found, request.FILES))


def _changed(
    request: HttpRequest, form: ToolForm, data: QueryDict, action: str, rest: str, source: Job | None
) -> str:
    """The address of the form after adding or removing an input, or resetting the parameters."""
    chosen = {name: list(values) for name, values in form.inputs.items()}
    role, _, identifier = rest.partition(" ")
    if action == "add":
        chosen.setdefault(role, []).extend(identifiers(data.get(f"add-{role}", "")))
    elif action == "remove":
        chosen[role] = [one for one in chosen.get(role, []) if one != identifier]
    pairs = fields_of({}, {name: list(dict.fromkeys(values)) for name, values in chosen.items()})
    if action != "reset":
        # What still is what the form would fill in by itself follows the new inputs.
        automatic = {p.name: p.default for p in form.tool.parameters} | form.from_inputs
        kept = {
            name: value for name, value in form.typed.items() if not _is_default(form, name, value, automatic)
        }
        pairs += fields_of(kept, {})
        pairs += [(name, str(data[name])) for name in ("run_id", "duration", "reuse") if data.get(name)]
        if source is not None and chosen:
            pairs.append(("from", source.id))
    return f"{request.path}?{urlencode(pairs)}" if pairs else request.path


def _is_default(form: ToolForm, name: str, value: Any, automatic: dict[str, Any]) -> bool:
    """Whether a typed text means the value that the form had filled in."""
    parameter = form.tool.parameter(name)
    if parameter is None or value in ("", []):
        return automatic.get(name) in (None, "")
    try:
        return bool(parameter.convert(value) == automatic.get(name))
    except UsageError:
        return False


def _run(request: HttpRequest, form: ToolForm, data: QueryDict) -> HttpResponse | None:
    """Make and start the job; None if the form has faults, which it then shows."""
    parameters = form.check()
    if form.faults:
        return None
    caller = ensure_session(request)
    try:
        job = controller.create(
            form.tool,
            parameters,
            caller,
            run_id=data.get("run_id", "").strip()[:64],
            inputs=form.identifiers(),
            uploads=form.uploads,
            session=True,
            run=True,
            base_url=base_url(request),
            execution_duration=_duration(form, data),
            reuse=bool(data.get("reuse")) if reuse.switch(form.tool.name) is not False else None,
        )
    except UsageError as error:
        form.fault(error)
        return None
    except GatewayError as error:
        # Too many active jobs, a tool that is not available: what was typed must not be lost.
        form.fault(UsageError(error.message, hint=error.hint))
        return None
    return HttpResponseRedirect(reverse("portal:job", args=[job.id]), status=303)


def _duration(form: ToolForm, data: QueryDict) -> int:
    text = data.get("duration", "")
    longest = min(form.limits.execution_duration, form.tool.limits.max_seconds)
    return min(int(text), longest) if text.isdigit() and int(text) > 0 else _usual(form)


def _usual(form: ToolForm) -> int:
    return min(form.tool.limits.seconds, form.limits.execution_duration)


def _duration_choices(form: ToolForm) -> list[tuple[int, str]]:
    longest = min(form.limits.execution_duration, form.tool.limits.max_seconds)
    seconds = sorted({*(one for one in DURATIONS if one <= longest), _usual(form), longest})
    return [(one, duration_text(one)) for one in seconds]


def _limits_text(form: ToolForm) -> str:
    limits, longest = form.limits, min(form.limits.execution_duration, form.tool.limits.max_seconds)
    return (
        f"{'Your' if form.caller.is_authenticated else 'Without signing in, your'} limits: "
        f"{limits.active_jobs} jobs at once, up to {duration_text(longest)} each, "
        f"{limits.inputs} inputs per job; results are kept for {duration_text(limits.lifetime)}."
    )


def _scripts_of(request: HttpRequest, form: ToolForm, data: QueryDict) -> list[Any]:
    """Scripts with what differs from the description's defaults; text that is wrong stays as it was typed."""
    given = {name: value for name, value in form.values.items() if value not in ("", [], None)}
    defaults = {p.name: p.default for p in form.tool.parameters}
    changed = {name: value for name, value in given.items() if not _is_default(form, name, value, defaults)}
    return scripts(
        form.tool,
        changed,
        form.identifiers(),
        base_url(request),
        run_id=data.get("run_id", "").strip()[:64],
        needs_token=form.caller.is_authenticated,
    )


def _scripts(request: HttpRequest, form: ToolForm, data: QueryDict, source: Job | None) -> HttpResponse:
    """The scripts for the values in the form: as JSON for the page's script, else the whole page."""
    if "application/json" in request.headers.get("Accept", ""):
        html = render_to_string("portal/job_scripts.html", {"scripts": _scripts_of(request, form, data)})
        # The page's script puts the form as it stands into the address bar: a reload or a sign-in keeps it.
        return JsonResponse({"html": html, "address": _changed(request, form, data, "keep", "", source)})
    return _page(request, form, data, source, scripts_open=True)


def _groups(fields: list[FieldView]) -> list[dict[str, Any]]:
    groups: dict[str, list[FieldView]] = {}
    for one in fields:
        groups.setdefault(one.field.group, []).append(one)
    return [{"title": title, "fields": members} for title, members in groups.items()]


def _page(
    request: HttpRequest, form: ToolForm, data: QueryDict, source: Job | None, scripts_open: bool = False
) -> HttpResponse:
    fields = form.fields()
    advanced = [one for one in fields if one.field.advanced]
    duration = data.get("duration", "") or (str(source.execution_duration) if source else "")
    context = {
        "tool": form.tool,
        "reference_url": form.tool.reference
        if form.tool.reference.startswith(("http://", "https://"))
        else "",
        "refusal": form.tool.why_not or form.tool.refusal(caller_of(request)),
        "roles": form.roles,
        "groups": _groups([one for one in fields if not one.field.advanced]),
        "advanced": advanced,
        "advanced_open": any(one.field.error for one in advanced),
        "faults": form.faults,
        "run_id": data.get("run_id", source.run_id if source else ""),
        "durations": _duration_choices(form),
        "duration": int(duration) if duration.isdigit() else _usual(form),
        "reuse": reuse.switch(form.tool.name) is not False,
        "reuse_ticked": bool(
            data.get("reuse", "1" if reuse.switch(form.tool.name) and "action" not in data else "")
        ),
        "limits": _limits_text(form),
        "upload_limit": upload_bytes(),
        "files_lost": bool(form.uploads and form.faults)
        or (source is not None and source.inputs.filter(identifier__startswith=UPLOAD_PREFIX).exists()),
        "scripts": _scripts_of(request, form, data),
        "scripts_open": scripts_open,
        "source_job": source
        and {"id": source.id, "label": source.run_id or job_title(source, tool_of(source))},
    }
    return render(request, "portal/tool.html", context)
