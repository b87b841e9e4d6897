"""FITS binary tables.

The header needs the number of rows, the widths of the strings and the nulls before the first row, so
the batches are first spooled to disk (as Arrow) and then converted; memory does not grow with the rows.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import IO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gateway.vo.columns import Column
from tap.formats.base import ResultInfo
from tap.formats.binary import BIG_ENDIAN, Bytes, fixed_length, padded, scalars
from tap.formats.cells import printable_ascii, string_bytes
from tap.formats.fitscards import card, cards_of_text, pad_block
from tap.formats.pipeline import in_order

CODES = {
    "boolean": "L",
    "unsignedByte": "B",
    "short": "I",
    "int": "J",
    "long": "K",
    "float": "E",
    "double": "D",
}
LONG_STRINGS = card("LONGSTRN", "OGIP 1.0", "long strings go on in CONTINUE cards")
RANGES = {
    "unsignedByte": (0, 255),
    **{name: (-(1 << bits), (1 << bits) - 1) for name, bits in (("short", 15), ("int", 31), ("long", 63))},
}


@dataclass
class Shape:
    """What the header says of a column, found while the rows are spooled."""

    column: Column
    heap: int = 0
    """Bytes of arrays of varying length."""
    width: int = 0
    """Longest string in bytes, or most elements of an array."""
    has_null: bool = False
    free: list[int] = field(default_factory=list)
    """Integers that do not occur and so can stand for null, the preferred one first."""

    def __post_init__(self) -> None:
        if self.column.datatype in RANGES and not self.is_array:
            low, high = RANGES[self.column.datatype]
            declared = [] if self.column.null is None else [self.column.null]
            self.free = [*declared, *((high, low) if low == 0 else (low, high)), *range(low + 1, low + 5)]

    def look(self, array: pa.Array) -> None:
        """Take note of a batch."""
        if self.is_text:
            longest = pc.max(pc.binary_length(printable_ascii(array))).as_py()
            self.width = max(self.width, longest or 0)
        elif self.is_array:
            self.width = max(self.width, pc.max(pc.list_value_length(array)).as_py() or 0)
            self.heap += len(_elements(array, self)) if self.in_heap else 0
        elif self.free:
            self.has_null = self.has_null or bool(array.null_count)
            limits = pc.min_max(array).as_py()
            if limits["min"] is not None:
                self.free = [
                    value
                    for value in self.free
                    if not (
                        limits["min"] <= value <= limits["max"] and pc.any(pc.equal(array, value)).as_py()
                    )
                ]

    @property
    def null(self) -> int | None:
        """TNULL, if there are nulls."""
        if not self.has_null:
            return None
        return self.free[0] if self.free else RANGES["short"][0]

    @property
    def datatype(self) -> str:
        """The column's type; bytes that leave no value for null are written as shorts."""
        full = self.has_null and not self.free and self.column.datatype == "unsignedByte"
        return "short" if full else self.column.datatype

    @property
    def repeat(self) -> int:
        return max(self.width, 1) if self.is_text or self.is_array else 1

    @property
    def in_heap(self) -> bool:
        """Arrays of varying length lie behind the table; the row has their length and place."""
        return self.is_array and fixed_length(self.column) is None

    @property
    def is_text(self) -> bool:
        return self.column.datatype in ("char", "unicodeChar")

    @property
    def is_array(self) -> bool:
        return not self.is_text and self.column.arraysize not in ("", "1")

    @property
    def bytes(self) -> int:
        if self.in_heap:
            return 16
        wide = self.datatype in BIG_ENDIAN
        return self.repeat * (np.dtype(BIG_ENDIAN[self.datatype]).itemsize if wide else 1)

    @property
    def tform(self) -> str:
        code = "A" if self.is_text else CODES[self.datatype]
        if self.in_heap:
            return f"1Q{code}({self.width})"
        return f"{self.repeat}{code}"


@dataclass(frozen=True)
class FITS:
    name: str = "fits"
    mime: str = "application/fits"
    extension: str = "fits"
    aliases: tuple[str, ...] = ("image/fits",)
    ivo_id: str = ""
    streams: bool = False

    def write(
        self, columns: Sequence[Column], batches: Iterable[pa.RecordBatch], info: ResultInfo
    ) -> Iterator[bytes]:
        shapes = [Shape(column) for column in columns]
        count = 0
        with tempfile.TemporaryFile() as spool:
            writer = None
            for batch in batches:
                if writer is None:
                    writer = pa.ipc.new_stream(spool, batch.schema)
                writer.write_batch(batch)
                count += batch.num_rows
                for shape, array in zip(shapes, batch.columns):
                    shape.look(array)
            if writer is not None:
                writer.close()
            heap = sum(shape.heap for shape in shapes)
            yield self._headers(shapes, count, heap, info)
            if writer is not None:
                yield from _data(spool, shapes)
            size = count * sum(shape.bytes for shape in shapes) + heap
            yield b"\0" * (-size % 2880)

    @staticmethod
    def _headers(shapes: Sequence[Shape], count: int, heap: int, info: ResultInfo) -> bytes:
        primary = [
            card("SIMPLE", True, "conforms to the FITS standard"),
            card("BITPIX", 8),
            card("NAXIS", 0),
            card("EXTEND", True),
            LONG_STRINGS,
            card("DATE", info.request_date.strftime("%Y-%m-%dT%H:%M:%S"), "when this file was made (UTC)"),
        ]
        if info.publisher:
            primary.append(card("ORIGIN", info.publisher))
        for name, value in info.facts():
            primary.extend(cards_of_text("HISTORY", f"{name}: {value}"))
        table = [
            card("XTENSION", "BINTABLE", "binary table"),
            card("BITPIX", 8),
            card("NAXIS", 2),
            card("NAXIS1", sum(shape.bytes for shape in shapes), "bytes per row"),
            card("NAXIS2", count, "rows"),
            card("PCOUNT", heap, "bytes of arrays behind the table"),
            card("GCOUNT", 1),
            card("TFIELDS", len(shapes), "columns"),
            card("EXTNAME", "RESULT"),
            LONG_STRINGS,
            card("TIMESYS", "UTC", "times are UTC unless a column says otherwise"),
            card("MJDREFI", 0, "times are Modified Julian Dates"),
            card("RADESYS", "ICRS", "positions are ICRS unless a column says otherwise"),
        ]
        for number, shape in enumerate(shapes, start=1):
            table.extend(_column_cards(number, shape))
        return pad_block(b"".join(primary)) + pad_block(b"".join(table))


def _column_cards(number: int, shape: Shape) -> list[bytes]:
    column = shape.column
    found = [card(f"TTYPE{number}", column.name), card(f"TFORM{number}", shape.tform)]
    if column.unit:
        found.append(card(f"TUNIT{number}", column.unit))
    if shape.null is not None:
        found.append(card(f"TNULL{number}", shape.null))
    if column.description:
        found.append(card(f"TCOMM{number}", column.description))
    if column.ucd:
        found.append(card(f"TUCD{number}", column.ucd))
    if column.utype:
        found.append(card(f"TUTYP{number}", column.utype))
    if column.xtype:
        found.append(card(f"TXTYP{number}", column.xtype))
    return found


def _cell_bytes(array: pa.Array, shape: Shape) -> Bytes:
    """(n, bytes) of one column."""
    count = len(array)
    if shape.is_text:
        offsets, data = string_bytes(printable_ascii(array))
        return padded(np.diff(offsets), data, shape.bytes)
    if shape.column.datatype == "boolean" and not shape.is_array:
        values = pc.fill_null(pc.if_else(array, 84, 70), 0)
        return values.to_numpy(zero_copy_only=False).astype(np.uint8).reshape(count, 1)
    if shape.is_array:
        return _array_bytes(array, shape)
    if shape.datatype != shape.column.datatype:
        array = pc.cast(array, pa.int16())
    values = scalars(array, shape.column, shape.null).astype(BIG_ENDIAN[shape.datatype])
    return np.ascontiguousarray(values).view(np.uint8).reshape(count, -1)


def _data(spool: IO[bytes], shapes: Sequence[Shape]) -> Iterator[bytes]:
    """The rows, then the arrays of varying length in the same order."""
    spool.seek(0)
    yield from in_order(
        lambda placed: _row_bytes(*placed, shapes), _placed(pa.ipc.open_stream(spool), shapes)
    )
    if any(shape.heap for shape in shapes):
        spool.seek(0)
        for batch in pa.ipc.open_stream(spool):
            for array, shape in zip(batch.columns, shapes):
                if shape.in_heap:
                    yield _elements(array, shape).tobytes()


def _placed(
    batches: Iterable[pa.RecordBatch], shapes: Sequence[Shape]
) -> Iterator[tuple[pa.RecordBatch, list[int]]]:
    """Each batch, and where in the heap the arrays of each of its columns begin."""
    place = 0
    for batch in batches:
        places = []
        for array, shape in zip(batch.columns, shapes):
            places.append(place)
            place += len(_elements(array, shape)) if shape.in_heap else 0
        yield batch, places


def _row_bytes(batch: pa.RecordBatch, places: Sequence[int], shapes: Sequence[Shape]) -> bytes:
    matrix = np.empty((batch.num_rows, sum(shape.bytes for shape in shapes)), np.uint8)
    start = 0
    for array, shape, place in zip(batch.columns, shapes, places):
        cells = _descriptors(array, shape, place) if shape.in_heap else _cell_bytes(array, shape)
        matrix[:, start : start + shape.bytes] = cells
        start += shape.bytes
    return matrix.tobytes()


def _elements(array: pa.Array, shape: Shape) -> Bytes:
    """The bytes of all arrays of a batch, one after the other."""
    if shape.datatype == "boolean":
        letters = pc.fill_null(pc.if_else(array.flatten(), 84, 70), 0)
        return letters.to_numpy(zero_copy_only=False).astype(np.uint8)
    values = scalars(array.flatten(), shape.column, None).astype(BIG_ENDIAN[shape.datatype])
    return np.ascontiguousarray(values).view(np.uint8)


def _descriptors(array: pa.Array, shape: Shape, place: int) -> Bytes:
    """Length and place in the heap of each array (FITS 4.0, section 7.3.5)."""
    lengths = pc.fill_null(pc.list_value_length(array), 0).to_numpy(zero_copy_only=False).astype(np.int64)
    size = 1 if shape.datatype == "boolean" else np.dtype(BIG_ENDIAN[shape.datatype]).itemsize
    starts = place + (np.cumsum(lengths) - lengths) * size
    return np.stack([lengths, starts], axis=1).astype(">i8").view(np.uint8).reshape(len(array), 16)


def _array_bytes(array: pa.Array, shape: Shape) -> Bytes:
    """Arrays padded to the longest, with NaN or zero."""
    count = len(array)
    dtype = np.dtype(BIG_ENDIAN[shape.column.datatype])
    lengths = pc.fill_null(pc.list_value_length(array), 0).to_numpy(zero_copy_only=False)
    block = np.full((count, shape.repeat), np.nan if dtype.kind == "f" else 0, dtype)
    block[np.arange(shape.repeat) < lengths[:, None]] = scalars(array.flatten(), shape.column, None)
    return block.view(np.uint8).reshape(count, -1)
