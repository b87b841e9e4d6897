"""The way into Django: the whole chain of middleware, or a short one for programs that bring no credentials.

Sessions, messages, CSRF tokens and static files mean nothing to an anonymous TAP client, and cost it a third of the
gateway's own part of a small query.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.core.handlers.exception import convert_exception_to_response
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpRequest
from django.middleware.common import CommonMiddleware
from django.middleware.security import SecurityMiddleware

from gateway.accounts.middleware import CallerMiddleware
from gateway.accounts.requests import client_address
from gateway.vo.caller import Caller
from gateway.vo.middleware import ErrorMiddleware, HeadersMiddleware

PATHS = ("/tap/sync", "/tap/async", "/scs", "/uws")
"""What is served without sessions; no view below them looks for one."""

_PATIENT = re.compile(r"/(tap/sync|scs|search|results|uws/[^/]+/sync|api/v1/(observations|searches))(/|$)")


def is_patient(method: str, path: str) -> bool:
    """Whether a request may have to wait: for a query's turn, a tool's end, or a server that it names inputs of."""
    return _PATIENT.match(path) is not None or (method == "POST" and path.startswith("/uws/"))


class StrangerMiddleware(CallerMiddleware):
    """`request.caller` for a request without cookies and credentials."""

    def _identify(self, request: HttpRequest, header: str) -> Caller:
        request.user = AnonymousUser()
        return Caller(address=client_address(request))


class ShortHandler(WSGIHandler):
    """Django with the middleware that strangers' requests need; what it answers is what the whole chain would."""

    def load_middleware(self, is_async: bool = False) -> None:
        # Each layer turns what is raised below it into a response, as Django's own chain does.
        wrapped: Any = convert_exception_to_response
        base: Any = self
        errors = ErrorMiddleware(
            wrapped(CommonMiddleware(wrapped(StrangerMiddleware(wrapped(base._get_response)))))
        )
        base._view_middleware, base._template_response_middleware = [], []
        base._exception_middleware = [errors.process_exception]
        base._middleware_chain = wrapped(HeadersMiddleware(wrapped(SecurityMiddleware(wrapped(errors)))))


class Entrance:
    """A WSGI application that chooses between the two."""

    def __init__(self, whole: Callable[..., Iterable[bytes]]) -> None:
        self.whole = whole
        self.short: Callable[..., Iterable[bytes]] = ShortHandler()

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        stranger = "HTTP_COOKIE" not in environ and "HTTP_AUTHORIZATION" not in environ
        path = environ["PATH_INFO"]
        if stranger and any(path == item or path.startswith(item + "/") for item in PATHS):
            return self.short(environ, start_response)
        return self.whole(environ, start_response)
