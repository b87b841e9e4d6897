"""Comma- and tab-separated values."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gateway.vo.columns import Column
from tap.formats.base import ResultInfo
from tap.formats.cells import holds, joined_bytes, lines, string_bytes, text
from tap.formats.pipeline import in_order


def _rows(batch: pa.RecordBatch, plain: Callable[[pa.Array], pa.Array], between: str, end: str) -> bytes:
    """Lines of cells, none for no rows or columns; `plain` makes strings fit to be cells."""
    if not batch.num_rows or not batch.num_columns:
        return b""

    def cells(place: int) -> pa.Array:
        array = batch.column(place)
        written = plain(array) if pa.types.is_string(array.type) else text(array)
        return pc.fill_null(written, "") if written.null_count else written

    return joined_bytes(lines(batch.columns, cells, between, end))


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
        return _rows(batch, self.quoted, ",", "\r\n")

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
        return _rows(batch, self._plain, "\t", "\n")

    @staticmethod
    def _plain(array: pa.Array) -> pa.Array:
        if not holds(array, b"\t\r\n"):
            return array
        return pc.replace_substring_regex(array, pattern=r"[\t\r\n]", replacement=" ")
