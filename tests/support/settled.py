"""Django's live server for one test: when the test ends, no request of its pages is at the database any more.

A page goes on asking while its browser closes. Such a request met the next step of pytest-django, which empties the
database and then forbids its use: on a loaded machine tables were locked, and the test after it failed as well.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

WAIT_SECONDS = 60


class Gate:
    """A WSGI application that counts who is inside, and lets nobody in when it is shut."""

    def __init__(self, application: Callable[..., Iterable[bytes]]) -> None:
        self.application = application
        self.inside: dict[object, str] = {}
        self.open = True
        self.changed = threading.Condition()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        visit = object()
        with self.changed:
            if not self.open:
                start_response("503 Service Unavailable", [("Content-Length", "0"), ("Connection", "close")])
                return []
            self.inside[visit] = environ["PATH_INFO"]
        try:
            return Answer(self.application(environ, start_response), lambda: self.leave(visit))
        except BaseException:
            self.leave(visit)
            raise

    def leave(self, visit: object) -> None:
        with self.changed:
            self.inside.pop(visit, None)
            self.changed.notify_all()

    def shut(self, seconds: float = WAIT_SECONDS) -> None:
        """Let nobody in and wait until all are out; TimeoutError, with their paths, if they stay."""
        end = time.monotonic() + seconds
        with self.changed:
            self.open = False
            while self.inside:
                left = end - time.monotonic()
                if left <= 0:
                    raise TimeoutError(
                        f"after {seconds:g} s these requests run on: {list(self.inside.values())}"
                    )
                self.changed.wait(left)


class Answer:
    """The body of an answer; `gone` is called when the server has closed it."""

    def __init__(self, body: Iterable[bytes], gone: Callable[[], None]) -> None:
        self.body = body
        self.gone = gone

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.body)

    def close(self) -> None:
        try:
            close = getattr(self.body, "close", None)
            if close is not None:
                close()
        finally:
            self.gone()


@contextmanager
def settled(live_server: Any) -> Iterator[str]:
    """The address of the server; on leaving, which the browser does first, all its requests have ended."""
    server = live_server.thread.httpd
    application = server.get_app()
    gate = Gate(application)
    server.set_app(gate)
    try:
        yield str(live_server.url)
    finally:
        gate.shut()
        server.set_app(application)
