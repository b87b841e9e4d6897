"""Rows of VOTable's BINARY and BINARY2 serialisations, whole batches at a time (VOTable 1.4, section 6).

A batch becomes a matrix of bytes, one row of the table per row of the matrix, in which strings and
variable arrays are padded to the batch's longest; the padding is then cut out by one boolean mask.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from gateway.vo.columns import Column
from tap.formats.cells import string_bytes, to_ascii

Bytes = npt.NDArray[np.uint8]

PADDED_LIMIT = 32 << 20
"""Bytes of one matrix; batches with longer padded rows are halved."""

BIG_ENDIAN = {
    "unsignedByte": ">u1",
    "short": ">i2",
    "int": ">i4",
    "long": ">i8",
    "float": ">f4",
    "double": ">f8",
}


@dataclass(frozen=True)
class Part:
    """The bytes of one column: `fixed` (n, width), then `lengths[i]` bytes of `data` for row i."""

    fixed: Bytes
    lengths: npt.NDArray[np.int64] | None = None
    data: Bytes | None = None

    @property
    def padded(self) -> int:
        """Bytes per row in the matrix."""
        longest = int(self.lengths.max()) if self.lengths is not None and len(self.lengths) else 0
        return self.fixed.shape[1] + longest


def rows(
    batch: pa.RecordBatch, columns: Sequence[Column], nulls: Sequence[int | None], *, flags: bool
) -> Iterator[memoryview]:
    """The bytes of a batch, in pieces.

    Parameters
    ----------
    nulls
        For each column the integer that stands for null, where there is one.
    flags
        Whether each row begins with null flags (BINARY2).
    """
    count = batch.num_rows
    if count == 0:
        return
    parts = [_part(array, column, null) for array, column, null in zip(batch.columns, columns, nulls)]
    if flags:
        parts.insert(0, Part(_flags(batch)))
    width = sum(part.padded for part in parts)
    if width * count > PADDED_LIMIT and count > 1:
        half = count // 2
        yield from rows(batch.slice(0, half), columns, nulls, flags=flags)
        yield from rows(batch.slice(half), columns, nulls, flags=flags)
        return
    yield _matrix(parts, count, width)


def _matrix(parts: Sequence[Part], count: int, width: int) -> memoryview:
    matrix = np.empty((count, width), np.uint8)
    keep: npt.NDArray[np.bool_] | None = None
    place = 0
    for part in parts:
        fixed = part.fixed.shape[1]
        matrix[:, place : place + fixed] = part.fixed
        place += fixed
        if part.lengths is None or part.data is None:
            continue
        longest = part.padded - fixed
        target = matrix[:, place : place + longest]
        if longest and int(part.lengths.min()) == longest:
            target[:] = part.data.reshape(count, longest)
        elif longest:
            present = np.arange(longest) < part.lengths[:, None]
            block = np.zeros((count, longest), np.uint8)
            block[present] = part.data
            target[:] = block
            if keep is None:
                keep = np.ones((count, width), np.bool_)
            keep[:, place : place + longest] = present
        place += longest
    return (matrix.reshape(-1) if keep is None else matrix[keep]).data


def _flags(batch: pa.RecordBatch) -> Bytes:
    """Null flags: the most significant bit of the first byte is the first column."""
    flags = np.zeros((batch.num_rows, -(-batch.num_columns // 8)), np.uint8)
    for number, array in enumerate(batch.columns):
        if array.null_count:
            missing = pc.is_null(array).to_numpy(zero_copy_only=False).view(np.uint8)
            flags[:, number // 8] |= missing << (7 - number % 8)
    return flags


def _view(values: npt.NDArray[np.generic], count: int) -> Bytes:
    """Contiguous values as (count, bytes per row)."""
    contiguous = np.ascontiguousarray(values)
    return contiguous.view(np.uint8).reshape(count, -1)


def _part(array: pa.Array, column: Column, null: int | None) -> Part:
    count = len(array)
    if column.datatype in ("char", "unicodeChar"):
        return _string(array, column)
    if pa.types.is_list(array.type):
        return _list(array, column)
    if column.datatype == "boolean":
        return Part(_truth(array).reshape(count, 1))
    return Part(_view(scalars(array, column, null).astype(BIG_ENDIAN[column.datatype]), count))


def _truth(array: pa.Array) -> Bytes:
    """T, F and ? of truth values."""
    letters = pc.fill_null(pc.if_else(array, 84, 70), 63)
    return letters.to_numpy(zero_copy_only=False).astype(np.uint8)


def scalars(array: pa.Array, column: Column, null: int | None) -> npt.NDArray[np.generic]:
    """Numbers of a column, with NaN or `null` (else 0) where they are missing."""
    if array.null_count:
        missing = float("nan") if column.datatype in ("float", "double") else (null or 0)
        array = pc.fill_null(array, pa.scalar(missing, array.type))
    values: npt.NDArray[np.generic] = array.to_numpy(zero_copy_only=False)
    return values


def fixed_length(column: Column) -> int | None:
    """Number of elements if the arraysize is a fixed one ('' is one character)."""
    if column.arraysize == "":
        return 1
    sizes = column.arraysize.split("x")
    return int(np.prod([int(size) for size in sizes])) if all(map(str.isdigit, sizes)) else None


def _string(array: pa.Array, column: Column) -> Part:
    count = len(array)
    if column.datatype == "char":
        offsets, data = string_bytes(to_ascii(array))
        unit = 1
    else:
        offsets, data = utf16(array)
        unit = 2
    lengths = np.diff(offsets)
    fixed = fixed_length(column)
    if fixed is not None:
        return Part(padded(lengths, data, fixed * unit))
    return Part(_view((lengths // unit).astype(">i4"), count), lengths, data)


def padded(lengths: npt.NDArray[np.int64], data: Bytes, width: int) -> Bytes:
    """Strings as (n, width), cut or filled with NUL."""
    if len(lengths) and int(lengths.min()) == int(lengths.max()) == width:
        return data.reshape(len(lengths), width)
    ends = np.cumsum(lengths)
    block = np.zeros((len(lengths), width), np.uint8)
    kept = np.minimum(lengths, width)
    present = np.arange(width) < kept[:, None]
    if len(data):
        source = (ends - lengths)[:, None] + np.arange(width)
        block[present] = data[source[present]]
    return block


def utf16(array: pa.Array) -> tuple[npt.NDArray[np.int64], Bytes]:
    """Offsets and bytes of strings as UTF-16, big-endian, without a byte order mark."""
    offsets, data = string_bytes(array)
    if not (data & 0x80).any():
        wide = np.zeros((len(data), 2), np.uint8)
        wide[:, 1] = data
        return offsets * 2, wide.reshape(-1)
    # Units per UTF-8 byte: one for each leading byte, two where a surrogate pair follows from it.
    units = ((data & 0xC0) != 0x80).astype(np.int64) + (data >= 0xF0)
    counted = np.concatenate([[0], np.cumsum(units)])
    encoded = data.tobytes().decode("utf-8").encode("utf-16-be")
    return counted[offsets] * 2, np.frombuffer(encoded, np.uint8)


def _list(array: pa.Array, column: Column) -> Part:
    count = len(array)
    lengths = pc.fill_null(pc.list_value_length(array), 0).to_numpy(zero_copy_only=False).astype(np.int64)
    dtype = np.dtype(BIG_ENDIAN.get(column.datatype, "u1"))
    flat = array.flatten()
    elements = _truth(flat) if column.datatype == "boolean" else scalars(flat, column, None).astype(dtype)
    data = np.ascontiguousarray(elements).view(np.uint8)
    fixed = fixed_length(column)
    if fixed is None:
        return Part(_view(lengths.astype(">i4"), count), lengths * dtype.itemsize, data)
    if len(elements) == fixed * count:
        return Part(data.reshape(count, -1))
    missing = np.nan if dtype.kind == "f" else ord("?") if column.datatype == "boolean" else 0
    block = np.full((count, fixed), missing, dtype)
    present = np.arange(fixed) < np.minimum(lengths, fixed)[:, None]
    starts = np.cumsum(lengths) - lengths
    block[present] = elements[(starts[:, None] + np.arange(fixed))[present]]
    return Part(_view(block, count))


def is_fixed_array(column: Column) -> bool:
    """Whether every value is the same number of numbers, more than one."""
    if column.datatype in ("char", "unicodeChar") or column.arraysize in ("", "1"):
        return False
    return fixed_length(column) is not None
