"""Errors as pages."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from gateway.vo.errors import GatewayError


def page(request: HttpRequest, error: GatewayError) -> HttpResponse:
    """The error as an HTML page with what to do about it."""
    return render(request, "error.html", {"error": error, "status": error.status}, status=error.status)
