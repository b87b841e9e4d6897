"""Every type through every format and back, by astropy and by STILTS (STIL, so TOPCAT too): equal to the last bit."""

from __future__ import annotations

import csv
import io
import json
import math
import re
import subprocess
import warnings
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.io import fits
from astropy.io.votable import parse_single_table

from gateway.vo.columns import Column
from tap.arrowtypes import arrow_type
from tap.formats import ResultInfo, writer
from tests.conftest import require
from tests.tap.results import same

NAN, INF = math.nan, math.inf
TEXTS = [
    "",
    "a",
    " lead",
    "trail ",
    'q"uo,te',
    "it's <&> ]]>",
    "\t",
    "semi;colon",
    None,
    "#",
    "null",
    "NaN",
    "-",
]
WIDE = ["π ≈ 3.14", "𝛼 astral", "日本語", "Ünïcode", "é" * 300, "", None, "x", "ﬁ", "\u00a0", "Ж", "🙂", "a"]
VALUES: dict[str, tuple[Column, list[object]]] = {
    "flag": (Column("flag", "boolean"), [True, False, None]),
    "byte": (Column("byte", "unsignedByte"), [0, 1, 127, 128, 255, None]),
    "small": (Column("small", "short"), [-32768, 32767, 0, -1, None]),
    "whole": (Column("whole", "int"), [-(2**31), 2**31 - 1, 0, -1, None]),
    "huge": (Column("huge", "long"), [-(2**63), 2**63 - 1, 2**53 + 1, -(2**53) - 1, 0, None]),
    "single": (
        Column("single", "float"),
        [0.1, -0.0, NAN, INF, -INF, 1e-45, 3.4028234663852886e38, 16777217.0, None],
    ),
    "real": (
        Column("real", "double"),
        [0.1, -0.0, NAN, INF, -INF, 5e-324, 1.7976931348623157e308, 2 / 3, 123456789.123456789, 1e22, None],
    ),
    "text": (Column("text", "char", "*"), TEXTS),
    "wide": (Column("wide", "unicodeChar", "*"), WIDE),
    "when": (
        Column("when", "char", "*", xtype="timestamp"),
        ["2024-02-29T23:59:59.999999", "0001-01-01T00:00:00", "9999-12-31T23:59:59", None],
    ),
    "point": (Column("point", "double", "2", xtype="point"), [[1.5, -90.0], [0.1, 2 / 3], None]),
    "polygon": (
        Column("polygon", "double", "*", xtype="polygon"),
        [[1.0, 2.0, 3.0, 4.0, 5.0, 6.5], [], None, [0.1] * 24],
    ),
    "singles": (Column("singles", "float", "*"), [[0.1, NAN, INF], [], None, [-0.0]]),
    "wholes": (Column("wholes", "int", "*"), [[-(2**31), 2**31 - 1], [], None, [7]]),
    "longs": (Column("longs", "long", "3"), [[-(2**63) + 1, 2**63 - 1, 2**53 + 1], [0, 1, 2]]),
    "flags": (Column("flags", "boolean", "*"), [[True, False, True], [], [False]]),
}
ROWS = max(len(values) for _, values in VALUES.values())
COLUMNS = tuple(column for column, _ in VALUES.values())


def value(name: str, row: int) -> object:
    values = VALUES[name][1]
    return values[row % len(values)]


def document(form: str) -> bytes:
    arrays = [
        pa.array([value(column.name, row) for row in range(ROWS)], arrow_type(column)) for column in COLUMNS
    ]
    batch = pa.RecordBatch.from_arrays(arrays, names=[column.name for column in COLUMNS])
    return b"".join(writer(form).write(COLUMNS, [batch.slice(0, 5), batch.slice(5)], ResultInfo()))


def canonical(column: Column, found: object) -> object:
    """A value as all formats can give it: a missing number, array or string may be NaN or empty."""
    if column.datatype in ("char", "unicodeChar"):
        return found or ""
    if column.arraysize:
        if found is None or (isinstance(found, list) and not found):
            return [NAN, NAN] if column.arraysize == "2" else []
        assert isinstance(found, list)
        return [np.float32(x).item() if column.datatype == "float" else x for x in found]
    if column.datatype == "float":
        return NAN if found is None else np.float32(found).item()
    return NAN if found is None and column.datatype == "double" else found


def plain(found: object) -> object:
    """What astropy or pyarrow read, as Python values."""
    if found is None or found is np.ma.masked:
        return None
    if isinstance(found, np.ndarray):
        data, mask = np.ma.getdata(found), np.ma.getmaskarray(found)
        return [NAN if hidden else plain(item) for item, hidden in zip(data.tolist(), mask.tolist())]
    return found.item() if isinstance(found, np.generic) else found


def check(
    name: str,
    row: int,
    found: object,
    *,
    stripped: bool = False,
    flat: bool = False,
    ascii_only: bool = False,
) -> None:
    """That a value came back: but for blanks around it (`stripped`), with blanks for tabs and line ends (`flat`), with
    question marks beyond ASCII (`ascii_only`), where the format can do no better.
    """
    column = VALUES[name][0]
    wanted, got = canonical(column, value(name, row)), canonical(column, found)
    if isinstance(wanted, str) and (flat or ascii_only):
        wanted = re.sub(r"[\t\r\n]", " ", wanted)
    if isinstance(wanted, str) and ascii_only:
        wanted, got = re.sub(r"[^ -~]", "?", wanted).rstrip(), str(got).rstrip()
    if isinstance(wanted, list):
        assert isinstance(got, list)
        assert len(wanted) == len(got), (name, row, got, wanted)
        assert all(map(same, got, wanted)), (name, row, got, wanted)
        return
    if stripped and isinstance(wanted, str):
        wanted, got = wanted.strip(), str(got).strip()
    assert same(got, wanted), (name, row, got, wanted)


@pytest.mark.parametrize("form", ["votable/td", "votable/b", "votable/b2"])
def test_astropy_reads_votables(form: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        table = parse_single_table(io.BytesIO(document(form)), verify="exception")
    for name, key in zip(VALUES, table.array.dtype.names):
        for row in range(ROWS):
            check(name, row, plain(table.array[key][row]), stripped=form == "votable/td")


def test_pyarrow_reads_parquet() -> None:
    table = pq.read_table(io.BytesIO(document("parquet")))
    for name in VALUES:
        got = table[name].to_pylist()
        for row in range(ROWS):
            wanted = value(name, row)
            if VALUES[name][0].datatype == "float" and wanted is not None:
                check(name, row, got[row])
            elif isinstance(wanted, list):
                assert len(wanted) == len(got[row])
                assert all(map(same, got[row], wanted))
            else:  # nothing is lost: null, NaN and the empty string stay apart
                assert same(got[row], wanted), (name, row)


def test_python_reads_json() -> None:
    data = json.loads(document("json"))
    assert [item["name"] for item in data["metadata"]] == list(VALUES)
    spelled = {"NaN": NAN, "Infinity": INF, "-Infinity": -INF, "inf": INF, "-inf": -INF}
    for row, cells in enumerate(data["data"]):
        for name, cell in zip(VALUES, cells):
            if VALUES[name][0].datatype in ("float", "double"):
                cell = (
                    [spelled.get(x, x) for x in cell] if isinstance(cell, list) else spelled.get(cell, cell)
                )
            check(name, row, cell)


def test_python_reads_csv_and_tsv() -> None:
    for form, kinds in (("csv", {"delimiter": ","}), ("tsv", {"delimiter": "\t", "quoting": csv.QUOTE_NONE})):
        lines = list(csv.reader(io.StringIO(document(form).decode(), newline=""), **kinds))
        assert lines[0] == list(VALUES)
        for row, cells in enumerate(lines[1:]):
            for name, cell in zip(VALUES, cells, strict=True):
                check(name, row, parsed(VALUES[name][0], cell, flat=form == "tsv"), flat=form == "tsv")


def parsed(column: Column, cell: str, *, flat: bool = False) -> object:
    """A cell of text as its column's value."""
    kind = {"boolean": "true".__eq__, "float": float, "double": float}.get(column.datatype, int)
    if column.datatype in ("char", "unicodeChar"):
        return cell
    if column.arraysize:
        return [kind(word) for word in cell.split()]
    return None if cell == "" else kind(cell)


def test_astropy_reads_fits() -> None:
    with fits.open(io.BytesIO(document("fits")), logical_as_bytes=True) as hdus:
        header, table = hdus[1].header, hdus[1].data
        for number, (name, (column, _)) in enumerate(VALUES.items(), 1):
            null = header.get(f"TNULL{number}")
            for row in range(ROWS):
                found = table[name][row]
                if column.datatype == "boolean":
                    letters = {b"T": True, b"F": False, 84: True, 70: False}
                    found = [letters[x] for x in found.tolist()] if column.arraysize else letters.get(found)
                elif column.arraysize and not isinstance(found, str):
                    found = found.tolist()
                elif not isinstance(found, str):
                    found = None if null is not None and found == null else found.item()
                check(name, row, found, ascii_only=True)


@pytest.mark.stilts
@pytest.mark.parametrize("form", ["votable/td", "votable/b", "votable/b2", "fits", "csv"])
def test_stilts_reads(form: str, tmp_path: Path) -> None:
    """STIL reads it and writes what it read as BINARY2 (TABLEDATA where it takes UTF-8 for ASCII), which astropy reads."""
    require("stilts", "stilts")
    source, target = tmp_path / f"in.{writer(form).extension}", tmp_path / "out.vot"
    source.write_bytes(document(form))
    kind = {"vot": "votable"}.get(writer(form).extension, writer(form).extension)
    done = subprocess.run(
        ["stilts", "tcopy", f"in={source}", f"ifmt={kind}", f"out={target}",
         "ofmt=votable-tabledata" if form == "csv" else "ofmt=votable-binary2-inline"],
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # STIL's own document
        table = parse_single_table(str(target))
    for name, key in zip(VALUES, table.array.dtype.names):
        column = VALUES[name][0]
        for row in range(ROWS):
            found = plain(table.array[key][row])
            if form == "csv" and isinstance(found, str):  # this STIL reads CSV as Latin-1
                found = parsed(column, found.encode("latin-1").decode())
            check(name, row, found, stripped=form in ("votable/td", "csv"), ascii_only=form == "fits")
