"""The page of a withdrawal: what is not to be relied on, why, what was made with it, and what is made again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.core.paginator import Paginator
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from gateway.portal.views.provenance_graph import page_of
from gateway.vo.caller import Caller
from gateway.vo.errors import NotFound
from gateway.vo.sessions import caller_of
from provenance import access
from provenance.models import Activity, Entity, Withdrawal
from uws import remaking
from uws.access import jobs_of
from uws.models import Remake
from uws.phases import Phase

__all__ = ["public_withdrawals", "withdrawal", "withdrawal_of_job"]

PAGE_ROWS = 50
_OVER = (Phase.COMPLETED, Phase.ERROR, Phase.ABORTED, Phase.ARCHIVED, "cannot be run")
LISTED = 20


@never_cache
@require_safe
def withdrawal(request: HttpRequest, number: int) -> HttpResponse:
    """What was withdrawn, by whom, when and why; the products that it touches, and what replaces them."""
    caller = caller_of(request)
    row = Withdrawal.objects.select_related("agent").filter(pk=number).first()
    if row is None:
        raise NotFound("There is no such withdrawal.")
    subject, is_shown = _subject(row, caller)
    touched = Entity.objects.filter(withdrawal=row).exclude(pk=row.subject)
    ids = set(touched.values_list("pk", flat=True))
    seen = access.visible_entities(ids, caller)
    if not (is_shown or seen):
        raise NotFound("There is no such withdrawal, or nothing that it touches is yours to see.")
    rows = touched.filter(pk__in=seen).select_related("wasGeneratedBy__activity__activityDescription")
    order = ("-wasGeneratedBy__activity__endTime", "wasGeneratedBy__activity", "pk")
    page = Paginator(rows.order_by(*order), PAGE_ROWS).get_page(request.GET.get("page"))
    standing = remaking.standing(row.pk)
    context = {
        "withdrawal": row,
        "subject": subject,
        "by": row.agent and (row.agent.name.split("@", 1)[0], page_of("g", row.agent.pk)),
        "page": page,
        "rows": _rows(page, standing, caller),
        "hidden": len(ids) - len(seen),
        "asked": _asked(row, standing),
    }
    return render(request, "portal/withdrawal.html", context)


def _subject(row: Withdrawal, caller: Caller) -> tuple[dict[str, str] | None, bool]:
    """Name and page of what was withdrawn, None if it is withheld; whether the caller may know of it."""
    entity = Entity.objects.filter(pk=row.subject).first()
    if entity is None:  # a version of a tool, which is no secret
        page = f"{reverse('portal:provenance-search')}?{urlencode({'tool': row.subject})}"
        return {"kind": "tool", "name": row.subject, "page": page}, True
    if not access.visible_entities([entity.pk], caller):
        return None, False
    return {"kind": "entity", "name": str(entity), "id": entity.pk, "page": page_of("e", entity.pk)}, True


@dataclass
class Made:
    """What an activity made of what is touched, and how it is made again."""

    title: str
    page: str
    """Of the activity, '' where the reader may not see it."""
    time: datetime | None
    state: str = ""
    new: str = ""
    """The job that makes it again, if it is the reader's to see."""
    text: str = ""
    products: list[tuple[Entity, str]] = field(default_factory=list)


def _rows(page: Iterable[Entity], standing: list[remaking.Standing], caller: Caller) -> list[Made]:
    """The products of a page, by what made them."""
    again = {one.job: one for one in standing}
    entities = [
        (entity, getattr(getattr(entity, "wasGeneratedBy", None), "activity", None)) for entity in page
    ]
    seen = access.visible_activities({made.pk for _, made in entities if made}, caller)
    new = {one.new for one in standing if one.new}
    own = new if caller.is_staff else set(jobs_of(caller).filter(pk__in=new).values_list("pk", flat=True))
    found: dict[str, Made] = {}
    for entity, activity in entities:
        key = activity.pk if activity else ""
        if key not in found:
            state = again.get(activity.job) if activity else None
            found[key] = _made(activity if key in seen else None, activity, state, own)
        found[key].products.append((entity, page_of("e", entity.pk)))
    return list(found.values())


def _made(
    shown: Activity | None, activity: Activity | None, state: remaking.Standing | None, own: set[str]
) -> Made:
    made = Made(
        title=str(activity.activityDescription or "") if activity else "",
        page=page_of("a", shown.pk) if shown else "",
        time=activity.endTime if activity else None,
    )
    if shown and shown.name:
        made.title = shown.name if made.title.startswith("publish@") else f"{shown.name} ({made.title})"
    if state:
        made.state, made.text = state.state, state.text if shown else ""
        made.new = state.new if state.new in own else ""
    return made


def _asked(row: Withdrawal, standing: list[remaking.Standing]) -> dict[str, Any] | None:
    """The request to make it all again, in sum."""
    if not standing:
        return None
    states = Counter(one.state for one in standing)
    first = Remake.objects.filter(withdrawal=row).order_by("pk")[0]
    return {
        "jobs": len(standing),
        "completed": states[Phase.COMPLETED],
        "states": sorted(states.items()),
        "is_over": all(state in _OVER for state in states),
        "version": first.version,
        "instead": first.instead,
        "tell": first.tell,
        "told_at": first.told_at,
    }


def withdrawal_of_job(job_id: str) -> Withdrawal | None:
    """The withdrawal that touches results of a job."""
    return Withdrawal.objects.filter(entity__wasGeneratedBy__activity__job=job_id).order_by("pk").first()


def public_withdrawals() -> list[Withdrawal]:
    """The newest that everybody may know of: tools, and data that are public."""
    private = Entity.objects.exclude(access.PUBLIC_ENTITY).values("pk")
    return list(Withdrawal.objects.filter(~Q(subject__in=private)).order_by("-time")[:LISTED])
