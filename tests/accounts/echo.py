"""URLs for tests: the gateway's own, and views under several prefixes that say who called."""

from __future__ import annotations

from django.http import FileResponse, HttpRequest, HttpResponse, JsonResponse
from django.urls import path
from django.views.decorators.http import require_GET

from gateway.accounts.sessions import ensure_session
from gateway.urls import urlpatterns as gateway_urls
from gateway.vo.errors import Forbidden, NotAuthenticated

JOB = "abcdefghijklmnopqrstuvwxyz"


def who(request: HttpRequest, **_: object) -> JsonResponse:
    caller = request.caller  # type: ignore[attr-defined]
    return JsonResponse(
        {
            "name": caller.username,
            "method": caller.method,
            "session": caller.session_key,
            "groups": sorted(caller.groups),
            "address": caller.address,
            "query": request.GET.dict(),
            "headers": sorted(request.headers),
            "verb": request.method,
            "path": request.get_full_path(),
            "cookies": sorted(request.COOKIES),
            "django_user": request.user.get_username(),
        }
    )


def refused(request: HttpRequest) -> HttpResponse:
    raise Forbidden("Not yours.")


def unknown(request: HttpRequest) -> HttpResponse:
    raise NotAuthenticated("Who are you?")


def needs_session(request: HttpRequest, **_: object) -> HttpResponse:
    return HttpResponse(ensure_session(request).session_key)


def private(request: HttpRequest, **_: object) -> HttpResponse:
    """Vera's alone."""
    if request.caller.username != "vera":  # type: ignore[attr-defined]
        raise Forbidden("Not yours.")
    return who(request)


@require_GET
def only_get(request: HttpRequest) -> HttpResponse:
    return HttpResponse("got")


def file(request: HttpRequest) -> FileResponse:
    return FileResponse(open(__file__, "rb"))


urlpatterns = [
    path("tap/who", who),
    path("tap/capabilities", who),
    path("uws/refused", refused),
    path("uws/unknown", unknown),
    path("uws/session", needs_session),
    path("search/unknown", unknown),
    path("search/who", who),
    path("search/session", needs_session),
    path("uws/spectrum/async/<str:job>/results/<str:name>", private),
    path("uws/spectrum/async/<str:job>", who),
    path("uws/spectrum/async/<str:job>/session", needs_session),
    path("uws/spectrum/sync", who),
    path("data/only-get", only_get),
    path("data/file.fits", file),
    path("results/<str:name>/", who),
    *gateway_urls,
]
