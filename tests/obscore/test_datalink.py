"""DataLink: the answers as documents, read by astropy and pyvo."""

from __future__ import annotations

import io
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from astropy.io.votable import parse
from astropy.io.votable.tree import VOTableFile
from django.test import Client

from obscore.datalink import describe_result
from obscore.definition import COLUMNS
from obscore.models import Observation
from tests.obscore.builders import LittleCollection
from tests.obscore.conftest import Ingest
from uws.tools import registry

pytestmark = pytest.mark.usefixtures("one_tool")

DID = "ivo://vogate.demo/little?101"


TOOL = """\
name: count
version: "1.0"
title: Count
summary: Counts events
argv: [python3, -c, "print(1)"]
inputs:
  observations: {title: Observations, formats: [application/fits], product_types: [event]}
parameters:
  energy_min: {title: Lowest energy, type: float, unit: TeV, ucd: em.energy;stat.min, default: 1.0}
outputs:
  log: {path: "*.txt", title: Log, media_type: text/plain}
"""


@pytest.fixture
def one_tool(tmp_path: Path) -> Iterator[None]:
    """A site whose only tool takes event lists."""
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools/count.yaml").write_text(TOOL, encoding="utf-8")
    with registry.using(tmp_path / "tools"):
        assert registry.current().problems() == ()
        yield


def ask(client: Client, *identifiers: str, **parameters: str) -> VOTableFile:
    query = "&".join(
        [f"ID={quote(one, safe='')}" for one in identifiers] + [f"{k}={v}" for k, v in parameters.items()]
    )
    response = client.get(f"/datalink/links?{query}")
    assert response.status_code == 200
    assert response["Content-Type"] == "application/x-votable+xml;content=datalink"
    return parse(io.BytesIO(response.content), verify="exception")


def rows(document: VOTableFile) -> list[dict[str, object]]:
    table = document.get_first_table().to_table()
    return [dict(zip(table.colnames, row)) for row in table]


def infos(document: VOTableFile) -> dict[str, str]:
    return {info.name: info.value for info in document.resources[0].infos}


def test_the_links_of_an_observation(client: Client, little: LittleCollection, ingest_little: Ingest) -> None:
    ingest_little()
    document = ask(client, DID)
    assert infos(document)["standardID"] == "ivo://ivoa.net/std/DataLink#links-1.1"
    links = rows(document)
    assert {link["ID"] for link in links} == {DID}
    for link in links:
        filled = [name for name in ("access_url", "service_def", "error_message") if link[name]]
        assert len(filled) == 1
    this = next(link for link in links if link["semantics"] == "#this")
    assert this["access_url"] == "http://testserver/data/little/101/run_101.fits.gz"
    assert this["content_type"] == "application/fits"
    assert this["content_length"] == (little.folder / "events/run_101.fits.gz").stat().st_size
    assert (this["link_auth"], bool(this["link_authorized"])) == ("false", True)
    documents = {link["access_url"] for link in links if link["semantics"] == "#documentation"}
    assert documents == {
        "http://testserver/data/little/terms",
        "https://example.org/paper",
        "https://example.org/",
        f"http://testserver/provsap?ID={quote(DID, safe='')}&DEPTH=ALL&DIRECTION=BACK&RESPONSEFORMAT=PROV-JSON",
        f"http://testserver/provenance/entity/{quote(DID, safe='')}/",
    }


def test_every_link_to_this_service_works(client: Client, ingest_little: Ingest) -> None:
    ingest_little()
    for link in rows(ask(client, DID)):
        url = str(link["access_url"])
        if url.startswith("http://testserver"):
            response = client.get(url.removeprefix("http://testserver"))
            assert response.status_code == 200, url
            assert response["Content-Type"].split(";")[0] == link["content_type"]
            if "rovenance" not in url and "provsap" not in url:
                assert int(response["Content-Length"]) == link["content_length"]


def test_tools_are_described_in_the_same_document(client: Client, ingest_little: Ingest) -> None:
    ingest_little()
    document = ask(client, DID)
    described = {
        resource.ID: resource for resource in document.resources if resource.utype == "adhoc:service"
    }
    referred = {link["service_def"] for link in rows(document) if link["semantics"] == "#proc"}
    assert referred == set(described) == {"tool_count"}
    for resource in described.values():
        group = next(group for group in resource.groups if group.name == "inputParams")
        assert any(param.ref == "ID" for param in group.entries)


def test_an_unknown_identifier_gives_a_fault_beside_the_good_ones(
    client: Client, ingest_little: Ingest
) -> None:
    ingest_little()
    links = rows(ask(client, "ivo://else/where?<1>", DID))
    assert links[0]["ID"] == "ivo://else/where?<1>"
    assert str(links[0]["error_message"]).startswith("NotFoundFault: ")
    assert links[0]["semantics"] == "#this"
    assert {link["ID"] for link in links[1:]} == {DID}


def test_a_withdrawn_observation_gives_a_fault(
    client: Client, little: LittleCollection, ingest_little: Ingest
) -> None:
    ingest_little()
    (little.folder / "events/run_101.fits.gz").unlink()
    ingest_little()
    (link,) = rows(ask(client, DID))
    assert "withdrawn" in str(link["error_message"])
    assert client.get("/data/little/101/run_101.fits.gz").status_code == 410


def test_no_identifier_gives_an_empty_table_and_a_self_description(client: Client, db: None) -> None:
    document = ask(client)
    assert len(rows(document)) == 0
    assert [resource.utype for resource in document.resources if resource.type == "meta"] == ["adhoc:this"]


def test_identifiers_can_be_posted(client: Client, ingest_little: Ingest) -> None:
    ingest_little()
    response = client.post("/datalink/links", {"id": [DID, DID.replace("101", "102")]})
    found = rows(parse(io.BytesIO(response.content)))
    assert {link["ID"] for link in found} == {DID, DID.replace("101", "102")}


def test_links_of_one_dataset_are_never_divided(client: Client, ingest_little: Ingest) -> None:
    ingest_little()
    whole = len(rows(ask(client, DID)))
    document = ask(client, DID, DID.replace("101", "102"), MAXREC=str(whole + 1))
    assert len(rows(document)) == whole
    assert "OVERFLOW" in [info.value for info in document.resources[0].infos]
    assert b"OVERFLOW" in client.get(f"/datalink/links?ID={quote(DID)}&MAXREC=1").content


@pytest.mark.parametrize("wanted", ["votable", "application/x-votable%2Bxml", "text/xml"])
def test_formats(client: Client, db: None, wanted: str) -> None:
    assert client.get(f"/datalink/links?RESPONSEFORMAT={wanted}").status_code == 200


def test_an_unknown_format_is_refused_with_a_votable(client: Client, db: None) -> None:
    response = client.get("/datalink/links?RESPONSEFORMAT=text/csv")
    assert response.status_code == 400
    (info,) = parse(io.BytesIO(response.content)).resources[0].infos
    assert (info.name, info.value) == ("QUERY_STATUS", "ERROR")
    assert info.content.startswith("UsageFault")


def test_proprietary_products_are_not_given_away(client: Client, ingest_little: Ingest) -> None:
    ingest_little()
    observation = Observation.objects.get(obs_id="101")
    observation.row["data_rights"] = "proprietary"
    observation.save()
    link = next(link for link in rows(ask(client, DID)) if link["semantics"] == "#this")
    assert (link["link_auth"], bool(link["link_authorized"])) == ("true", False)
    refused = client.get("/data/little/101/run_101.fits.gz")
    assert (refused.status_code, refused.headers["Content-Type"]) == (401, "text/plain; charset=utf-8")
    page = client.get(
        "/data/little/101/run_101.fits.gz", headers={"Accept": "text/html,application/xhtml+xml"}
    )
    assert page.status_code == 401
    assert b"/account/login/?next=/data/little/101/run_101.fits.gz" in page.content
    observation.row["obs_release_date"] = "2010-01-01T00:00:00"
    observation.save()
    assert client.get("/data/little/101/run_101.fits.gz").status_code == 200


def test_stilts_has_no_complaint(client: Client, ingest_little: Ingest, tmp_path: Path) -> None:
    if shutil.which("stilts") is None:
        pytest.skip("stilts is not installed")
    ingest_little()
    path = tmp_path / "links.xml"
    path.write_bytes(client.get(f"/datalink/links?ID={quote(DID)}&ID=unknown").content)
    votlint = subprocess.run(["stilts", "votlint", str(path)], capture_output=True, text=True, check=False)
    assert votlint.stdout + votlint.stderr == ""
    lint = subprocess.run(["stilts", "datalinklint", str(path)], capture_output=True, text=True, check=False)
    complaints = [line for line in lint.stdout.splitlines() if line.startswith(("E-", "W-"))]
    # STILTS 3.4.7 has an old copy of the vocabulary, without #documentation, where it cannot get a new one.
    assert [line for line in complaints if "Unknown predicate 'documentation'" not in line] == []


def test_query_results_point_to_the_links() -> None:
    selected = [column for column in COLUMNS if column.name in ("obs_id", "obs_publisher_did")]
    (text,) = describe_result(selected, {("ivoa", "obscore")}, "https://x.example/gw")
    assert 'value="https://x.example/gw/datalink/links"' in text
    assert 'ref="obs_publisher_did"' in text
    assert describe_result(selected[:1], {("ivoa", "obscore")}, "https://x.example") == []
    assert describe_result(selected, {("other", "obscore")}, "https://x.example") == []


def test_vosi(client: Client, db: None) -> None:
    from lxml import etree

    capabilities = etree.fromstring(client.get("/datalink/capabilities").content)
    identifiers = {one.get("standardID") for one in capabilities}
    assert "ivo://ivoa.net/std/DataLink#links-1.1" in identifiers
    available = etree.fromstring(client.get("/datalink/availability").content)
    assert available[0].text == "true"
