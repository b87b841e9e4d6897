"""The documents that records become, read back by `prov` and by a reader of our own."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace
from xml.sax.saxutils import escape

import pytest
from lxml import etree
from prov.constants import PROV_N_MAP
from prov.model import ProvDocument

from provenance.records import (
    ActivityRecord,
    ConfigFileRecord,
    DescriptionRecord,
    Document,
    EntityRecord,
    GeneratedRecord,
    UsedRecord,
)
from provenance.serialise import Flavour, prov_json, prov_n, prov_xml, to_prov

from . import provn_reader
from .builders import END, JOB, OTHER_JOB, activity, observation, result

BASE = "https://vogate.test"


def rich() -> Document:
    """A lost attempt, a failure's comment, a cached answer, a deleted input, a collection, odd names."""
    gone = replace(result(OTHER_JOB), invalidatedAtTime=END, location="")
    collection = EntityRecord(id="ivo://vogate.test/hess?set", members=("ivo://vogate.test/hess?23500",))
    odd = EntityRecord(id=f"{JOB}/a b's (1),[2];=ü%.txt", name='"quoted" \\ \n line')
    upload = EntityRecord(id="sha256:" + "0f" * 32, name="mine.fits", sha256="0f" * 32, size=0)
    record = activity(attempt=2, informedBy=(f"{JOB}.1",), comment="It was cached.")
    record = replace(
        record,
        used=(
            *record.used,
            *(UsedRecord(entity, role="extra") for entity in (gone, collection, upload)),
        ),
        generated=(*record.generated, GeneratedRecord(odd, role="odd", derivedFrom=(gone.id,))),
    )
    record = replace(
        record,
        container="registry.example.org/gammapy:2.1@sha256:00ff",
        configFiles=(ConfigFileRecord("run.yaml", location="/x/run.yaml", sha256="ab" * 32, size=9),),
        cpuTime=12.5,
        peakMemory=1 << 33,
    )
    hidden = activity(
        "withheld:0a1b",
        withheld=True,
        description=DescriptionRecord(""),
        used=(UsedRecord(EntityRecord("withheld:77", withheld=True), "", ""),),
        generated=(GeneratedRecord(gone, "", ""),),
        agents=(),
    )
    lost = activity(generated=(), final=False, phase="ABORTED", exitCode=None)
    derived = (("ivo://vogate.test/hess?23500", "ivo://elsewhere/raw?1"),)
    return Document(activities=(lost, record, hidden), derivations=derived)


DOCUMENTS = {
    "plain": Document(activities=(activity(),)),
    "rich": rich(),
    "bare": Document(
        activities=(
            ActivityRecord(id=JOB, description=activity().description, phase="ERROR", comment="No events."),
        )
    ),
}


@pytest.fixture(params=sorted(DOCUMENTS))
def document(request) -> Document:
    return DOCUMENTS[request.param]


@pytest.mark.parametrize("form", ["json", "xml", "provn"])
def test_prov_reads_back_the_same_graph(document, form):
    text = {"json": prov_json, "xml": prov_xml, "provn": prov_n}[form](document, BASE)
    if form == "xml":
        text = unescaped(text)
    again = ProvDocument.deserialize(io.StringIO(text), format=form)
    assert again.unified() == to_prov(document, BASE).unified()


def unescaped(text: str) -> str:
    """A PROV-XML document whose identifiers are what they stand for (`_xHHHH_` is a character)."""
    return re.sub(r"_x([0-9A-F]{4})_", lambda found: escape(chr(int(found[1], 16)), {'"': "&quot;"}), text)


def test_every_identifier_of_prov_xml_is_a_legal_qualified_name(document):
    root = etree.fromstring(prov_xml(document, BASE).encode())
    prov = "{http://www.w3.org/ns/prov#}"
    names = [e.get(prov + a) for e in root.iter(etree.Element) for a in ("id", "ref") if e.get(prov + a)]
    assert len(names) > 3
    for name in names:
        prefix, local = name.split(":")
        assert prefix in root.nsmap
        assert re.fullmatch(r"[A-Za-z_\u00c0-\uffff][\w.\-]*", local), name


def test_the_w3c_flavour_has_the_same_nodes_and_relations_and_no_other_namespace(document):
    own, plain = (to_prov(document, BASE, flavour) for flavour in (Flavour.IVOA, Flavour.W3C))
    assert [(r.get_type(), r.formal_attributes) for r in own.get_records()] == [
        (r.get_type(), r.formal_attributes) for r in plain.get_records()
    ]
    names = {name.namespace.uri for record in plain.get_records() for name, _ in record.attributes}
    assert names == {"http://www.w3.org/ns/prov#"}


def value_of(value):
    if hasattr(value, "uri"):
        return ("qualified", value.uri)
    if isinstance(value, int) and value >= 1 << 31:
        return ("xsd:long", str(value))
    kind = {int: "xsd:int", float: "xsd:double", str: "xsd:string"}.get(type(value), "xsd:dateTime")
    return (kind, value.isoformat() if kind == "xsd:dateTime" else str(value))


def test_an_independent_reader_finds_the_same_expressions_in_prov_n(document):
    expected = []
    for record in to_prov(document, BASE).get_records():
        arguments = [
            value.uri if hasattr(value, "uri") else value.isoformat() if hasattr(value, "isoformat") else None
            for _, value in record.formal_attributes
        ]
        if record.is_element():
            arguments = [record.identifier.uri, *arguments]
        attributes = frozenset((name.uri, value_of(value)) for name, value in record.extra_attributes)
        expected.append((PROV_N_MAP[record.get_type()], strip(arguments), attributes))
    found = [
        (kind, strip(arguments), attributes)
        for kind, arguments, attributes in provn_reader.read(prov_n(document, BASE))
    ]
    assert sorted(found, key=repr) == sorted(expected, key=repr)


def strip(arguments):
    """Without the markers at the end."""
    arguments = list(arguments)
    while arguments and arguments[-1] is None:
        arguments.pop()
    return tuple(arguments)


def test_prov_json_has_the_graph_of_the_records():
    found = json.loads(prov_json(DOCUMENTS["plain"], BASE))
    assert found["prefix"]["job"] == f"{BASE}/jobs/"
    assert found["prefix"]["did1"] == "ivo://vogate.test/hess?"
    assert list(found["activity"]) == [f"job:{JOB}"]
    assert {use["prov:entity"] for use in found["used"].values()} >= {"did1:23500", "did1:23501"}
    made = {item["prov:entity"]: item for item in found["wasGeneratedBy"].values()}
    assert made[f"job:{JOB}/flux_points"]["prov:time"] == "2026-01-31T12:00:14.500000+00:00"
    assert {item["prov:plan"] for item in found["wasAssociatedWith"].values()} == {
        "tool:spectrum@1.2+" + DOCUMENTS["plain"].activities[0].description.digest[:12]
    }
    energy = found["entity"][f"job:{JOB}#energy_min"]
    assert (energy["prov:value"], energy["voprov:unit"], energy["voprov:ucd"]) == ("0.5", "TeV", "em.energy")
    events = found["entity"]["did1:23500"]
    assert events["voprov:contentType"] == "application/fits"
    assert events["vogate:sha256"] == observation(23500).sha256
    assert events["prov:location"] == f"{BASE}/data/hess/23500/events.fits"


def test_times_stand_where_the_w3c_wants_them():
    found = json.loads(prov_json(DOCUMENTS["rich"], BASE))
    assert all("generatedAtTime" not in name for entity in found["entity"].values() for name in entity)
    (invalidation,) = found["wasInvalidatedBy"].values()
    assert invalidation["prov:entity"] == f"job:{OTHER_JOB}/flux_points"


@pytest.mark.parametrize("write", [prov_json, prov_n, prov_xml])
def test_no_document_shows_an_address_of_a_person(write):
    record = activity()
    named = replace(record.agents[0], id="user:8", name="vera.rubin@example.org")
    text = write(Document(activities=(replace(record, agents=(*record.agents, named)),)), BASE)
    assert "vera.rubin" in text
    assert "@example.org" not in text


def test_an_entity_that_is_described_later_is_described_once():
    first = activity(OTHER_JOB)
    made = replace(first.generated[0], derivedFrom=(f"{JOB}/flux_points",))
    both = Document(activities=(replace(first, generated=(made,)), activity()))
    names = [
        record.identifier.localpart for record in to_prov(both, BASE).get_records() if record.is_element()
    ]
    assert len(names) == len(set(names))
