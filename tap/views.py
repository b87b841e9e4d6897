"""HTTP of the TAP service: parse, call, render."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import IO, cast

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils.cache import patch_vary_headers
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_safe

from gateway.vo import vosi
from gateway.vo.columns import Table
from gateway.vo.dali import Parameters, asked_by_browser
from gateway.vo.errors import Busy, GatewayError, NotFound, UsageError
from gateway.vo.sessions import caller_of
from tap import archive, coverage, service, workers
from tap import capabilities as tap_capabilities
from tap import examples as tap_examples
from tap import request as tap_request
from tap.formats import FORMATS
from tap.names import qualified, quoted
from tap.output import result_info, with_addresses
from tap.streams import respond
from uws.links import base_url

STARTED = datetime.now(UTC)
"""When this process came up, for the availability document."""


@require_safe
def root(request: HttpRequest) -> HttpResponse:
    """A page for browsers; programs are sent to the capabilities."""
    if "text/html" not in request.headers.get("Accept", ""):
        return HttpResponseRedirect(f"{base_url(request)}/tap/capabilities")
    return _form(request)


def _form(request: HttpRequest, error: GatewayError | None = None) -> HttpResponse:
    """The page with the query form: as it was sent, with what is wrong about it if there is an error."""
    manifest = archive.ready()
    found = tap_examples.examples(manifest.schemas)
    sent = Parameters(request.GET)
    context = {
        "url": f"{base_url(request)}/tap",
        "schemas": manifest.schemas,
        "examples": found,
        "query": sent.get("QUERY") or ("" if error else found[0].query),
        "formats": [form.name for form in FORMATS],
        "format": sent.get("RESPONSEFORMAT") or "html",
        "maxrec": sent.get("MAXREC") or "1000",
        "limits": workers.query_settings(),
        "error": error,
    }
    response = render(request, "tap/root.html", context, status=error.status if error else 200)
    for name, value in error.headers.items() if error else ():
        response[name] = value
    return response


@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
def sync(request: HttpRequest) -> HttpResponseBase:
    """A synchronous query (TAP 1.1, section 2.1); a browser gets its form back if the query fails."""
    try:
        return _sync(request)
    except GatewayError as error:
        if request.method == "GET" and asked_by_browser(request):
            response = _form(request, error)
            patch_vary_headers(response, ["Accept"])
            return response
        raise


def _sync(request: HttpRequest) -> HttpResponseBase:
    parameters = Parameters.of(request)
    wish = parameters.get("REQUEST").lower()
    if wish in ("getcapabilities", "getavailability"):  # clients of TAP 1.0
        return HttpResponseRedirect(f"{base_url(request)}/tap/{wish[3:]}")
    base = base_url(request)
    with _Parts(request) as parts:
        wanted = tap_request.parse(parameters, parts)
    token = request.META.get("vogate.token")
    result = service.open_query(
        wanted.query,
        caller_of(request),
        maxrec=wanted.maxrec,
        base_url=base,
        uploads=wanted.uploads,
        on_leave=token.on_leave if token is not None else None,
    )
    try:
        return respond(request, result, wanted.format, result_info(result, wanted.query, base))
    except BaseException:
        result.close()
        raise


class _Parts(dict[str, IO[bytes]]):
    """The files of a request by the names of their parts."""

    def __init__(self, request: HttpRequest) -> None:
        super().__init__()
        for name in request.FILES:
            file = request.FILES[name]
            if isinstance(file, UploadedFile):
                self[name] = cast("IO[bytes]", file)

    def __enter__(self) -> _Parts:
        return self

    def __exit__(self, *_: object) -> None:
        for file in self.values():
            file.close()


@require_safe
def capabilities(request: HttpRequest) -> HttpResponse:
    manifest = archive.ready()
    document = tap_capabilities.document(base_url(request), manifest.schemas)
    return HttpResponse(document, content_type=vosi.TYPE)


@require_safe
def availability(request: HttpRequest) -> HttpResponse:
    """Whether queries can be answered: a query worker is asked."""
    notes: list[str] = []
    try:
        service.fetch("SELECT TOP 1 schema_name FROM tap_schema.schemas", caller_of(request), seconds=10)
        available = True
    except Busy as error:  # there is much to do, and it is being done
        available, notes = True, [str(error)]
    except GatewayError as error:
        available, notes = False, [str(error)]
    document = settings.SITE.availability(available, up_since=STARTED, notes=notes)
    return HttpResponse(document, content_type=vosi.TYPE)


@require_safe
def tables(request: HttpRequest) -> HttpResponse:
    """All tables; `detail=min` leaves the columns out (VOSI 1.1, section 3.3.2)."""
    detail = Parameters(request.GET).get("DETAIL", "max").lower()
    if detail not in ("min", "max"):
        raise UsageError("detail is min or max.", field="detail")
    schemas = archive.ready().schemas
    if asked_by_browser(request):
        response = render(request, "tap/tables.html", {"schemas": schemas})
    else:
        document = vosi.tableset(schemas, full=detail == "max", quoted=quoted)
        response = HttpResponse(document, content_type=vosi.TYPE)
    patch_vary_headers(response, ["Accept"])
    return response


@require_safe
def table(request: HttpRequest, name: str) -> HttpResponse:
    """One table by its qualified name, as /tables and TAP_SCHEMA write it."""
    manifest = archive.ready()
    item = _table_of(manifest, name)
    if asked_by_browser(request):
        response = render(request, "tap/table.html", _of_table(request, manifest, item))
    else:
        response = HttpResponse(vosi.table_document(item, quoted=quoted), content_type=vosi.TYPE)
    patch_vary_headers(response, ["Accept"])
    return response


def _of_table(request: HttpRequest, manifest: archive.Manifest, item: Table) -> dict[str, object]:
    """What its page says of a table."""
    found = [
        example
        for example in tap_examples.examples(manifest.schemas)
        if example.table.lower() in (item.qualified_name.lower(), qualified(item.schema, item.name).lower())
    ]
    name = qualified(item.schema, item.name)
    return {
        "table": item,
        "facts": with_addresses(item.info, base_url(request)),
        "name": name,
        "query": found[0].query if found else f"SELECT TOP 100 *\nFROM {name}",
        "url": f"{base_url(request)}/tap",
        "cone": f"{base_url(request)}/scs/{item.qualified_name}" if item.position and not item.live else "",
        "covered": item.position is not None and not item.live,
    }


@require_safe
def moc(request: HttpRequest, name: str) -> HttpResponse:
    """Where on the sky a table has rows."""
    parameters = Parameters(request.GET)
    order = parameters.integer("ORDER")
    form = parameters.one("RESPONSEFORMAT").lower().strip()
    if not form:
        form = "json" if "application/json" in request.headers.get("Accept", "") else "fits"
    form = {kind.split(";")[0]: short for short, kind in coverage.TYPES.items()}.get(form, form)
    manifest = archive.ready()
    item = _table_of(manifest, name)
    data = coverage.document(manifest, item, coverage.DEFAULT_ORDER if order is None else order, form)
    response = HttpResponse(data, content_type=coverage.TYPES[form])
    extension = {"ascii": "txt"}.get(form, form)
    response.headers["Content-Disposition"] = f'inline; filename="{item.name}-moc.{extension}"'
    response.headers["Vary"] = "Accept"
    return response


def _table_of(manifest: archive.Manifest, name: str) -> Table:
    wanted = name.lower()
    for schema in manifest.schemas:
        for item in schema.tables:
            if wanted in (item.qualified_name.lower(), qualified(item.schema, item.name).lower()):
                return item
    raise NotFound("There is no such table.", hint="/tap/tables lists the tables of this service.")


@require_safe
def examples(request: HttpRequest) -> HttpResponse:
    found = tap_examples.examples(archive.ready().schemas)
    document = tap_examples.document(found, settings.SITE.title)
    return HttpResponse(document, content_type="application/xhtml+xml; charset=utf-8")
