"""One exception class per kind of failure; every protocol renders the same classes in its own form.

Code raises these; `gateway.vo.middleware` renders them.  A message says what is wrong, a hint says
what to do about it.
"""

from __future__ import annotations

__all__ = [
    "Busy",
    "Conflict",
    "Forbidden",
    "GatewayError",
    "Gone",
    "MethodNotAllowed",
    "NotAuthenticated",
    "NotAvailable",
    "NotFound",
    "QueryError",
    "TooLarge",
    "UsageError",
]


class GatewayError(Exception):
    """A failure that a caller is told about.

    Parameters
    ----------
    message
        What is wrong, in one sentence, without a traceback or a path of the server.
    hint
        What the caller can do about it.
    field
        The parameter or form field at fault, if it is one.
    headers
        Response headers that belong to the failure (`Retry-After`, ...).
    """

    status = 500
    code = "InternalError"

    def __init__(
        self, message: str, *, hint: str = "", field: str = "", headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.field = field
        self.headers = headers or {}

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class UsageError(GatewayError):
    """A parameter is missing, malformed or out of range."""

    status, code = 400, "UsageError"


class QueryError(UsageError):
    """A query text is wrong; `line` and `column` (from 1) say where, if that is known."""

    def __init__(self, message: str, *, line: int = 0, column: int = 0, hint: str = "") -> None:
        super().__init__(message, hint=hint, field="QUERY")
        self.line, self.column = line, column

    def __str__(self) -> str:
        place = f"Line {self.line}, column {self.column}: " if self.line else ""
        return place + super().__str__()


class NotAuthenticated(GatewayError):
    """Credentials are needed, or those given are wrong."""

    status, code = 401, "NotAuthenticated"


class Forbidden(GatewayError):
    """The caller is known but has no right to this."""

    status, code = 403, "AuthorizationError"


class NotFound(GatewayError):
    """There is no such thing, or not for this caller."""

    status, code = 404, "NotFoundFault"


class MethodNotAllowed(GatewayError):
    """The resource exists, but not with this HTTP method."""

    status, code = 405, "UsageError"


class Conflict(GatewayError):
    """The resource is in a state that forbids the request."""

    status, code = 409, "UsageError"


class Gone(GatewayError):
    """It was there once: an expired link, a destroyed result."""

    status, code = 410, "NotFoundFault"


class TooLarge(GatewayError):
    """A body, upload or result is over a limit; the message names the limit."""

    status, code = 413, "UsageError"


class Busy(GatewayError):
    """A limit on concurrent work is reached; try again later."""

    status, code = 503, "TransientFault"


class NotAvailable(GatewayError):
    """A part of the service is down or not installed."""

    status, code = 503, "TransientFault"
