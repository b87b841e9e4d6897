"""FITS binary tables, a slice at a time."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from gateway.vo.columns import Column
from gateway.vo.errors import UsageError
from tap.arrowtypes import arrow_type, column_of, is_string
from tap.sources.base import ROWS, Source, numbered


def _table(hdus: Any) -> Any:
    from astropy.io import fits

    found = next((hdu for hdu in hdus if isinstance(hdu, fits.BinTableHDU | fits.TableHDU)), None)
    if found is None:
        raise UsageError("the file has no table extension.")
    return found


def _opened(given: Path | bytes) -> Any:
    from astropy.io import fits

    if isinstance(given, bytes):
        return fits.open(io.BytesIO(given), memmap=False, logical_as_bytes=True)
    return fits.open(given, memmap=True, logical_as_bytes=True)


def open_source(given: Path | bytes) -> Source:
    """The first table of a FITS file, or of one's content (compressed files are unpacked in memory)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _source(given)


def _source(given: Path | bytes) -> Source:
    with _opened(given) as hdus:
        hdu = _table(hdus)
        header = hdu.header
        columns = tuple(_column(hdu, number) for number in range(len(hdu.columns)))
        nulls = [item.null for item in hdu.columns]
        count = int(header["NAXIS2"])
        name = str(header.get("EXTNAME", ""))

    def batches() -> Iterator[pa.RecordBatch]:
        with warnings.catch_warnings(), _opened(given) as hdus:
            warnings.simplefilter("ignore")
            data = _table(hdus).data
            for start in range(0, count, ROWS):
                part = data[start : start + ROWS]
                yield numbered(
                    [
                        array_of(_stored(part, number, column), column, null)
                        for number, (column, null) in enumerate(zip(columns, nulls, strict=True))
                    ]
                )

    return Source(columns, batches, name=name, rows=count)


def _stored(part: Any, number: int, column: Column) -> Any:
    """The values of a column; logicals by their letters, since astropy takes what is unknown for false."""
    values = part.field(number)
    plain = np.asarray(part)
    if column.datatype == "boolean" and np.asarray(values).dtype.kind != "O":
        return plain[(plain.dtype.names or ())[number]]
    return values


def _column(hdu: Any, number: int) -> Column:
    """Metadata by the conventions of TOPCAT and CDS (TUCD, TUTYP, TXTYP, TCOMM) and the type of one row."""
    item, header = hdu.columns[number], hdu.header
    values = np.asarray(hdu.data[:1].field(number)) if len(hdu.data) else np.empty(0, item.dtype or "f8")
    key = number + 1
    described: dict[str, Any] = {
        "unit": str(item.unit or ""),
        "ucd": str(header.get(f"TUCD{key}", "")),
        "utype": str(header.get(f"TUTYP{key}", "")),
        "description": str(header.get(f"TCOMM{key}", "") or header.get(f"TDESC{key}", "")),
        "null": int(item.null) if item.null not in (None, "") and values.dtype.kind in "iu" else None,
    }
    xtype = str(header.get(f"TXTYP{key}", ""))
    logical = str(item.format).lstrip("0123456789").startswith("L")
    if logical:
        size = int(np.prod(values.shape[1:])) if values.ndim > 1 else 1
        return Column(item.name, "boolean", "" if size == 1 else str(size), xtype=xtype, **described)
    if values.dtype.kind in "SU":
        return Column(item.name, "char", "*", xtype=xtype, **described)
    if values.dtype.kind == "O":
        letter = str(item.format)[str(item.format).rfind("(") - 1] if "(" in str(item.format) else "D"
        kinds = {"L": "boolean", "B": "unsignedByte", "I": "short", "J": "int", "K": "long", "E": "float"}
        if letter == "A":
            return Column(item.name, "char", "*", xtype=xtype, **described)
        return Column(item.name, kinds.get(letter, "double"), "*", xtype=xtype, **described)
    if values.dtype.kind == "c":
        raise UsageError(f"column {item.name} holds complex numbers, which cannot be published.")
    scalar = column_of(item.name, pa.from_numpy_dtype(values.dtype.newbyteorder("=")))
    if values.ndim > 1:
        size = int(np.prod(values.shape[1:]))
        return replace(scalar, arraysize="" if size == 1 else str(size), xtype=xtype, **described)
    return replace(scalar, xtype=xtype, **described)


def array_of(values: Any, column: Column, null: object = None) -> pa.Array:
    """One column of astropy's as Arrow, in the type of `column`."""
    if is_string(column):
        texts = np.char.rstrip(np.asarray(values).astype(str))
        return pa.array(texts.tolist(), pa.string())
    target = arrow_type(column)
    plain = np.asarray(values)
    if column.datatype == "boolean":
        return _truth_values(plain, target)
    if pa.types.is_list(target):
        if plain.dtype.kind == "O":
            return pa.array([np.asarray(row).ravel().tolist() for row in plain], target)
        flat = plain.astype(plain.dtype.newbyteorder("=")).reshape(-1)
        size = flat.size // max(len(plain), 1)
        offsets = pa.array(np.arange(len(plain) + 1) * size, pa.int32())
        return pa.ListArray.from_arrays(offsets, pa.array(flat).cast(target.value_type))
    native = plain.astype(plain.dtype.newbyteorder("=")).reshape(len(plain))
    mask = native == null if null not in (None, "") and native.dtype.kind in "iu" else None
    return pa.array(native, mask=mask).cast(target)


def _truth_values(values: Any, target: pa.DataType) -> pa.Array:
    """Logicals by their letters: anything but T and F is unknown (FITS 4.0, section 7.3.3.1)."""

    def known(letters: Any) -> list[bool | None]:
        if letters.dtype.kind == "b":  # out of the heap
            return list(letters.ravel().tolist())
        codes = np.ascontiguousarray(letters).view(np.uint8).ravel().tolist()
        return [{84: True, 70: False}.get(code) for code in codes]

    if pa.types.is_list(target):
        return pa.array([known(row) for row in values], target)
    return pa.array(known(values), target)
