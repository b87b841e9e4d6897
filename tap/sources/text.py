"""CSV and ECSV through DuckDB's reader, which looks at all rows before it decides on types.

Both passes stream: files may be larger than memory.
"""

from __future__ import annotations

import csv
import gzip
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

import duckdb
import pyarrow as pa

from gateway.vo.errors import UsageError
from tap.arrowtypes import column_of
from tap.sources import astropy_yaml
from tap.sources.base import ROWS, Source, numbered

ECSV = "%ECSV"
_TYPES = {
    "bool": "BOOLEAN",
    "int8": "TINYINT",
    "int16": "SMALLINT",
    "int32": "INTEGER",
    "int64": "BIGINT",
    "uint8": "UTINYINT",
    "uint16": "USMALLINT",
    "uint32": "UINTEGER",
    "uint64": "UBIGINT",
    "float16": "FLOAT",
    "float32": "FLOAT",
    "float64": "DOUBLE",
    "float128": "DOUBLE",
}
_WIDE = {"HUGEINT": "DOUBLE", "UHUGEINT": "DOUBLE", "TIME": "VARCHAR", "UUID": "VARCHAR", "JSON": "VARCHAR"}


def _open(path: Path) -> IO[str]:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8-sig")
    return path.open(encoding="utf-8-sig")


def open_source(path: Path) -> Source:
    """A CSV file with a header line, or an ECSV file."""
    with _open(path) as file:
        first = file.readline()
    if first.startswith("#") and ECSV in first:
        return _ecsv(path)
    return _csv(path)


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _batches(sql: str) -> Iterator[pa.RecordBatch]:
    connection = duckdb.connect(config={"threads": 1})
    try:
        for batch in connection.sql(sql).to_arrow_reader(ROWS):
            if batch.num_rows:
                yield numbered(batch.columns)
    except duckdb.Error as error:
        raise UsageError(_explained(error)) from error
    finally:
        connection.close()


def _explained(error: duckdb.Error) -> str:
    """DuckDB's report of a bad line, without its advice on options that nobody has here."""
    text = str(error)
    line = re.search(r"CSV Error on Line: (\d+)", text)
    original = re.search(r"Original Line: *(.*)", text)
    reason = next(
        (row for row in text.splitlines()[1:] if row.strip() and not row.startswith("Original")), ""
    )
    if line is None:
        return text.splitlines()[0]
    shown = f" ({original.group(1)[:80]})" if original else ""
    return f"line {line.group(1)}{shown}: {reason or 'it does not fit the other lines.'}"


def _uneven(path: Path, delimiter: str) -> str:
    """The first line that has not as many cells as the header; '' if there is none."""
    with _open(path) as file:
        lines = csv.reader(file, delimiter=delimiter)
        width = len(next(lines, []))
        for cells in lines:
            if cells and len(cells) != width:
                return f"line {lines.line_num} has {len(cells)} cells, the header {width}."
    return ""


def _csv(path: Path) -> Source:
    with _open(path) as file:
        first = file.readline()
    delimiter = max(",\t;|", key=first.count)
    options = (
        f"delim={_literal(delimiter)}, quote='\"', escape='\"', sample_size=-1, header=true, "
        "allow_quoted_nulls=false, strict_mode=true, nullstr=''"
    )
    scan = f"read_csv({_literal(str(path))}, {options})"
    connection = duckdb.connect(config={"threads": 1})
    try:
        relation = connection.sql(f"SELECT * FROM {scan}")
        names = list(relation.columns)
        types = [str(kind) for kind in relation.types]
    except duckdb.Error as error:
        raise UsageError(_uneven(path, delimiter) or _explained(error)) from error
    finally:
        connection.close()
    picked = ", ".join(
        f'CAST("{_double(name)}" AS {_WIDE[kind]})' if kind in _WIDE else f'"{_double(name)}"'
        for name, kind in zip(names, types, strict=True)
    )
    sql = f"SELECT {picked} FROM {scan}"
    columns = tuple(
        column_of(name, _arrow(_WIDE.get(kind, kind))) for name, kind in zip(names, types, strict=True)
    )
    return Source(columns, lambda: _batches(sql))


def _double(name: str) -> str:
    return name.replace('"', '""')


def _arrow(kind: str) -> pa.DataType:
    """The Arrow type that DuckDB gives for one of its types."""
    with duckdb.connect() as connection:
        return connection.sql(f"SELECT CAST(NULL AS {kind}) AS c").to_arrow_table().schema.field(0).type


def _header(path: Path) -> tuple[dict[str, Any], int, bool]:
    """The YAML header of an ECSV file, how many lines it has, and whether there are double quotes in it."""
    lines = []
    with _open(path) as file:
        for line in file:
            if not line.startswith("#"):
                break
            lines.append(line[2:] if line.startswith("# ") else line[1:])
    found = astropy_yaml.loaded("".join(lines[1:]))
    if not found:
        raise UsageError("its ECSV header does not describe columns.")
    return found, len(lines), any('"' in line for line in lines)


def _bare_batches(path: Path, skip: int, sql: Callable[[Path, int], str]) -> Iterator[pa.RecordBatch]:
    """The rows of an ECSV file by way of a copy without its header.

    DuckDB reads quotes in the lines that it skips, too: one in a unit or a description would hide the rows.
    """
    with tempfile.TemporaryDirectory(prefix="vogate-ecsv-") as folder:
        bare = Path(folder) / "rows.csv"
        with _open(path) as file, bare.open("w", encoding="utf-8") as out:
            for _ in range(skip):
                file.readline()
            shutil.copyfileobj(file, out, 1 << 20)
        yield from _batches(sql(bare, 0))


def _ecsv(path: Path) -> Source:
    header, skip, quotes = _header(path)
    columns, picked, types = [], [], []
    for item in header["datatype"]:
        name, kind = str(item["name"]), str(item["datatype"])
        stored = _TYPES.get(kind, "VARCHAR")
        array = re.match(r"(\w+)\[([\d,]+|null)\]$", str(item.get("subtype", "")))
        if array and kind == "string" and array.group(1) in _TYPES:
            element = _TYPES[array.group(1)]
            picked.append(f'CAST("{_double(name)}" AS {element}[])')
            column = column_of(name, pa.list_(_arrow(element)))
            if re.fullmatch(r"\d+", array.group(2)):
                column = replace(column, arraysize=array.group(2))
            stored = "VARCHAR"
        else:
            picked.append(f'"{_double(name)}"')
            column = column_of(name, _arrow(stored))
        types.append(f"{_literal(name)}: {_literal(stored)}")
        columns.append(replace(column, **astropy_yaml.texts(item)))
    delimiter = str(header.get("delimiter", " "))

    def sql(path: Path, skip: int) -> str:
        return (
            f"SELECT {', '.join(picked)} FROM read_csv({_literal(str(path))}, delim={_literal(delimiter)}, "
            f"skip={skip}, header=true, quote='\"', escape='\"', nullstr='', allow_quoted_nulls=true, "
            f"columns={{{', '.join(types)}}}, auto_detect=false)"
        )

    def batches() -> Iterator[pa.RecordBatch]:
        return _bare_batches(path, skip, sql) if quotes else _batches(sql(path, skip))

    return Source(tuple(columns), batches, description=astropy_yaml.description(header))
