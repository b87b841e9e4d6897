"""Sets `request.caller`: the one place that reads sessions, tokens and Basic credentials."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from gateway.vo.caller import Caller


class CallerMiddleware:
    """Recognise the caller of a request by cookie (later: token, Basic, signed link)."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        user = request.user
        address = request.META.get("REMOTE_ADDR", "")
        session_key = request.session.session_key or ""
        if user.is_authenticated:
            caller = Caller(
                user_id=user.pk,
                username=user.get_username(),
                session_key=session_key,
                groups=frozenset(user.groups.values_list("name", flat=True)),
                is_staff=user.is_staff,
                address=address,
                method="cookie",
            )
        else:
            caller = Caller(session_key=session_key, address=address)
        request.caller = caller  # type: ignore[attr-defined]
        return self.get_response(request)
