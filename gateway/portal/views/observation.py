"""The page of one observation: metadata, footprint, files, terms, tools, jobs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from gateway.portal import adql_builder, analysis, metadata, querying
from gateway.portal.adql_builder import Constraint, Operator, SearchTerms
from gateway.portal.products_of import mtype_of
from gateway.portal.results_table import DID, View, build_table
from gateway.portal.views.common import base_url, job_title, size_text, tool_of
from gateway.portal.views.provenance_graph import page_of
from gateway.vo.caller import Caller
from gateway.vo.errors import NotFound
from gateway.vo.sessions import caller_of
from obscore import datalink, lookup, withdrawals
from obscore.models import Collection
from provenance.models import Entity
from uws.access import jobs_of

MAX_PRODUCTS = 50
MAX_JOBS = 10


@dataclass(frozen=True)
class LinkView:
    """A DataLink row as the page shows it."""

    url: str
    description: str
    semantics: str
    media_type: str
    size: str
    allowed: bool
    error: str = ""


@require_safe
def observation(request: HttpRequest, collection: str, obs_id: str) -> HttpResponse:
    """Everything about (`obs_collection`, `obs_id`); several data products stand one below the other."""
    terms = SearchTerms(
        collections=(collection,), constraints=(Constraint("obs_id", Operator.EQUAL, (obs_id,)),)
    )
    adql = adql_builder.build(terms)
    result = querying.run_page(adql, caller_of(request), View(size=MAX_PRODUCTS), base_url=base_url(request))
    if not result.rows:
        raise NotFound(
            f"There is no observation {obs_id[:80]!r} in {collection[:80]!r}.",
            hint="It may have been withdrawn; the search shows what the archive has now.",
        )
    names = [column.name.lower() for column in result.columns]
    rows = [dict(zip(names, values)) for values in result.rows]
    table = build_table(result.columns, result.rows, result.view)
    context: dict[str, Any] = {
        "collection": Collection.objects.filter(name=collection).first(),
        "collection_name": collection,
        "obs_id": obs_id,
        "first": rows[0],
        "headline": metadata.headline(rows[0]),
        "products": [_product(request, list(result.columns), row) for row in rows],
        "footprints": list(table.footprints),
        "jobs": _jobs([str(row.get(DID)) for row in rows], caller_of(request)),
        "adql": adql,
    }
    return render(request, "portal/observation.html", context)


def _product(request: HttpRequest, columns: list[Any], row: dict[str, Any]) -> dict[str, Any]:
    did = str(row.get(DID) or "")
    links = _links(did, request)
    kind = str(row.get("dataproduct_type") or "")
    known = lookup.find(did)
    return {
        "did": did,
        "title": row.get("obs_title") or f"{kind or 'product'} {row.get('obs_id')}",
        "kind": kind,
        "groups": metadata.groups(columns, row),
        "links": links,
        "file": next((link for link in links if link.semantics == "this" and link.url), None),
        "mtype": mtype_of(kind),
        "access_url": row.get("access_url") or "",
        "provenance": page_of("e", did) if Entity.objects.filter(pk=did).exists() else "",
        "withdrawal": withdrawals.of(known) if known else None,
        "tools": analysis.choices([kind] if kind else (), caller_of(request)),
    }


def _links(did: str, request: HttpRequest) -> list[LinkView]:
    """The files and documents of a product; the tools stand elsewhere on the page."""
    if lookup.find(did) is None:
        return []
    answer = datalink.answer([did], caller_of(request), base_url(request))
    return [
        LinkView(
            link.access_url,
            link.description,
            link.semantics.lstrip("#"),
            link.content_type,
            size_text(link.content_length) if link.content_length is not None else "",
            link.link_authorized is not False,
            link.error_message,
        )
        for link in answer.links
        if not link.service_def
    ]


def _jobs(dids: list[str], caller: Caller) -> list[dict[str, Any]]:
    """The caller's own newest jobs that used one of these products."""
    jobs = (
        jobs_of(caller).filter(inputs__identifier__in=dids).distinct().order_by("-creation_time")[:MAX_JOBS]
    )
    return [{"job": job, "title": job_title(job, tool_of(job))} for job in jobs]
