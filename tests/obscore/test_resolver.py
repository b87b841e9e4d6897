"""Names: who is asked in which order, and what happens when nobody answers."""

from __future__ import annotations

import threading
import urllib.parse
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from astropy.coordinates import name_resolve

from gateway.vo.caller import ANONYMOUS
from gateway.vo.errors import NotAvailable, NotFound, UsageError
from obscore import resolver
from obscore.models import KnownName, Target
from tests.obscore.conftest import Ingest


class Sesame(BaseHTTPRequestHandler):
    """Answers as CDS does, for one name; `silent` keeps every question open."""

    asked: list[str] = []
    silent: threading.Event | None = None

    def do_GET(self) -> None:
        name = urllib.parse.unquote(self.path.partition("?")[2])
        self.asked.append(name)
        if self.silent is not None:
            self.silent.wait(30)
        found = "%J 10.6847083 +41.2687500 = 00:42:44.33 +41:16:07.5\n" if name == "M 31" else ""
        body = f"# {name}\t#Q1\n#=S=Simbad (CDS)\n{found}\n".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def sesame() -> Iterator[type[Sesame]]:
    """A name service on this machine, which astropy takes for CDS."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Sesame)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    Sesame.asked, Sesame.silent = [], None
    resolver._sesame.forget()
    address = f"http://127.0.0.1:{server.server_address[1]}/sesame/"
    with name_resolve.sesame_url.set((address,)):
        yield Sesame
    if Sesame.silent is not None:
        Sesame.silent.set()
    server.shutdown()
    server.server_close()
    resolver._sesame.forget()


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No name service can be reached: its port is closed."""
    resolver._sesame.forget()
    with name_resolve.sesame_url.set(("http://127.0.0.1:9/",)):
        yield
    resolver._sesame.forget()


def test_coordinates_ask_nobody(db: None, sesame: type[Sesame]) -> None:
    found = resolver.resolve("83.633 22.014", ANONYMOUS)
    assert (found.ra, found.dec, found.name, found.source) == (83.633, 22.014, "", "coordinates")
    assert sesame.asked == []


@pytest.mark.parametrize("name", ["Crab Nebula", "crab nebula", "CRABNEBULA", "M1", " m  1 "])
def test_the_archive_s_own_targets_ask_nobody(ingest_little: Ingest, sesame: type[Sesame], name: str) -> None:
    ingest_little()
    found = resolver.resolve(name, ANONYMOUS)
    assert (found.ra, found.dec, found.name, found.source) == (83.633, 22.014, "Crab Nebula", "this archive")
    assert sesame.asked == []


def test_targets_that_only_the_observations_name(ingest_little: Ingest, sesame: type[Sesame]) -> None:
    ingest_little()
    Target.objects.all().delete()
    found = resolver.resolve("crab nebula", ANONYMOUS)
    assert (found.ra, found.dec) == pytest.approx((83.63, 22.51), abs=1e-4)
    assert "middle of the pointings" in found.note


def test_a_group_of_fields_has_no_position(ingest_little: Ingest) -> None:
    ingest_little()
    with pytest.raises(NotFound, match="target_name = 'Empty field'"):
        resolver.resolve("empty field", ANONYMOUS)


def test_sesame_is_asked_once_for_a_name(db: None, sesame: type[Sesame]) -> None:
    first = resolver.resolve("M 31", ANONYMOUS)
    assert (first.ra, first.dec) == pytest.approx((10.6847083, 41.26875))
    assert first.source == "Sesame (CDS)"
    again = resolver.resolve("m31", ANONYMOUS)
    assert (again.ra, again.dec, again.source) == (first.ra, first.dec, "Sesame (CDS)")
    assert "answered on" in again.note
    assert sesame.asked == ["M 31"]
    assert KnownName.objects.get().name == "M 31"


def test_a_name_that_nobody_knows(ingest_little: Ingest, sesame: type[Sesame]) -> None:
    ingest_little()
    with pytest.raises(NotFound, match="Did you mean Crab Nebula") as caught:
        resolver.resolve("Crab Nebul", ANONYMOUS)
    assert caught.value.field == "target"
    assert not KnownName.objects.exists()


def test_without_a_network_it_says_what_to_do(ingest_little: Ingest, nobody: None) -> None:
    ingest_little()
    with pytest.raises(NotAvailable) as caught:
        resolver.resolve("M 31", ANONYMOUS)
    assert "no name service can be reached" in caught.value.message
    assert "83.633 22.014" in caught.value.hint
    assert "Crab Nebula" in caught.value.hint


def test_a_service_that_never_answers_is_not_waited_for(
    db: None, sesame: type[Sesame], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The thread's question stays open; were it waited for, this test would not end for 30 s."""
    monkeypatch.setattr(resolver, "SESAME_SECONDS", 0.2)
    sesame.silent = threading.Event()
    with pytest.raises(NotAvailable):
        resolver.resolve("M 31", ANONYMOUS)
    assert not sesame.silent.is_set()
    with pytest.raises(NotAvailable):  # and is left alone for a while
        resolver.resolve("M 33", ANONYMOUS)
    assert "M 33" not in sesame.asked


def test_a_designation_speaks_for_itself_where_nobody_else_does(db: None, nobody: None) -> None:
    found = resolver.resolve("HESS J1731-347", ANONYMOUS)
    assert (found.ra, found.dec) == pytest.approx((262.875, -34.75))
    assert found.source == "the designation"
    assert "good to about" in found.note


@pytest.mark.parametrize("text", ["", "   ", "83.633", "x" * 500])
def test_what_can_be_no_target(db: None, text: str) -> None:
    with pytest.raises(UsageError) as caught:
        resolver.resolve(text, ANONYMOUS)
    assert caught.value.field == "target"
