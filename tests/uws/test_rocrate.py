"""A job as an RO-Crate."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from urllib.parse import unquote

import pytest
from lxml import etree

from uws import controller
from uws.creation import Upload

from .builders import work

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def crate(client, account, user):
    upload = Upload("files", "mine.txt", io.BytesIO(b"bytes"), "text/plain")
    job = work(
        controller.create("probe", {"text": "x", "action": "many"}, account, uploads=[upload], run=True)
    )
    client.force_login(user)
    response = client.get(f"/provenance/{job.pk}.crate.zip")
    assert (response.status_code, response["Content-Type"]) == (200, "application/zip")
    return job, zipfile.ZipFile(io.BytesIO(b"".join(response.streaming_content)))


def test_the_metadata_say_what_the_specification_wants(crate):
    job, archive = crate
    document = json.loads(archive.read("ro-crate-metadata.json"))
    standard, own = document["@context"]
    assert standard == "https://w3id.org/ro/crate/1.1/context"
    assert set(own) == {"sha256"}, "which that context has no term for"
    graph = {item["@id"]: item for item in document["@graph"]}
    assert len(graph) == len(document["@graph"]), "every @id once"
    descriptor = graph["ro-crate-metadata.json"]
    assert descriptor["conformsTo"] == {"@id": "https://w3id.org/ro/crate/1.1"}
    root = graph[descriptor["about"]["@id"]]
    assert root["@type"] == "Dataset"
    assert {"name", "description", "datePublished", "license", "author", "publisher"} <= set(root)
    assert graph[root["author"]["@id"]]["name"] == "vera"

    def references(value):
        if isinstance(value, dict):
            if set(value) == {"@id"}:
                yield value["@id"]
            else:
                for item in value.values():
                    yield from references(item)
        elif isinstance(value, list):
            for item in value:
                yield from references(item)

    outside = {key for key in references(document["@graph"]) if key not in graph}
    assert all(key.startswith(("https://w3id.org/", "http://schema.org/")) for key in outside)
    action = next(item for item in graph.values() if item["@type"] == "CreateAction")
    assert {graph[ref["@id"]]["@type"] for ref in action["result"]} == {"File"}
    assert graph[action["instrument"]["@id"]]["softwareVersion"] == "1.0"
    assert f"urn:sha256:{hashlib.sha256(b'bytes').hexdigest()}" in {ref["@id"] for ref in action["object"]}


def test_the_files_are_those_that_are_described(crate):
    job, archive = crate
    graph = json.loads(archive.read("ro-crate-metadata.json"))["@graph"]
    described = {unquote(item["@id"]): item for item in graph if item["@type"] == "File"}
    assert set(described) == set(archive.namelist()) - {"ro-crate-metadata.json"}
    for name, item in described.items():
        content = archive.read(name)
        if "contentSize" in item:
            assert item["contentSize"] == str(len(content)), name
        if "sha256" in item:
            assert item["sha256"] == hashlib.sha256(content).hexdigest()
    etree.fromstring(archive.read("provenance.xml"))
    etree.fromstring(archive.read("provenance.vot"))


def test_others_do_not_get_it(crate, client):
    job, _ = crate
    client.logout()
    assert client.get(f"/provenance/{job.pk}.crate.zip").status_code in (401, 403)
