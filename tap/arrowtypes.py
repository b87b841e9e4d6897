"""VOTable datatypes and Arrow types: which stands for which, and how data are made to fit their metadata."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from functools import lru_cache

import pyarrow as pa
import pyarrow.compute as pc

from gateway.vo.columns import Column

__all__ = [
    "arrow_type",
    "checked_timestamps",
    "column_of",
    "conform",
    "conform_array",
    "is_timestamp",
    "reconcile",
    "reconcile_schema",
]

SCALARS: dict[str, pa.DataType] = {
    "boolean": pa.bool_(),
    "unsignedByte": pa.uint8(),
    "short": pa.int16(),
    "int": pa.int32(),
    "long": pa.int64(),
    "float": pa.float32(),
    "double": pa.float64(),
}
NAMES = {arrow: name for name, arrow in SCALARS.items()}
# Smallest VOTable type that holds every value of an Arrow type VOTable does not have.
WIDENED: dict[pa.DataType, str] = {
    pa.int8(): "short",
    pa.uint16(): "int",
    pa.uint32(): "long",
    pa.uint64(): "double",
    pa.float16(): "float",
    pa.null(): "char",
}
# A declared type on the left holds all values of those on the right.
HOLDS: dict[str, frozenset[str]] = {
    "boolean": frozenset(),
    "unsignedByte": frozenset(),
    "short": frozenset({"unsignedByte"}),
    "int": frozenset({"unsignedByte", "short"}),
    "long": frozenset({"unsignedByte", "short", "int"}),
    "float": frozenset({"unsignedByte", "short"}),
    "double": frozenset({"unsignedByte", "short", "int", "long", "float"}),
}


def is_string(column: Column) -> bool:
    return column.datatype in ("char", "unicodeChar")


def arrow_type(column: Column) -> pa.DataType:
    """The Arrow type in which the values of `column` travel: strings, scalars or lists of scalars."""
    if is_string(column):
        return pa.string()
    scalar = SCALARS[column.datatype]
    return pa.list_(scalar) if is_array(column) else scalar


def is_array(column: Column) -> bool:
    """Whether a value is more than one number (an arraysize of 1 is a scalar)."""
    return not is_string(column) and column.arraysize not in ("", "1")


def _votable_name(arrow: pa.DataType) -> str:
    if arrow in NAMES:
        return NAMES[arrow]
    if pa.types.is_decimal(arrow):
        return "long" if arrow.scale == 0 and arrow.precision <= 18 else "double"
    return WIDENED.get(arrow, "char")


def column_of(name: str, arrow: pa.DataType) -> Column:
    """Metadata of a column of which nothing but its Arrow type is known."""
    if pa.types.is_list(arrow) or pa.types.is_large_list(arrow) or pa.types.is_fixed_size_list(arrow):
        size = str(arrow.list_size) if pa.types.is_fixed_size_list(arrow) else "*"
        return Column(name, _votable_name(arrow.value_type), arraysize=size)
    if pa.types.is_timestamp(arrow) or pa.types.is_date(arrow):
        return Column(name, "char", arraysize="*", xtype="timestamp")
    datatype = _votable_name(arrow)
    return Column(name, datatype, arraysize="*" if datatype == "char" else "")


def reconcile(column: Column, arrow: pa.DataType) -> Column:
    """`column` with a datatype that holds what an engine really delivers.

    A declared type that is wide enough stays, so that a column of floats stays one whatever the engine
    computes in; one that is too narrow gives way.
    """
    actual = column_of(column.name, arrow)
    if arrow == arrow_type(column) or pa.types.is_null(arrow):
        return column
    if is_string(column):
        return (
            column if is_string(actual) else replace(column, datatype=actual.datatype, arraysize="", xtype="")
        )
    if is_string(actual):
        return replace(column, datatype="char", arraysize="*", null=None)
    if actual.datatype == column.datatype or actual.datatype in HOLDS[column.datatype]:
        return column
    if column.datatype == "float" and actual.datatype == "double":
        return column  # single precision was declared; engines compute in double
    if column.datatype == "unsignedByte" and actual.datatype == "short":
        return column  # PostgreSQL has no smaller integers
    return replace(column, datatype=actual.datatype, null=None)


@lru_cache(maxsize=256)
def schema_of(columns: tuple[Column, ...]) -> pa.Schema:
    """The Arrow schema of a result."""
    return pa.schema([pa.field(column.name, arrow_type(column)) for column in columns])


def reconcile_schema(columns: Sequence[Column], schema: pa.Schema) -> tuple[Column, ...]:
    """`reconcile` for every column of a result."""
    if len(columns) != len(schema):
        raise ValueError(f"{len(columns)} columns are described, {len(schema)} delivered")
    if schema.equals(schema_of(tuple(columns))):
        return tuple(columns)
    return tuple(reconcile(column, item.type) for column, item in zip(columns, schema, strict=True))


def _timestamps(array: pa.Array) -> pa.Array:
    """DALI timestamps (ISO 8601 in UTC without a zone), fractions only where there are any."""
    naive = pc.cast(array, pa.timestamp(array.type.unit))  # from a zoned type: the instant in UTC
    text = pc.strftime(naive, format="%Y-%m-%dT%H:%M:%S")
    return pc.replace_substring_regex(text, pattern=r"\.0+$|(\.[0-9]*?[1-9])0+$", replacement=r"\1")


_TIMESTAMP = r"^.{10}([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]*)?)?)?[Zz]?$"


def is_timestamp(column: Column) -> bool:
    """Whether the column's strings are DALI timestamps."""
    return is_string(column) and column.xtype in ("timestamp", "adql:timestamp")


def checked_timestamps(array: pa.Array) -> pa.Array:
    """Strings of a column of timestamps without blanks round them; an empty one is missing, as it is in a VOTable.

    Engines read these strings when a query asks: one that is no timestamp would fail every query of the column.

    Raises
    ------
    ValueError
        With the first string that is none.
    """
    array = pc.utf8_trim_whitespace(array)
    array = pc.if_else(pc.equal(array, ""), pa.scalar(None, array.type), array)
    fits = pc.match_substring_regex(array, _TIMESTAMP)
    moment = pc.utf8_slice_codeunits(pc.utf8_rtrim(array, "Zz"), 0, 19)
    try:
        if pc.all(fits).as_py() in (True, None):
            pc.cast(moment, pa.timestamp("s"))
            return array
    except pa.ArrowInvalid:
        pass
    for value in array.to_pylist():
        if value is not None and not _is_moment(value):
            raise ValueError(f"{value[:40]!r} is no timestamp of the form YYYY-MM-DDThh:mm:ss")
    return array


def _is_moment(text: str) -> bool:
    try:
        datetime.fromisoformat(text.rstrip("Zz")[:19])
    except ValueError:
        return False
    return re.match(_TIMESTAMP, text) is not None


def conform_array(array: pa.Array, column: Column) -> pa.Array:
    """`array` in the Arrow type of `column`.

    Raises
    ------
    pyarrow.ArrowInvalid
        If a value does not fit the declared type.
    """
    target = arrow_type(column)
    source = array.type
    if source == target:
        return array
    if pa.types.is_date(source):
        array = pc.cast(array, pa.timestamp("s"))
        return _timestamps(array)
    if pa.types.is_timestamp(source):
        return _timestamps(array)
    if pa.types.is_floating(source) and target == pa.float32():
        return pc.cast(array, target, safe=False)
    if pa.types.is_integer(source) and pa.types.is_floating(target):
        return pc.cast(array, target, safe=False)  # 64-bit integers round to the nearest double
    if pa.types.is_boolean(source) and pa.types.is_integer(target):
        return pc.cast(array, target)
    if pa.types.is_decimal(source) and pa.types.is_floating(target):
        return pc.cast(pc.cast(array, pa.float64()), target, safe=False)
    return pc.cast(array, target)


def conform(batch: pa.RecordBatch, columns: Sequence[Column]) -> pa.RecordBatch:
    """A record batch whose arrays have exactly the types of `columns`."""
    schema = schema_of(tuple(columns))
    if batch.schema.equals(schema):
        return batch
    arrays = [conform_array(array, column) for array, column in zip(batch.columns, columns, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)
