"""The elements of VOTables: escaping, identifiers, systems, service descriptors."""

from __future__ import annotations

import io

import pytest
from astropy.io.votable import parse
from lxml import etree

from gateway.vo import votable
from gateway.vo.columns import Column

WILD = "a<b>&\"c' \x00\x0b\x1f\ud800\ufffe\r\n\té𝛼"
CLEAN = "a<b>&\"c' �����\r\n\té𝛼"


def document(body: str, version: str = "1.4") -> etree._Element:
    return etree.fromstring((votable.head(version) + body + votable.TAIL).encode())


def test_text_survives_as_content_and_as_attribute() -> None:
    (info,) = document(votable.info("n", WILD, WILD))
    assert info.get("value") == CLEAN
    assert info.text == CLEAN


@pytest.mark.parametrize(
    ("name", "identifier"),
    [
        ("ra", "ra"),
        ("2mass", "_2mass"),
        ("my col", "my_col"),
        ("a:b", "a_b"),
        ("é", "_"),
        ("", "_"),
        ("-x", "_-x"),
    ],
)
def test_names_become_xml_identifiers(name: str, identifier: str) -> None:
    assert votable.xml_id(name) == identifier


def test_identifiers_are_unique_and_spare_those_of_the_systems() -> None:
    columns = [Column(name) for name in ("a b", "a_b", "UTC", "ICRS", "a-b", "a b")]
    found = votable.field_ids(columns)
    assert len(set(found)) == len(found)
    assert not {"UTC", "ICRS"} & set(found)
    assert found[0] == "a_b"


def test_systems_are_those_that_columns_refer_to_and_the_usual_ones() -> None:
    columns = [Column("l", coosys="GALACTIC"), Column("t", timesys="TT"), Column("x", coosys="no such")]
    tags = [(etree.QName(item).localname, item.get("ID")) for item in document(votable.systems(columns))]
    assert tags == [("COOSYS", "ICRS"), ("COOSYS", "GALACTIC"), ("TIMESYS", "UTC"), ("TIMESYS", "TT")]


def test_a_field_says_all_that_is_known() -> None:
    column = Column(
        "ra <1>", "long", "2", "point", "deg", "pos.eq.ra", "x:y", 'about "it"', coosys="ICRS", timesys="UTC"
    )
    (field,) = document(votable.field(column, "ra_1", null=-5))
    assert dict(field.attrib) == {
        "ID": "ra_1",
        "name": "ra <1>",
        "datatype": "long",
        "arraysize": "2",
        "xtype": "point",
        "unit": "deg",
        "ucd": "pos.eq.ra",
        "utype": "x:y",
        "ref": "ICRS",
    }
    assert field.findtext("{*}DESCRIPTION") == 'about "it"'
    assert field.find("{*}VALUES").get("null") == "-5"


def test_astropy_reads_a_service_descriptor() -> None:
    inputs = [
        votable.Param("ID", ref="did", ucd="meta.id;meta.main"),
        votable.Param(
            "POS", "", "double", "3", unit="deg", xtype="circle", minimum="0 0 0", maximum="360 90 180"
        ),
        votable.Param("KIND", "a & b", options=("a & b", "c")),
    ]
    descriptor = votable.service_descriptor(
        "https://x.org/soda?a=1&b=2",
        inputs,
        identifier="soda",
        name="cut-outs",
        description="parts <of> files",
        standard_id="ivo://ivoa.net/std/SODA#sync-1.0",
        content_type="application/fits",
        other=[votable.Param("exampleURL", "https://x.org/soda?ID=1")],
    )
    body = f'<RESOURCE type="results"><TABLE>{votable.field(Column("did", "char", "*"), "did")}</TABLE></RESOURCE>'
    found = parse(
        io.BytesIO((votable.head() + body + descriptor + votable.TAIL).encode()), verify="exception"
    )
    resource = found.resources[1]
    assert (resource.type, resource.utype, resource.ID) == ("meta", "adhoc:service", "soda")
    params = {param.name: param.value for param in resource.params}
    assert params == {
        "accessURL": "https://x.org/soda?a=1&b=2",
        "standardID": "ivo://ivoa.net/std/SODA#sync-1.0",
        "contentType": "application/fits",
        "exampleURL": "https://x.org/soda?ID=1",
    }
    (group,) = resource.groups
    assert group.name == "inputParams"
    entries = {entry.name: entry for entry in group.entries}
    assert entries["ID"].ref == "did"
    assert [value for _, value in entries["KIND"].values.options] == ["a & b", "c"]
