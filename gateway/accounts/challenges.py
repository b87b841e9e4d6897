"""`WWW-Authenticate`: how a client may identify itself (STANDARDS 21; AuthVO draft)."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from gateway.accounts.requests import is_for_programs, is_from_browser
from gateway.vo.caller import Caller

TLS_WITH_PASSWORD = "ivo://ivoa.net/sso#tls-with-password"


def challenges(request: HttpRequest, *, wrong_token: bool = False) -> str:
    """All challenges in one header value (RFC 9110, 11.6.1).

    Basic is left out for browsers, which would cover our pages with their own dialog.
    """
    realm = settings.SITE.name
    login = (settings.VOGATE_BASE_URL or request.build_absolute_uri("/")).rstrip("/")
    login += reverse("account_vo_login").removeprefix(request.META.get("SCRIPT_NAME", ""))
    found = []
    if is_for_programs(request) and not is_from_browser(request):
        found.append(f'Basic realm="{realm}", charset="UTF-8"')
    problem = ', error="invalid_token"' if wrong_token else ""
    found.append(f'Bearer realm="{realm}"{problem}')
    if is_for_programs(request):
        found.append(f'ivoa_bearer standard_id="{TLS_WITH_PASSWORD}", access_url="{login}"')
    return ", ".join(found)


def add_challenges(
    request: HttpRequest, response: HttpResponse, caller: Caller, *, wrong_token: bool = False
) -> None:
    """Challenge on 401, on 403 for strangers, and on what says that signing in is possible."""
    programs = is_for_programs(request)
    asks = response.status_code == 401 or (
        programs
        and not caller.is_authenticated
        and (
            response.status_code == 403
            or (response.status_code == 200 and request.path_info.endswith("/capabilities"))
        )
    )
    if asks:
        response.headers.setdefault("WWW-Authenticate", challenges(request, wrong_token=wrong_token))
    if programs and caller.is_authenticated:
        # A response made for one account is no other's.
        response["X-VO-Authenticated"] = caller.username
