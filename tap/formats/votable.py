"""VOTable in its three serialisations, streamed."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pybase64

from gateway.vo import votable
from gateway.vo.columns import Column
from gateway.vo.errors import GatewayError
from tap.formats import binary
from tap.formats.base import ResultInfo
from tap.formats.cells import Numbers, escaped, lines, string_bytes, text
from tap.formats.pipeline import in_order

SMALLEST = {"short": -(1 << 15), "int": -(1 << 31), "long": -(1 << 63)}
WHOLE = ("unsignedByte", *SMALLEST)
NUMBERS = Numbers(nan="NaN", plus="+Inf", minus="-Inf", true="T", false="F")
MIME = "application/x-votable+xml"


@dataclass(frozen=True)
class VOTable:
    """A VOTable writer; `serialization` is TABLEDATA, BINARY or BINARY2."""

    name: str
    serialization: str
    mime: str
    aliases: tuple[str, ...]
    ivo_id: str
    version: str = votable.DEFAULT_VERSION
    extension: str = "vot"
    streams: bool = True

    def write(
        self, columns: Sequence[Column], batches: Iterable[pa.RecordBatch], info: ResultInfo
    ) -> Iterator[bytes]:
        """The document; an error between rows ends it with the INFO that DALI 1.1 (4.4) asks for."""
        if isinstance(batches, list):
            first = batches[0] if batches else None
            rest: Iterable[pa.RecordBatch] = batches
        else:
            rows = iter(batches)
            first = next(rows, None)
            rest = itertools.chain([] if first is None else [first], rows)
        columns, nulls = self._null_values(columns, first)
        yield self._head(columns, nulls, info).encode()
        status = ""
        encode: Any = self._encoder(columns, nulls)
        try:
            for prepared in in_order(encode.prepare, rest):
                yield from encode.write(prepared)
        except GatewayError as error:
            status = votable.info("QUERY_STATUS", "ERROR", str(error))
        else:
            if info.overflow():
                status = votable.info("QUERY_STATUS", "OVERFLOW", "The result was cut at MAXREC.")
        yield self._tail(encode, status, info)

    def _null_values(
        self, columns: Sequence[Column], first: pa.RecordBatch | None
    ) -> tuple[list[Column], list[int | None]]:
        """Which integer stands for null in each column.

        BINARY2 has flags and needs none.  Elsewhere it is the declared value or the smallest integer,
        unless the first rows hold that very number.  Bytes can spare no value: their nulls are empty cells in
        TABLEDATA (VOTable 1.3, section 5.1), in BINARY they become shorts.
        """
        described, nulls = [], []
        for number, column in enumerate(columns):
            null: int | None = None
            if self.serialization != "BINARY2" and column.datatype in WHOLE and binary.is_fixed_array(column):
                column = replace(column, arraysize="*")  # an empty array can stand for null
            if self.serialization != "BINARY2" and column.arraysize in ("", "1"):
                spare = column.datatype != "unsignedByte" or column.null is not None
                if not spare and self.serialization == "BINARY":
                    column, spare = replace(column, datatype="short"), True
                if spare and column.datatype in WHOLE:
                    values = None if first is None else first.column(number)
                    null = _unused(column, values)
            described.append(column)
            nulls.append(null)
        return described, nulls

    def _head(self, columns: Sequence[Column], nulls: Sequence[int | None], info: ResultInfo) -> str:
        facts = "".join(votable.info(name, value) for name, value in info.facts())
        systems, fields = _described(tuple(columns), tuple(nulls))
        opening = "<TABLEDATA>\n"
        if self.serialization != "TABLEDATA":
            opening = f'<{self.serialization}>\n<STREAM encoding="base64">\n'
        return (
            votable.head(self.version)
            + '<RESOURCE type="results">\n'
            + votable.info("QUERY_STATUS", "OK")
            + facts
            + systems
            + votable.Param(
                "request_time",
                f"{info.request_mjd:.8f}",
                "double",
                "",
                unit="d",
                ucd="time",
                ref="UTC",
                description="When the query was made (Modified Julian Date, UTC)",
            ).element()
            + f'<TABLE name="result">\n{fields}<DATA>\n{opening}'
        )

    def _encoder(self, columns: Sequence[Column], nulls: Sequence[int | None]) -> TableData | Base64:
        if self.serialization == "TABLEDATA":
            return TableData(columns, nulls)
        return Base64(columns, nulls, flags=self.serialization == "BINARY2")

    def _tail(self, encode: TableData | Base64, status: str, info: ResultInfo) -> bytes:
        end = (
            "</TABLEDATA>\n" if self.serialization == "TABLEDATA" else f"</STREAM>\n</{self.serialization}>\n"
        )
        return (
            encode.rest()
            + (
                f"{end}</DATA>\n</TABLE>\n{status}</RESOURCE>\n{''.join(info.resources)}{votable.TAIL}"
            ).encode()
        )


@lru_cache(maxsize=128)
def _described(columns: tuple[Column, ...], nulls: tuple[int | None, ...]) -> tuple[str, str]:
    """The coordinate systems and the FIELD elements of a table."""
    named = zip(columns, votable.field_ids(columns), nulls, strict=True)
    fields = "".join(votable.field(column, identifier, null=null) for column, identifier, null in named)
    return votable.systems(columns), fields


def _unused(column: Column, values: pa.Array | None) -> int:
    """An integer for null that the first rows do not hold."""
    null = column.null if column.null is not None else SMALLEST[column.datatype]
    while values is not None and _occurs(values, null):
        null += 1
    return null


def _occurs(values: pa.Array, number: int) -> bool:
    try:
        wanted = pa.scalar(number, values.type)
    except (OverflowError, pa.ArrowInvalid):  # no value of this type
        return False
    return bool(values.index(wanted).as_py() >= 0)


class TableData:
    """Batches as TR elements."""

    def __init__(self, columns: Sequence[Column], nulls: Sequence[int | None]) -> None:
        self.columns = columns
        self.nulls = ["" if null is None else str(null) for null in nulls]

    def prepare(self, batch: pa.RecordBatch) -> bytes:
        if batch.num_rows == 0 or batch.num_columns == 0:
            return b""
        # What stands between two rows ends each; too much of it at the end, and missing at the start.
        rows = lines(
            batch.columns, lambda place: self._cells(batch, place), "</TD><TD>", "</TD></TR>\n<TR><TD>"
        )
        _, data = string_bytes(rows)
        return b"".join((b"<TR><TD>", data[: -len(b"<TR><TD>")].data))

    def _cells(self, batch: pa.RecordBatch, place: int) -> pa.Array:
        """The text of one column."""
        written, column, null = text(batch.column(place), NUMBERS), self.columns[place], self.nulls[place]
        if column.datatype in ("char", "unicodeChar"):
            written = escaped(written, "?" if column.datatype == "char" else "\N{REPLACEMENT CHARACTER}")
        elif written.null_count and binary.is_fixed_array(column):
            null = " ".join([NUMBERS.nan] * (binary.fixed_length(column) or 0))
        return pc.fill_null(written, null) if written.null_count else written

    @staticmethod
    def write(prepared: bytes) -> Iterator[bytes]:
        if prepared:
            yield prepared

    def rest(self) -> bytes:
        return b""


class Base64:
    """Batches as base64 of binary rows; what does not fill three bytes waits for the next."""

    def __init__(self, columns: Sequence[Column], nulls: Sequence[int | None], *, flags: bool) -> None:
        self.columns, self.nulls, self.flags = columns, nulls, flags
        self.waiting = b""

    def prepare(self, batch: pa.RecordBatch) -> list[memoryview]:
        return list(binary.rows(self._widened(batch), self.columns, self.nulls, flags=self.flags))

    def write(self, prepared: list[memoryview]) -> Iterator[bytes]:
        for piece in prepared:
            missing = -len(self.waiting) % 3
            begun = self.waiting + bytes(piece[:missing])
            body = piece[missing:]
            cut = len(body) - len(body) % 3
            if len(begun) % 3:  # the piece was that short
                self.waiting = begun
                continue
            self.waiting = bytes(body[cut:])
            yield pybase64.b64encode(begun) + pybase64.b64encode(body[:cut]) + b"\n"

    def _widened(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Bytes as shorts, where null needs the room."""
        if not any(pa.types.is_uint8(array.type) for array in batch.columns):
            return batch
        arrays = [
            pc.cast(array, pa.int16())
            if column.datatype == "short" and pa.types.is_uint8(array.type)
            else array
            for array, column in zip(batch.columns, self.columns)
        ]
        return pa.RecordBatch.from_arrays(arrays, names=[f"c{number}" for number in range(len(arrays))])

    def rest(self) -> bytes:
        return pybase64.b64encode(self.waiting) + b"\n" if self.waiting else b""


def _variants() -> tuple[VOTable, ...]:
    prefix = "ivo://ivoa.net/std/TAPRegExt#output-votable"
    kinds = (
        (
            "votable/td",
            "TABLEDATA",
            f"{prefix}-td",
            ("votable_td", "text/xml", "application/xml", "tabledata"),
        ),
        ("votable/b", "BINARY", f"{prefix}-binary", ("votable_b", "votable/binary")),
        ("votable/b2", "BINARY2", f"{prefix}-binary2", ("votable/binary2",)),
    )
    return tuple(
        VOTable(name, kind, f"{MIME};serialization={kind}", aliases, ivo_id)
        for name, kind, ivo_id, aliases in kinds
    )


TABLEDATA, BINARY, BINARY2 = _variants()
