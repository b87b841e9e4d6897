"""/capabilities and /availability of a tool's UWS endpoints (VOSI 1.1)."""

from __future__ import annotations

from datetime import UTC, datetime

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse

from gateway.vo import vosi
from uws import kinds, links
from uws.tools import registry
from uws.views import methods, see_other, wants_page

STANDARD = "ivo://ivoa.net/std/UWS"

_STARTED = datetime.now(UTC)


def _security() -> tuple[str, ...]:
    """How programs may identify themselves."""
    return tuple(settings.VOGATE_SECURITY_METHODS)


@methods("GET", "HEAD")
def index(request: HttpRequest) -> HttpResponseBase:
    """/uws/: the tools with their endpoints; browsers are led to the tools' pages."""
    base = links.base_url(request)
    if wants_page(request):
        return see_other(f"{base}/tools/")
    found = [
        {
            "name": tool.name,
            "version": tool.version,
            "title": tool.title,
            "summary": tool.summary,
            "available": not tool.why_not,
            "why_not": tool.why_not,
            "async": f"{base}/uws/{tool.name}/async",
            "sync": f"{base}/uws/{tool.name}/sync",
            "capabilities": f"{base}/uws/{tool.name}/capabilities",
        }
        for tool in registry.all_tools()
    ]
    response = JsonResponse({"tools": found})
    response["Vary"] = "Accept"
    return response


@methods("GET", "HEAD")
def capabilities(request: HttpRequest, tool: str) -> HttpResponseBase:
    """Where the tool's endpoints are and how to sign in to them."""
    kind = kinds.kind_of(tool)
    root = f"{links.base_url(request)}/uws/{tool}"
    found = [
        vosi.Capability(
            f"{STANDARD}#async-1.1",
            (vosi.Interface(f"{root}/async", use="base", version="1.1", security=_security()),),
            description=f"Jobs of {kind.name} {kind.version}",
        ),
        vosi.Capability(
            f"{STANDARD}#sync-1.1",
            (vosi.Interface(f"{root}/sync", use="base", version="1.1", security=_security()),),
        ),
        vosi.Capability(vosi.CAPABILITIES, (vosi.Interface(f"{root}/capabilities"),)),
        vosi.Capability(vosi.AVAILABILITY, (vosi.Interface(f"{root}/availability"),)),
    ]
    return HttpResponse(vosi.capabilities(found), content_type=vosi.TYPE)


@methods("GET", "HEAD")
def availability(request: HttpRequest, tool: str) -> HttpResponseBase:
    """Whether the tool can run."""
    kind = kinds.kind_of(tool)
    reason = kind.tool.why_not if isinstance(kind, kinds.ToolKind) else ""
    notes = (reason,) if reason else ()
    body = settings.SITE.availability(not reason, up_since=_STARTED, notes=notes)
    return HttpResponse(body, content_type=vosi.TYPE)
