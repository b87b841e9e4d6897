"""What a request says of itself: its path's audience, its origin, its network address."""

from __future__ import annotations

from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest

from gateway.vo.middleware import VO_PREFIXES

PROGRAM_PREFIXES = (*VO_PREFIXES, "/provenance", "/provsap", "/soda", "/sia2", "/api")
"""Paths that programs use: no CSRF tokens, protocol errors, challenges."""
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})


def is_for_programs(request: HttpRequest) -> bool:
    path = request.path_info
    return any(path == prefix or path.startswith(prefix + "/") for prefix in PROGRAM_PREFIXES)


def is_from_browser(request: HttpRequest) -> bool:
    """True for requests that a browser sent: all of today's say so, and programs do not."""
    return "Sec-Fetch-Mode" in request.headers


def _origin_of(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}".lower() if parts.scheme and parts.netloc else ""


def own_origins(request: HttpRequest) -> set[str]:
    """The origins that pages of this service have."""
    trusted = {settings.VOGATE_BASE_URL, *settings.CSRF_TRUSTED_ORIGINS}
    own = {_origin_of(url) for url in trusted if url}
    own.add(f"{request.scheme}://{request.get_host()}".lower())
    return own


def is_same_origin(request: HttpRequest) -> bool:
    """True if a page of this service sent the request (Origin, else Referer)."""
    source = request.headers.get("Origin") or request.headers.get("Referer", "")
    return _origin_of(source) in own_origins(request)


def is_cross_origin(request: HttpRequest) -> bool:
    """True if a page of another service sent the request; False, too, if no page did."""
    source = request.headers.get("Origin") or request.headers.get("Referer", "")
    return bool(source) and not is_same_origin(request)


def client_address(request: HttpRequest) -> str:
    """The client's network address; X-Forwarded-For counts only behind a proxy of ours.

    `BEHIND_PROXY` is the number of proxies; each appends the address it was called from.
    """
    proxies = settings.VOGATE_PROXIES
    hops = [hop.strip() for hop in request.headers.get("X-Forwarded-For", "").split(",") if hop.strip()]
    if proxies and len(hops) >= proxies:
        return hops[-proxies]
    return str(request.META.get("REMOTE_ADDR", ""))
