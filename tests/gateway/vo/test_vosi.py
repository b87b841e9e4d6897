"""VOSI documents, read by pyvo."""

from __future__ import annotations

import io
from datetime import UTC, datetime

from lxml import etree
from pyvo.io.vosi import parse_capabilities, parse_tables
from pyvo.io.vosi.endpoint import parse_availability

from gateway.vo import vosi
from gateway.vo.columns import Column, ForeignKey, Schema, Table

SCHEMAS = (
    Schema(
        "s & t",
        (
            Table(
                "s & t",
                "one",
                (
                    Column("a", "long", indexed=True, std=True),
                    Column("b", "char", "*", "timestamp", utype="x:b"),
                ),
                "the <first>",
                utype="u:1",
                nrows=5,
                keys=(ForeignKey("other.two", ("a", "b"), ("c", "d"), "refers"),),
            ),
            Table("s & t", "view", (Column("c"),), table_type="view"),
        ),
        "two tables",
    ),
)


def test_availability() -> None:
    text = vosi.availability(
        False,
        up_since=datetime(2025, 1, 2, 3, 4, 5, tzinfo=UTC),
        down_at=datetime(2025, 2, 1, tzinfo=UTC),
        back_at=datetime(2025, 2, 2, tzinfo=UTC),
        notes=["moving <house>", "sorry"],
    )
    found = parse_availability(io.BytesIO(text.encode()))
    assert not found.available
    assert str(found.upsince).startswith("2025-01-02")
    assert list(found.notes) == ["moving <house>", "sorry"]
    names = [etree.QName(item).localname for item in etree.fromstring(text.encode())]
    assert names == ["available", "upSince", "downAt", "backAt", "note", "note"]


def test_capabilities() -> None:
    security = ("ivo://ivoa.net/sso#BasicAA",)
    text = vosi.capabilities(
        [
            vosi.Capability(
                "ivo://x/y", (vosi.Interface("http://h/a?b&c", "base", version="1.1", security=security),),
                description="a & b",
            ),
            vosi.Capability("ivo://x/page", (vosi.Interface("http://h/", type="vr:WebBrowser", role=""),)),
        ]
    )  # fmt: skip
    first, second = parse_capabilities(io.BytesIO(text.encode()))
    assert (first.standardid, first.description) == ("ivo://x/y", "a & b")
    (interface,) = first.interfaces
    assert (interface.role, interface.version) == ("std", "1.1")
    assert (interface.accessurls[0].content, interface.accessurls[0].use) == ("http://h/a?b&c", "base")
    assert [method.standardid for method in interface.securitymethods] == [None, *security]
    assert second.interfaces[0].role is None


def test_tables() -> None:
    text = vosi.tableset(SCHEMAS, quoted=lambda name: f'"{name}"' if "&" in name else name)
    (schema,) = parse_tables(io.BytesIO(text.encode())).tableset.schemas
    assert (schema.name, schema.description) == ('"s & t"', "two tables")
    one, view = schema.tables
    assert (one.name, one.description, one.utype, one.type) == ('"s & t".one', "the <first>", "u:1", "table")
    assert view.type == "view"
    a, b = one.columns
    assert (a.datatype.content, a.std, a.flags) == ("long", True, ["indexed"])
    assert (b.datatype.arraysize, b.utype) == ("*", "x:b")
    # pyvo does not read the extended type of this element.
    kinds = etree.fromstring(text.encode()).findall(".//dataType")
    assert [kind.get("extendedType") for kind in kinds] == [None, "timestamp", None]
    (key,) = one.foreignkeys
    assert (key.targettable, key.description) == ("other.two", "refers")
    assert [(pair.fromcolumn, pair.targetcolumn) for pair in key.fkcolumns] == [("a", "c"), ("b", "d")]


def test_tables_without_details() -> None:
    (schema,) = parse_tables(io.BytesIO(vosi.tableset(SCHEMAS, full=False).encode())).tableset.schemas
    assert [(table.name, len(table.columns)) for table in schema.tables] == [
        ("s & t.one", 0),
        ("s & t.view", 0),
    ]


def test_one_table() -> None:
    tree = etree.fromstring(vosi.table_document(SCHEMAS[0].tables[0]).encode())
    assert etree.QName(tree).namespace == "http://www.ivoa.net/xml/VOSITables/v1.0"
    assert [etree.QName(item).localname for item in tree] == [
        *("name", "description", "utype", "nrows"),
        *("column", "column", "foreignKey"),
    ]
