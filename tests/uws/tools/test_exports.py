"""A tool's parameters as form, JSON Schema and DataLink service descriptor."""

from __future__ import annotations

import io

import jsonschema
import pytest
from astropy.io.votable import parse
from lxml import etree

from tests.support.shared import REPOSITORY
from tests.uws.tools.descriptions import tool
from uws.tools.descriptors import service_descriptor
from uws.tools.exports import form_fields, form_groups, limits_in_words, parameters_schema
from uws.tools.loader import load

DEMO = sorted((REPOSITORY / "deploy" / "sites" / "demo" / "tools").glob("*.yaml"))
VOTABLE = "http://www.ivoa.net/xml/VOTable/v1.3"


@pytest.mark.parametrize("path", DEMO, ids=lambda path: path.stem)
def test_validated_parameters_satisfy_the_schema(path):
    known = load(path)
    schema = parameters_schema(known)
    jsonschema.Draft202012Validator.check_schema(schema)
    required = {p.name: "1" for p in known.parameters if p.required and p.default is None}
    jsonschema.validate(known.validate(required), schema)


def test_the_schema_refuses_what_the_tool_refuses(tmp_path):
    schema = parameters_schema(tool(tmp_path))
    for wrong in (
        {"low": 0},
        {"low": 101},
        {"count": 2.5},
        {"mode": "x"},
        {"label": "A"},
        {"bands": [1, 2, 3, 4]},
        {"x": 1},
    ):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, schema)
    assert schema["properties"]["low"]["x-unit"] == "TeV"
    assert schema["properties"]["low"]["default"] == 0.5


def test_form_fields(tmp_path):
    fields = {
        f.name: f for f in form_fields(tool(tmp_path), {"low": "700 GeV"}, {"count": "Count is wrong."})
    }
    assert (fields["low"].value, fields["low"].widget, fields["low"].limits) == (
        "700 GeV",
        "text",
        "above 0 up to 100 TeV",
    )
    assert (fields["count"].widget, fields["count"].step, fields["count"].error) == (
        "number",
        "1",
        "Count is wrong.",
    )
    assert (fields["deep"].widget, fields["mode"].widget) == ("checkbox", "select")
    assert [option.label for option in fields["mode"].options] == ["fast", "Slow and good"]
    assert fields["steps"].when == (("mode", ("slow",)),)
    assert fields["label"].placeholder == "optional"


def test_fields_are_grouped_in_order():
    known = load(next(path for path in DEMO if path.stem == "spectrum"))
    names = [name for name, _ in form_groups(form_fields(known))]
    assert names[0] == "Source"
    assert len(names) == len(set(names))


def test_limits_in_words(tmp_path):
    by_name = {p.name: limits_in_words(p) for p in tool(tmp_path).parameters}
    assert by_name["high"] == "0.01 to 100 TeV"
    assert by_name["count"] == "at least 1"
    assert by_name["label"] == ""


def test_the_service_descriptor_is_valid_votable(tmp_path):
    element = service_descriptor(tool(tmp_path), "http://host", id_ref="ID", namespace=VOTABLE)
    root = etree.Element(f"{{{VOTABLE}}}VOTABLE", version="1.4", nsmap={None: VOTABLE})
    table = etree.SubElement(
        etree.SubElement(root, f"{{{VOTABLE}}}RESOURCE", type="results"), f"{{{VOTABLE}}}TABLE"
    )
    etree.SubElement(table, f"{{{VOTABLE}}}FIELD", ID="ID", name="ID", datatype="char", arraysize="*")
    root.append(element)
    read = parse(io.BytesIO(etree.tostring(root)), verify="exception")
    service = read.resources[1]
    assert service.utype == "adhoc:service"
    assert {p.name: p.value for p in service.params}["accessURL"] == "http://host/uws/measure/sync"
    inputs = {p.name: p for p in service.groups[0].entries}
    assert inputs["files"].ref == "ID"
    assert (inputs["low"].unit, inputs["low"].ucd, inputs["low"].values.max) == ("TeV", "em.energy", 100)
    assert [value for _, value in inputs["mode"].values.options] == ["fast", "slow"]
