"""`/provsap` as clients use it."""

from __future__ import annotations

import io
import json

import pytest
from astropy.io.votable import parse
from lxml import etree
from prov.model import ProvDocument

from provenance import recorder
from provenance.records import result_id

from .builders import JOB, OPERATOR, activity, observation
from .test_lineage import JOBS, Chain

pytestmark = pytest.mark.django_db


@pytest.fixture
def chain(client):
    chain = Chain()
    client.force_login(chain.users[2])
    return chain


def ask(client, **parameters):
    return client.get("/provsap", parameters)


def nodes(response):
    assert response.status_code == 200, response.content
    found = json.loads(response.content)
    return len(found.get("activity", {})), len(found.get("entity", {}))


def test_the_default_is_one_relation_back_as_prov_json(client, chain):
    response = ask(client, ID=result_id(JOBS[2], "secret2"))
    assert response["Content-Type"] == "application/json"
    found = json.loads(response.content)
    assert list(found["activity"]) == [f"job:{JOBS[2]}"]
    assert len(found["wasGeneratedBy"]) == 1
    assert "used" not in found


@pytest.mark.parametrize(
    "identifier",
    [
        JOBS[2],
        f"/jobs/{JOBS[2]}/",
        f"http://testserver/jobs/{JOBS[2]}/",
        f"http://testserver/uws/spectrum/async/{JOBS[2]}",
        f"job:{JOBS[2]}",
        f"http://testserver/provenance/{JOBS[2]}.json",
        f"http://testserver/uws/spectrum/async/{JOBS[2]}/results/secret2",
        f"job:{JOBS[2]}/secret2",
        f"result:{JOBS[2]}.secret2",
        f"http://testserver/provenance/id/result/{JOBS[2]}.secret2",
        f"http://testserver/provenance/id/job/{JOBS[2]}",
    ],
)
def test_a_job_and_its_results_are_found_by_whatever_names_them(client, chain, identifier):
    assert nodes(ask(client, ID=identifier, DEPTH="ALL", CONFIGURATION=0, DESCRIPTIONS=0))[0] == 4


@pytest.mark.parametrize(
    "identifier", [observation(1).id, observation(1).location, observation(1).id.replace("?", "?_")]
)
def test_an_observation_leads_forward_to_everything_made_of_it(client, chain, identifier):
    for direction in ("FORWARD", "FORTH", "forth"):
        response = ask(client, ID=identifier, DEPTH="ALL", DIRECTION=direction)
        assert nodes(response)[0] == 3


def test_several_ids_give_one_document(client, chain):
    response = client.get("/provsap", {"id": [JOBS[2], observation(1).id], "depth": "0"})
    found = json.loads(response.content)
    assert f"job:{JOBS[2]}" in found["activity"]
    assert "did1:_1" in found["entity"]


@pytest.mark.parametrize(
    ("switch", "gone"),
    [
        ("AGENTS", "agent"),
        ("CONFIGURATION", "voprov:Parameter"),
        ("DESCRIPTIONS", "voprov:ActivityDescription"),
        ("ATTRIBUTES", "vogate:phase"),
    ],
)
def test_what_is_switched_off_is_gone(client, chain, switch, gone):
    request = {"ID": JOBS[2], "DEPTH": "ALL"}
    full, less = (client.get("/provsap", {**request, switch: value}).content.decode() for value in "10")
    assert f'"{gone}"' in full
    assert f'"{gone}"' not in less
    assert len(json.loads(less)["used"]) == len(json.loads(full)["used"])


@pytest.mark.parametrize(
    ("parameters", "named"),
    [
        ({}, "ID"),
        ({"ID": ""}, "ID"),
        ({"ID": JOBS[2], "DEPTH": "-1"}, "DEPTH"),
        ({"ID": JOBS[2], "DEPTH": "deep"}, "DEPTH"),
        ({"ID": JOBS[2], "DIRECTION": "UP"}, "DIRECTION"),
        ({"ID": JOBS[2], "MODEL": "OPM"}, "MODEL"),
        ({"ID": JOBS[2], "AGENTS": "maybe"}, "AGENTS"),
        ({"ID": JOBS[2], "RESPONSEFORMAT": "image/gif"}, "RESPONSEFORMAT"),
        ({"ID": JOBS[2], "RESPONSEFORMAT": "votable", "MODEL": "W3C"}, "MODEL"),
    ],
)
def test_errors_are_dali_documents_that_name_the_parameter(client, chain, parameters, named):
    response = client.get("/provsap", parameters)
    assert response.status_code == 400
    (info,) = etree.fromstring(response.content).iter("{*}INFO")
    assert (info.get("name"), info.get("value")) == ("QUERY_STATUS", "ERROR")
    assert named in info.text


def test_what_is_not_known_or_not_the_callers_is_refused(client, chain):
    assert ask(client, ID="ivo://nowhere/x?1").status_code == 404
    assert ask(client, ID=result_id(JOBS[0], "secret0")).status_code == 404
    assert ask(client, ID=JOBS[0]).status_code == 403
    client.logout()
    assert ask(client, ID=JOBS[2]).status_code == 401


@pytest.mark.parametrize(
    ("form", "mime"),
    [
        ("PROV-XML", "application/provenance+xml"),
        ("prov-n", "text/provenance-notation"),
        ("votable", "application/x-votable+xml"),
        ("text/turtle", "text/turtle"),
        ("json-ld", "application/ld+json"),
        ("svg", "image/svg+xml"),
        ("png", "image/png"),
        ("pdf", "application/pdf"),
    ],
)
def test_every_format_is_answered_as_what_it_says(client, chain, form, mime):
    response = ask(client, ID=JOBS[2], DEPTH="ALL", RESPONSEFORMAT=form)
    assert response.status_code == 200
    assert response["Content-Type"].partition(";")[0] == mime
    body = response.content
    if mime.endswith("xml"):
        etree.fromstring(body)
    if form == "votable":
        tables = {table.name for table in parse(io.BytesIO(body), verify="exception").iter_tables()}
        assert {"Activity", "Entity", "Used", "WasGeneratedBy", "Agent", "WasConfiguredBy"} <= tables
    if form in ("text/turtle", "json-ld"):
        rdf = "turtle" if "turtle" in form else "json-ld"
        graph = ProvDocument.deserialize(io.StringIO(body.decode()), format="rdf", rdf_format=rdf)
        plain = ask(client, ID=JOBS[2], DEPTH="ALL").content.decode()
        assert graph.unified() == ProvDocument.deserialize(io.StringIO(plain), format="json").unified()
    assert {"png": b"\x89PNG", "pdf": b"%PDF"}.get(form, body[:4]) == body[:4]


def test_the_graph_for_scripts_has_nodes_and_edges(client, chain):
    found = ask(client, ID=JOBS[2], DEPTH="ALL", RESPONSEFORMAT="graph").json()
    assert {node["kind"] for node in found["nodes"]} == {"activity", "entity", "agent"}
    assert all({"source", "target", "relation"} <= set(edge) for edge in found["edges"])


def test_nothing_withheld_is_in_any_format(client, chain):
    for form in ("json", "xml", "prov-n", "votable", "ttl", "json-ld", "svg", "graph"):
        text = ask(client, ID=JOBS[2], DEPTH="ALL", RESPONSEFORMAT=form).content.decode()
        for secret in ("private 0", "private 1", JOBS[0], "secret0", f"user:{chain.users[0].pk}"):
            assert secret not in text, form
        assert "withheld" in text.lower()


def test_post_does_as_get(client, chain):
    got, posted = (
        ask(client, ID=JOBS[2]),
        client.post("/provsap", {"ID": JOBS[2]}, HTTP_ORIGIN="http://testserver"),
    )
    assert posted.content == got.content


def test_vosi_resources_are_there(client):
    root = etree.fromstring(client.get("/provsap/capabilities").content)
    urls = [node.text for node in root.iter("accessURL")]
    assert any(url.endswith("/provsap") for url in urls)
    assert b"true" in client.get("/provsap/availability").content


def test_a_job_that_was_never_a_job_of_uws_is_public_if_it_says_so(client):
    recorder.record(activity(JOB, access="public", agents=(OPERATOR,)))
    assert nodes(ask(client, ID=JOB))[0] == 1
    assert client.get(f"/provenance/{JOB}.ttl").status_code == 200
