"""Parquet with the VOTable metadata of the IVOA note VOParquet 1.0."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq

from gateway.vo import votable
from gateway.vo.columns import Column
from tap.arrowtypes import arrow_type
from tap.formats.base import ResultInfo

ROW_GROUP = 8
"""Batches that make a row group."""


class Pipe(io.RawIOBase):
    """A sink that hands over what was written so far."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.position = 0

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.position

    def write(self, data: object) -> int:
        part = bytes(memoryview(data))  # type: ignore[arg-type]
        self.parts.append(part)
        self.position += len(part)
        return len(part)

    def take(self) -> bytes:
        taken = b"".join(self.parts)
        self.parts.clear()
        return taken


@dataclass(frozen=True)
class Parquet:
    name: str = "parquet"
    mime: str = "application/vnd.apache.parquet"
    extension: str = "parquet"
    aliases: tuple[str, ...] = ("application/x-parquet", "application/parquet")
    ivo_id: str = ""
    streams: bool = True

    def write(
        self, columns: Sequence[Column], batches: Iterable[pa.RecordBatch], info: ResultInfo
    ) -> Iterator[bytes]:
        schema = pa.schema(
            [pa.field(column.name, arrow_type(column)) for column in columns],
            metadata={
                "IVOA.VOTable-Parquet.version": "1.0",
                "IVOA.VOTable-Parquet.content": _content(columns, info),
            },
        )
        sink = Pipe()
        with pq.ParquetWriter(sink, schema) as writer:
            waiting: list[pa.RecordBatch] = []
            for batch in batches:
                if batch.num_rows:
                    waiting.append(pa.RecordBatch.from_arrays(batch.columns, schema=schema))
                if len(waiting) >= ROW_GROUP:
                    writer.write_table(pa.Table.from_batches(waiting, schema))
                    waiting.clear()
                    yield sink.take()
            if waiting:
                writer.write_table(pa.Table.from_batches(waiting, schema))
        yield sink.take()


def _content(columns: Sequence[Column], info: ResultInfo) -> str:
    """The VOTable without data that describes the file."""
    facts = "".join(votable.info(name, value) for name, value in info.facts())
    identifiers = votable.field_ids(columns)
    fields = "".join(votable.field(column, name) for column, name in zip(columns, identifiers))
    return (
        votable.head()
        + f'<RESOURCE type="results">\n{facts}{votable.systems(columns)}'
        + f'<TABLE name="result">\n{fields}</TABLE>\n</RESOURCE>\n{votable.TAIL}'
    )
