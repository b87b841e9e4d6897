"""Results for people: an HTML page and plain text in columns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape

import pyarrow as pa
import pyarrow.compute as pc

from gateway.vo.columns import Column
from tap.formats.base import ResultInfo
from tap.formats.cells import escaped, joined_bytes, text

STYLE = (
    "body{font:14px sans-serif;margin:1.5em}table{border-collapse:collapse}"
    "th,td{border:1px solid #ccc;padding:.2em .5em;text-align:left;vertical-align:top}"
    "th{background:#eee;position:sticky;top:0}th small{font-weight:normal;color:#555}"
    ".rows{overflow:auto;max-height:80vh}dt{font-weight:bold}dd{margin:0 0 .7em 1em}dd pre{margin:0}"
    "td{white-space:nowrap}.notice{background:#fff3cd;padding:.5em}"
    "td.n{text-align:right;font-variant-numeric:tabular-nums}pre{white-space:pre-wrap}"
)
NUMERIC = ("unsignedByte", "short", "int", "long", "float", "double")


@dataclass(frozen=True)
class HTML:
    """One page with one table; URLs in cells are links."""

    name: str = "html"
    mime: str = "text/html;charset=utf-8"
    extension: str = "html"
    aliases: tuple[str, ...] = ("text/html",)
    ivo_id: str = ""
    streams: bool = True

    def write(
        self, columns: Sequence[Column], batches: Iterable[pa.RecordBatch], info: ResultInfo
    ) -> Iterator[bytes]:
        facts = "".join(
            f"<dt>{escape(name)}</dt><dd><pre>{escape(value)}</pre></dd>" for name, value in info.facts()
        )
        heads = "".join(
            f'<th scope="col" title="{escape(column.description)}">{escape(column.name)}'
            + (f"<br><small>{escape(column.unit)}</small>" if column.unit else "")
            + "</th>"
            for column in columns
        )
        notice = f'<p class="notice">{escape(info.notice)}</p>\n' if info.notice else ""
        yield (
            '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            '<title>Query result</title><link rel="icon" href="data:,">'
            f"<style>{STYLE}</style></head>"
            f"<body>\n<h1>Query result</h1>\n{notice}"
            f'<div class="rows" tabindex="0"><table><thead><tr>{heads}</tr></thead><tbody>\n'
        ).encode()
        for batch in batches:
            if batch.num_rows:
                yield _html_rows(batch, columns)
        cut = "<p>The result was cut at MAXREC.</p>" if info.overflow() else ""
        yield f"</tbody></table></div>\n{cut}<h2>Origin</h2><dl>{facts}</dl>\n</body></html>\n".encode()


def _html_rows(batch: pa.RecordBatch, columns: Sequence[Column]) -> bytes:
    cells = []
    for array, column in zip(batch.columns, columns):
        written = text(array)
        if pa.types.is_string(array.type):
            written = pc.replace_substring(
                escaped(written, "\N{REPLACEMENT CHARACTER}"), pattern='"', replacement="&quot;"
            )
            written = pc.replace_substring_regex(
                written, pattern=r"^(https?://[^\s<>]+)$", replacement=r'<a href="\1">\1</a>'
            )
        numeric = column.datatype in NUMERIC and not pa.types.is_list(array.type)
        opening = '<td class="n">' if numeric else "<td>"
        cells.append(pc.binary_join_element_wise(opening, pc.fill_null(written, ""), "</td>", ""))
    return joined_bytes(pc.binary_join_element_wise("<tr>", *cells, "</tr>\n", ""))


@dataclass(frozen=True)
class Text:
    """Columns in fixed widths, taken from the first rows; longer values later push theirs out."""

    name: str = "text"
    mime: str = "text/plain;charset=utf-8"
    extension: str = "txt"
    aliases: tuple[str, ...] = ("text/plain", "txt")
    ivo_id: str = ""
    streams: bool = True
    widest: int = 60

    def write(
        self, columns: Sequence[Column], batches: Iterable[pa.RecordBatch], info: ResultInfo
    ) -> Iterator[bytes]:
        widths: list[int] = []
        for batch in batches:
            cells = [_one_line(array) for array in batch.columns]
            if not widths:
                widths = [
                    min(max(len(column.name), pc.max(pc.utf8_length(cell)).as_py() or 0), self.widest)
                    for cell, column in zip(cells, columns)
                ]
                yield self._heading(columns, widths)
            if batch.num_rows:
                aligned = [
                    (pc.utf8_lpad if column.datatype in NUMERIC else pc.utf8_rpad)(cell, width=width)
                    for cell, column, width in zip(cells, columns, widths)
                ]
                lines = pc.binary_join_element_wise(*aligned, " | ")
                yield joined_bytes(pc.binary_join_element_wise(lines, "\n", ""))
        if not widths:
            yield self._heading(columns, [len(column.name) for column in columns])
        if info.overflow():
            yield b"# The result was cut at MAXREC.\n"

    @staticmethod
    def _heading(columns: Sequence[Column], widths: Sequence[int]) -> bytes:
        names = " | ".join(column.name.ljust(width) for column, width in zip(columns, widths))
        return f"{names}\n{'-+-'.join('-' * width for width in widths)}\n".encode()


def _one_line(array: pa.Array) -> pa.Array:
    written = pc.fill_null(text(array), "")
    return pc.replace_substring_regex(written, pattern=r"[\t\r\n]", replacement=" ")
