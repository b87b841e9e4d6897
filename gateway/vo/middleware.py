"""The one place where failures become responses, and the headers that every response carries."""

from __future__ import annotations

import errno
import logging
import sys
import uuid
from collections.abc import Callable

from django.conf import settings
from django.core.exceptions import (
    BadRequest,
    DisallowedHost,
    PermissionDenied,
    RequestDataTooBig,
    TooManyFieldsSent,
)
from django.db import InterfaceError, OperationalError
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseNotAllowed,
    HttpResponseNotFound,
)
from django.utils.cache import patch_vary_headers
from django.utils.module_loading import import_string

from gateway.vo.dali import asked_by_browser
from gateway.vo.errors import (
    Forbidden,
    GatewayError,
    MethodNotAllowed,
    NotAvailable,
    NotFound,
    TooLarge,
    UsageError,
)

log = logging.getLogger("vogate.error")

SPENT = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EMFILE, errno.ENFILE, errno.ENOMEM)
"""What a full disk, or too many open files or processes, make of a call that is right."""

Handler = Callable[[HttpRequest], HttpResponse]

DOCUMENTS = {
    "gateway.vo.dali.error_response",
    "gateway.vo.dali.datalink_error_response",
    "gateway.vo.dali.text_error_response",
    "tap.cone_views.error_response",
}
"""What programs read; a browser shows nothing of a VOTable that comes with an error's status."""


def render_error(request: HttpRequest, error: GatewayError) -> HttpResponse:
    """The error in the form of the protocol that the request's path belongs to; to a browser as a page."""
    response = HttpResponse(str(error), status=error.status, content_type="text/plain; charset=utf-8")
    for prefix, renderer in settings.VOGATE_ERROR_RENDERERS:
        if request.path_info == prefix or request.path_info.startswith(prefix.rstrip("/") + "/"):
            if renderer in DOCUMENTS and asked_by_browser(request):
                renderer = settings.VOGATE_ERROR_PAGE
            try:
                response = import_string(renderer)(request, error)
                if renderer in DOCUMENTS or renderer == settings.VOGATE_ERROR_PAGE:
                    patch_vary_headers(response, ["Accept"])
            except (OperationalError, InterfaceError):
                pass  # pages greet whoever is signed in, for which they ask the database that is away
            break
    for name, value in error.headers.items():
        response[name] = value
    return response


def as_gateway_error(error: Exception) -> GatewayError | None:
    """Django's own refusals as ours; None for a bug."""
    if isinstance(error, GatewayError):
        return error
    if isinstance(error, Http404):
        return NotFound("There is nothing at this address.", hint="Check it, or start from the home page.")
    if isinstance(error, PermissionDenied):
        return Forbidden(str(error) or "You have no right to this.")
    if isinstance(error, RequestDataTooBig | TooManyFieldsSent):
        return TooLarge("The request is larger than this service accepts.")
    if isinstance(error, BadRequest | DisallowedHost):
        return UsageError("The request could not be understood.")
    if isinstance(error, OperationalError | InterfaceError):
        log.error("the database fails: %s", str(error).strip())
        full = "disk is full" in str(error)  # SQLite's
        return NotAvailable(
            "The server's disk is full." if full else "The database does not answer.",
            hint="Tell the operators, or try again later." if full else "Try again in a moment.",
            headers={"Retry-After": "60" if full else "5"},
        )
    if isinstance(error, OSError) and error.errno in SPENT:
        log.error("the server's means are spent: %s", error)
        return NotAvailable(
            "The server has no room or no means for this now.",
            hint="Tell the operators, or try again later.",
            headers={"Retry-After": "60"},
        )
    return None


def server_error(request: HttpRequest) -> HttpResponse:
    """What is raised outside of views, by another middleware (Django's `handler500`)."""
    error = sys.exc_info()[1]
    return _failure(request, error if isinstance(error, Exception) else RuntimeError("unknown"))


def _failure(request: HttpRequest, exception: Exception) -> HttpResponse:
    """The response to any exception; a bug is logged under a reference that the user can tell."""
    error = as_gateway_error(exception)
    if error is None:
        reference = uuid.uuid4().hex[:8]
        log.error("%s %s failed [%s]", request.method, request.path, reference, exc_info=exception)
        error = GatewayError(
            f"Something went wrong on our side (reference {reference}).",
            hint="Try again; if it persists, tell the operators the reference.",
        )
    return render_error(request, error)


class ErrorMiddleware:
    """Outermost: turns every exception into a response of the protocol's own form."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        # Django answers these itself where no URL matches or a view refuses the method.
        if isinstance(response, HttpResponseNotFound):
            return render_error(request, NotFound("There is nothing at this address."))
        if isinstance(response, HttpResponseNotAllowed):
            allowed = response.get("Allow", "GET")
            text = f"{request.method} is not possible here; use {allowed}."
            return render_error(request, MethodNotAllowed(text, headers={"Allow": allowed}))
        return response

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if settings.DEBUG and as_gateway_error(exception) is None:
            return None
        return _failure(request, exception)


# Aladin Lite, plotly and CodeMirror set styles from scripts; Aladin Lite's wasm is inlined in its module.
# The SAMP web profile's hub always listens on port 21012 of the user's own machine.
CONTENT_SECURITY_POLICY = "; ".join(
    [
        "default-src 'self'",
        "script-src 'self' 'wasm-unsafe-eval'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "font-src 'self' data:",
        "connect-src 'self' data: blob: http://localhost:21012 http://127.0.0.1:21012",
        "worker-src 'self' blob:",
        "object-src 'none'",
        "base-uri 'self'",
        "frame-ancestors 'none'",
    ]
)

VO_PREFIXES = ("/tap", "/datalink", "/uws", "/data", "/scs", "/provsap", "/s")


class HeadersMiddleware:
    """Content-Security-Policy on every page; CORS (without credentials) on the anonymous VO endpoints."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        is_vo = any(request.path_info == p or request.path_info.startswith(p + "/") for p in VO_PREFIXES)
        if is_vo and request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers:
            response = HttpResponse(status=204)
            response["Access-Control-Allow-Methods"] = "GET, HEAD, POST, DELETE"
            response["Access-Control-Allow-Headers"] = "Authorization, Content-Type, Range"
            response["Access-Control-Max-Age"] = "86400"
        else:
            response = self.get_response(request)
        if response.get("Content-Type", "").startswith("text/html"):
            response.headers.setdefault("Content-Security-Policy", CONTENT_SECURITY_POLICY)
        if is_vo:
            response["Access-Control-Allow-Origin"] = "*"
            response["Access-Control-Expose-Headers"] = "Content-Disposition, Content-Length, Location"
        return response
