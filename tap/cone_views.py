"""HTTP of the cone searches, mounted at /scs/."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_safe

from gateway.vo import vosi
from gateway.vo.columns import Schema
from gateway.vo.dali import VOTABLE_TYPE, Parameters
from gateway.vo.errors import GatewayError
from gateway.vo.sessions import caller_of
from tap import archive, cone, service, views, workers
from tap.capabilities import security_methods
from tap.formats import writer
from tap.names import qualified, quoted
from tap.output import result_info
from tap.streams import respond
from uws.links import base_url


def error_response(request: HttpRequest, error: GatewayError) -> HttpResponse:
    """A failure in the forms of SCS and of DALI."""
    return HttpResponse(cone.error_votable(str(error)), status=error.status, content_type=VOTABLE_TYPE)


@require_safe
def listing(request: HttpRequest) -> HttpResponse:
    """The tables that can be searched."""
    text = cone.listing(base_url(request), archive.ready().schemas)
    return HttpResponse(text, content_type="text/plain; charset=utf-8")


@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
def search(request: HttpRequest, name: str) -> HttpResponseBase:
    """The rows within SR degrees of RA, DEC."""
    parameters = Parameters.of(request)
    table = cone.find(archive.ready(), name)
    text, metadata_only = cone.query(table, parameters)
    form = writer(parameters.one("RESPONSEFORMAT"))
    base = base_url(request)
    token = request.META.get("vogate.token")
    result = service.open_query(
        text,
        caller_of(request),
        maxrec=0 if metadata_only else parameters.integer("MAXREC"),
        base_url=base,
        on_leave=token.on_leave if token is not None else None,
    )
    try:
        result.columns = cone.renamed(table, result.columns)
        return respond(request, result, form, result_info(result, text, base))
    except BaseException:
        result.close()
        raise


@require_safe
def capabilities(request: HttpRequest, name: str) -> HttpResponse:
    table = cone.find(archive.ready(), name)
    document = cone.capabilities(
        base_url(request),
        table,
        security_methods(),
        most_rows=workers.query_settings().hard_maxrec,
        example=_example(request, name),
    )
    return HttpResponse(document, content_type=vosi.TYPE)


def _example(request: HttpRequest, name: str) -> tuple[float, float] | None:
    """The position of some row, for validators."""
    table = cone.find(archive.ready(), name)
    assert table.position is not None
    lon, lat = (quoted(column) for column in table.position)
    source = qualified(table.schema, table.name)
    text = f"SELECT TOP 1 {lon}, {lat} FROM {source} WHERE {lon} IS NOT NULL AND {lat} IS NOT NULL"
    rows = service.fetch(text, caller_of(request))[1]
    if not len(rows):
        return None
    return float(rows.column(0)[0].as_py()), float(rows.column(1)[0].as_py())


@require_safe
def tables(request: HttpRequest, name: str) -> HttpResponse:
    table = cone.find(archive.ready(), name)
    document = vosi.tableset([Schema(table.schema, (table,))], quoted=quoted)
    return HttpResponse(document, content_type=vosi.TYPE)


@require_safe
def availability(request: HttpRequest, name: str) -> HttpResponse:
    cone.find(archive.ready(), name)
    return views.availability(request)
