"""Uploaded tables: formats, types, names, and documents that mean harm."""

from __future__ import annotations

import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.table import MaskedColumn, Table

from gateway.vo.errors import TooLarge, UsageError
from tap.formats import ResultInfo, writer
from tap.uploads import UploadLimits, parse_parameter, read_table, read_uploads
from tests.tap import test_round_trip as round_trip
from tests.tap.results import COLUMNS, ROWS, batches, same

LIMITS = UploadLimits(rows=1000, bytes=1 << 20)


def written(table: Table, **options: object) -> bytes:
    buffer = io.BytesIO()
    table.write(buffer, **options)
    return buffer.getvalue()


def sample() -> Table:
    table = Table(
        {
            "id": np.array([1, 2, 2**62], np.int64),
            "ra": MaskedColumn([10.5, 20.25, 0.0], mask=[False, False, True], unit="deg"),
            "small": np.array([-1, 0, 7], np.int16),
            "name": ["a", "b & c", "π"],
        }
    )
    table["ra"].description = "where it is"
    table["ra"].meta["ucd"] = "pos.eq.ra"
    return table


@pytest.mark.parametrize("tabledata_format", ["tabledata", "binary", "binary2"])
def test_votables(tabledata_format: str) -> None:
    uploaded = read_table(
        "mine", written(sample(), format="votable", tabledata_format=tabledata_format), LIMITS
    )
    assert (uploaded.table.schema, uploaded.table.name, uploaded.table.nrows) == ("tap_upload", "mine", 3)
    columns = {column.name: column for column in uploaded.table.columns}
    assert [columns[name].datatype for name in ("id", "ra", "small", "name")] == [
        "long",
        "double",
        "short",
        "unicodeChar",
    ]
    assert (columns["ra"].unit, columns["ra"].description) == ("deg", "where it is")
    assert uploaded.rows.to_pylist() == [
        {"id": 1, "ra": 10.5, "small": -1, "name": "a"},
        {"id": 2, "ra": 20.25, "small": 0, "name": "b & c"},
        {"id": 2**62, "ra": None, "small": 7, "name": "π"},
    ]


@pytest.mark.parametrize("name", ["votable/td", "votable/b", "votable/b2"])
def test_our_own_results_can_be_uploaded(name: str) -> None:
    data = b"".join(writer(name).write(COLUMNS, batches(size=100), ResultInfo()))
    uploaded = read_table("t", data, LIMITS)
    for column in ("id", "flag", "whole", "mag"):
        position = [item.name for item in COLUMNS].index(column)
        wanted = [row[position] for row in ROWS]
        got = uploaded.rows[column].to_pylist()
        if column == "mag":  # NaN and null are one in a VOTable
            wanted = [None if value is None or value != value else np.float32(value) for value in wanted]
            got = [None if value is None or value != value else np.float32(value) for value in got]
        assert all(same(left, right) for left, right in zip(got, wanted, strict=True)), column
    assert {column.name: column.xtype for column in uploaded.table.columns}["when"] == "timestamp"


@pytest.mark.parametrize("form", ["votable/td", "votable/b", "votable/b2", "fits", "parquet"])
def test_every_type_survives_the_way_there_and_back(form: str) -> None:
    """What a query gave in any format, uploaded again, has the same types and values."""
    uploaded = read_table("t", round_trip.document(form), LIMITS)
    assert [column.name for column in uploaded.table.columns] == list(round_trip.VALUES)
    for column in uploaded.table.columns:
        before = round_trip.VALUES[column.name][0]
        # FITS has one type of text, and says of arrays of one length that they vary
        text = column.datatype in ("char", "unicodeChar") and before.datatype in ("char", "unicodeChar")
        wider = (before.datatype, column.datatype) == (
            "unsignedByte",
            "short",
        )  # it had no number left for null
        assert text or wider or column.datatype == before.datatype, column.name
        assert column.xtype == before.xtype
        for row, found in enumerate(uploaded.rows[column.name].to_pylist()):
            round_trip.check(
                column.name, row, found, stripped=form == "votable/td", ascii_only=form == "fits"
            )


def test_a_small_parquet_file_that_unpacks_to_a_large_table() -> None:
    text = pa.DictionaryArray.from_arrays(pa.array(np.zeros(900, np.int32)), pa.array(["x" * 1_000_000]))
    buffer = io.BytesIO()
    pq.write_table(pa.table({"bomb": text}), buffer)
    assert len(buffer.getvalue()) < 2_000_000
    with pytest.raises(UsageError, match="unpacks to more than"):
        read_table("t", buffer.getvalue(), UploadLimits(rows=1000, bytes=50 << 20))
    zeros = pa.ListArray.from_arrays(
        pa.array([0, 80_000_000], pa.int32()), pa.array(np.zeros(80_000_000, np.int8))
    )
    buffer = io.BytesIO()
    pq.write_table(pa.table({"bomb": zeros}), buffer)
    assert len(buffer.getvalue()) < 2_000_000
    with pytest.raises(UsageError, match="unpacks to more than"):
        read_table("t", buffer.getvalue(), UploadLimits(rows=1000, bytes=50 << 20))


def test_timestamps_are_read_when_they_arrive() -> None:
    """An empty one is missing; what is none is told to whoever sent it, not to whoever compares it."""

    def votable(moment: str) -> bytes:
        table = Table({"t": ["2020-01-01T00:00:00", moment]})
        text = written(table, format="votable").decode()
        return text.replace('name="t"', 'name="t" xtype="timestamp"').encode()

    assert read_table("mine", votable(""), LIMITS).rows.to_pydict() == {"t": ["2020-01-01T00:00:00", None]}
    with pytest.raises(UsageError, match="mine, column t: '2020-01-41' is no timestamp"):
        read_table("mine", votable("2020-01-41"), LIMITS)


def test_ecsv() -> None:
    buffer = io.StringIO()
    sample().write(buffer, format="ascii.ecsv")
    uploaded = read_table("t", buffer.getvalue().encode(), LIMITS)
    columns = {column.name: column for column in uploaded.table.columns}
    assert (columns["ra"].unit, columns["small"].datatype) == ("deg", "short")
    assert uploaded.rows["id"].to_pylist() == [1, 2, 2**62]
    assert uploaded.rows["ra"].to_pylist() == [10.5, 20.25, None]


def test_csv() -> None:
    uploaded = read_table("t", b'id,ra,name,when\n1,2.5,"a, b",2020-01-01T00:00:00\n2,,,\n', LIMITS)
    assert uploaded.rows.to_pylist() == [
        {"id": 1, "ra": 2.5, "name": "a, b", "when": "2020-01-01T00:00:00"},
        {"id": 2, "ra": None, "name": None, "when": None},
    ]
    assert [column.datatype for column in uploaded.table.columns] == ["long", "double", "char", "char"]


def test_parquet() -> None:
    buffer = io.BytesIO()
    pq.write_table(
        pa.table({"id": pa.array([1, 2], pa.uint32()), "s": pa.array(["x", None]).dictionary_encode()}),
        buffer,
    )
    uploaded = read_table("t", buffer.getvalue(), LIMITS)
    assert uploaded.rows.to_pylist() == [{"id": 1, "s": "x"}, {"id": 2, "s": None}]


def test_fits() -> None:
    table = Table({"id": np.array([1, 2], np.int32), "ra": [1.5, 2.5], "name": ["one", "two"]})
    table["ra"].unit = "deg"
    uploaded = read_table("t", written(table, format="fits"), LIMITS)
    assert uploaded.rows.to_pylist() == [
        {"id": 1, "ra": 1.5, "name": "one"},
        {"id": 2, "ra": 2.5, "name": "two"},
    ]
    assert uploaded.table.columns[1].unit == "deg"


def test_columns_get_distinct_names() -> None:
    uploaded = read_table("t", b"a,A,a\n1,2,3\n", LIMITS)
    assert [column.name for column in uploaded.table.columns] == ["a", "A_2", "a_3"]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "empty"),
        (b"\x00\x01\x02", "neither"),
        (b"<VOTABLE><RESOURCE/>", "cannot be read"),
        (b"<html><body>no</body></html>", "cannot be read"),
        (b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><VOTABLE/>', "DTD"),
        ("<VOTABLE/>".encode("utf-16"), "cannot be read"),
    ],
)
def test_what_is_no_table_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        read_table("t", data, LIMITS)
    assert caught.value.field == "UPLOAD"


@pytest.mark.parametrize(
    "stream",
    [
        '<STREAM href="file:///etc/passwd" encoding="base64"/>',
        '<STREAM encoding=">" href="http://127.0.0.1:1/x"/>',
        "<v:STREAM xmlns:v='http://www.ivoa.net/xml/VOTable/v1.3'\n href = 'x'/>",
    ],
)
def test_streams_from_elsewhere_are_refused(stream: str) -> None:
    document = (
        '<VOTABLE xmlns="http://www.ivoa.net/xml/VOTable/v1.3" version="1.4"><RESOURCE><TABLE>'
        f'<FIELD name="a" datatype="int"/><DATA><BINARY>{stream}</BINARY></DATA></TABLE></RESOURCE></VOTABLE>'
    )
    with pytest.raises(UsageError, match="STREAM"):
        read_table("t", document.encode(), LIMITS)


def test_limits_on_rows_and_bytes() -> None:
    data = b"id\n" + b"1\n" * 1001
    with pytest.raises(TooLarge, match="1000"):
        read_table("t", data, LIMITS)
    with pytest.raises(TooLarge, match="bytes"):
        read_uploads(["t,param:p"], {"p": io.BytesIO(data)}, UploadLimits(rows=10**6, bytes=100))


def test_parts_are_found_without_regard_to_case() -> None:
    (uploaded,) = read_uploads(["t,PARAM:Part"], {"part": io.BytesIO(b"id\n1\n")}, LIMITS)
    assert uploaded.table.name == "t"


@pytest.mark.parametrize(
    ("values", "tables"),
    [
        (["a,param:x"], {"a": "param:x"}),
        (["a,param:x;b,http://h/y?q=1,2"], {"a": "param:x", "b": "http://h/y?q=1,2"}),
        (["a,param:x", " b , param:y ;"], {"a": "param:x", "b": "param:y"}),
        (["TAP_UPLOAD.a,param:x"], {"a": "param:x"}),
        ([], {}),
    ],
)
def test_the_parameter(values: list[str], tables: dict[str, str]) -> None:
    assert parse_parameter(values) == tables


@pytest.mark.parametrize(
    "value", ["a", "a,", ",param:x", "a b,param:x", "select,param:x", "1a,param:x", "a,param:x;A,param:y"]
)
def test_wrong_values_of_the_parameter(value: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_parameter([value])
    assert caught.value.field == "UPLOAD"
