"""The home page: what is here, and how to reach it."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from gateway.portal import catalogue, snippets
from gateway.portal.form_state import RADIUS_UNITS, FormState
from gateway.portal.views.common import base_url
from uws.tools import registry

_EXAMPLE = "SELECT TOP 10 * FROM ivoa.obscore"


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    facts = catalogue.facts()
    base = base_url(request)
    context = {
        "facts": facts,
        "base_url": base,
        "tap_url": f"{base}/tap",
        "snippet": snippets.pyvo(f"{base}/tap", _EXAMPLE),
        "tools": [tool for tool in registry.all_tools() if not tool.deprecated],
        "radius": FormState().radius,
        "radius_units": RADIUS_UNITS,
    }
    return render(request, "portal/home.html", context)
