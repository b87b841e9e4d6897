"""Comma- and tab-separated values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gateway.vo.columns import Column
from tap.formats.base import ResultInfo
from tap.formats.cells import holds, joined_bytes, string_bytes, text, texts
from tap.formats.pipeline import in_order


def _rows(cells: list[pa.Array], between: str, end: str) -> bytes:
    """Lines of cells; none for no rows or columns."""
    if not cells or not len(cells[0]):
        return b""
    cells[-1] = pc.binary_join_element_wise(cells[-1], end, "")
    return joined_bytes(pc.binary_join_element_wise(*cells, between))


def _has_edges(array: pa.Array) -> bool:
    """Whether a string is empty, or begins or ends with white space."""
    offsets, data = string_bytes(array.drop_null())
    starts, ends = offsets[:-1], offsets[1:]
    if not len(starts):
        return False
    if not (ends > starts).all():
        return True
    edges = np.concatenate([data[starts], data[ends - 1]])
    return bool(((edges <= 32) | (edges >= 127)).any())


@dataclass(frozen=True)
class CSV:
    """RFC 4180 with a header line; null is an empty cell, the empty string is `""`."""

    name: str = "csv"
    mime: str = "text/csv;header=present;charset=utf-8"
    extension: str = "csv"
    aliases: tuple[str, ...] = ("text/csv",)
    ivo_id: str = ""
    streams: bool = True
    header: bool = True

    def write(
        self, columns: Sequence[Column], batches: Iterable[pa.RecordBatch], info: ResultInfo
    ) -> Iterator[bytes]:
        names = self.quoted(pa.array([column.name for column in columns], pa.string()))
        if self.header:
            yield (",".join(names.to_pylist()) + "\r\n").encode()
        yield from in_order(self._lines, batches)

    def _lines(self, batch: pa.RecordBatch) -> bytes:
        cells = [
            pc.fill_null(self.quoted(written) if pa.types.is_string(array.type) else written, "")
            for array, written in zip(batch.columns, texts(batch.columns))
        ]
        return _rows(cells, ",", "\r\n")

    @staticmethod
    def quoted(array: pa.Array) -> pa.Array:
        """Strings in double quotes where they need them."""
        if not holds(array, b'",\r\n') and not _has_edges(array):
            return array
        special = r'^$|[",\r\n]|^\s|\s$'
        inner = pc.replace_substring(array, pattern='"', replacement='""')
        return pc.if_else(
            pc.match_substring_regex(array, special), pc.binary_join_element_wise('"', inner, '"', ""), array
        )


@dataclass(frozen=True)
class TSV:
    """IANA text/tab-separated-values, which has no quotes: tabs and line ends in strings become blanks."""

    name: str = "tsv"
    mime: str = "text/tab-separated-values;charset=utf-8"
    extension: str = "tsv"
    aliases: tuple[str, ...] = ("text/tab-separated-values",)
    ivo_id: str = ""
    streams: bool = True

    def write(
        self, columns: Sequence[Column], batches: Iterable[pa.RecordBatch], info: ResultInfo
    ) -> Iterator[bytes]:
        names = self._plain(pa.array([column.name for column in columns], pa.string()))
        yield ("\t".join(names.to_pylist()) + "\n").encode()
        yield from in_order(self._lines, batches)

    def _lines(self, batch: pa.RecordBatch) -> bytes:
        cells = [
            pc.fill_null(self._plain(array) if pa.types.is_string(array.type) else text(array), "")
            for array in batch.columns
        ]
        return _rows(cells, "\t", "\n")

    @staticmethod
    def _plain(array: pa.Array) -> pa.Array:
        if not holds(array, b"\t\r\n"):
            return array
        return pc.replace_substring_regex(array, pattern=r"[\t\r\n]", replacement=" ")
