"""The caller of a request, typed."""

from __future__ import annotations

from django.http import HttpRequest

from gateway.vo.caller import Caller


def caller_of(request: HttpRequest) -> Caller:
    """Who asks: set on every request by the accounts' middleware."""
    caller: Caller = request.caller  # type: ignore[attr-defined]
    return caller
