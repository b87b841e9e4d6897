"""DALI 1.1: parameters, and errors as documents."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any
from xml.sax.saxutils import escape

from django.http import HttpRequest, HttpResponse, QueryDict

from gateway.vo.errors import GatewayError, UsageError
from gateway.vo.xmltext import legal

VOTABLE_TYPE = "application/x-votable+xml"


class Parameters:
    """The parameters of a DALI request: names without regard to case, values in order (DALI 3.1).

    GET parameters come first, then those of the body; unknown names do no harm.
    """

    def __init__(self, *sources: QueryDict | Iterable[tuple[str, str]]) -> None:
        self._values: dict[str, list[str]] = {}
        for source in sources:
            pairs = (
                ((name, value) for name, values in source.lists() for value in values)
                if isinstance(source, QueryDict)
                else source
            )
            for name, value in pairs:
                self._values.setdefault(name.upper(), []).append(str(value))

    @classmethod
    def of(cls, request: HttpRequest) -> Parameters:
        return cls(request.GET, request.POST)

    def get(self, name: str, default: str = "") -> str:
        """The first value of a parameter."""
        return self._values.get(name.upper(), [default])[0]

    def all(self, name: str) -> list[str]:
        return list(self._values.get(name.upper(), []))

    def one(self, name: str, default: str = "") -> str:
        """The only value of a parameter; more than one is a UsageError."""
        values = self._values.get(name.upper(), [])
        if len(set(values)) > 1:
            raise UsageError(f"{name} is given {len(values)} times; give it once.", field=name)
        return values[0] if values else default

    def required(self, name: str) -> str:
        value = self.one(name)
        if not value.strip():
            raise UsageError(f"{name} is missing.", hint=f"Add {name}=... to the request.", field=name)
        return value

    def integer(self, name: str, *, minimum: int = 0) -> int | None:
        """An integer parameter, None where it is absent."""
        text = self.one(name).strip()
        if not text:
            return None
        try:
            value = int(text)
        except ValueError:
            raise UsageError(f"{name}={text!r} is not an integer.", field=name) from None
        if value < minimum:
            raise UsageError(f"{name} must be {minimum} or more, not {value}.", field=name)
        return value

    def names(self) -> list[str]:
        """Names in upper case, in the order of their first appearance."""
        return list(self._values)

    def items(self) -> list[tuple[str, str]]:
        return [(name, value) for name, values in self._values.items() for value in values]


def asked_by_browser(request: HttpRequest) -> bool:
    """Whether somebody opens the address in a browser; programs get the documents of the standards.

    Java's client, and so STILTS and TOPCAT, asks for text/html whatever it wants; browsers know XHTML too.
    """
    accepted = request.headers.get("Accept", "")
    return "text/html" in accepted and "application/xhtml+xml" in accepted


def error_votable(message: str) -> str:
    """A DALI error document: a VOTable whose results RESOURCE says QUERY_STATUS=ERROR (DALI 4.4)."""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<VOTABLE xmlns="http://www.ivoa.net/xml/VOTable/v1.3" version="1.4">\n'
        '<RESOURCE type="results">\n'
        f'<INFO name="QUERY_STATUS" value="ERROR">{escape(legal(message))}</INFO>\n'
        "</RESOURCE>\n</VOTABLE>\n"
    )


def error_response(request: HttpRequest, error: GatewayError) -> HttpResponse:
    """Any failure of a DALI service."""
    return HttpResponse(error_votable(str(error)), status=error.status, content_type=VOTABLE_TYPE)


# DataLink 1.1, section 3.4: the error's text begins with one of these.
_DATALINK_FAULTS = {
    400: "UsageFault",
    404: "NotFoundFault",
    410: "NotFoundFault",
    413: "UsageFault",
    503: "TransientFault",
}


def datalink_error_response(request: HttpRequest, error: GatewayError) -> HttpResponse:
    """A failure of a DataLink service as a whole (faults of single identifiers stand in its rows)."""
    text = str(error)
    if not text.split(":")[0].endswith("Fault"):
        text = f"{_DATALINK_FAULTS.get(error.status, 'DefaultFault')}: {text}"
    return HttpResponse(error_votable(text), status=error.status, content_type=VOTABLE_TYPE)


def text_error_response(request: HttpRequest, error: GatewayError) -> HttpResponse:
    """DALI lets job resources answer errors as plain text; DataLink's error codes come first."""
    return HttpResponse(
        f"{error.code}: {error}\n", status=error.status, content_type="text/plain; charset=utf-8"
    )


def json_error_response(request: HttpRequest, error: GatewayError) -> HttpResponse:
    body: dict[str, Any] = {"error": error.code, "message": error.message, "hint": error.hint}
    if error.field:
        body["field"] = error.field
    return HttpResponse(json.dumps(body), status=error.status, content_type="application/json")
