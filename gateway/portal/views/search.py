"""The search page: a form that writes ADQL, and the ADQL itself.

The form's state is in the URL.  A POST decides what to do and redirects: to the results, or back to the
form with `q`, the saved text, when that was edited by hand.  Edited text is only replaced on request.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import get_object_or_404, render
from django.template.loader import render_to_string
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from gateway.portal import adql_builder, catalogue, querying
from gateway.portal.adql_problem import AdqlProblem, problem_of
from gateway.portal.constraint_values import OPERATORS
from gateway.portal.form_state import ENERGY_UNITS, RADIUS_UNITS, FormState
from gateway.portal.models import SavedQuery
from gateway.portal.search_terms import ParsedSearch, RowView, parse, position_note
from gateway.vo.caller import Caller
from gateway.vo.errors import GatewayError, TooLarge
from gateway.vo.sessions import caller_of
from obscore import resolver

MAX_ADQL = 100_000
"""Characters of a query that a page accepts."""


def plain(text: str) -> str:
    """A text with the line ends of a textarea (CR LF) made plain."""
    return text.replace("\r\n", "\n").strip()


def read_form(state: FormState, caller: Caller) -> ParsedSearch:
    """The form's terms and complaints."""
    return parse(state, catalogue.obscore_columns(), lambda text: resolver.resolve(text, caller))


def _pairs(query: Any) -> list[tuple[str, str]]:
    return [(name, value) for name, values in query.lists() for value in values]


def _back_to_form(state: FormState, *extra: str) -> HttpResponseRedirect:
    parts = [part for part in (state.query_string(), *extra) if part]
    url = reverse("portal:search")
    return HttpResponseRedirect(f"{url}?{'&'.join(parts)}" if parts else url)


def _to_results(query: SavedQuery) -> HttpResponseRedirect:
    return HttpResponseRedirect(reverse("portal:results", args=[query.id]))


@require_http_methods(["GET", "HEAD", "POST"])
def search(request: HttpRequest) -> HttpResponse:
    """The form; `run` in the URL searches at once if nothing is wrong with it."""
    return _act(request) if request.method == "POST" else _show(request)


def _act(request: HttpRequest) -> HttpResponse:
    state = FormState.from_pairs(_pairs(request.POST))
    text, basis = plain(request.POST.get("adql", "")), plain(request.POST.get("basis", ""))
    if len(text) > MAX_ADQL:
        raise TooLarge(f"The query has {len(text)} characters; at most {MAX_ADQL} are accepted.")
    action = request.POST.get("action", "search")
    edited = bool(text) and text != basis
    if action == "write":
        return _back_to_form(state)
    if action == "run" and text:
        return _run_text(caller_of(request), state, text, edited)
    parsed = read_form(state, caller_of(request))
    if edited and text != (None if parsed.error_count else adql_builder.build(parsed.terms)):
        return _back_to_form(state, f"q={SavedQuery.keep(text, state.query_string()).id}", "conflict=1")
    if parsed.error_count:
        return _back_to_form(state)
    return _to_results(_keep(state, parsed))


def _run_text(caller: Caller, state: FormState, text: str, edited: bool) -> HttpResponse:
    """Send the text as it stands; a text that cannot be compiled comes back with its mistake marked."""
    note = ""
    if not edited and state.target:
        note = position_note(read_form(state, caller))
    query = SavedQuery.keep(text, state.query_string(), note)
    try:
        querying.check(text, caller)
    except GatewayError:
        return _back_to_form(state, f"q={query.id}")
    return _to_results(query)


def _keep(state: FormState, parsed: ParsedSearch) -> SavedQuery:
    return SavedQuery.keep(adql_builder.build(parsed.terms), state.query_string(), position_note(parsed))


@dataclass(frozen=True)
class _Text:
    """The ADQL that the page shows."""

    adql: str
    written: str
    """What the form writes; '' while it cannot be read."""
    problem: AdqlProblem | None = None

    @property
    def edited(self) -> bool:
        return bool(self.adql) and self.adql != self.written


def _show(request: HttpRequest) -> HttpResponse:
    saved = None
    if "q" in request.GET:
        saved = get_object_or_404(SavedQuery, id=request.GET["q"][:16])
    state = FormState.from_pairs(_pairs(request.GET))
    if saved is not None and not state.query_string():
        state = FormState.from_query_string(saved.form)
    parsed = read_form(state, caller_of(request))
    if "run" in request.GET and saved is None and not parsed.error_count:
        return _to_results(_keep(state, parsed))
    text = _text(saved, parsed, caller_of(request))
    facts = catalogue.facts()
    context = {
        "state": state,
        "page": parsed,
        "adql": text.adql,
        "written": text.written,
        "edited": text.edited,
        "adql_error": text.problem,
        "conflict": "conflict" in request.GET and text.edited,
        "total": facts.total,
        "collections": facts.collections,
        "time_span": facts.time_span,
        "energy_span": facts.energy_span,
        "facets": _facets(facts, state),
        "columns": list(catalogue.obscore_columns().values()),
        "tables": catalogue.tables(),
        "operators": [(operator.value, label) for operator, label in OPERATORS],
        "radius_units": RADIUS_UNITS,
        "energy_units": ENERGY_UNITS,
        "schema": _completions(),
    }
    return render(request, "portal/search.html", context)


def _text(saved: SavedQuery | None, parsed: ParsedSearch, caller: Caller) -> _Text:
    written = "" if parsed.error_count else adql_builder.build(parsed.terms)
    if saved is None:
        return _Text(written, written)
    try:
        querying.check(saved.adql, caller)
        problem = None
    except GatewayError as error:
        problem = problem_of(error, saved.adql)
    return _Text(saved.adql, written, problem)


def _facets(facts: catalogue.Facts, state: FormState) -> list[dict[str, Any]]:
    """Tick boxes; values of the URL that the archive does not have stay visible, with no rows."""
    collections = [catalogue.Option(one.name, one.count, one.simulated) for one in facts.collections]
    groups = (
        ("collection", "Collection", collections, state.collection),
        ("type", "Data product type", list(facts.product_types), state.type),
        ("instrument", "Instrument", list(facts.instruments), state.instrument),
    )
    return [
        {
            "name": name,
            "label": label,
            "options": [
                {
                    "value": option.value,
                    "count": option.count,
                    "simulated": option.simulated,
                    "checked": option.value in chosen,
                }
                for option in [*options, *_unknown(options, chosen)]
            ],
        }
        for name, label, options, chosen in groups
    ]


def _unknown(options: list[catalogue.Option], chosen: tuple[str, ...]) -> list[catalogue.Option]:
    known = {option.value for option in options}
    return [catalogue.Option(value, 0) for value in chosen if value not in known]


def _completions() -> dict[str, dict[str, list[str]]]:
    """schema -> table -> columns, for the editor."""
    found: dict[str, dict[str, list[str]]] = {}
    for table in catalogue.tables():
        found.setdefault(table.schema, {})[table.name] = [column.name for column in table.columns]
    return found


@require_safe
def adql(request: HttpRequest) -> JsonResponse:
    """What the form in the URL writes, and what is wrong with it, for the page's script."""
    state = FormState.from_pairs(_pairs(request.GET))
    parsed = read_form(state, caller_of(request))
    # The page numbers its rows with the empty ones, which the form's state leaves out.
    problems = iter(parsed.rows)
    typed = zip(request.GET.getlist("field"), request.GET.getlist("value"))
    rows = [next(problems, RowView()).error if name.strip() or text.strip() else "" for name, text in typed]
    position = (
        render_to_string("portal/search_position.html", {"position": parsed.said}) if parsed.said else ""
    )
    return JsonResponse(
        {
            "adql": None if parsed.error_count else adql_builder.build(parsed.terms),
            "errors": parsed.errors,
            "notes": parsed.notes,
            "rows": rows,
            "position": position,
            "query": state.query_string(),
        }
    )
