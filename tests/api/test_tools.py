"""Tools over JSON, and the forms in which they are described."""

from __future__ import annotations

import io

import jsonschema
import pytest
from astropy.io.votable import parse

from uws.tools import registry

pytestmark = pytest.mark.django_db


def test_all_versions_are_listed_with_what_they_need(client):
    tools = {tool["id"]: tool for tool in client.get("/api/v1/tools").json()}
    assert set(tools) == {"probe@1.0", "strict@2.1"}
    assert tools["probe@1.0"]["available"]
    assert tools["probe@1.0"]["url"] == "http://testserver/uws/probe@1.0/async"
    assert tools["probe@1.0"]["digest"] == registry.get("probe").digest


def test_a_tool_carries_its_schema_inputs_and_outputs(client):
    tool = client.get("/api/v1/tools/probe").json()
    jsonschema.Draft202012Validator.check_schema(tool["parameters"])
    assert tool["parameters"] == client.get("/api/v1/tools/probe@1.0/schema").json()
    assert [role["name"] for role in tool["inputs"]] == ["files"]
    assert tool["outputs"][0]["media_type"] == "text/plain"
    assert tool["versions"] == ["1.0"]


def test_the_form_has_a_field_per_parameter(client):
    fields = client.get("/api/v1/tools/probe/form").json()["fields"]
    assert [field["name"] for field in fields] == ["action", "text", "seconds", "numbers"]


def test_a_tool_that_there_is_not(client):
    response = client.get("/api/v1/tools/prob")
    assert response.status_code == 404
    assert response.json()["hint"] == "Did you mean probe?"


def test_access_is_said_to_whoever_asks(client):
    path = registry.current().folder / "probe.yaml"
    path.write_text(path.read_text() + "access: {groups: [astronomers]}\n")
    tool = client.get("/api/v1/tools/probe").json()
    assert not tool["available"]
    assert "sign in" in tool["why_not"]


def test_a_deprecated_version_says_so_and_is_not_the_default(client):
    old = registry.current().folder / "probe.yaml"
    text = old.read_text()
    (old.parent / "probe2.yaml").write_text(text.replace('"1.0"', '"0.9"') + "deprecated: Use 1.0.\n")
    tools = {tool["id"]: tool for tool in client.get("/api/v1/tools").json()}
    assert tools["probe@0.9"]["deprecated"] == "Use 1.0."
    assert (tools["probe@0.9"]["default"], tools["probe@1.0"]["default"]) == (False, True)


@pytest.mark.parametrize(
    ("form", "utype"), [("descriptor", "adhoc:service"), ("activity", "voprov:ActivityDescription")]
)
def test_votable_exports_are_valid(client, form, utype):
    response = client.get(f"/api/v1/tools/probe/{form}")
    assert response["Content-Type"] == "application/x-votable+xml"
    read = parse(io.BytesIO(response.content), verify="exception")
    resource = read.resources[0]
    assert resource.utype == utype
    groups = {group.name: group for group in resource.groups}
    group = groups["inputParams" if form == "descriptor" else "InputParams"]
    assert "seconds" in {entry.name for entry in group.entries}
    if form == "activity":
        values = {param.name: param.value for param in resource.params}
        assert (values["name"], values["version"]) == ("probe", "1.0")
        assert set(groups) == {"InputParams", "Used", "Generated"}
