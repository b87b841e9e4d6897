"""Tables that come with a query (TAP 1.1, section 2.5): VOTable, FITS, Parquet, CSV or ECSV, made Arrow.

What a file says is not trusted: sizes are limited, documents with a DTD are refused, and so are
VOTables whose STREAM points elsewhere (astropy would fetch it).
"""

from __future__ import annotations

import io
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

import pyarrow as pa

from gateway.vo.columns import Column, Table
from gateway.vo.errors import TooLarge, UsageError
from tap.arrowtypes import (
    arrow_type,
    checked_timestamps,
    column_of,
    conform_array,
    is_string,
    is_timestamp,
)
from tap.fetching import fetch
from tap.names import REGULAR, RESERVED
from tap.service import UploadedTable
from tap.sources import votable
from tap.sources.base import Source

SCHEMA = "tap_upload"
INLINE = "param:"
MAX_UNPACKED = 512 << 20
"""Most bytes of a compressed table's values."""

__all__ = ["UploadLimits", "parse_parameter", "read_table", "read_uploads"]


@dataclass(frozen=True)
class UploadLimits:
    """Most rows and bytes of one table, and the hosts that URLs may name though they are private."""

    rows: int
    bytes: int
    trusted_hosts: tuple[str, ...] = ()


def parse_parameter(values: Sequence[str]) -> dict[str, str]:
    """UPLOAD's values as table name -> URI.

    Each value has one or more `name,uri` with semicolons between; UPLOAD may be repeated.

    Raises
    ------
    UsageError
        For a malformed pair, an impossible name, a name that is given twice.
    """
    found: dict[str, str] = {}
    for value in values:
        for pair in filter(None, (item.strip() for item in value.split(";"))):
            name, comma, uri = (part.strip() for part in pair.partition(","))
            if not comma or not uri:
                raise _fault(
                    "UPLOAD must be a table name, a comma and a URI.", "Write UPLOAD=name,param:part."
                )
            if name.lower().startswith(f"{SCHEMA}."):
                name = name[len(SCHEMA) + 1 :]
            if not REGULAR.match(name) or name.upper() in RESERVED:
                raise _fault(
                    f"{name[:60]!r} cannot be the name of an uploaded table.", "Use letters and digits."
                )
            if name.lower() in (known.lower() for known in found):
                raise _fault(f"Two uploaded tables are called {name}.", "Give each a name of its own.")
            found[name] = uri
    return found


def _fault(message: str, hint: str = "") -> UsageError:
    return UsageError(message, hint=hint, field="UPLOAD")


def read_uploads(
    values: Sequence[str], parts: Mapping[str, IO[bytes]], limits: UploadLimits
) -> tuple[UploadedTable, ...]:
    """The tables that UPLOAD names; `parts` are the parts of the request's body by name."""
    by_name = {name.lower(): file for name, file in parts.items()}
    tables = []
    for name, uri in parse_parameter(values).items():
        data = _inline(name, uri, by_name, limits) if uri.lower().startswith(INLINE) else None
        if data is None:
            data = fetch(uri, limits.bytes, trusted=limits.trusted_hosts)
        tables.append(read_table(name, data, limits))
    return tuple(tables)


def _inline(name: str, uri: str, parts: Mapping[str, IO[bytes]], limits: UploadLimits) -> bytes:
    """The bytes of a part of the request."""
    part = parts.get(uri[len(INLINE) :].lower())
    if part is None:
        raise _fault(f"The request has no part {uri[len(INLINE) :][:60]!r}, which UPLOAD refers to.")
    data = part.read(limits.bytes + 1)
    if len(data) > limits.bytes:
        raise TooLarge(f"The uploaded table {name} is larger than {limits.bytes} bytes.", field="UPLOAD")
    return data


def read_table(name: str, data: bytes, limits: UploadLimits) -> UploadedTable:
    """One uploaded table; the format is recognised by its first bytes.

    Raises
    ------
    UsageError
        If it is no table that can be read; the message says why.
    TooLarge
        If it has more rows than the limit.
    """
    try:
        columns, rows = _reader(data)(data)
    except Exception as error:  # parsers of foreign files fail in every way there is
        reason = re.sub(r"\s+", " ", str(error))[:300] or type(error).__name__
        raise _fault(f"The uploaded table {name} cannot be read: {reason}") from error
    if len(rows) > limits.rows:
        raise TooLarge(
            f"The uploaded table {name} has {len(rows)} rows; {limits.rows} is the limit.", field="UPLOAD"
        )
    columns = _distinct(columns)
    rows = rows.rename_columns([column.name for column in columns])
    for number, column in enumerate(columns):
        if is_timestamp(column):
            rows = rows.set_column(number, column.name, _timestamps(name, column, rows.column(number)))
    return UploadedTable(Table(SCHEMA, name, tuple(columns), nrows=len(rows)), rows)


def _timestamps(table: str, column: Column, values: pa.ChunkedArray) -> pa.ChunkedArray:
    try:
        chunks = [checked_timestamps(chunk) for chunk in values.chunks]
    except ValueError as error:
        raise _fault(f"The uploaded table {table}, column {column.name}: {error}.") from None
    return pa.chunked_array(chunks, values.type)


def _distinct(columns: Sequence[Column]) -> list[Column]:
    """Columns with names that differ in more than case, none of them empty."""
    taken: set[str] = set()
    found = []
    for number, column in enumerate(columns, start=1):
        base = name = column.name.strip() or f"col{number}"
        attempt = 1
        while name.lower() in taken:
            attempt += 1
            name = f"{base}_{attempt}"
        taken.add(name.lower())
        found.append(replace(column, name=name))
    return found


def _reader(data: bytes) -> Any:
    start = data[:512].lstrip(b"\xef\xbb\xbf \t\r\n")
    if not start:
        raise ValueError("it is empty.")
    if start.startswith(b"<"):
        return _from_votable
    if start.startswith(b"SIMPLE  ="):
        return _from_fits
    if start.startswith(b"PAR1"):
        return _from_parquet
    if start.startswith(b"# %ECSV"):
        return _from_ecsv
    if b"\0" in start:
        raise ValueError("it is neither VOTable, FITS, Parquet, CSV nor ECSV.")
    return _from_csv


def _from_votable(data: bytes) -> tuple[list[Column], pa.Table]:
    votable.safe(data)
    try:
        source = votable.parse(data)
        batches = list(source.batches())
    except votable.NotUsual:
        source = votable.from_astropy(data)
        batches = list(source.batches())
    names = [f"c{number}" for number in range(len(source.columns))]
    if batches:
        rows = pa.Table.from_batches(batches)
    else:
        rows = pa.schema(zip(names, map(arrow_type, source.columns), strict=True)).empty_table()
    columns = [
        votable.widened(column, array) for column, array in zip(source.columns, rows.columns, strict=True)
    ]
    return columns, rows


def _from_arrow(table: pa.Table) -> tuple[list[Column], pa.Table]:
    columns = [column_of(field.name, field.type) for field in table.schema]
    arrays = []
    for column, chunked in zip(columns, table.columns):
        if is_string(column) and pa.types.is_dictionary(chunked.type):
            chunked = chunked.cast(pa.string())
        chunks = [conform_array(chunk, column) for chunk in chunked.chunks]
        arrays.append(pa.chunked_array(chunks, arrow_type(column)))
    return columns, pa.Table.from_arrays(arrays, names=[f"c{number}" for number in range(len(arrays))])


def _from_csv(data: bytes) -> tuple[list[Column], pa.Table]:
    from pyarrow import csv

    options = csv.ConvertOptions(strings_can_be_null=True, quoted_strings_can_be_null=False)
    return _from_arrow(csv.read_csv(io.BytesIO(data), convert_options=options))


def _from_parquet(data: bytes) -> tuple[list[Column], pa.Table]:
    from tap.sources import parquet

    if parquet.unpacked_size(data) > MAX_UNPACKED:
        raise ValueError(f"it unpacks to more than {MAX_UNPACKED} bytes.")
    return _from_source(parquet.open_source(data))


def _from_fits(data: bytes) -> tuple[list[Column], pa.Table]:
    from tap.sources import fits

    return _from_source(fits.open_source(data))


def _from_ecsv(data: bytes) -> tuple[list[Column], pa.Table]:
    from tap.sources import text

    with tempfile.NamedTemporaryFile(suffix=".ecsv") as file:
        file.write(data)
        file.flush()
        return _from_source(text.open_source(Path(file.name)))


def _from_source(source: Source) -> tuple[list[Column], pa.Table]:
    """All rows of a source, in the Arrow types of its columns."""
    columns = list(source.columns)
    schema = pa.schema([(f"c{number}", arrow_type(column)) for number, column in enumerate(columns)])
    batches = [
        pa.RecordBatch.from_arrays(list(map(conform_array, batch.columns, columns)), schema=schema)
        for batch in source.batches()
    ]
    return columns, pa.Table.from_batches(batches, schema)
