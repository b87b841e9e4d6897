"""What all views of the JSON API share: who asks, errors in our form, times of lists."""

from __future__ import annotations

import math
from datetime import date, datetime
from typing import Any

from django.http import HttpResponse
from rest_framework import exceptions
from rest_framework.parsers import JSONParser
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.serializers import Serializer
from rest_framework.views import APIView

from gateway.vo.caller import Caller
from gateway.vo.errors import GatewayError, MethodNotAllowed, UsageError
from gateway.vo.middleware import as_gateway_error, render_error
from gateway.vo.sessions import caller_of
from uws import links


class NotAcceptable(GatewayError):
    """The caller accepts no JSON."""

    status, code = 406, "UsageError"


class UnsupportedMediaType(GatewayError):
    """The body is no JSON."""

    status, code = 415, "UsageError"


class ApiView(APIView):
    """A view that takes and gives JSON; `request.caller` is the only identity (gateway.accounts)."""

    authentication_classes = ()
    permission_classes = ()
    throttle_classes = ()
    parser_classes = (JSONParser,)
    renderer_classes = (JSONRenderer,)

    @property
    def caller(self) -> Caller:
        return caller_of(self.request._request)

    @property
    def base_url(self) -> str:
        return links.base_url(self.request._request)

    def get_exception_handler(self) -> Any:
        return answer_error

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        response = super().finalize_response(request, response, *args, **kwargs)
        response.headers.setdefault("Cache-Control", "private, no-cache")
        return response


def answer_error(error: Exception, context: dict[str, Any]) -> HttpResponse | None:
    """Any refusal as `{"error", "message", "hint", "field"}`; None lets a bug through to the middleware."""
    known = _from_rest_framework(error) or as_gateway_error(error)
    return None if known is None else render_error(context["request"]._request, known)


def _from_rest_framework(error: Exception) -> GatewayError | None:
    if isinstance(error, exceptions.ParseError):
        return UsageError("The body is not valid JSON.", hint=str(error.detail)[:200])
    if isinstance(error, exceptions.UnsupportedMediaType):
        return UnsupportedMediaType("The body has to be JSON.", hint="Send Content-Type: application/json.")
    if isinstance(error, exceptions.NotAcceptable):
        return NotAcceptable("This address gives JSON only.")
    if isinstance(error, exceptions.MethodNotAllowed):
        return MethodNotAllowed(str(error.detail))
    if isinstance(error, exceptions.ValidationError):
        return _first_fault(error.detail)
    return None


def _first_fault(detail: Any, field: str = "") -> UsageError:
    """The first of a serializer's complaints, with the field's name (dotted where it is nested)."""
    while isinstance(detail, dict | list) and detail:
        if isinstance(detail, dict):
            name, detail = next(iter(detail.items()))
            field = f"{field}.{name}" if field else str(name)
        else:
            detail = detail[0]
    field = field.removesuffix(".non_field_errors").removeprefix("non_field_errors")
    return UsageError(f"{field}: {detail}" if field else str(detail), field=field)


def checked(serializer: type[Serializer], data: Any) -> dict[str, Any]:
    """The values of a body or query string, as the serializer describes them."""
    found = serializer(data=data)
    found.is_valid(raise_exception=True)
    return dict(found.validated_data)


def plain(value: Any) -> Any:
    """A value of a table as JSON has it: no NaN, times in ISO form."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value
