"""Sessions of anonymous visitors, made only where one is needed."""

from __future__ import annotations

from dataclasses import replace

from django.http import HttpRequest

from gateway.vo.caller import Caller


def caller_of(request: HttpRequest) -> Caller:
    """Who asks: set on every request by the accounts' middleware."""
    caller: Caller = request.caller  # type: ignore[attr-defined]
    return caller


def ensure_session(request: HttpRequest) -> Caller:
    """Give an anonymous visitor a session, so that what they make is theirs, and return the caller.

    Pages that create jobs call this; VO endpoints never do (TOPCAT and curl keep no session).
    Callers who are recognised already stay as they are; a signed link is nobody's browser.
    """
    caller = caller_of(request)
    if caller.is_authenticated or caller.session_key or caller.method == "link":
        return caller
    if not request.session.session_key:
        request.session.create()
    caller = replace(caller, session_key=request.session.session_key or "")
    request.caller = caller  # type: ignore[attr-defined]
    return caller
