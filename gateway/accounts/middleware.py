"""Sets `request.caller`: the one place that reads sessions, tokens and Basic credentials."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse
from django.utils.cache import patch_vary_headers

from gateway.accounts.challenges import add_challenges
from gateway.accounts.credentials import user_of_header
from gateway.accounts.requests import (
    SAFE_METHODS,
    client_address,
    is_cross_origin,
    is_for_programs,
    is_same_origin,
)
from gateway.vo.caller import Caller
from gateway.vo.errors import Forbidden, GatewayError
from gateway.vo.middleware import render_error


def caller_of(user: Any, *, method: str, address: str = "", session_key: str = "") -> Caller:
    """The caller that stands for an account, None for an anonymous one."""
    if user is None or not user.is_authenticated:
        return Caller(address=address, session_key=session_key, method=method)
    return Caller(
        user_id=user.pk,
        username=user.get_username(),
        session_key=session_key,
        groups=frozenset(user.groups.values_list("name", flat=True)),
        is_staff=user.is_staff,
        address=address,
        method=method,
    )


class CallerMiddleware:
    """Recognise the caller by the Authorization header, else by the session cookie.

    Credentials in the header that are wrong are a 401, never an anonymous request.  Programs' paths need no
    CSRF token: there, a cookie (or Basic credentials that a browser remembers) counts for an unsafe method
    only if a page of ours sent the request.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        header = request.headers.get("Authorization", "")
        request.caller = Caller(address=client_address(request))  # type: ignore[attr-defined]
        try:
            request.caller = self._identify(request, header)  # type: ignore[attr-defined]
        except GatewayError as error:
            response = render_error(request, error)
        else:
            response = self.get_response(request)
        caller: Caller = request.caller  # type: ignore[attr-defined]
        wrong_token = bool(header) and response.status_code == 401
        add_challenges(request, response, caller, wrong_token=wrong_token)
        if is_for_programs(request):
            patch_vary_headers(response, ("Authorization", "Cookie"))
        return response

    def process_template_response(self, request: HttpRequest, response: Any) -> Any:
        """Allauth calls the HTTP host `site`; in our templates that is the gateway's site."""
        context = getattr(response, "context_data", None)
        if context and context.get("site") is not settings.SITE:
            context.pop("site", None)
        return response

    def _identify(self, request: HttpRequest, header: str) -> Caller:
        address = client_address(request)
        programs = is_for_programs(request)
        if programs:
            request._dont_enforce_csrf_checks = True  # type: ignore[attr-defined]
        unsafe = request.method not in SAFE_METHODS
        if header:
            user, method = user_of_header(header, request, address)
            # Browsers send remembered Basic credentials along with other sites' forms.
            if method == "basic" and unsafe and is_cross_origin(request):
                raise Forbidden("Another site's page sent this request.", hint="Send it from a program.")
            request.user = user  # type: ignore[assignment]
            return caller_of(user, method=method, address=address)
        if programs and unsafe and not is_same_origin(request):
            request.user = AnonymousUser()
            return Caller(address=address)
        # This loads the session; a key that nobody has is None afterwards.
        method = "cookie" if request.user.is_authenticated else "anonymous"
        session_key = request.session.session_key or ""
        return caller_of(request.user, method=method, address=address, session_key=session_key)
