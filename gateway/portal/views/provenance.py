"""A page for every entity, activity and agent of the provenance record, with the graph around it."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlencode

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from gateway.portal.views.common import duration_text, size_text
from gateway.portal.views.provenance_graph import DEPTHS, Choice, Way, as_json, neighbourhood, page_of, rows
from gateway.portal.views.withdrawal import withdrawal_of_job
from gateway.vo.caller import Caller
from gateway.vo.errors import NotFound, UsageError
from gateway.vo.sessions import caller_of
from provenance import access, formats, models, reader
from provenance.lineage import Node
from provenance.records import ActivityRecord
from provenance.serialise.names import own_identifier
from uws.models import Job
from uws.phases import FINAL, Phase

PAGE_ROWS = 50
SAME_BYTES = 50
"""Other entities with the same bytes that are looked at."""
_MERGED_SLASHES = re.compile(r"^([a-z][a-z0-9+.-]*):/(?=[^/])")


@never_cache
@require_safe
def entity(request: HttpRequest, entity_id: str) -> HttpResponse:
    """An entity: what it is, where it comes from, what was made from it."""
    caller = caller_of(request)
    row = _entity_row(entity_id, caller)
    record = reader.read_entities([row.pk])[0]
    named = [Node("e", row.pk).job]
    activities = access.activities(caller, named)
    users = activities.filter(used__entity=row.pk).distinct().order_by("-endTime", "pk")
    used_by = models.Used.objects.filter(entity=row.pk).values("activity").distinct().count()
    made = activities.filter(generated__entity=row.pk).first()
    derived = models.WasDerivedFrom.objects.filter(generatedEntity=row.pk).values_list(
        "usedEntity", flat=True
    )
    page = Paginator(users, PAGE_ROWS).get_page(request.GET.get("page"))
    sources = list(derived[:PAGE_ROWS])
    context = {
        "entity": record,
        "kind": row.kind,
        "withdrawal": row.withdrawal,
        "title": record.name or record.id,
        "location": record.location if record.location.startswith(("/", "http://", "https://")) else "",
        "size": size_text(record.size) if record.size is not None else "",
        "agents": [(agent, page_of("g", agent.id)) for agent in record.agents],
        "made": made and _activity_link(made),
        "made_hidden": made is None and models.WasGeneratedBy.objects.filter(entity=row.pk).exists(),
        "sources": _entities(sources, caller, named),
        "users": [_activity_link(one) for one in page],
        "users_page": page,
        "users_hidden": used_by - page.paginator.count,
        "twins": _entities(_twins(row), caller, named, leave_out=True),
        "members": _entities([str(key) for key in record.members[:PAGE_ROWS]], caller, named),
        "members_more": max(len(record.members) - PAGE_ROWS, 0),
        "collections": _entities(
            models.HadMember.objects.filter(entity=row.pk).values_list("collection_id", flat=True)[:20],
            caller,
            named,
        ),
        "made_from_url": f"{reverse('portal:provenance-search')}?{urlencode({'from': row.pk})}",
        **_graph(request, Node("e", row.pk)),
    }
    return render(request, "portal/provenance_entity.html", context)


@never_cache
@require_safe
def activity(request: HttpRequest, activity_id: str) -> HttpResponse:
    """An activity: what ran, with which parameters, what it used and made, and who ran it."""
    caller = caller_of(request)
    row = _activity_row(activity_id, caller)
    record = reader.read_activities([row])[0]
    named = [row.job]
    others = models.Activity.objects.filter(job=row.job).exclude(pk=row.pk).order_by("attempt", "step")
    informed = models.WasInformedBy.objects.filter(informant=row.pk).values_list("informed_id", flat=True)
    job = Job.objects.filter(pk=row.job).exclude(phase="ARCHIVED").first()
    context = {
        "activity": record,
        "key": row.pk,
        "title": record.step or record.name or record.description.name,
        "run_time": _run_time(record),
        "peak_memory": size_text(record.peakMemory) if record.peakMemory else "",
        "cpu_time": duration_text(record.cpuTime),
        "agents": [(agent, page_of("g", agent.id)) for agent in record.agents],
        "withdrawal": withdrawal_of_job(row.job),
        "used": [(use.role, use.type, use.entity, page_of("e", use.entity.id)) for use in record.used],
        "made": [(one.role, one.type, one.entity, page_of("e", one.entity.id)) for one in record.generated],
        "steps": [_activity_link(one) for one in others[:PAGE_ROWS]],
        "informed_by": _activities(record.informedBy, caller, named),
        "informs": _activities(informed[:PAGE_ROWS], caller, named),
        "job_url": job.page_url if job else "",
        "can_replay": job is not None or record.final,
        "same_tool_url": _tool_url(record),
        "replay_url": reverse("portal:job-replay", args=[row.job]),
        "downloads": downloads(row.job),
        **_graph(request, Node("a", row.pk)),
    }
    return render(request, "portal/provenance_activity.html", context)


@never_cache
@require_safe
def agent(request: HttpRequest, agent_id: str) -> HttpResponse:
    """An agent: what they ran and what is theirs, of what the reader may see."""
    caller = caller_of(request)
    agent_id = _repaired(agent_id)
    found = models.Agent.objects.filter(pk=agent_id).first()
    activities = access.activities(caller).filter(wasAssociatedWith__agent=agent_id).distinct()
    entities = access.entities(caller).filter(wasAttributedTo__agent=agent_id).distinct()
    ran = Paginator(activities.order_by("-endTime", "pk"), PAGE_ROWS).get_page(request.GET.get("page"))
    theirs = Paginator(entities.order_by("name", "pk"), PAGE_ROWS).get_page(request.GET.get("things"))
    is_self = caller.is_authenticated and agent_id == f"user:{caller.user_id}"
    if found is None or not (ran.object_list or theirs.object_list or is_self):
        raise NotFound("No agent of this name is recorded, or nothing of theirs that you may see.")
    context = {
        "agent": found,
        "title": found.name.split("@", 1)[0] or found.pk,
        "ran": [_activity_link(one) for one in ran],
        "ran_page": ran,
        "theirs": [(one, page_of("e", one.pk)) for one in theirs],
        "theirs_page": theirs,
    }
    return render(request, "portal/provenance_agent.html", context)


@require_safe
def identified(request: HttpRequest, kind: str, name: str) -> HttpResponse:
    """What a provenance document calls by this address: on to its page."""
    found = own_identifier(kind, name)
    if found is None:
        raise NotFound("No provenance document has such an identifier.")
    what, identifier = found
    if what == "tool":
        page = f"{reverse('portal:provenance-search')}?{urlencode({'tool': identifier})}"
    else:
        page = page_of({"activity": "a", "entity": "e", "agent": "g"}[what], identifier)
    response = HttpResponse(status=303)
    response["Location"] = page
    return response


@never_cache
@require_safe
def graph(request: HttpRequest) -> JsonResponse:
    """The neighbourhood of `node` (`a:<id>` or `e:<id>`) as JSON, for the page's script."""
    kind, _, identifier = request.GET.get("node", "").partition(":")
    caller = caller_of(request)
    if kind == "e":
        node = Node("e", _entity_row(identifier, caller).pk)
    elif kind == "a":
        node = Node("a", _activity_row(identifier, caller).pk)
    else:
        raise UsageError("node is neither a:<activity> nor e:<entity>.", field="node")
    return JsonResponse(as_json(neighbourhood(node, caller, Choice.of(request.GET))))


def downloads(job_id: str) -> list[tuple[str, str]]:
    """The forms in which a job's provenance can be had, with their addresses.

    The RO-Crate is among them while the job has its results.
    """
    found = [
        (form.name, reverse("provenance:job", args=[job_id, form.extension]))
        for form in formats.FORMS.values()
    ]
    if Job.objects.filter(pk=job_id, phase__in=FINAL).exclude(phase=Phase.ARCHIVED).exists():
        found.insert(0, ("RO-Crate (zip)", reverse("ro-crate", args=[job_id])))
    return found


def _graph(request: HttpRequest, start: Node) -> dict[str, Any]:
    """What the template of the graph needs."""
    choice = Choice.of(request.GET)
    found = neighbourhood(start, caller_of(request), choice)
    query = {
        "ID": start.id,
        "DEPTH": "ALL" if found.depth is None else found.depth,
        "DIRECTION": choice.way.value.upper(),
    }
    provsap = f"{reverse('provsap')}?{urlencode(query)}&RESPONSEFORMAT="
    return {
        "graph_json": as_json(found),
        "graph_rows": rows(found),
        "graph_choice": choice,
        "graph_cut": found.truncated,
        "graph_depth": "all" if found.depth is None else found.depth,
        "graph_depths": [*map(str, sorted({*DEPTHS, *([choice.depth] if choice.depth else [])})), "all"],
        "graph_ways": [
            (Way.BOTH, "back and forward"),
            (Way.BACK, "back: what it was made from"),
            (Way.FORWARD, "forward: what was made from it"),
        ],
        "graph_forms": [(form.name, provsap + form.name) for form in formats.FORMS.values()],
        "graph_svg": f"{provsap}SVG",
    }


def _entity_row(entity_id: str, caller: Caller) -> models.Entity:
    """The row, if the caller may see it; whether there is one that they may not is not told."""
    for key in dict.fromkeys([entity_id, _repaired(entity_id)]):
        row = models.Entity.objects.filter(pk=key).first()
        if row and access.visible_entities([key], caller, [Node("e", key).job]):
            return row
    raise NotFound(
        "No such entity is recorded, or it is not yours to see.",
        hint="Sign in if it belongs to one of your jobs; the provenance search finds what you may see.",
    )


def _repaired(identifier: str) -> str:
    """The identifier with the slash that some proxies take out of `ivo://`."""
    return _MERGED_SLASHES.sub(r"\1://", identifier)


def _activity_row(activity_id: str, caller: Caller) -> models.Activity:
    rows = models.Activity.objects.select_related("activityDescription")
    row = rows.filter(pk=activity_id).first()
    if row is None:
        row = rows.filter(job=activity_id, step="").order_by("-final", "-attempt").first()
    if row is None:
        raise NotFound("No such activity is recorded.", hint="An activity is recorded when its job ends.")
    access.check(row.job, caller)
    return row


def _activity_link(row: models.Activity) -> dict[str, Any]:
    return {"row": row, "page": page_of("a", row.pk), "label": row.step or row.name or row.pk}


def _activities(ids: Any, caller: Caller, named: list[str]) -> list[dict[str, Any]]:
    """Links to activities; what is withheld is there without its name."""
    ids = list(ids)
    seen = access.visible_activities(ids, caller, named)
    known = {row.pk: row for row in models.Activity.objects.filter(pk__in=seen)}
    return [_activity_link(known[key]) if key in known else {"withheld": True} for key in ids]


def _entities(
    ids: Any, caller: Caller, named: list[str], *, leave_out: bool = False
) -> list[tuple[models.Entity | None, str]]:
    """Entities with their pages; what is withheld is None, or left out."""
    ids = list(ids)
    seen = access.visible_entities(ids, caller, named)
    known = {row.pk: row for row in models.Entity.objects.filter(pk__in=seen)}
    found = [(known.get(key), page_of("e", key) if key in known else "") for key in ids]
    return [pair for pair in found if pair[0] is not None] if leave_out else found


def _twins(row: models.Entity) -> list[str]:
    """Other entities with the same bytes."""
    if row.content_id is None:
        return []
    rows = models.Entity.objects.filter(content=row.content_id).exclude(pk=row.pk).order_by("pk")
    return list(rows.values_list("pk", flat=True)[:SAME_BYTES])


def _run_time(record: ActivityRecord) -> str:
    if record.startTime is None or record.endTime is None:
        return ""
    return duration_text(record.endTime - record.startTime)


def _tool_url(record: ActivityRecord) -> str:
    tool = record.description
    name = f"{tool.name}@{tool.version}" if tool.version else tool.name
    return f"{reverse('portal:provenance-search')}?{urlencode({'tool': name})}"
