"""Values as text, whole Arrow columns at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

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
        written, whole = _digits(array)
        return written if whole else _spell_out(array, written, numbers)
    if pa.types.is_integer(kind) and not array.null_count:
        return _digits(array)[0]
    result = pc.cast(array, pa.string())
    return _spell_out(array, result, numbers) if pa.types.is_floating(kind) else result


def _digits(array: pa.Array) -> tuple[pa.Array, bool]:
    """Numbers as text, and whether all that are not null have digits: the others are `null`.  Integers must not be null."""
    if not len(array):
        return pa.array([], pa.string()), True
    values = np.ascontiguousarray(array.to_numpy(zero_copy_only=False))
    # [a,b,c, of [a,b,c]: a value ends where a comma stands, which is cut off.
    written = orjson.dumps(values, option=orjson.OPT_SERIALIZE_NUMPY)[:-1] + b","
    ends = np.ones(len(array) + 1, np.int32)
    ends[1:] = np.flatnonzero(np.frombuffer(written, np.uint8) == ord(","))
    ends[1:] += 1
    with_commas = pa.Array.from_buffers(
        pa.binary(), len(array), [None, pa.py_buffer(ends), pa.py_buffer(written)]
    )
    _, offsets, data = pc.binary_slice(with_commas, 0, -1).buffers()
    texts = pa.StringArray.from_buffers(len(array), offsets, data)
    if not array.null_count:
        return texts, b"n" not in written
    # A null is written as NaN is, so it takes a count to tell whether there are any of these.
    whole = written.count(b"null") == array.null_count
    return pc.if_else(pc.is_valid(array), texts, pa.scalar(None, pa.string())), whole


def lines(arrays: Sequence[pa.Array], written: Callable[[int], pa.Array], between: str, end: str) -> pa.Array:
    """Each row as one string: its cells with `between` between them, and `end`.

    Parameters
    ----------
    arrays
        The columns, of at least one row.
    written
        The text of a column by its number, without nulls.  Columns of numbers that need no more than their digits
        are not asked for: those that stand together are written in one go.
    """
    pieces: list[Any] = []
    place, last = 0, len(arrays) - 1
    if len(between) > 1 and len(arrays[0]) > FEW:
        # A long text between many cells is put there sooner by Arrow.
        ended = pc.binary_join_element_wise(written(last), end, "")
        return pc.binary_join_element_wise(*map(written, range(last)), ended, between)
    while place < last:
        stop = _run(arrays, place, last)
        together = _side_by_side(arrays[place:stop], between.encode()) if stop > place else None
        if together is None:
            stop = max(stop, place + 1)
            for number in range(place, stop):
                pieces += [written(number), between]
        else:
            pieces.append(together)
        place = stop
    return pc.binary_join_element_wise(*pieces, written(last), end, "")


def _run(arrays: Sequence[pa.Array], first: int, last: int) -> int:
    """The end of the columns of numbers of one type that begin at `first`; integers have no nulls among them."""
    kind = arrays[first].type
    if not (pa.types.is_float64(kind) or pa.types.is_float32(kind) or pa.types.is_integer(kind)):
        return first
    place = first
    while place < last and arrays[place].type == kind:
        if arrays[place].null_count and pa.types.is_integer(kind):
            break
        place += 1
    return place


def _side_by_side(arrays: Sequence[pa.Array], between: bytes) -> pa.Array | None:
    """Numbers of several columns by rows, each with `between` behind it; nulls are empty.  None if one has no digits."""
    columns, rows = len(arrays), len(arrays[0])
    values = np.stack([array.to_numpy(zero_copy_only=False) for array in arrays], axis=1)
    digits = orjson.dumps(values.reshape(-1), option=orjson.OPT_SERIALIZE_NUMPY)
    if b"n" in digits:
        if digits.count(b"null") != sum(array.null_count for array in arrays):
            return None  # NaN and infinities are `null` too
        digits = digits.replace(b"null", b"")
    # [a,b,c, of [a,b,c]: a row ends behind each `columns`-th comma; the bracket before them is left out by the offsets.
    digits = digits[:-1] + b","
    commas = np.flatnonzero(np.frombuffer(digits, np.uint8) == ord(","))
    ends = np.ones(rows + 1, np.int32)
    ends[1:] = commas[columns - 1 :: columns] + 1
    ends[1:] += np.arange(1, rows + 1, dtype=np.int32) * (columns * (len(between) - 1))
    body = digits if between == b"," else digits.replace(b",", between)
    return pa.StringArray.from_buffers(rows, pa.py_buffer(ends), pa.py_buffer(body))


def _spell_out(values: pa.Array, written: pa.Array, numbers: Numbers) -> pa.Array:
    """Replace `null` (Arrow: `nan`, `inf` and `-inf`)."""
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
