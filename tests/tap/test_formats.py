"""Every format written from Arrow and read back by programs that we did not write."""

from __future__ import annotations

import csv
import io
import json
import math
import re
import subprocess
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.io import fits
from astropy.io.votable import parse, parse_single_table
from lxml import etree, html

from gateway.vo.columns import Column
from gateway.vo.errors import GatewayError, UsageError
from gateway.vo.votable import service_descriptor
from tap.arrowtypes import arrow_type
from tap.formats import FORMATS, ResultInfo, writer
from tests.conftest import require
from tests.tap.results import COLUMNS, ROWS, batches, same

VOTABLES = ("votable/td", "votable/b", "votable/b2")
NAMES = [column.name for column in COLUMNS]
VOT = "{http://www.ivoa.net/xml/VOTable/v1.3}"
INFO = ResultInfo(
    query='SELECT "x" FROM t WHERE a < 3 & b',
    server="vogate/1.0",
    publisher="Œuvre & Co",
    infos=(("rights", "CC-BY <4.0>"),),
    request_date=datetime(2025, 5, 4, 3, 2, 1, tzinfo=UTC),
)


def document(name: str, *, size: int = 4, info: ResultInfo = INFO) -> bytes:
    return b"".join(writer(name).write(COLUMNS, batches(size=size), info))


def one_column(name: str, column: Column, values: list[object], *, size: int = 1000) -> bytes:
    """A document with one column."""
    array = pa.array(values, arrow_type(column))
    batch = pa.RecordBatch.from_arrays([array], names=[column.name])
    parts = [batch.slice(start, size) for start in range(0, max(len(batch), 1), size)]
    return b"".join(writer(name).write((column,), parts, INFO))


def strict(data: bytes):
    """astropy's reading of a VOTable, with every warning an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return parse_single_table(io.BytesIO(data), verify="exception")


def plain(value: object) -> object:
    """What astropy read, as Python values; masked is None."""
    if value is None or value is np.ma.masked:
        return None
    if isinstance(value, np.ndarray):
        data, mask = np.ma.getdata(value), np.ma.getmaskarray(value)  # astropy masks NaN
        return [math.nan if hidden else item.item() for item, hidden in zip(data, mask, strict=True)]
    return value.item() if isinstance(value, np.generic) else value


def expected(column: Column, value: object, *, float32: bool = True) -> object:
    """The value as a VOTable can hold it: null floats are NaN, null and empty arrays and strings are one."""
    if column.datatype in ("char", "unicodeChar"):
        return value or ""
    if column.arraysize == "2" and value is None:
        return [math.nan, math.nan]
    if column.arraysize == "*":
        return list(value) if value else []  # type: ignore[call-overload]
    if column.datatype in ("float", "double") and not isinstance(value, list):
        value = math.nan if value is None else value
        return float(np.float32(value)) if column.datatype == "float" and float32 else value
    return value


def read_cell(column: Column, value: object) -> object:
    found = plain(value)
    if column.datatype in ("float", "double") and column.arraysize == "" and found is None:
        return math.nan  # astropy masks NaN
    return [] if column.arraysize == "*" and found is None else found


def assert_same_cell(column: Column, got: object, wanted: object) -> None:
    if isinstance(wanted, list):
        assert isinstance(got, list)
        assert len(got) == len(wanted), column.name
        assert all(same(float(a), float(b)) for a, b in zip(got, wanted)), column.name
    else:
        assert same(got, wanted), f"{column.name}: {got!r} is not {wanted!r}"


@pytest.mark.parametrize("name", VOTABLES)
def test_votable_reads_back_equal(name: str) -> None:
    # All rows at once, so that the integer that stands for null can be one that does not occur.
    table = strict(document(name, size=100))
    assert [field.name for field in table.fields] == NAMES
    for column, key in zip(COLUMNS, table.array.dtype.names):
        for number, row in enumerate(ROWS):
            wanted = expected(column, row[NAMES.index(column.name)])
            got = read_cell(column, table.array[key][number])
            if name == "votable/td" and isinstance(wanted, str):
                wanted, got = wanted.strip(), str(got).strip()  # astropy strips cells of TABLEDATA
            assert_same_cell(column, got, wanted)


@pytest.mark.parametrize("name", VOTABLES)
def test_votable_fields_carry_the_metadata(name: str) -> None:
    table = strict(document(name))
    field = {item.name: item for item in table.fields}
    assert field["ra"].ucd == "pos.eq.ra;meta.main"
    assert str(field["ra"].unit) == "deg"
    assert field["ra"].ref == "ICRS"
    assert field["t_min"].ref == "UTC"
    assert field["when"].xtype == "timestamp"
    assert field["id"].description == COLUMNS[0].description
    assert field["pair"].arraysize == "2"


@pytest.mark.parametrize("name", [*VOTABLES, "votable", "votable;version=1.5"])
def test_votable_declares_systems_and_origin(name: str) -> None:
    tree = etree.fromstring(document(name))
    assert tree.get("version") == ("1.5" if "1.5" in name else "1.4")
    (resource,) = tree.findall(f"{VOT}RESOURCE[@type='results']")
    assert [item.get("system") for item in resource.findall(f"{VOT}COOSYS")] == ["ICRS"]
    (timesys,) = resource.findall(f"{VOT}TIMESYS")
    assert (timesys.get("timescale"), timesys.get("timeorigin")) == ("UTC", "MJD-origin")
    facts = {item.get("name"): item.get("value") for item in resource.findall(f"{VOT}INFO")}
    assert facts["QUERY_STATUS"] == "OK"
    assert facts["query"] == INFO.query
    assert facts["publisher"] == "Œuvre & Co"
    assert facts["rights"] == "CC-BY <4.0>"
    assert facts["request_date"] == "2025-05-04T03:02:01Z"
    (moment,) = resource.findall(f"{VOT}PARAM[@name='request_time']")
    assert float(moment.get("value")) == pytest.approx(60799.126400463, abs=1e-7)


@pytest.mark.stilts
@pytest.mark.parametrize("name", VOTABLES)
def test_votlint_is_silent(name: str, tmp_path: Path) -> None:
    require("stilts", "stilts")
    descriptor = service_descriptor("http://x/links", (), name="links & more", standard_id="ivo://x/y")
    info = ResultInfo(query="SELECT 1 < 2", notice='simulated "data"', resources=(descriptor,))
    path = tmp_path / "result.vot"
    path.write_bytes(document(name, info=info))
    done = subprocess.run(["stilts", "votlint", str(path)], capture_output=True, text=True, timeout=120)
    assert (done.stdout, done.returncode) == ("", 0)


@pytest.mark.stilts
@pytest.mark.parametrize("name", [*VOTABLES, "fits", "csv"])
def test_stilts_reads_back_equal(name: str, tmp_path: Path) -> None:
    require("stilts", "stilts")
    form = writer(name)
    path = tmp_path / f"result.{form.extension}"
    path.write_bytes(document(name, size=100))
    kind = {"vot": "votable"}.get(form.extension, form.extension)
    done = subprocess.run(
        ["stilts", "tpipe", f"in={path}", f"ifmt={kind}", "cmd=keepcols 'id flag small whole ra mag name'",
         "omode=out", "ofmt=csv", "out=-"],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    got = list(csv.reader(io.StringIO(done.stdout)))
    assert got[0] == ["id", "flag", "small", "whole", "ra", "mag", "name"], done.stderr
    positions = [NAMES.index(item) for item in got[0]]
    for row, line in zip(ROWS, got[1:], strict=True):
        for position, cell in zip(positions, line, strict=True):
            column, value = COLUMNS[position], row[position]
            if column.datatype == "char":
                assert cell.strip() == str(value or "").replace("\n", " " if name == "fits" else "\n").strip()
            elif value is None:
                # FITS has no null truth value that STIL would write differently from an empty cell.
                assert cell in ("", "NaN")
            elif isinstance(value, bool):
                assert cell == str(value).lower()
            elif isinstance(value, float):
                parsed = float(cell) if cell else math.nan
                assert same(
                    parsed + 0.0,
                    float(np.float32(value)) + 0.0
                    if column.datatype == "float" and name != "csv"
                    else value + 0.0,
                ) or (parsed == pytest.approx(value, rel=1e-7))
            else:
                assert int(cell) == value


@pytest.mark.parametrize("name", VOTABLES)
def test_batches_of_any_size_give_the_same_table(name: str) -> None:
    def data(text: bytes) -> bytes:
        body = re.search(rb"<DATA>(.*)</DATA>", text, re.DOTALL)
        assert body is not None
        return re.sub(rb"\s", b"", body.group(1)) if name != "votable/td" else body.group(1)

    rows = tuple(row for row in ROWS if None not in row)  # which number stands for null may differ

    def written(size: int) -> bytes:
        return b"".join(writer(name).write(COLUMNS, batches(rows, size), INFO))

    assert data(written(1)) == data(written(2)) == data(written(100))


def test_an_integer_that_stands_for_null_never_occurs_in_the_first_rows() -> None:
    column = Column("n", "long", null=7)
    table = strict(one_column("votable/td", column, [7, None, 8]))
    assert [plain(value) for value in table.array["n"]] == [7, None, 8]


@pytest.mark.parametrize("name", ["votable/td", "votable/b", "votable/b2", "fits"])
def test_bytes_with_nulls_and_all_values(name: str) -> None:
    values: list[object] = [*range(256), None]
    data = one_column(name, Column("b", "unsignedByte"), values)
    if name in ("votable/td", "votable/b2"):  # as TAP_SCHEMA says, which taplint compares
        assert strict(data).fields[0].datatype == "unsignedByte"
    if name == "fits":
        with fits.open(io.BytesIO(data)) as hdus:
            null = hdus[1].header["TNULL1"]
            got = [None if value == null else int(value) for value in hdus[1].data["b"]]
    else:
        got = [plain(value) for value in strict(data).array["b"]]
    assert got == values


@pytest.mark.parametrize("name", VOTABLES)
def test_characters_that_xml_cannot_hold(name: str) -> None:
    wild = "a\x00b\x0bc\x1bd\ufffee\x7f\r\nf"
    for datatype in ("char", "unicodeChar"):
        data = one_column(name, Column("s", datatype, "*"), [wild, "plain"])
        etree.fromstring(data)
        (first, second) = strict(data).array["s"]
        assert second == "plain"
        if name == "votable/td":
            assert re.fullmatch(r"a.b.c.d.e\x7f\r?\nf", first)


def test_other_characters_than_ascii_in_a_char_column_become_question_marks() -> None:
    values = strict(one_column("votable/b2", Column("s", "char", "*"), ["Ångström", "x"])).array["s"]
    assert list(values) == ["?ngstr?m", "x"]


def test_one_long_string_among_short_ones() -> None:
    values: list[object] = ["x"] * 3000 + ["y" * 200_000] + ["z"] * 3000
    for name in ("votable/b2", "votable/b"):
        got = strict(one_column(name, Column("s", "char", "*"), values)).array["s"]
        assert list(got) == values


def test_fixed_strings_keep_their_width() -> None:
    column = Column("s", "char", "4")
    assert list(strict(one_column("votable/b2", column, ["abcd", "ab", None])).array["s"]) == [
        "abcd",
        "ab",
        "",
    ]


@pytest.mark.parametrize("name", [form.name for form in FORMATS])
def test_no_rows(name: str) -> None:
    for parts in ([], list(batches(())), list(batches(ROWS[:0]))):
        data = b"".join(writer(name).write(COLUMNS, parts, INFO))
        if name.startswith("votable"):
            assert len(strict(data).array) == 0
        elif name == "fits":
            with fits.open(io.BytesIO(data)) as hdus:
                assert (hdus[1].header["NAXIS2"], len(hdus[1].columns)) == (0, len(COLUMNS))
        elif name == "parquet":
            assert pq.read_table(io.BytesIO(data)).num_rows == 0
        elif name == "json":
            assert json.loads(data)["data"] == []
        else:
            assert NAMES[0] in data.decode()


def test_fits_reads_back_equal(tmp_path: Path) -> None:
    with fits.open(io.BytesIO(document("fits", size=2)), logical_as_bytes=True) as hdus:
        header, table = hdus[1].header, hdus[1].data
        assert header["TUNIT6"] == "deg"
        assert header["TUCD6"] == "pos.eq.ra;meta.main"
        assert any("CC-BY <4.0>" in line for line in hdus[0].header["HISTORY"])
        for number, row in enumerate(ROWS):
            for column, value in zip(COLUMNS, row, strict=True):
                got = table[column.name][number]
                if column.datatype in ("char", "unicodeChar"):
                    flat = re.sub(r"[\t\n]", " ", str(value or ""))
                    assert got == re.sub(r"[^ -~]", "?", flat).rstrip()
                elif column.datatype == "boolean":
                    assert got in (
                        {True: b"T", False: b"F"}.get(value, b""),
                        {True: 84, False: 70}.get(value, 0),
                    )  # type: ignore[call-overload]
                elif column.arraysize:
                    wanted = expected(column, value)
                    assert_same_cell(column, [item.item() for item in got], wanted)
                elif column.datatype in ("float", "double"):
                    assert same(float(got), expected(column, value))
                elif value is None:
                    assert got == header[f"TNULL{NAMES.index(column.name) + 1}"]
                else:
                    assert got == value


def test_fitsverify_finds_nothing(tmp_path: Path) -> None:
    require("fitsverify", "fitsverify")
    path = tmp_path / "result.fits"
    info = ResultInfo(query="SELECT it's " + "long " * 60, publisher="P" * 90)
    path.write_bytes(document("fits", info=info))
    done = subprocess.run(["fitsverify", "-q", str(path)], capture_output=True, text=True, timeout=60)
    assert "verification OK" in done.stdout, done.stdout


def test_csv_reads_back_equal() -> None:
    lines = list(csv.reader(io.StringIO(document("csv").decode(), newline="")))
    assert lines[0] == NAMES
    for row, line in zip(ROWS, lines[1:], strict=True):
        for column, value, cell in zip(COLUMNS, row, line, strict=True):
            if column.arraysize in ("2", "*") and column.datatype not in ("char", "unicodeChar"):
                wanted = [] if value is None else value
                assert [str(float(item)) for item in cell.split()] == [str(float(item)) for item in wanted]  # type: ignore[attr-defined]
            elif value is None:
                assert cell == ""
            elif isinstance(value, bool):
                assert cell == str(value).lower()
            elif isinstance(value, float):
                assert same(float(cell), value)
            else:
                assert cell == str(value)


def test_csv_tells_null_from_the_empty_string() -> None:
    text = one_column("csv", Column("s", "char", "*"), [None, "", 'a"b', "c,d", "e\nf"]).decode()
    assert text == 's\r\n\r\n""\r\n"a""b"\r\n"c,d"\r\n"e\nf"\r\n'


def test_tsv_has_one_line_per_row() -> None:
    lines = document("tsv").decode().split("\n")
    assert lines[-1] == ""
    assert [line.count("\t") for line in lines[:-1]] == [len(COLUMNS) - 1] * (len(ROWS) + 1)


def test_json_reads_back_equal() -> None:
    found = json.loads(document("json"))
    assert [item["name"] for item in found["metadata"]] == NAMES
    assert found["metadata"][5]["unit"] == "deg"
    spelt = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
    for row, line in zip(ROWS, found["data"], strict=True):
        for column, value, cell in zip(COLUMNS, row, line, strict=True):
            if isinstance(value, list):
                assert all(same(float(spelt.get(a, a)), float(b)) for a, b in zip(cell, value, strict=True))
            elif isinstance(value, float):
                assert same(float(spelt.get(cell, cell)), value), column.name
            else:
                assert cell == value
                assert type(cell) is type(value)


def test_json_escapes_everything() -> None:
    values = ["".join(map(chr, range(0x90))), '\\"\u2028', "\\n"]
    assert [
        row[0] for row in json.loads(one_column("json", Column("s", "char", "*"), list(values)))["data"]
    ] == values


def test_parquet_reads_back_equal_and_describes_itself() -> None:
    table = pq.read_table(io.BytesIO(document("parquet")))
    for row, line in zip(ROWS, table.to_pylist(), strict=True):
        for column, value in zip(COLUMNS, row, strict=True):
            got = line[column.name]
            if isinstance(value, list):
                assert all(same(a, b) for a, b in zip(got, value, strict=True))
            elif column.datatype == "float" and value is not None:
                assert same(got, float(np.float32(value)))
            else:
                assert same(got, value)
    assert table.schema.metadata[b"IVOA.VOTable-Parquet.version"] == b"1.0"
    described = parse(io.BytesIO(table.schema.metadata[b"IVOA.VOTable-Parquet.content"])).get_first_table()
    assert [field.name for field in described.fields] == NAMES


def test_html_shows_values_as_text_and_urls_as_links() -> None:
    values: list[object] = ["<script>alert(1)</script>", "https://example.org/a?b=1&c=2", 'javascript:"x"']
    tree = html.fromstring(one_column("html", Column("s", "char", "*"), values).decode())
    cells = tree.xpath("//tbody/tr/td")
    assert [cell.text_content() for cell in cells] == values
    assert tree.xpath("//tbody//a/@href") == [values[1]]
    assert tree.xpath("//script") == []


def test_text_is_aligned() -> None:
    lines = one_column("text", Column("n", "int"), [1, 1000, None]).decode().splitlines()
    assert lines == ["n   ", "----", "   1", "1000", "    "]


@pytest.mark.parametrize("name", VOTABLES)
def test_overflow_is_said_after_the_rows(name: str) -> None:
    tree = etree.fromstring(document(name, info=ResultInfo(overflow=lambda: True)))
    (resource,) = tree.findall(f"{VOT}RESOURCE[@type='results']")
    tags = [(etree.QName(item).localname, item.get("value")) for item in resource]
    assert tags[-1] == ("INFO", "OVERFLOW")
    assert tags[-2][0] == "TABLE"
    assert ("INFO", "OK") in tags


def broken() -> Iterator[pa.RecordBatch]:
    yield from batches(size=2)
    raise GatewayError("The query was <cancelled>.")


@pytest.mark.parametrize("name", VOTABLES)
def test_an_error_between_rows_ends_a_votable_well_formed(name: str) -> None:
    data = b"".join(writer(name).write(COLUMNS, broken(), INFO))
    tree = etree.fromstring(data)
    (resource,) = tree.findall(f"{VOT}RESOURCE[@type='results']")
    last = resource[-1]
    assert (last.get("name"), last.get("value"), last.text) == (
        "QUERY_STATUS",
        "ERROR",
        "The query was <cancelled>.",
    )
    assert data.count(b"<?xml") == 1


@pytest.mark.parametrize("name", ["csv", "tsv", "fits", "json", "html", "text", "parquet"])
def test_an_error_between_rows_breaks_any_other_format(name: str) -> None:
    with pytest.raises(GatewayError, match="cancelled"):
        list(writer(name).write(COLUMNS, broken(), INFO))


@pytest.mark.parametrize(
    ("asked", "name", "mime"),
    [
        ("", "votable", "application/x-votable+xml"),
        ("votable", "votable", "application/x-votable+xml"),
        ("application/x-votable+xml", "votable", "application/x-votable+xml"),
        ("text/xml", "votable/td", "text/xml"),
        ("VOTable/B2", "votable/b2", "application/x-votable+xml;serialization=BINARY2"),
        (
            'application/x-votable+xml; serialization="binary2"',
            "votable/b2",
            "application/x-votable+xml;serialization=BINARY2",
        ),
        ("text/csv;header=absent", "csv", "text/csv;header=absent;charset=utf-8"),
        ("fits", "fits", "application/fits"),
        ("application/fits", "fits", "application/fits"),
        ("HTML", "html", "text/html;charset=utf-8"),
    ],
)
def test_formats_are_found_by_name_and_media_type(asked: str, name: str, mime: str) -> None:
    found = writer(asked)
    assert (found.name, found.mime) == (name, mime)


@pytest.mark.parametrize(
    ("asked", "mime"),
    [
        ("application/x-votable xml", "application/x-votable+xml"),
        (
            "Application/X-VOTable+XML; Serialization=BINARY2; version=1.5",
            "application/x-votable+xml;serialization=BINARY2;version=1.5",
        ),
        ("text/csv; header=absent", "text/csv;header=absent;charset=utf-8"),
        ("text/csv; header=present", "text/csv;header=present;charset=utf-8"),
    ],
)
def test_parameters_of_media_types(asked: str, mime: str) -> None:
    assert writer(asked).mime == mime


def test_csv_without_a_header() -> None:
    lines = document("csv").split(b"\r\n", 1)
    assert document("text/csv;header=absent") == lines[1]


@pytest.mark.parametrize(
    "asked", ["xls", "votable;serialization=BINARY9", "votable;version=9.9", "a\r\nb: c"]
)
def test_unknown_formats_are_refused_without_echo(asked: str) -> None:
    with pytest.raises(UsageError) as caught:
        writer(asked)
    assert caught.value.field == "RESPONSEFORMAT"
    assert asked not in str(caught.value)
