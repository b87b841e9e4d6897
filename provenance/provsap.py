"""ProvSAP: a simple access protocol for provenance, `/provsap`.

The Recommendation left access to other documents, of which there are drafts (STANDARDS 33).  This is our
reading; its defaults are: DEPTH=1 (relations), DIRECTION=BACK, MODEL=IVOA, RESPONSEFORMAT=PROV-JSON,
AGENTS=1, MEMBERS=0, DESCRIPTIONS=1, CONFIGURATION=1, ATTRIBUTES=1.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeVar

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_safe

from gateway.vo import vosi
from gateway.vo.dali import Parameters
from gateway.vo.errors import UsageError
from provenance import formats
from provenance.lineage import Direction, lineage
from provenance.search import find
from provenance.serialise import Flavour
from provenance.serialise.options import Options, prune

STARTED = datetime.now(UTC)
MAX_IDS = 100
T = TypeVar("T")
_TRUE, _FALSE = ("1", "true", "yes"), ("0", "false", "no")


@dataclass(frozen=True)
class Wish:
    """A checked request."""

    ids: tuple[str, ...]
    depth: int | None = 1
    directions: tuple[Direction, ...] = (Direction.BACK,)
    flavour: Flavour = Flavour.IVOA
    members: bool = False
    options: Options = field(default_factory=Options)
    form: formats.Form = formats.FORMS["json"]


def parse(parameters: Parameters) -> Wish:
    """The request.

    Raises
    ------
    UsageError
        Naming the parameter at fault.
    """
    ids = tuple(dict.fromkeys(text.strip() for text in parameters.all("ID") if text.strip()))
    if not ids:
        raise UsageError("ID is missing.", hint="Give a job, entity, publisher DID or address.", field="ID")
    if len(ids) > MAX_IDS:
        raise UsageError(f"{len(ids)} values of ID are more than {MAX_IDS}.", field="ID")
    form = formats.by_name(parameters.one("RESPONSEFORMAT") or parameters.one("FORMAT") or "PROV-JSON")
    flavour = choice(parameters, "MODEL", {"IVOA": Flavour.IVOA, "W3C": Flavour.W3C}, "IVOA")
    if flavour is Flavour.W3C and form.ivoa_only:
        raise UsageError(f"{form.name} cannot be had with MODEL=W3C: its classes are IVOA's.", field="MODEL")
    return Wish(
        ids,
        depth=_depth(parameters.one("DEPTH", "1").strip()),
        directions=choice(
            parameters,
            "DIRECTION",
            {
                "BACK": (Direction.BACK,),
                "FORWARD": (Direction.FORWARD,),
                "FORTH": (Direction.FORWARD,),
                "BOTH": (Direction.BACK, Direction.FORWARD),
            },
            "BACK",
        ),
        flavour=flavour,
        members=_switch(parameters, "MEMBERS", False),
        options=Options(
            agents=_switch(parameters, "AGENTS", True),
            descriptions=_switch(parameters, "DESCRIPTIONS", True),
            configuration=_switch(parameters, "CONFIGURATION", True),
            attributes=_switch(parameters, "ATTRIBUTES", True),
        ),
        form=form,
    )


def _depth(text: str) -> int | None:
    if text.upper() == "ALL":
        return None
    if not text.isdecimal() or len(text) > 6:
        raise UsageError(f"DEPTH={text[:30]!r} is neither a number nor ALL.", field="DEPTH")
    return int(text)


def choice(parameters: Parameters, name: str, choices: dict[str, T], default: str) -> T:
    value = parameters.one(name, default).strip().upper() or default
    if value not in choices:
        raise UsageError(f"{name}={value[:30]!r} is not one of {', '.join(choices)}.", field=name)
    return choices[value]


def _switch(parameters: Parameters, name: str, default: bool) -> bool:
    value = parameters.one(name).strip().lower() or ("1" if default else "0")
    if value not in (*_TRUE, *_FALSE):
        raise UsageError(f"{name}={value[:30]!r} is neither 1 nor 0.", field=name)
    return value in _TRUE


@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
def sync(request: HttpRequest) -> HttpResponse:
    """The lineage of what ID names."""
    wish = parse(Parameters.of(request))
    caller = request.caller  # type: ignore[attr-defined]
    starts = [find(text, caller) for text in wish.ids]
    document = lineage(starts, caller, directions=wish.directions, depth=wish.depth, members=wish.members)
    response = formats.respond(
        prune(document, wish.options), wish.form, formats.base_url(request), wish.flavour, name="provenance"
    )
    if document.truncated:
        response["X-VOGATE-Truncated"] = "true"
    return response


@require_safe
def capabilities(request: HttpRequest) -> HttpResponse:
    """Where the service is; it claims no standard, since there is none."""
    root = f"{formats.base_url(request)}/provsap"
    security = tuple(settings.VOGATE_SECURITY_METHODS)
    found = [
        vosi.Capability(
            f"ivo://{settings.SITE.authority}/provsap",
            (vosi.Interface(root, use="base", security=security),),
            description="Lineage of jobs, products and observations, after the drafts of ProvSAP",
        ),
        vosi.Capability(vosi.CAPABILITIES, (vosi.Interface(f"{root}/capabilities"),)),
        vosi.Capability(vosi.AVAILABILITY, (vosi.Interface(f"{root}/availability"),)),
    ]
    return HttpResponse(vosi.capabilities(found), content_type=vosi.TYPE)


@require_safe
def availability(request: HttpRequest) -> HttpResponse:
    return HttpResponse(settings.SITE.availability(up_since=STARTED), content_type=vosi.TYPE)
