"""`POST /s/` makes a signed link, `GET /s/<secret>/<name>` follows it."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_POST, require_safe

from gateway.accounts import links


@require_POST
def make(request: HttpRequest) -> HttpResponse:
    """`{"url": absolute address, "expires": ISO time}` for the form fields `path` and `seconds`."""
    path = links.checked_path(request.POST.get("path", ""))
    seconds = links.checked_seconds(request.POST.get("seconds", ""))
    address, link = links.make(request, path, seconds)
    base = settings.VOGATE_BASE_URL or request.build_absolute_uri("/").rstrip("/")
    response = JsonResponse(
        {"url": base + address, "expires": link.expires.strftime("%Y-%m-%dT%H:%M:%SZ")}, status=201
    )
    response["Cache-Control"] = "no-store"
    return response


@require_safe
def follow(request: HttpRequest, secret: str, name: str = "") -> HttpResponse:
    """What the link stands for; the name is for programs that call files by their URL's end."""
    response = links.follow(request, secret)
    response["Cache-Control"] = "private, no-store"
    response["Referrer-Policy"] = "no-referrer"
    response["X-Robots-Tag"] = "noindex"
    return response
