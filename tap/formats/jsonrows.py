"""JSON: the columns' metadata, then rows as arrays (the layout that ESA's archives use).

JSON has no NaN: numbers without digits are the strings "NaN", "Infinity" and "-Infinity".
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from gateway.vo.columns import Column
from tap.formats.base import ResultInfo
from tap.formats.cells import Numbers, joined_bytes, matches, text

NUMBERS = Numbers(nan='"NaN"', plus='"Infinity"', minus='"-Infinity"')
PLAIN_ESCAPES = (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n"), ("\r", "\\r"), ("\t", "\\t"))


@dataclass(frozen=True)
class JSON:
    name: str = "json"
    mime: str = "application/json"
    extension: str = "json"
    aliases: tuple[str, ...] = ()
    ivo_id: str = ""
    streams: bool = True

    def write(
        self, columns: Sequence[Column], batches: Iterable[pa.RecordBatch], info: ResultInfo
    ) -> Iterator[bytes]:
        described = [
            {
                key: value
                for key in ("name", "datatype", "arraysize", "xtype", "unit", "ucd", "utype", "description")
                if (value := getattr(column, key))
            }
            for column in columns
        ]
        facts = [{"name": name, "value": value} for name, value in info.facts()]
        head = {"info": facts, "metadata": described}
        yield json.dumps(head, ensure_ascii=False)[:-1].encode() + b', "data": [\n'
        separator = b""
        for batch in batches:
            if batch.num_rows:
                yield separator + _lines(batch)
                separator = b",\n"
        yield b'\n], "overflow": %s}\n' % (b"true" if info.overflow() else b"false")


def _lines(batch: pa.RecordBatch) -> bytes:
    cells = [pc.fill_null(_values(array), "null") for array in batch.columns]
    joined = pc.binary_join_element_wise(*cells, ",")
    return joined_bytes(pc.binary_join_element_wise("[", joined, "],\n", ""))[:-2]


def _values(array: pa.Array) -> pa.Array:
    if pa.types.is_string(array.type):
        return pc.binary_join_element_wise('"', _escaped(array), '"', "")
    if pa.types.is_list(array.type):
        written = pc.replace_substring(text(array, NUMBERS), pattern=" ", replacement=",")
        if pa.types.is_floating(array.type.value_type):
            for _ in "ab":  # twice, since neighbours share a comma
                written = pc.replace_substring_regex(written, pattern="(^|,)-0(,|$)", replacement=r"\1-0.0\2")
        return pc.binary_join_element_wise("[", written, "]", "")
    written = text(array, NUMBERS)
    if pa.types.is_floating(array.type):  # "-0" would be read as an integer, which has no sign at zero
        return pc.replace_substring_regex(written, pattern="^-0$", replacement="-0.0")
    return written


def _escaped(array: pa.Array) -> pa.Array:
    if not matches(array, r'[\\"\x00-\x1f]'):
        return array
    for character, escape in PLAIN_ESCAPES:
        array = pc.replace_substring(array, pattern=character, replacement=escape)
    for code in range(32):
        if chr(code) not in "\n\r\t" and matches(array, f"\\x{code:02x}"):
            array = pc.replace_substring(array, pattern=chr(code), replacement=f"\\u{code:04x}")
    return array
