"""Product files over HTTP, and observations as inputs of jobs."""

from __future__ import annotations

import hashlib

import pytest
from django.test import Client

from gateway.vo.caller import ANONYMOUS, Caller
from gateway.vo.errors import Forbidden, NotFound
from obscore import inputs
from obscore.models import Observation
from tests.obscore.builders import LittleCollection
from tests.obscore.conftest import Ingest

PATH = "/data/little/101/run_101.fits.gz"
DID = "ivo://vogate.demo/little?101"


@pytest.fixture
def content(little: LittleCollection, ingest_little: Ingest) -> bytes:
    ingest_little()
    return (little.folder / "events/run_101.fits.gz").read_bytes()


def body(response: object) -> bytes:
    streamed = getattr(response, "streaming_content", None)
    return b"".join(streamed) if streamed is not None else response.content  # type: ignore[attr-defined]


def test_the_whole_file(client: Client, content: bytes) -> None:
    response = client.get(PATH)
    assert body(response) == content
    assert response["Content-Type"] == "application/fits"
    assert "Content-Encoding" not in response, "unpacked on the way, it would not have its checksum"
    assert hashlib.sha256(content).hexdigest() in response["ETag"]
    assert response["Link"] == '<http://testserver/data/little/terms>; rel="license"'


@pytest.mark.parametrize(
    ("span", "part"), [("0-9", slice(0, 10)), ("5-", slice(5, None)), ("-7", slice(-7, None))]
)
def test_parts_of_it(client: Client, content: bytes, span: str, part: slice) -> None:
    response = client.get(PATH, headers={"Range": f"bytes={span}"})
    assert response.status_code == 206
    assert body(response) == content[part]
    assert response["Content-Range"].endswith(f"/{len(content)}")


def test_a_part_beyond_its_end(client: Client, content: bytes) -> None:
    response = client.get(PATH, headers={"Range": f"bytes={len(content)}-"})
    assert response.status_code == 416
    assert response["Content-Range"] == f"bytes */{len(content)}"


def test_a_part_of_another_version_is_the_whole(client: Client, content: bytes) -> None:
    response = client.get(PATH, headers={"Range": "bytes=0-9", "If-Range": '"something-else"'})
    assert (response.status_code, body(response)) == (200, content)


def test_what_the_client_has_is_not_sent_again(client: Client, content: bytes) -> None:
    etag = client.get(PATH)["ETag"]
    assert client.get(PATH, headers={"If-None-Match": etag}).status_code == 304


def test_head(client: Client, content: bytes) -> None:
    response = client.head(PATH)
    assert (response.status_code, body(response)) == (200, b"")
    assert int(response["Content-Length"]) == len(content)


@pytest.mark.parametrize(
    "path",
    [
        "/data/little/101/../run_101.fits.gz",
        "/data/little/101/run_102.fits.gz",
        "/data/little/999/run_101.fits.gz",
        "/data/other/101/run_101.fits.gz",
        "/data/little/TERMS.txt",
        "/data/nothing/terms",
    ],
)
def test_there_is_nothing_else(client: Client, content: bytes, path: str) -> None:
    assert client.get(path).status_code == 404


def test_the_terms_of_use(client: Client, content: bytes) -> None:
    response = client.get("/data/little/terms")
    assert response.content == b"Be nice.\n"
    assert response["Content-Type"] == "text/plain; charset=utf-8"


@pytest.mark.parametrize(
    "identifier",
    [
        DID,
        "IVO://VOGATE.DEMO/little?101",
        "https://x.example/datalink/links?ID=ivo%3A%2F%2Fvogate.demo%2Flittle%3F101",
        "http://localhost:8000" + PATH,
        PATH,
        "little/101",
        "https://x.example/prefix/obs/little/101/",
    ],
)
def test_an_observation_is_an_input_by_all_of_its_names(
    content: bytes, little: LittleCollection, identifier: str
) -> None:
    found = inputs.resolve(identifier, ANONYMOUS)
    assert found is not None
    assert found.identifier == DID
    assert found.path == little.folder / "events/run_101.fits.gz"
    assert found.sha256 == hashlib.sha256(content).hexdigest()
    assert (found.collection, found.terms, found.media_type) == ("little", "Be nice.\n", "application/fits")


@pytest.mark.parametrize(
    "identifier",
    ["ivo://vogate.demo/LITTLE?101", "ivo://x/y?z", "", "101", "ftp://x/data/little/101/f", "a/b/c"],
)
def test_other_identifiers_are_left_to_other_resolvers(content: bytes, identifier: str) -> None:
    assert inputs.resolve(identifier, ANONYMOUS) is None


def test_a_file_that_changed_since_is_no_input(content: bytes, little: LittleCollection) -> None:
    little.add(101, DEC_PNT=1.0)
    with pytest.raises(NotFound, match="changed after it was taken"):
        inputs.resolve(DID, ANONYMOUS)


def test_a_file_that_is_gone_is_no_input(content: bytes, little: LittleCollection) -> None:
    (little.folder / "events/run_101.fits.gz").unlink()
    with pytest.raises(NotFound, match="cannot be read"):
        inputs.resolve(DID, ANONYMOUS)


def test_rights_hold_for_inputs_too(content: bytes) -> None:
    observation = Observation.objects.get(obs_id="101")
    observation.row["data_rights"] = "secure"
    observation.save()
    with pytest.raises(Forbidden):
        inputs.resolve(DID, ANONYMOUS)
    assert inputs.resolve(DID, Caller(user_id=1, is_staff=True)) is not None
