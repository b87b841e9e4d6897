"""`vogate fetch` from a mirror on this machine, also one that breaks off, lies or means harm."""

from __future__ import annotations

import contextlib
import io
import re
import tarfile
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from gateway.vo.errors import NotAvailable, UsageError
from obscore import download
from obscore.fetching import BadCollection, check_collection, fetch_collection
from obscore.profile import Download, Profile
from obscore.report import Report
from tests.obscore.builders import LittleCollection

TERMS = "Be nice to this collection."


class Mirror(BaseHTTPRequestHandler):
    """One file, with ranges; `break_after` bytes the connection ends, `breaks` times."""

    content = b""
    etag = '"one"'
    break_after = 0
    breaks = 0
    requests: list[tuple[str, str]] = []

    def do_GET(self) -> None:
        mirror = type(self)
        span = self.headers.get("Range", "")
        mirror.requests.append((self.path, span))
        if self.path != "/little.tar.gz":
            self.send_error(404)
            return
        start = 0
        found = re.fullmatch(r"bytes=(\d+)-", span)
        if found and self.headers.get("If-Range") == mirror.etag:
            start = int(found[1])
        self.send_response(206 if start else 200)
        self.send_header("ETag", mirror.etag)
        self.send_header("Content-Length", str(len(mirror.content) - start))
        self.end_headers()
        body = mirror.content[start:]
        if mirror.breaks > 0:
            mirror.breaks -= 1
            body = body[: mirror.break_after]
        with contextlib.suppress(OSError):
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def mirror(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Mirror]]:
    monkeypatch.setattr(download, "_PAUSE", 0.0)
    Mirror.etag, Mirror.break_after, Mirror.breaks, Mirror.requests = '"one"', 0, 0, []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Mirror)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    Mirror.url = f"http://127.0.0.1:{server.server_address[1]}/little.tar.gz"  # type: ignore[attr-defined]
    yield Mirror
    server.shutdown()
    server.server_close()


@pytest.fixture
def profile(little: LittleCollection, mirror: type[Mirror]) -> Profile:
    """The little collection, whose home is the mirror."""
    mirror.content = packed(little.folder)
    wanted = Download(url=mirror.url, files=3, terms=TERMS)  # type: ignore[attr-defined]
    return replace(little.profile, download=wanted)


def packed(folder: Path, **others: tarfile.TarInfo) -> bytes:
    """The folder as a tar.gz, in one folder, as releases are."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        tar.add(folder, arcname="release-1.0")
        for member in others.values():
            tar.addfile(member, io.BytesIO(b"x" * member.size))
    return out.getvalue()


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_all_of_it_comes(
    profile: Profile, little: LittleCollection, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "home" / "little"
    fetch_collection(profile, target, accepted=True)
    assert names(target) == names(little.folder)
    assert (target / "events/run_101.fits.gz").read_bytes() == (
        little.folder / "events/run_101.fits.gz"
    ).read_bytes()
    assert TERMS in capsys.readouterr().out
    assert names(target.parent) == [f"little/{name}" for name in names(little.folder)], "nothing is left over"


def test_the_terms_come_before_anything_else(
    profile: Profile, mirror: type[Mirror], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = []

    def refuse(question: str) -> bool:
        asked.append((question, TERMS in capsys.readouterr().out, list(mirror.requests)))
        return False

    with pytest.raises(UsageError, match="not accepted"):
        fetch_collection(profile, tmp_path / "home/little", ask=refuse)
    assert asked == [("Do you accept these terms? [y/N] ", True, [])]
    assert mirror.requests == []
    fetch_collection(profile, tmp_path / "home/little", ask=lambda _: True)
    assert mirror.requests


def test_without_a_terminal_nothing_is_accepted(
    profile: Profile, mirror: type[Mirror], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    with pytest.raises(UsageError, match="--yes"):
        fetch_collection(profile, tmp_path / "home/little")
    assert mirror.requests == []


def test_what_broke_off_is_resumed(profile: Profile, mirror: type[Mirror], tmp_path: Path) -> None:
    mirror.break_after, mirror.breaks = 1000, 2
    fetch_collection(profile, tmp_path / "home/little", accepted=True)
    assert [span for _, span in mirror.requests] == ["", "bytes=1000-", "bytes=2000-"]


def test_a_later_attempt_goes_on_from_there(profile: Profile, mirror: type[Mirror], tmp_path: Path) -> None:
    mirror.break_after, mirror.breaks = 500, download.ATTEMPTS
    with pytest.raises(NotAvailable, match="goes on from there"):
        fetch_collection(profile, tmp_path / "home/little", accepted=True)
    mirror.requests.clear()
    fetch_collection(profile, tmp_path / "home/little", accepted=True)
    assert [span for _, span in mirror.requests] == [f"bytes={500 * download.ATTEMPTS}-"]


def test_another_file_at_the_address_is_fetched_anew(
    profile: Profile, mirror: type[Mirror], little: LittleCollection, tmp_path: Path
) -> None:
    mirror.break_after, mirror.breaks = 500, download.ATTEMPTS
    with pytest.raises(NotAvailable):
        fetch_collection(profile, tmp_path / "home/little", accepted=True)
    little.add(104)
    mirror.content, mirror.etag = packed(little.folder), '"two"'
    changed = replace(profile, download=replace(profile.download, files=4))  # type: ignore[type-var]
    fetch_collection(changed, tmp_path / "home/little", accepted=True)
    assert len(list((tmp_path / "home/little/events").iterdir())) == 4


def test_what_is_there_already_is_checked_and_not_fetched(
    profile: Profile, mirror: type[Mirror], tmp_path: Path
) -> None:
    target = tmp_path / "home/little"
    fetch_collection(profile, target, accepted=True)
    mirror.requests.clear()
    fetch_collection(profile, target)
    assert mirror.requests == []
    (target / "events/run_102.fits.gz").unlink()
    with pytest.raises(BadCollection, match="2 product files, not 3"):
        fetch_collection(profile, target)


def test_a_missing_file_at_the_home(profile: Profile, mirror: type[Mirror], tmp_path: Path) -> None:
    url = mirror.url.replace("little", "other")  # type: ignore[attr-defined]
    with pytest.raises(UsageError, match="404"):
        fetch_collection(profile, tmp_path / "home/little", url=url, accepted=True)
    assert len(mirror.requests) == 1, "it is not asked again and again"


def test_another_place_and_a_file_on_this_machine(
    profile: Profile, mirror: type[Mirror], tmp_path: Path
) -> None:
    local = tmp_path / "copy.tar.gz"
    local.write_bytes(mirror.content)
    fetch_collection(profile, tmp_path / "home/little", url=str(local), accepted=True)
    assert mirror.requests == []
    assert local.exists()


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/x.tar", "gopher://x", "/no/such/file.tar.gz"])
def test_addresses_that_cannot_be_used(profile: Profile, tmp_path: Path, url: str) -> None:
    with pytest.raises(UsageError):
        fetch_collection(profile, tmp_path / "home/little", url=url, accepted=True)


def test_checksum_and_size_are_compared(profile: Profile, tmp_path: Path) -> None:
    assert profile.download is not None
    for wrong in (replace(profile.download, sha256="0" * 64), replace(profile.download, bytes=5)):
        with pytest.raises((BadCollection, NotAvailable)):
            fetch_collection(replace(profile, download=wrong), tmp_path / "home/little", accepted=True)
        assert names(tmp_path / "home") == [], "a damaged file is not taken for the real one later"


def test_a_damaged_product_is_found(
    profile: Profile, mirror: type[Mirror], little: LittleCollection, tmp_path: Path
) -> None:
    path = little.folder / "events/run_102.fits.gz"
    path.write_bytes(path.read_bytes()[:-40])
    mirror.content = packed(little.folder)
    with pytest.raises(BadCollection, match=r"run_102.fits.gz: .*cut short"):
        fetch_collection(profile, tmp_path / "home/little", accepted=True)
    assert not (tmp_path / "home/little").exists()


def test_missing_terms_are_put_beside_the_data(
    profile: Profile, mirror: type[Mirror], little: LittleCollection, tmp_path: Path
) -> None:
    (little.folder / "TERMS.txt").unlink()
    mirror.content = packed(little.folder)
    fetch_collection(profile, tmp_path / "home/little", accepted=True)
    assert (tmp_path / "home/little/TERMS.txt").read_text() == TERMS


def member(name: str, kind: bytes = tarfile.REGTYPE, size: int = 3, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.size, info.linkname = kind, size if kind == tarfile.REGTYPE else 0, link
    return info


@pytest.mark.parametrize(
    "evil",
    [
        member("../outside"),
        member("release-1.0/../../outside"),
        member("/tmp/outside"),
        member("release-1.0/link", tarfile.SYMTYPE, link="/etc"),
        member("release-1.0/hard", tarfile.LNKTYPE, link="release-1.0/TERMS.txt"),
        member("release-1.0/pipe", tarfile.FIFOTYPE),
        member("release-1.0/disk", tarfile.BLKTYPE),
        member("release-1.0/TERMS.txt"),
    ],
    ids=lambda info: info.name,
)
def test_archives_that_mean_harm_are_refused(
    profile: Profile, mirror: type[Mirror], little: LittleCollection, tmp_path: Path, evil: tarfile.TarInfo
) -> None:
    mirror.content = packed(little.folder, evil=evil)
    with pytest.raises(UsageError, match="archive file"):
        fetch_collection(profile, tmp_path / "home/little", accepted=True)
    assert not list(tmp_path.rglob("outside"))
    assert not (tmp_path / "home/little").exists()


def test_a_bomb_is_refused(profile: Profile, mirror: type[Mirror], tmp_path: Path) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        info = tarfile.TarInfo("release-1.0/big")
        info.size = 110 * 10**6
        tar.addfile(info, io.BytesIO(bytes(info.size)))
    mirror.content = out.getvalue()
    with pytest.raises(UsageError, match="more than this machine should take"):
        fetch_collection(profile, tmp_path / "home/little", accepted=True)


@pytest.mark.parametrize("content", [b"", b"<html>Sorry</html>", packed.__doc__.encode() * 100])
def test_something_else_than_an_archive(
    profile: Profile, mirror: type[Mirror], tmp_path: Path, content: bytes
) -> None:
    mirror.content = content
    with pytest.raises(UsageError, match="cannot be unpacked"):
        fetch_collection(profile, tmp_path / "home/little", accepted=True)


def test_files_of_others_are_left_alone(profile: Profile, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine", encoding="utf-8")
    with pytest.raises(UsageError, match="holds other files"):
        fetch_collection(profile, tmp_path, accepted=True)


@pytest.mark.real_data
def test_the_real_collection_is_complete() -> None:
    from obscore import profile as profiles
    from tests.support.shared import REPOSITORY, shared_folder

    described = profiles.read(REPOSITORY / "deploy/sites/demo/collections/hess-dl3-dr1.yaml")
    folder = shared_folder("data/hess-dl3-dr1")
    assert check_collection(described, folder, Report()) == 105
    assert described.download.terms.split() == (folder / "README.txt").read_text().split()
