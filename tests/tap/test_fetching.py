"""Uploads by URL: what is fetched, and what a URL cannot reach."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from gateway.vo import fetching
from gateway.vo.errors import TooLarge, UsageError
from tap.fetching import fetch

TABLE = b"id\n1\n"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.server.asked.append((self.path, self.headers["Host"]))  # type: ignore[attr-defined]
        target = self.server.redirects.get(self.path)  # type: ignore[attr-defined]
        if target:
            self.send_response(302)
            self.send_header("Location", target)
            self.end_headers()
        elif self.path == "/missing":
            self.send_error(404)
        elif self.path == "/slow":
            self.server.release.wait(20)  # type: ignore[attr-defined]
        else:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(TABLE)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    made = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.asked, made.redirects, made.release = [], {}, threading.Event()  # type: ignore[attr-defined]
    thread = threading.Thread(target=made.serve_forever)
    thread.start()
    yield made
    made.release.set()  # type: ignore[attr-defined]
    made.shutdown()
    thread.join()
    made.server_close()


def url(server: ThreadingHTTPServer, path: str = "/t.csv?a=1") -> str:
    return f"http://localhost:{server.server_port}{path}"


def test_a_trusted_host_is_fetched(server) -> None:
    assert fetch(url(server), 1000, trusted=("localhost",)) == TABLE
    assert server.asked == [("/t.csv?a=1", f"localhost:{server.server_port}")]


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1:{port}/",
        "http://localhost:{port}/",
        "http://[::1]:{port}/",
        "http://[::ffff:127.0.0.1]:{port}/",
        "http://0.0.0.0:{port}/",
        "http://2130706433:{port}/",
        "http://0x7f.1:{port}/",
        "http://10.1.2.3/",
        "http://192.168.0.1/",
        "http://169.254.169.254/latest/meta-data/",
        "http://100.64.0.1/",
        "http://224.0.0.1/",
    ],
)
def test_addresses_that_are_not_public_are_not_connected_to(server, address: str, monkeypatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("connected")

    monkeypatch.setattr(socket, "create_connection", refuse)
    with pytest.raises(UsageError, match=r"not a public server|no server called"):
        fetch(address.format(port=server.server_port), 1000)
    assert server.asked == []


def test_a_name_with_one_private_address_is_refused(monkeypatch) -> None:
    def resolve(host: str, port: int, **_: object) -> list[object]:
        return [(socket.AF_INET, 1, 6, "", (address, port)) for address in ("93.184.216.34", "127.0.0.1")]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with pytest.raises(UsageError, match="not a public server"):
        fetch("http://example.org/", 1000)


def test_the_checked_address_is_the_one_connected_to(monkeypatch) -> None:
    answers = iter(["93.184.216.34", "127.0.0.1"])
    connected = []

    def resolve(host: str, port: int, **_: object) -> list[object]:
        return [(socket.AF_INET, 1, 6, "", (next(answers), port))]

    def connect(place: tuple[str, int], timeout: float) -> None:
        connected.append(place)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr(socket, "create_connection", connect)
    with pytest.raises(UsageError, match="did not give"):
        fetch("http://rebinding.example.org/x", 1000)
    assert connected == [("93.184.216.34", 80)]


def test_redirects_are_checked_like_the_first_url(server) -> None:
    server.redirects["/to-file"] = "file:///etc/passwd"
    server.redirects["/to-private"] = f"http://127.0.0.1:{server.server_port}/secret"
    server.redirects["/round"] = "/round"
    server.redirects["/once"] = "/t.csv"
    trusted = ("localhost",)
    with pytest.raises(UsageError, match="only http"):
        fetch(url(server, "/to-file"), 1000, trusted=trusted)
    with pytest.raises(UsageError, match="not a public server"):
        fetch(url(server, "/to-private"), 1000, trusted=trusted)
    with pytest.raises(UsageError, match="redirected too often"):
        fetch(url(server, "/round"), 1000, trusted=trusted)
    assert fetch(url(server, "/once"), 1000, trusted=trusted) == TABLE
    assert "/secret" not in [path for path, _ in server.asked]


@pytest.mark.parametrize(
    "address",
    ["file:///etc/passwd", "ftp://example.org/x", "gopher://example.org/", "http://", "http://a:b@example.org/",
     "http://example.org:99999/", "http://example.org/a\r\nX: y", "//example.org/x", "jar:http://x!/"],
)  # fmt: skip
def test_other_urls_are_refused(address: str) -> None:
    with pytest.raises(UsageError) as caught:
        fetch(address, 1000)
    assert caught.value.field == "UPLOAD"


def test_limits(server, monkeypatch) -> None:
    with pytest.raises(TooLarge):
        fetch(url(server), 3, trusted=("localhost",))
    with pytest.raises(UsageError, match="404"):
        fetch(url(server, "/missing"), 1000, trusted=("localhost",))
    monkeypatch.setattr(fetching, "CONNECT_SECONDS", 0.2)
    with pytest.raises(UsageError, match="TimeoutError"):
        fetch(url(server, "/slow"), 1000, trusted=("localhost",))
