"""Every type and its hard values, published and uploaded, and read again through each engine."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from gateway.vo.caller import ANONYMOUS
from gateway.vo.columns import Column, Schema, Table
from tap import service
from tap.arrowtypes import arrow_type
from tap.publish import publish_schema
from tests.tap.results import same
from tests.tap.test_round_trip import COLUMNS, ROWS, value

ALL = (Column("number", "int"), *COLUMNS)


def rows() -> pa.Table:
    arrays = [pa.array(range(ROWS), pa.int32())]
    arrays += [
        pa.array([value(column.name, row) for row in range(ROWS)], arrow_type(column)) for column in COLUMNS
    ]
    return pa.Table.from_arrays(arrays, names=[column.name for column in ALL])


@pytest.fixture
def types(empty_archive: Path) -> str:
    publish_schema(Schema("types", (Table("types", "t", ALL),)), {"t": rows()})
    return "types.t"


def check(found: pa.Table) -> None:
    for column in ALL:
        wanted = rows()[column.name].to_pylist()
        got = found[column.name].to_pylist()
        for row, (one, other) in enumerate(zip(wanted, got, strict=True)):
            if isinstance(one, list):
                assert isinstance(other, list), (column.name, row)
                assert len(one) == len(other), (column.name, row)
                assert all(map(same, one, other)), (column.name, row, one, other)
            else:
                assert same(one, other), (column.name, row, one, other)


def test_published_values_come_back(types: str) -> None:
    columns, found = service.fetch(f"SELECT * FROM {types} ORDER BY number", ANONYMOUS)
    assert [column.datatype for column in columns][1:] == [
        # Text beyond ASCII says so.
        "unicodeChar"
        if item.datatype == "char" and item.name != "when" and not ascii_only(item)
        else item.datatype
        for item in COLUMNS
    ]
    check(found)


def ascii_only(column: Column) -> bool:
    return all(str(value(column.name, row) or "").isascii() for row in range(ROWS))


def test_uploaded_values_come_back(types: str) -> None:
    upload = service.UploadedTable(Table("tap_upload", "mine", ALL), rows())
    query = f"SELECT m.* FROM TAP_UPLOAD.mine AS m JOIN {types} AS t ON m.number = t.number ORDER BY m.number"
    check(service.fetch(query, ANONYMOUS, uploads=(upload,))[1])


def test_values_can_be_selected_by(types: str) -> None:
    for condition, count in (
        ("longs IS NULL", sum(value("longs", row) is None for row in range(ROWS))),
        ("number BETWEEN 2 AND 4", 3),
        ("number IN (1, 5)", 2),
    ):
        assert service.count(f"SELECT number FROM {types} WHERE {condition}", ANONYMOUS) == count
