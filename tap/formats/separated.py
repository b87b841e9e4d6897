"""Comma- and tab-separated values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from gateway.vo.columns import Column
from tap.formats.base import ResultInfo
from tap.formats.cells import joined_bytes, matches, text


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
        for batch in batches:
            if batch.num_rows:
                yield self._lines(batch)

    def _lines(self, batch: pa.RecordBatch) -> bytes:
        cells = [
            pc.fill_null(self.quoted(array) if pa.types.is_string(array.type) else text(array), "")
            for array in batch.columns
        ]
        joined = pc.binary_join_element_wise(*cells, ",")
        return joined_bytes(pc.binary_join_element_wise(joined, "\r\n", ""))

    @staticmethod
    def quoted(array: pa.Array) -> pa.Array:
        """Strings in double quotes where they need them."""
        special = r'^$|[",\r\n]|^\s|\s$'
        if not matches(array, special):
            return array
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
        for batch in batches:
            if batch.num_rows:
                cells = [
                    pc.fill_null(self._plain(array) if pa.types.is_string(array.type) else text(array), "")
                    for array in batch.columns
                ]
                joined = pc.binary_join_element_wise(*cells, "\t")
                yield joined_bytes(pc.binary_join_element_wise(joined, "\n", ""))

    @staticmethod
    def _plain(array: pa.Array) -> pa.Array:
        return pc.replace_substring_regex(array, pattern=r"[\t\r\n]", replacement=" ")
