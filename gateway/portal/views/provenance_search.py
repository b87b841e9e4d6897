"""Searching the provenance record: by identifier, by what things were made from, by tool and version."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from gateway.portal.views.common import size_text
from gateway.portal.views.provenance_graph import page_of
from gateway.portal.views.withdrawal import public_withdrawals
from gateway.vo.caller import Caller
from gateway.vo.errors import GatewayError
from gateway.vo.sessions import caller_of
from provenance import access, models
from provenance.lineage import Direction, node_limit, reach
from provenance.search import find, products_of

PAGE_ROWS = 50
MAX_TOOLS = 500


@never_cache
@require_safe
def search(request: HttpRequest) -> HttpResponse:
    """`q` leads to the page of what it names; `from` and `tool` list entities."""
    caller = caller_of(request)
    given = {name: request.GET.get(name, "").strip() for name in ("q", "from", "tool")}
    context: dict[str, Any] = {"given": given, "tools": _tools()}
    if not any(given.values()):
        context["withdrawals"] = public_withdrawals()
    try:
        if given["q"]:
            node = find(given["q"], caller)
            return HttpResponseRedirect(page_of(node.kind, node.id))
        if given["from"]:
            context |= _made_from(given["from"], caller)
        elif given["tool"]:
            context["rows"] = products_of(given["tool"], caller)
            context["heading"] = f"Products of {given['tool']}"
    except GatewayError as error:
        context["error"] = error
    if "rows" in context:
        page = Paginator(context.pop("rows"), PAGE_ROWS).get_page(request.GET.get("page"))
        context["page"] = page
        context["rows"] = [_row(entity) for entity in page]
        context["query"] = urlencode({name: value for name, value in given.items() if value})
    status = context["error"].status if "error" in context else 200
    return render(request, "portal/provenance_search.html", context, status=status)


def _made_from(text: str, caller: Caller) -> dict[str, Any]:
    """Everything that was made from something, and how much of it the caller may not see."""
    node = find(text, caller)
    found, truncated = reach([node], Direction.FORWARD)
    made = {one.id for one in found if one.kind == "e"} - {node.id}
    seen = access.visible_entities(made, caller, [node.job])
    rows: QuerySet[models.Entity] = models.Entity.objects.filter(pk__in=seen)
    model = models.Entity if node.kind == "e" else models.Activity
    start = model._default_manager.get(pk=node.id)
    return {
        "rows": rows.select_related(
            "wasGeneratedBy__activity__activityDescription", "content", "withdrawal", "entityDescription"
        ).order_by("-generatedAtTime", "pk"),
        "heading": "Everything made from",
        "start": (str(start), page_of(node.kind, node.id)),
        "hidden": len(made) - len(seen),
        "cut": node_limit() if truncated else 0,
    }


def _row(entity: models.Entity) -> dict[str, Any]:
    made = getattr(entity, "wasGeneratedBy", None)
    return {
        "entity": entity,
        "page": page_of("e", entity.pk),
        "activity": made and made.activity,
        "activity_page": page_of("a", made.activity_id) if made else "",
        "role": made.role if made else "",
        "tool": str(made.activity.activityDescription or "") if made else "",
        "size": size_text(entity.content.size) if entity.content and entity.content.size is not None else "",
        "type": entity.entityDescription.contentType.partition(";")[0] if entity.entityDescription else "",
    }


def _tools() -> list[str]:
    """The tools and versions that have run here."""
    rows = models.ActivityDescription.objects.order_by("name", "version").values_list("name", "version")
    return [f"{name}@{version}" if version else name for name, version in rows.distinct()[:MAX_TOOLS]]
