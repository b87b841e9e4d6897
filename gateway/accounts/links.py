"""Signed links: one resource, for a while, with its owner's rights and without their credentials.

The link carries a random secret of which we keep the hash, beside who made it and for what.  (What is
signed into a link can be read; the key of a visitor's session must not be.)
"""

from __future__ import annotations

import copy
import re
import secrets
from dataclasses import replace
from datetime import datetime, timedelta
from urllib.parse import quote, unquote, urlsplit

from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.backends.base import UpdateError
from django.contrib.sessions.backends.db import SessionStore
from django.http import HttpRequest, HttpResponse, QueryDict
from django.urls import Resolver404, resolve
from django.utils import timezone

from gateway.accounts.middleware import caller_of
from gateway.accounts.models import SignedLink, digest
from gateway.accounts.requests import client_address
from gateway.vo.caller import Caller
from gateway.vo.dali import json_error_response
from gateway.vo.errors import Forbidden, GatewayError, Gone, NotFound, UsageError

DEFAULT_SECONDS = 3600
MAX_SECONDS = 24 * 3600
KEEP_EXPIRED = timedelta(days=7)
"""So long an expired link is told from one that never was."""

_JOB = r"[a-z2-7]{26}"
ALLOWED = re.compile(
    rf"^/(?:uws/[^/]+/async/{_JOB}(?:/[^?]*)?|tap/async/{_JOB}/results/[^/?]+|data/[^?]+|results/[^?]+)$"
)
"""What can be shared: jobs and their results, archive files, saved searches.  Never `/sync`, which runs."""

# What a signed request does not inherit: whoever holds the link brings no identity of their own.
_IDENTITY_HEADERS = ("HTTP_AUTHORIZATION", "HTTP_COOKIE", "HTTP_ORIGIN", "HTTP_REFERER")


def now() -> datetime:
    """The time by which links expire."""
    return timezone.now()


def checked_path(value: str) -> str:
    """A path (and query) that may be shared, in the form in which it is resolved.

    Raises
    ------
    gateway.vo.errors.UsageError
        If it is not one of this service's shareable resources.
    """
    parts = urlsplit(value.strip())
    path = unquote(parts.path)
    plain = not parts.scheme and not parts.netloc and "//" not in path and "\\" not in path
    if not plain or any(part in ("..", ".") for part in path.split("/")) or not ALLOWED.match(path):
        raise UsageError(
            "This address cannot be shared by a link.",
            hint="Give the path of a job's result, an archive file or a saved search on this service.",
            field="path",
        )
    return path + (f"?{parts.query}" if parts.query else "")


def checked_seconds(value: str) -> int:
    """How long the link shall live.  Raises UsageError."""
    try:
        seconds = int(value or DEFAULT_SECONDS)
    except ValueError:
        seconds = 0
    if not 1 <= seconds <= MAX_SECONDS:
        raise UsageError(f"seconds must be an integer from 1 to {MAX_SECONDS}.", field="seconds")
    return seconds


def make(request: HttpRequest, path: str, seconds: int) -> tuple[str, SignedLink]:
    """A new link for what the caller may see; returns its address on this service and the record.

    Raises
    ------
    gateway.vo.errors.GatewayError
        What a request for the path itself would answer, if the caller may not see it.
    """
    caller: Caller = request.caller  # type: ignore[attr-defined]
    _probe(request, path, caller)
    SignedLink.objects.filter(expires__lt=now() - KEEP_EXPIRED).delete()
    secret = secrets.token_urlsafe(24)
    link = SignedLink.objects.create(
        digest=digest(secret),
        path=path,
        user_id=caller.user_id,
        session_key="" if caller.is_authenticated else caller.session_key,
        created=now(),
        expires=now() + timedelta(seconds=seconds),
    )
    name = urlsplit(path).path.rstrip("/").rsplit("/", 1)[-1] or "file"
    return f"/s/{secret}/{quote(name)}", link


def _probe(request: HttpRequest, path: str, caller: Caller) -> None:
    caller = replace(caller, method="link")
    response = dispatch(request, path, caller, method="HEAD")
    if response.status_code == 405:  # a view that knows no HEAD
        response = dispatch(request, path, caller, method="GET")
    # Files and queries are let go; `response.close()` would tell Django that our own request is over.
    for release in response._resource_closers:  # type: ignore[attr-defined]
        release()
    if response.status_code >= 400:
        message = "This address cannot be shared: you may not see it, or it is not there."
        raise NotFound(message) if response.status_code == 404 else Forbidden(message)


def follow(request: HttpRequest, secret: str) -> HttpResponse:
    """Answer a link with what stands behind it.

    Raises
    ------
    gateway.vo.errors.NotFound
        If there is no such link.
    gateway.vo.errors.Gone
        If it has expired, or the account that made it is closed.
    """
    link = SignedLink.objects.select_related("user").filter(digest=digest(secret)).first()
    if link is None:
        raise NotFound("There is no such link.", hint="Copy it again, whole.")
    if link.expires <= now():
        raise Gone(
            f"This link expired at {link.expires:%Y-%m-%d %H:%M:%S} UTC.",
            hint="Ask whoever sent it for a new one (on the page of the result, or POST /s/).",
        )
    caller = _signer(request, link)
    return dispatch(request, link.path, caller, method=request.method or "GET")


def _signer(request: HttpRequest, link: SignedLink) -> Caller:
    address = client_address(request)
    if link.user is not None:
        if not link.user.is_active:
            raise Gone("The account that made this link is closed.")
        return caller_of(link.user, method="link", address=address)
    if link.session_key and not SessionStore().exists(link.session_key):
        raise Gone("The browser session that made this link has ended.", hint="Ask for a new link.")
    return Caller(session_key=link.session_key, address=address, method="link")


def dispatch(request: HttpRequest, path: str, caller: Caller, *, method: str) -> HttpResponse:
    """Run the view of `path` as this caller.  Raises NotFound, and whatever the view raises."""
    parts = urlsplit(path)
    try:
        match = resolve(parts.path)
    except Resolver404:
        raise NotFound("There is nothing at this address.") from None
    inner = copy.copy(request)
    inner.META = {k: v for k, v in request.META.items() if k not in _IDENTITY_HEADERS}
    inner.META |= {"REQUEST_METHOD": method, "PATH_INFO": parts.path, "QUERY_STRING": parts.query}
    inner.environ = inner.META  # type: ignore[attr-defined]
    for name in ("headers", "accepted_types", "_body", "_post", "_files", "_cached_user"):
        inner.__dict__.pop(name, None)
    inner.method = method
    inner.path_info = parts.path
    inner.path = request.META.get("SCRIPT_NAME", "") + parts.path
    inner.GET = QueryDict(parts.query)
    inner.POST = QueryDict()  # type: ignore[assignment]
    inner.COOKIES = {}
    inner.user = AnonymousUser()
    inner.session = _NoSession()  # type: ignore[assignment]
    inner.caller = caller  # type: ignore[attr-defined]
    inner.resolver_match = match
    return match.func(inner, *match.args, **match.kwargs)


class _NoSession(SessionStore):
    """An empty session that refuses to become one."""

    def __init__(self) -> None:
        super().__init__(None)

    def save(self, must_create: bool = False) -> None:
        raise UpdateError("a signed link has no session")

    def create(self) -> None:
        raise UpdateError("a signed link has no session")


def error_response(request: HttpRequest, error: GatewayError) -> HttpResponse:
    """JSON for whoever makes a link, a sentence for whoever follows one."""
    if request.method == "POST":
        return json_error_response(request, error)
    return HttpResponse(f"{error}\n", status=error.status, content_type="text/plain; charset=utf-8")
