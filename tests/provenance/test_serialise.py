"""The documents that records become, read back by `prov` and by a reader of our own."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace

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
from provenance.serialise import Flavour, prov_json, prov_n, prov_xml, rdf, to_prov
from provenance.serialise.names import Names, own_identifier, uri_identifier

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


WRITERS = {
    "json": (prov_json, {"format": "json"}),
    "xml": (prov_xml, {"format": "xml"}),
    "provn": (prov_n, {"format": "provn"}),
    "turtle": (rdf.turtle, {"format": "rdf", "rdf_format": "turtle"}),
    "json-ld": (rdf.json_ld, {"format": "rdf", "rdf_format": "json-ld"}),
}


@pytest.mark.parametrize("flavour", Flavour)
@pytest.mark.parametrize("form", WRITERS)
@pytest.mark.filterwarnings("ignore:The predicate")  # Turtle leaves out prefixes that it does not need
def test_prov_reads_back_the_same_graph(document, form, flavour):
    write, how = WRITERS[form]
    again = ProvDocument.deserialize(io.StringIO(write(document, BASE, flavour)), **how)
    assert again.unified() == to_prov(document, BASE, flavour).unified()


def test_every_identifier_of_prov_xml_is_a_legal_qualified_name(document):
    root = etree.fromstring(prov_xml(document, BASE).encode())
    prov = "{http://www.w3.org/ns/prov#}"
    names = [e.get(prov + a) for e in root.iter(etree.Element) for a in ("id", "ref") if e.get(prov + a)]
    assert len(names) > 3
    for name in names:
        prefix, local = name.split(":")
        assert prefix in root.nsmap
        assert re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.-]*", local), name


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


# What may be an identifier: DIDs with and without a letter at their end, other URIs, results, hashes, odd names.
IDENTIFIERS = [
    *("ivo://vogate.test/hess?23500", "ivo://vogate.test/hess?obs-1.5", "ivo://a/tap?ivoa.obscore#ivoa-3"),
    *("ivo://a/b?_1", "ivo://a/b?__1", "ivo://a/b?", "https://example.org/", "https://x.org/a%20b/2_x.fits"),
    *(f"{JOB}/flux.fits", f"2{JOB[1:]}/a b's (1),[2];=ü%_x0041_.txt", "sha256:0f0f", "platform:00ab"),
    *(
        "a.b/c",
        "a/b.c",
        "no separator",
        "_x0041_",
        "x_x005F_x0041_",
        "\U0001f52d/\U0001f52d",
        ".",
        "-a",
        "7/-",
    ),
]


def test_identifiers_have_one_legal_name_each_which_leads_back():
    names = Names(ProvDocument(), BASE)
    found = {identifier: names.entity(identifier) for identifier in IDENTIFIERS}
    assert len({name.uri for name in found.values()}) == len(IDENTIFIERS)
    for identifier, name in found.items():
        assert re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.-]*", name.localpart), name
        if "://" in identifier:
            assert (uri_identifier(name.uri) or name.uri) == identifier
        else:
            assert own_identifier(name.namespace.prefix, name.localpart) == ("entity", identifier)


def test_a_uri_that_ends_in_a_letter_is_the_node_itself():
    names = Names(ProvDocument(), BASE)
    for uri in ("ivo://vogate.test/hess?obs-1.5a", "https://orcid.org/0000-0001-5109-370X"):
        assert (names.entity(uri).uri, names.agent(uri).uri) == (uri, uri)


def test_the_names_of_two_things_never_meet():
    """A dot in a job's key is none between key and parameter."""
    names = Names(ProvDocument(), BASE)
    keys = [(f"{JOB}.1.fit", "a.b"), (f"{JOB}.1.fit.a", "b"), (f"{JOB}.1", "fit.a.b"), (JOB, "1.fit.a.b")]
    assert (
        len({names.parameter(*key).uri for key in keys} | {names.config_file(*key).uri for key in keys}) == 8
    )
    assert own_identifier("parameter", names.parameter(*keys[0]).localpart) == ("activity", keys[0][0])
    assert own_identifier("agent", names.agent("user:7").localpart) == ("agent", "user:7")
    assert own_identifier("agent", names.agent("site").localpart) == ("agent", "site")
    assert own_identifier("tool", names.tool("a.b@1.2+0f").localpart) == ("tool", "a.b@1.2+0f")
    assert own_identifier("nothing", "x") is None
    for no_text in ("a_xFFFFFF_", "a_x0000_", "a_xD800_", "", "7", "a/b", "a\x00"):
        assert own_identifier("job", no_text) is None


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
    assert found["prefix"]["job"] == f"{BASE}/provenance/id/job/"
    assert found["prefix"]["did1"] == "ivo://vogate.test/hess?"
    assert list(found["activity"]) == [f"job:{JOB}"]
    assert {use["prov:entity"] for use in found["used"].values()} >= {"did1:_23500", "did1:_23501"}
    made = {item["prov:entity"]: item for item in found["wasGeneratedBy"].values()}
    assert made[f"result:{JOB}.flux_points"]["prov:time"] == "2026-01-31T12:00:14.500000+00:00"
    assert {item["prov:plan"] for item in found["wasAssociatedWith"].values()} == {
        "tool:spectrum.1.2_x002B_" + DOCUMENTS["plain"].activities[0].description.digest[:12]
    }
    energy = found["entity"][f"parameter:{JOB}.energy_min"]
    assert (energy["prov:value"], energy["voprov:unit"], energy["voprov:ucd"]) == ("0.5", "TeV", "em.energy")
    events = found["entity"]["did1:_23500"]
    assert events["voprov:id"] == "ivo://vogate.test/hess?23500"
    assert events["voprov:contentType"] == "application/fits"
    assert events["vogate:sha256"] == observation(23500).sha256
    assert events["prov:location"] == f"{BASE}/data/hess/23500/events.fits"


def test_times_stand_where_the_w3c_wants_them():
    found = json.loads(prov_json(DOCUMENTS["rich"], BASE))
    assert all("generatedAtTime" not in name for entity in found["entity"].values() for name in entity)
    (invalidation,) = found["wasInvalidatedBy"].values()
    assert invalidation["prov:entity"] == f"result:{OTHER_JOB}.flux_points"


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
