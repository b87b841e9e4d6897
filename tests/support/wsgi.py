"""Requests to a WSGI application, as the bridge makes them."""

from __future__ import annotations

import io
from typing import Any


def ask(
    application: Any, method: str, path: str, body: bytes = b"", **environ: str
) -> tuple[str, dict[str, str], bytes]:
    """Status, headers and body of the answer."""
    head: dict[str, Any] = {}

    def start(status: str, headers: list[tuple[str, str]], exc_info: object = None) -> None:
        head["status"], head["headers"] = status, dict(headers)

    url, _, query = path.partition("?")
    response = application(
        {
            "REQUEST_METHOD": method, "PATH_INFO": url, "QUERY_STRING": query, "SCRIPT_NAME": "",
            "SERVER_NAME": "localhost", "SERVER_PORT": "80", "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": "127.0.0.1", "wsgi.url_scheme": "http", "wsgi.input": io.BytesIO(body),
            "CONTENT_LENGTH": str(len(body)), "CONTENT_TYPE": "application/x-www-form-urlencoded", **environ,
        },
        start,
    )  # fmt: skip
    data = b"".join(response)
    response.close()
    return head["status"], head["headers"], data
