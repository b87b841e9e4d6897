"""The bridge between the ASGI server and synchronous Django."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from gateway.bridge import FAST_CALLS, Bridge, Token


def run(coroutine):
    """`asyncio.run` in a thread of its own: in one process with browser tests, this one may have a loop already."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, coroutine).result()


def scope(method="GET", path="/", query=b"", headers=()):
    return {
        "type": "http",
        "method": method,
        "path": path,
        "query_string": query,
        "headers": list(headers),
        "http_version": "1.1",
        "client": ("127.0.0.1", 5),
    }


class Client:
    """An ASGI peer: gives the body, keeps what is sent, can leave."""

    def __init__(self, *blocks: bytes) -> None:
        self.blocks = list(blocks) or [b""]
        self.sent: list[dict] = []
        self.left = asyncio.Event()

    async def receive(self):
        if self.blocks:
            block = self.blocks.pop(0)
            return {"type": "http.request", "body": block, "more_body": bool(self.blocks)}
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message):
        self.sent.append(message)

    @property
    def body(self) -> bytes:
        return b"".join(m.get("body", b"") for m in self.sent)

    @property
    def finished(self) -> bool:
        last = self.sent[-1]
        return last["type"] == "http.response.body" and not last.get("more_body")


def plain(environ, start_response):
    """Answers with the request's body."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))]


class Streamed:
    """What a Django streaming response looks like to a WSGI server."""

    streaming = True

    def __init__(self, blocks):
        self.blocks, self.closed = blocks, threading.Event()

    def __iter__(self):
        return iter(self.blocks)

    def close(self):
        self.closed.set()


def test_a_chunked_body_arrives_whole():
    client = Client(b"one,", b"two,", b"three")
    run(Bridge(plain)(scope("POST"), client.receive, client.send))
    assert client.sent[0]["status"] == 200
    assert client.body == b"one,two,three"
    assert client.finished


def test_a_path_outside_ascii_reaches_django_as_pep_3333_says():
    seen = {}

    def app(environ, start_response):
        seen.update(environ)
        return plain(environ, start_response)

    client = Client()
    run(Bridge(app)(scope(path="/obs/Sgr A✶/"), client.receive, client.send))
    assert seen["PATH_INFO"].encode("latin-1").decode("utf-8") == "/obs/Sgr A✶/"


def test_head_has_the_headers_and_no_body():
    client = Client()
    run(
        Bridge(lambda e, s: (s("200 OK", [("X-A", "b")]), [b"text"])[1])(
            scope("HEAD"), client.receive, client.send
        )
    )
    assert (b"x-a", b"b") in client.sent[0]["headers"]
    assert client.body == b""


def test_a_stream_is_sent_block_by_block_and_closed():
    response = Streamed([b"a", b"", b"b"])

    def app(environ, start_response):
        start_response("200 OK", [])
        return response

    client = Client()
    run(Bridge(app)(scope(), client.receive, client.send))
    assert [m.get("body") for m in client.sent[1:]] == [b"a", b"b", b""]
    assert client.finished
    assert response.closed.is_set()


def test_a_failure_after_the_first_byte_breaks_the_transfer():
    def blocks():
        yield b"begin"
        raise ValueError("lost the engine")

    def app(environ, start_response):
        start_response("200 OK", [])
        return Streamed(blocks())

    client = Client()
    with pytest.raises(ValueError, match="lost the engine"):
        run(Bridge(app)(scope(), client.receive, client.send))
    assert client.body == b"begin"
    assert not client.finished


def test_the_work_is_cancelled_when_the_client_leaves_before_the_first_byte():
    cancelled = threading.Event()

    def app(environ, start_response):
        environ["vogate.token"].on_leave(cancelled.set)
        cancelled.wait(20)
        start_response("200 OK", [])
        return [b""]

    async def main():
        client = Client()
        request = asyncio.ensure_future(Bridge(app)(scope(), client.receive, client.send))
        await asyncio.sleep(0.05)
        client.left.set()
        await request

    run(main())
    assert cancelled.is_set()


def test_a_stream_stops_when_the_client_leaves():
    made = []

    async def main():
        client = Client()

        def blocks():
            while True:
                made.append(1)
                if len(made) == 3:
                    loop.call_soon_threadsafe(client.left.set)
                    left.wait(20)
                yield b"x"

        def app(environ, start_response):
            environ["vogate.token"].on_leave(left.set)
            start_response("200 OK", [])
            return Streamed(blocks())

        loop, left = asyncio.get_running_loop(), threading.Event()
        await Bridge(app)(scope(), client.receive, client.send)

    run(main())
    assert len(made) <= 4


def test_slow_requests_do_not_block_others():
    release = threading.Event()

    def app(environ, start_response):
        if environ["PATH_INFO"] == "/slow":
            release.wait(20)
        start_response("200 OK", [])
        return [b"done"]

    async def main():
        bridge = Bridge(app)
        slow = [Client() for _ in range(FAST_CALLS * 3)]
        waiting = [asyncio.ensure_future(bridge(scope(path="/slow"), c.receive, c.send)) for c in slow]
        quick = Client()
        await asyncio.wait_for(bridge(scope(path="/quick"), quick.receive, quick.send), 10)
        unfinished = [t for t in waiting if not t.done()]
        release.set()
        await asyncio.gather(*waiting)
        return quick, unfinished

    quick, unfinished = run(main())
    assert quick.body == b"done"
    assert len(unfinished) == FAST_CALLS * 3


def test_a_held_request_waits_without_a_thread_and_ends_with_its_client():
    calls = []

    async def hold(method, path, query):
        await asyncio.Event().wait()

    async def main():
        client = Client()
        bridge = Bridge(lambda e, s: calls.append(e), hold)
        request = asyncio.ensure_future(bridge(scope(query=b"WAIT=60"), client.receive, client.send))
        await asyncio.sleep(0.05)
        client.left.set()
        await asyncio.wait_for(request, 10)
        return client

    client = run(main())
    assert client.sent == []
    assert calls == []


def test_a_token_calls_back_at_once_when_the_client_has_already_left():
    token, called = Token(), []
    token.leave()
    token.on_leave(lambda: called.append(1))
    assert called == [1]
