"""A saved query's rows: pages of them, the table to download, all identifiers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from gateway.portal import analysis, empty_advice, querying, regions, snippets
from gateway.portal.adql_problem import problem_of
from gateway.portal.form_state import FormState
from gateway.portal.models import SavedQuery
from gateway.portal.products_of import files_of
from gateway.portal.results_table import (
    DEFAULT_SIZE,
    PAGE_SIZES,
    TableRow,
    TableView,
    View,
    build_table,
    view_from,
)
from gateway.portal.views.common import base_url
from gateway.vo.errors import GatewayError, NotFound, QueryError
from gateway.vo.sessions import caller_of
from tap import formats, service, workers
from tap.output import result_info
from tap.streams import respond

FORMATS = (
    ("votable", "VOTable", "binary2"),
    ("fits", "FITS", "binary table"),
    ("csv", "CSV", ""),
)
_PAGER_REACH = 2


def find(query_id: str) -> SavedQuery:
    try:
        return SavedQuery.objects.get(id=query_id)
    except SavedQuery.DoesNotExist:
        raise NotFound(
            f"There is no saved search {query_id[:40]!r}.",
            hint="Check the address, or start a new search.",
        ) from None


@dataclass(frozen=True)
class PagerItem:
    """A link of the pager; without a URL it is a gap or a step that is not possible."""

    text: str
    url: str = ""
    label: str = ""
    current: bool = False


def pager(view: View, pages: int) -> list[PagerItem]:
    """Previous, first, around the current page, last, next."""
    if pages <= 1:
        return []

    def item(number: int) -> PagerItem:
        return PagerItem(str(number), view.query(page=number), f"Page {number}", number == view.page)

    near = range(max(1, view.page - _PAGER_REACH), min(pages, view.page + _PAGER_REACH) + 1)
    numbers = sorted({1, pages, *near})
    found = [PagerItem("‹", view.query(page=view.page - 1) if view.page > 1 else "", "Previous page")]
    before = 0
    for number in numbers:
        if number > before + 1:
            found.append(PagerItem("…"))
        found.append(item(number))
        before = number
    found.append(PagerItem("›", view.query(page=view.page + 1) if view.page < pages else "", "Next page"))
    return found


@require_safe
def results(request: HttpRequest, query_id: str) -> HttpResponse:
    """One page of the rows of a saved query."""
    query = find(query_id)
    view = view_from(dict(request.GET.lists()))
    context: dict[str, Any] = {"query": query, "view": view, **_frame(request, query)}
    try:
        result = querying.run_page(query.adql, caller_of(request), view, base_url=base_url(request))
    except GatewayError as error:
        if error.status in (401, 403):
            raise
        context |= {
            "error": problem_of(error, query.adql),
            "retry": not isinstance(error, QueryError),
            "here": request.get_full_path(),
        }
        return render(request, "portal/results.html", context, status=error.status)
    context["result"] = result
    context["view"] = result.view
    if result.rows:
        context |= _table_context(request, query, result)
    else:
        context["advice"] = empty_advice.reasons(FormState.from_query_string(query.form), query.adql)
    return render(request, "portal/results.html", context)


def _frame(request: HttpRequest, query: SavedQuery) -> dict[str, Any]:
    """What surrounds the rows, whether there are any or not."""
    base = base_url(request)
    path = reverse("portal:results", args=[query.id])
    table = reverse("portal:results-table", args=[query.id])
    return {
        "path": path,
        "one_line": " ".join(query.adql.split()),
        "searched": regions.searched_circle(query.adql),
        "permalink": base + path,
        "tap_url": f"{base}/tap",
        "edit_url": f"{reverse('portal:search')}?q={query.id}",
        "formats": [
            {"label": label, "note": note, "url": f"{table}?format={name}"} for name, label, note in FORMATS
        ],
        "votable_url": f"{table}?format=votable",
        "table_name": _table_name(query),
        "snippets": snippets.snippets(base, query.adql),
    }


def _table_name(query: SavedQuery) -> str:
    """What the table is called in other programs: the target or position that was searched for, else the query's id."""
    place = query.note.partition(" (")[0].partition(" at ")[0]
    return f"Search around {place}" if place else f"Search {query.id}"


def _table_context(request: HttpRequest, query: SavedQuery, result: querying.ResultPage) -> dict[str, Any]:
    view = result.view
    table = _with_products(build_table(result.columns, result.rows, view, _page_of))
    shown = {header.name for header in table.headers}
    others = _others(query, request, table) if view.all_selected else []
    kinds = {value for value in result.values("dataproduct_type") if isinstance(value, str)}
    return {
        "table": table,
        "pager": pager(view, result.pages),
        "page_sizes": PAGE_SIZES,
        "column_choices": [(name, name in shown) for name in table.all_names],
        "column_pairs": view.hidden(columns=()),
        "size_pairs": view.hidden(page=1, size=DEFAULT_SIZE),
        "default_columns_url": view.query(columns=()),
        "all_columns_url": view.query(columns=("*",)),
        "raw_url": view.query(raw=not view.raw),
        "select_all_url": view.query(all_selected=True),
        "too_many": result.total > querying.MAX_IDENTIFIERS,
        "other_selected": others,
        "analyse": analysis.choices(kinds, caller_of(request)) if table.selectable else [],
    }


def _page_of(collection: str, obs_id: str) -> str:
    return reverse("portal:observation", args=[collection, obs_id])


def _others(query: SavedQuery, request: HttpRequest, table: TableView) -> list[str]:
    here = {row.did for row in table.rows}
    return [did for did in querying.identifiers(query.adql, caller_of(request)) if did not in here]


def _with_products(table: TableView) -> TableView:
    """The rows with the file that each stands for."""
    files = files_of([row.did for row in table.rows if row.did])

    def completed(row: TableRow) -> TableRow:
        file = files.get(row.did)
        if file is None:
            return row
        return replace(row, product_url=file.url, mtype=file.mtype)

    return replace(table, rows=tuple(completed(row) for row in table.rows))


@require_safe
def table(request: HttpRequest, query_id: str) -> HttpResponseBase:
    """All rows in the format that `format` names, as a download."""
    query = find(query_id)
    name = request.GET.get("format", "votable")
    writer = formats.writer(name)
    base = base_url(request)
    token = request.META.get("vogate.token")
    result = service.open_query(
        query.adql,
        caller_of(request),
        maxrec=workers.query_settings().hard_maxrec,
        base_url=base,
        on_leave=token.on_leave if token is not None else None,
    )
    try:
        response = respond(request, result, writer, result_info(result, query.adql, base))
    except BaseException:
        result.close()
        raise
    response["Content-Disposition"] = f'attachment; filename="search-{query.id}.{writer.extension}"'
    return response


@require_safe
def identifiers(request: HttpRequest, query_id: str) -> JsonResponse:
    """The publisher DIDs of all rows and the files of those products, for "select all"."""
    query = find(query_id)
    found = querying.identifiers(query.adql, caller_of(request))
    products = {
        did: {"url": file.url, "mtype": file.mtype, "name": file.name}
        for did, file in files_of(found).items()
    }
    return JsonResponse({"identifiers": found, "products": products})
