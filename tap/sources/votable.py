"""VOTables: the usual ones by a reader of our own, everything else by astropy.

The usual ones are UTF-8 documents whose first TABLE is TABLEDATA without comments or attributes in its
rows, or BINARY or BINARY2 of numbers and texts of fixed length.  Their rows are cut out and converted
by columns; what is left of the document is parsed by lxml, so that it has to be well-formed.  Such a
document may be larger than memory; others are read whole.

What a file says is not trusted: a DTD is refused, and so is a STREAM that points elsewhere.
"""

from __future__ import annotations

import base64
import io
import mmap
import re
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from lxml import etree

from gateway.vo.columns import Column
from tap.arrowtypes import arrow_type, is_array, is_string
from tap.sources.base import ROWS, Source, numbered

__all__ = ["from_astropy", "open_source", "parse", "safe", "votable_column"]

Buffer = bytes | mmap.mmap
PIECE = 8 << 20
"""Bytes of rows that are converted at once."""
_MARK = b"<TABLEDATA/>"
_CELL = re.compile(r"<TD(?:\s*/>|>([^<]*)</TD\s*>)")
_REFERENCE = re.compile(r"&(?:#([0-9]+)|#x([0-9A-Fa-f]+)|(amp|lt|gt|quot|apos));|&")
_NAMED = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'"}
_TRUTH = {"t": True, "true": True, "1": True, "f": False, "false": False, "0": False, "?": None, "": None}
_BINARY = {
    "unsignedByte": ">u1",
    "short": ">i2",
    "int": ">i4",
    "long": ">i8",
    "float": ">f4",
    "double": ">f8",
    "boolean": "S1",
}


class NotUsual(Exception):
    """The document is not one of those that this reader takes."""


@dataclass(frozen=True)
class Field:
    """A FIELD: the column, and how it is stored."""

    column: Column
    datatype: str
    arraysize: str
    null: str = ""


def safe(data: Buffer) -> None:
    """Refuse what would make a parser read anything but this document.

    Raises
    ------
    ValueError
        For a DTD, an encoding with NUL bytes, or a STREAM with an href.
    """
    if b"\0" in data[:1024]:
        raise ValueError("its encoding is not UTF-8.")
    if data.find(b"<!DOCTYPE") >= 0 or data.find(b"<!ENTITY") >= 0:
        raise ValueError("it has a DTD, which is not accepted.")
    if data.find(b"STREAM") < 0 or data.find(b"href") < 0:
        return
    stream = io.BytesIO(data) if isinstance(data, bytes) else _rewound(data)
    events = etree.iterparse(
        stream, events=("start", "end"), resolve_entities=False, no_network=True, load_dtd=False
    )
    for event, node in events:
        if event == "end":
            node.clear()
        elif etree.QName(node).localname == "STREAM" and node.get("href") is not None:
            raise ValueError("its STREAM points to another file; the data must be in the document.")


def _rewound(data: mmap.mmap) -> mmap.mmap:
    data.seek(0)
    return data


def open_source(path: Path) -> Source:
    """A VOTable file."""
    with path.open("rb") as file:
        data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    safe(data)
    try:
        return parse(data)
    except NotUsual:
        return from_astropy(bytes(data))


def parse(data: Buffer) -> Source:
    """The first table of a usual VOTable; `safe` has been called.

    Raises
    ------
    NotUsual
        If it is not one of those; `from_astropy` may be able to read it.
    ValueError
        If it is no VOTable, or a value is not of its column's type.
    """
    declaration = re.match(rb"\s*<\?xml[^>]*encoding\s*=\s*[\"']([^\"']+)", data[:200])
    if declaration and declaration.group(1).lower() not in (b"utf-8", b"us-ascii", b"ascii"):
        raise NotUsual
    if data.find(b"<!--") >= 0 or data.find(b"<![CDATA[") >= 0:
        raise NotUsual
    opening = re.search(rb"<(TABLEDATA|BINARY2?)\s*>(\s*<STREAM([^>]*[^>/])?>)?", data)
    if opening is None:
        raise NotUsual
    kind = opening.group(1)
    tabular = kind == b"TABLEDATA"
    if tabular == bool(opening.group(2)) or (
        not tabular and b"base64" not in (opening.group(3) or b"").lower()
    ):
        raise NotUsual
    stop = data.find(b"</TABLEDATA" if tabular else b"</STREAM", opening.end())
    closing = re.compile(b"</" + kind + rb"\s*>").search(data, max(stop, 0))
    if stop < 0 or closing is None:
        raise ValueError("it ends before its data do.")
    fields, description, name = _outline(data[: opening.start()] + _MARK + data[closing.end() :])
    columns = tuple(field.column for field in fields)
    start = opening.end()
    if tabular:
        return Source(columns, lambda: _text_rows(data, start, stop, fields), name, description)
    layout = _layout(fields, flags=kind == b"BINARY2")
    return Source(columns, lambda: _binary_rows(data, start, stop, fields, layout), name, description)


def _outline(text: bytes) -> tuple[list[Field], str, str]:
    """Fields, description and name of the document's first TABLE, whose data are the mark."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        root = etree.fromstring(text, parser)
    except etree.XMLSyntaxError as error:
        raise ValueError(f"it is not well-formed XML ({error.msg}).") from None
    tables = root.iterfind(".//{*}TABLE")
    table = next(tables, None)
    if table is None or table.find("{*}DATA/{*}TABLEDATA") is None or table.get("ref"):
        raise NotUsual
    fields = [_field(node) for node in table.iterfind("{*}FIELD")]
    if not fields:
        raise ValueError("its TABLE has no FIELD.")
    description = " ".join((table.findtext("{*}DESCRIPTION") or "").split())
    return fields, description, table.get("name") or ""


def _field(node: Any) -> Field:
    datatype, arraysize = node.get("datatype") or "", (node.get("arraysize") or "").strip()
    known = datatype in _BINARY or datatype in ("char", "unicodeChar")
    text = datatype in ("char", "unicodeChar")
    if not known or (text and "x" in arraysize) or (datatype == "boolean" and arraysize not in ("", "1")):
        raise NotUsual
    values = node.find("{*}VALUES")
    column = Column(
        name=node.get("name") or node.get("ID") or "",
        datatype="char" if text else datatype,
        arraysize="*" if text else ("" if arraysize == "1" else arraysize),
        xtype=node.get("xtype") or "",
        unit=node.get("unit") or "",
        ucd=node.get("ucd") or "",
        utype=node.get("utype") or "",
        description=" ".join((node.findtext("{*}DESCRIPTION") or "").split()),
    )
    return Field(column, datatype, arraysize, (values.get("null") or "") if values is not None else "")


def _text_rows(data: Buffer, start: int, stop: int, fields: list[Field]) -> Iterator[pa.RecordBatch]:
    """TABLEDATA between two places of the document, some megabytes at a time."""
    row = 0
    while start < stop:
        end = stop
        if stop - start > PIECE:
            end = data.rfind(b"</TR>", start, start + PIECE) + 5
            if end < 5:
                raise NotUsual
        cells = _cells(data[start:end].decode("utf-8"), len(fields))
        arrays = [_array(cells[number :: len(fields)], field, row) for number, field in enumerate(fields)]
        if len(arrays[0]):
            yield numbered(arrays)
        row += len(arrays[0])
        start = end


def _cells(text: str, width: int) -> list[str]:
    """All cells of some rows; everything between them has to be what belongs there."""
    cells: list[str] = _CELL.findall(text)
    rest = "".join(_CELL.sub("\0", text).split())
    count = len(cells) // width
    if rest != f"<TR>{chr(0) * width}</TR>" * count:
        raise NotUsual
    return [_resolved(cell) for cell in cells] if "&" in text else cells


def _resolved(cell: str) -> str:
    """A cell with its character references replaced."""

    def character(found: re.Match[str]) -> str:
        decimal, hexadecimal, name = found.groups()
        if name:
            return _NAMED[name]
        if not decimal and not hexadecimal:
            raise ValueError("it is not well-formed XML (an & that begins no reference).")
        return chr(int(decimal) if decimal else int(hexadecimal, 16))

    return _REFERENCE.sub(character, cell) if "&" in cell else cell


def _array(cells: list[str], field: Field, first: int) -> pa.Array:
    """Cells of one column as Arrow."""
    column = field.column
    if is_string(column):
        return pa.array([cell or None for cell in cells], pa.string())
    convert = _CONVERT.get(column.datatype, _integer)
    target = arrow_type(column)
    if is_array(column):
        missing = "nan" if convert is float else "?"
        rows: list[Any] = [
            None if not cell.strip() else [convert(missing if item == "?" else item) for item in cell.split()]
            for cell in cells
        ]
        return pa.array(rows, target)
    if convert is float:
        try:
            return pa.array(np.array(cells, dtype=np.float64)).cast(target, safe=False)
        except ValueError:
            pass  # empty cells, or a bad one that the slow way names
    null = field.null.strip()
    if convert is _integer and not null:
        try:
            return pa.array(list(map(int, cells)), target)
        except (ValueError, OverflowError, pa.ArrowException):
            pass  # as above, or hexadecimal
    found: list[Any] = []
    for number, cell in enumerate(cells, start=first + 1):
        text = cell.strip()
        if text == "" or (null and text == null):
            found.append(None)
            continue
        try:
            found.append(convert(text))
        except (ValueError, KeyError):
            raise ValueError(
                f"row {number}, column {column.name}: {text[:40]!r} is no {column.datatype}."
            ) from None
    try:
        return (
            pa.array(found, pa.float64()).cast(target, safe=False)
            if convert is float
            else pa.array(found, target)
        )
    except (pa.ArrowException, OverflowError):
        raise ValueError(f"column {column.name} has a number that does not fit {column.datatype}.") from None


def _integer(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        if text.lower().startswith(("0x", "+0x", "-0x")):
            return int(text, 16)
        raise


def _truth(text: str) -> bool | None:
    return _TRUTH[text.lower()]


_CONVERT: dict[str, Callable[[str], Any]] = {"float": float, "double": float, "boolean": _truth}


@dataclass(frozen=True)
class Layout:
    """Bytes of a binary row."""

    flags: int
    dtype: np.dtype[Any]


def _layout(fields: list[Field], *, flags: bool) -> Layout:
    bits = (len(fields) + 7) // 8 if flags else 0
    parts: list[Any] = [("flags", "u1", (bits,))] if bits else []
    for number, field in enumerate(fields):
        size = field.arraysize or "1"
        if not size.isdigit():
            raise NotUsual
        if field.datatype == "char":
            parts.append((f"f{number}", f"S{size}"))
        elif field.datatype in _BINARY and size == "1":
            parts.append((f"f{number}", _BINARY[field.datatype]))
        else:
            raise NotUsual
    return Layout(bits, np.dtype(parts))


def _binary_rows(
    data: Buffer, start: int, stop: int, fields: list[Field], layout: Layout
) -> Iterator[pa.RecordBatch]:
    """The rows of a base64 STREAM, some megabytes at a time."""
    letters, rest = b"", b""
    size = layout.dtype.itemsize
    while start < stop or letters:
        end = min(start + PIECE, stop)
        letters += b"".join(data[start:end].split())
        start = end
        cut = len(letters) if start >= stop else len(letters) - len(letters) % 4
        rest += base64.b64decode(letters[:cut], validate=True)
        letters = letters[cut:]
        whole = len(rest) - len(rest) % size
        for place in range(0, whole, ROWS * size):
            part = rest[place : min(place + ROWS * size, whole)]
            rows = np.frombuffer(part, layout.dtype)
            yield numbered([_binary_array(rows, number, field) for number, field in enumerate(fields)])
        rest = rest[whole:]
    if rest:
        raise ValueError("its STREAM ends in the middle of a row.")


def _binary_array(rows: np.ndarray[Any, Any], number: int, field: Field) -> pa.Array:
    values = rows[f"f{number}"]
    mask = None
    if "flags" in (rows.dtype.names or ()):
        mask = (rows["flags"][:, number // 8] & (0x80 >> number % 8)) != 0
    if field.datatype == "char":
        texts = [value.decode("utf-8", "replace") for value in values.tolist()]
        if mask is None:
            return pa.array([text or None for text in texts], pa.string())
        return pa.array(texts, pa.string(), mask=mask)
    if field.datatype == "boolean":
        known = [_TRUTH.get(value.decode("latin-1").strip().lower()) for value in values.tolist()]
        return pa.array(known, pa.bool_(), mask=mask)
    native = values.astype(values.dtype.newbyteorder("="))
    if field.null and native.dtype.kind in "iu":
        named = native == int(field.null, 0)
        mask = named if mask is None else mask | named
    return pa.array(native, mask=mask)


def votable_column(field: Any) -> Column:
    """A column from a FIELD of astropy's."""
    datatype = _STORED.get(field.datatype, field.datatype)
    return Column(
        name=field.name or field.ID or "",
        datatype=datatype,
        arraysize="*" if datatype == "char" else str(field.arraysize or ""),
        xtype=field.xtype or "",
        unit=str(field.unit or ""),
        ucd=field.ucd or "",
        utype=field.utype or "",
        description=" ".join((field.description or "").split()),
    )


_STORED = {"bit": "boolean", "unicodeChar": "char", "floatComplex": "char", "doubleComplex": "char"}
"""VOTable types that are stored as others."""


def from_astropy(data: bytes) -> Source:
    """The first table of any VOTable, read whole; `safe` has been called."""
    from astropy.io.votable import parse as parse_document

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        document = parse_document(io.BytesIO(data), verify="ignore")
    table = next(document.iter_tables(), None)
    if table is None:
        raise ValueError("the document has no TABLE.")
    columns, arrays = [], []
    for field, name in zip(table.fields, table.array.dtype.names or (), strict=False):
        column, array = _astropy_array(votable_column(field), table.array[name])
        columns.append(column)
        arrays.append(array)
    batch = numbered(arrays)
    return Source(
        tuple(columns),
        lambda: iter((batch,)),
        table.name or "",
        " ".join((table.description or "").split()),
        batch.num_rows,
    )


def _astropy_array(column: Column, values: np.ma.MaskedArray[Any, Any]) -> tuple[Column, pa.Array]:
    """One column of astropy's as Arrow."""
    if is_string(column):
        texts = [None if value is None or value is np.ma.masked else _text(value) for value in values]
        return column, pa.array(texts, pa.string())
    target = arrow_type(column)
    if pa.types.is_list(target):
        return column, pa.array([None if value is None else _elements(value) for value in values], target)
    mask = np.ma.getmaskarray(values)
    plain = np.ma.getdata(values)
    if mask.ndim > 1:
        plain, mask = plain.reshape(len(values)), mask.reshape(len(values))
    return column, pa.array(plain.astype(target.to_pandas_dtype()), target, mask=mask)


def _elements(value: Any) -> list[Any]:
    """The elements of an array cell. astropy masks NaN, which is a number like any other here."""
    data = np.ma.getdata(value).ravel()
    if data.dtype.kind == "f":
        return data.tolist()  # type: ignore[no-any-return]
    mask = np.ma.getmaskarray(value).ravel()
    return [None if hidden else item for item, hidden in zip(data.tolist(), mask.tolist())]


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def widened(column: Column, array: pa.Array | pa.ChunkedArray) -> Column:
    """`char` holds ASCII alone."""
    import pyarrow.compute as pc

    if column.datatype == "char" and pc.all(pc.string_is_ascii(array)).as_py() is False:
        return replace(column, datatype="unicodeChar")
    return column
