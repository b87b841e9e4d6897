"""Errors as pages."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from gateway.vo.errors import Forbidden, GatewayError
from gateway.vo.middleware import render_error


def page(request: HttpRequest, error: GatewayError) -> HttpResponse:
    """The error as an HTML page with what to do about it."""
    return render(request, "error.html", {"error": error, "status": error.status}, status=error.status)


def old_form(request: HttpRequest, reason: str = "") -> HttpResponse:
    """A form without a valid token (`CSRF_FAILURE_VIEW`): mostly open since before a sign-in elsewhere."""
    error = Forbidden(
        "This form was opened before you signed in or out, or cookies are switched off.",
        hint="Nothing was done. Go back, load the page again, and send it once more.",
    )
    return render_error(request, error)
