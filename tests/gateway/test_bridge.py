"""The bridge between the ASGI server and synchronous Django."""

from __future__ import annotations

import asyncio
import tempfile
import threading

import pytest

from gateway.bridge import ADDRESS_CALLS, FAST_CALLS, MAX_THREADS, PATIENT_CALLS, Bridge, Token, _Places
from gateway.entrance import is_patient
from tests.support.asgi import Client, run, scope


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


class Departing(Client):
    """Sends the beginning of a body, and is gone."""

    async def receive(self):
        if self.blocks:
            return {"type": "http.request", "body": self.blocks.pop(0), "more_body": True}
        return {"type": "http.disconnect"}


def test_half_a_request_is_not_carried_out():
    called = []

    def app(environ, start_response):
        called.append(environ)
        return plain(environ, start_response)

    client = Departing(b"PHASE=RUN&QUERY=SELECT TOP 5 * FROM ivoa.obscore")
    run(Bridge(app)(scope("POST"), client.receive, client.send))
    assert (called, client.sent) == ([], [])


def test_a_body_that_the_disk_does_not_take_is_answered(monkeypatch):
    def full(*_arguments, **_options):
        return open("/dev/full", "w+b", buffering=1 << 16)

    monkeypatch.setattr(tempfile, "SpooledTemporaryFile", full)
    client = Client(b"a=1", b"&b=2")
    run(Bridge(plain)(scope("POST"), client.receive, client.send))
    assert client.status == 503
    assert b"cannot be kept" in client.body
    assert client.finished


def test_those_who_wait_long_leave_threads_to_others():
    """However many queries wait for their turn, a page or /healthz is answered at once, and another address has its turn."""
    release, taken_up = threading.Event(), []

    def app(environ, start_response):
        if environ["PATH_INFO"] == "/tap/sync":
            taken_up.append(1)
            release.wait(30)
        start_response("200 OK", [])
        return [b"done"]

    async def main():
        bridge = Bridge(app, is_patient)
        clients = [Client() for _ in range(3 * MAX_THREADS)]
        waiting = [asyncio.ensure_future(bridge(scope(path="/tap/sync"), c.receive, c.send)) for c in clients]
        while len(taken_up) < ADDRESS_CALLS:
            await asyncio.sleep(0.01)
        other = Client()
        others = {**scope(path="/tap/sync"), "client": ("127.0.0.2", 5)}
        waiting.append(asyncio.ensure_future(bridge(others, other.receive, other.send)))
        while len(taken_up) == ADDRESS_CALLS:
            await asyncio.sleep(0.01)
        clients.insert(0, other)
        quick = Client()
        await asyncio.wait_for(bridge(scope(path="/healthz"), quick.receive, quick.send), 10)
        clients[-1].left.set()  # whoever leaves before its turn is not taken up
        await asyncio.sleep(0.1)
        release.set()
        await asyncio.wait_for(asyncio.gather(*waiting), 30)
        return quick, clients

    quick, clients = run(main())
    assert quick.body == b"done"
    assert [client.body for client in clients] == [b"done"] * (len(clients) - 1) + [b""]
    assert len(taken_up) == len(clients) - 1


def test_places_are_forgotten_with_the_last_request_of_an_address():
    async def main():
        places = _Places()
        async with places.one("192.0.2.1"), places.one("192.0.2.1"), places.one("192.0.2.2"):
            assert len(places._shares) == 2
        return places

    places = run(main())
    assert (dict(places._shares), dict(places._present)) == ({}, {})
    assert ADDRESS_CALLS < PATIENT_CALLS < MAX_THREADS


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


def waiting(later):
    """An application that puts its answer off, unless it has waited already."""
    calls = []

    def app(environ, start_response):
        calls.append(environ["vogate.token"].waited)
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "3"), ("X-A", "b")])
        if not environ["vogate.token"].waited:
            environ["vogate.token"].later = later
        return Streamed([b"now"])

    return app, calls


def test_an_answer_that_comes_later_keeps_the_head_and_no_thread():
    release = asyncio.Event()

    async def later(token):
        await release.wait()
        return b"later"

    async def main():
        app, calls = waiting(later)
        bridge = Bridge(app)
        clients = [Client() for _ in range(200)]  # more than there are threads
        requests = [asyncio.ensure_future(bridge(scope(), c.receive, c.send)) for c in clients]
        while len(calls) < len(clients):
            await asyncio.sleep(0.01)
        assert not any(client.sent for client in clients)
        release.set()
        await asyncio.wait_for(asyncio.gather(*requests), 20)
        return clients

    for client in run(main()):
        assert (client.status, client.body) == (200, b"later")
        assert client.headers == {b"content-type": b"text/plain", b"content-length": b"5", b"x-a": b"b"}


def test_a_view_that_is_asked_once_more_answers_then():
    async def later(token):
        return None

    app, calls = waiting(later)
    client = Client()
    run(Bridge(app)(scope(), client.receive, client.send))
    assert (client.body, calls) == (b"now", [False, True])


def test_an_error_is_not_put_off():
    async def later(token):
        return b"never"

    def app(environ, start_response):
        environ["vogate.token"].later = later
        start_response("403 Forbidden", [])
        return [b"no"]

    client = Client()
    run(Bridge(app)(scope(), client.receive, client.send))
    assert (client.status, client.body) == (403, b"no")


def test_a_request_that_waits_ends_with_its_client():
    async def later(token):
        gone = asyncio.Event()
        loop = asyncio.get_running_loop()
        token.on_leave(lambda: loop.call_soon_threadsafe(gone.set))
        await gone.wait()

    async def main():
        client = Client()
        app, calls = waiting(later)
        request = asyncio.ensure_future(Bridge(app)(scope(), client.receive, client.send))
        await asyncio.sleep(0.05)
        client.left.set()
        await asyncio.wait_for(request, 10)
        return client, calls

    client, calls = run(main())
    assert (client.sent, calls) == ([], [False])


def test_a_token_calls_back_at_once_when_the_client_has_already_left():
    token, called = Token(), []
    token.leave()
    token.on_leave(lambda: called.append(1))
    assert called == [1]
