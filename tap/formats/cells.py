"""Values as text, whole Arrow columns at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa
import pyarrow.compute as pc

CONTROL = r"[\x00-\x08\x0b\x0c\x0e-\x1f]|\x{FFFE}|\x{FFFF}"
"""What XML 1.0 cannot hold, for RE2."""


@dataclass(frozen=True)
class Numbers:
    """How a format spells numbers that have no digits, and truth values."""

    nan: str = "NaN"
    plus: str = "Infinity"
    minus: str = "-Infinity"
    true: str = "true"
    false: str = "false"


PLAIN = Numbers()
FEW = 512
"""Rows up to which calling Arrow takes longer than what it does."""


def matches(array: pa.Array, pattern: str) -> bool:
    """Whether any value of a string column matches an RE2 pattern."""
    return bool(pc.any(pc.match_substring_regex(array, pattern)).as_py())


def holds(array: pa.Array, characters: bytes) -> bool:
    """Whether any value of a string column has one of some ASCII characters."""
    _, data = string_bytes(array)
    body = data.tobytes()
    return any(bytes([character]) in body for character in characters)


def _printable(array: pa.Array) -> bool:
    """Whether all characters of a string column are ASCII and not control characters."""
    _, data = string_bytes(array)
    return not len(data) or (int(data.min()) >= 32 and int(data.max()) < 127)


def text(array: pa.Array, numbers: Numbers = PLAIN) -> pa.Array:
    """Any column as strings; nulls stay null.  Numbers are the shortest that read back equal."""
    kind = array.type
    if pa.types.is_string(kind):
        return array
    if pa.types.is_boolean(kind):
        return pc.if_else(array, numbers.true, numbers.false)
    if pa.types.is_list(kind):
        return _joined(array, numbers)
    if pa.types.is_float64(kind) or pa.types.is_float32(kind):
        return _spell_out(array, _digits(array), numbers)
    result = pc.cast(array, pa.string())
    return _spell_out(array, result, numbers) if pa.types.is_floating(kind) else result


def _digits(array: pa.Array) -> pa.Array:
    """Floating-point numbers as text; those that have no digits as `null`, those that are null stay so."""
    if not len(array):
        return pa.array([], pa.string())
    written = orjson.dumps(
        np.ascontiguousarray(array.to_numpy(zero_copy_only=False)), option=orjson.OPT_SERIALIZE_NUMPY
    )
    # [a,b,c]: a value ends where a comma stands, less the bracket and the commas before.
    commas = np.flatnonzero(np.frombuffer(written, np.uint8) == ord(","))
    ends = np.zeros(len(array) + 1, np.int32)
    ends[1:-1] = commas - np.arange(1, len(array))
    ends[-1] = len(written) - len(array) - 1
    body = written.translate(None, b"[],")
    texts = pa.StringArray.from_buffers(len(array), pa.py_buffer(ends), pa.py_buffer(body))
    return pc.if_else(pc.is_valid(array), texts, pa.scalar(None, pa.string())) if array.null_count else texts


def texts(arrays: Sequence[pa.Array], numbers: Numbers = PLAIN) -> list[pa.Array]:
    """`text` for every column.  Where there are few rows, those of one type of number are written together."""
    if not arrays or len(arrays[0]) > FEW:
        return [text(array, numbers) for array in arrays]
    found: dict[int, pa.Array] = {}
    alike: dict[pa.DataType, list[int]] = {}
    for place, array in enumerate(arrays):
        kind = array.type
        if pa.types.is_floating(kind) or pa.types.is_integer(kind):
            alike.setdefault(kind, []).append(place)
        else:
            found[place] = text(array, numbers)
    rows = len(arrays[0])
    for places in alike.values():
        written = text(pa.concat_arrays([arrays[place] for place in places]), numbers)
        for number, place in enumerate(places):
            found[place] = written.slice(number * rows, rows)
    return [found[place] for place in range(len(arrays))]


def _spell_out(values: pa.Array, written: pa.Array, numbers: Numbers) -> pa.Array:
    """Replace `null` (Arrow: `nan`, `inf` and `-inf`), the only ones with an n."""
    if not holds(written, b"n"):
        return written
    finite = pc.is_finite(values)
    infinite = pc.if_else(pc.less(values, 0), numbers.minus, numbers.plus)
    return pc.if_else(finite, written, pc.if_else(pc.is_nan(values), numbers.nan, infinite))


def _joined(array: pa.Array, numbers: Numbers) -> pa.Array:
    """Arrays of numbers as their elements with blanks between."""
    array = pa.ListArray.from_arrays(*_compact(array), mask=pc.is_null(array)) if len(array) else array
    elements = pc.fill_null(text(array.values, numbers), numbers.nan)
    lists = pa.ListArray.from_arrays(array.offsets, elements)
    return pc.if_else(pc.is_valid(array), pc.binary_join(lists, " "), pa.scalar(None, pa.string()))


def _compact(array: pa.ListArray) -> tuple[pa.Array, pa.Array]:
    """Offsets from zero and the elements of a list column, which may be a slice; nulls are empty."""
    lengths = pc.fill_null(pc.list_value_length(array), 0).to_numpy(zero_copy_only=False)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    return pa.array(offsets), array.flatten()


def string_bytes(array: pa.Array) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint8]]:
    """Offsets (n + 1) and UTF-8 bytes of a string column; nulls count as empty."""
    if array.null_count:
        array = pc.fill_null(array, "")
    _, offsets, data = array.buffers()
    if offsets is None:
        return np.zeros(len(array) + 1, np.int64), np.empty(0, np.uint8)
    bounds = np.frombuffer(offsets, np.int32, len(array) + 1, array.offset * 4).astype(np.int64)
    body = np.frombuffer(data, np.uint8) if data is not None else np.empty(0, np.uint8)
    return bounds - bounds[0], body[bounds[0] : bounds[-1]]


def to_ascii(array: pa.Array) -> pa.Array:
    """Strings with a question mark for every character beyond ASCII."""
    if pc.all(pc.string_is_ascii(array)).as_py() is not False:
        return array
    return pc.replace_substring_regex(array, pattern=r"[^\x00-\x7f]", replacement="?")


def escaped(array: pa.Array, substitute: str) -> pa.Array:
    """Strings as XML character data; characters that XML forbids become `substitute`."""
    if _printable(array) and not holds(array, b"&<>"):
        return array  # found out ten times faster than by the expression
    if not matches(array, r"[&<>\x00-\x08\x0b-\x1f]|\x{FFFE}|\x{FFFF}"):
        return array
    for character, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("\r", "&#13;")):
        array = pc.replace_substring(array, pattern=character, replacement=entity)
    return pc.replace_substring_regex(array, pattern=CONTROL, replacement=substitute)


def joined_bytes(array: pa.Array) -> bytes:
    """All values of a string column one after the other."""
    _, data = string_bytes(array)
    return data.tobytes()


def printable_ascii(array: pa.Array) -> pa.Array:
    """Strings as FITS can hold them: blanks for tabs and line ends, question marks for all else."""
    if _printable(array) or not matches(array, r"[^ -~]"):
        return array
    array = pc.replace_substring_regex(array, pattern=r"[\t\r\n]", replacement=" ")
    return pc.replace_substring_regex(array, pattern=r"[^ -~]", replacement="?")
