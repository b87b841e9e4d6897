"""Publishing tables that may be larger than memory: batches go into the database as they are read.

The rows are sorted by position by the database, which spills to disk.  Tables are written beside the archive
first and get their place in one step, so queries see the old table or the new one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa
import pyarrow.compute as pc

from gateway.vo.columns import Column, Schema, Table
from gateway.vo.errors import NotFound, UsageError
from tap import archive, publish, spatial, stores
from tap.archive import Manifest
from tap.arrowtypes import arrow_type, checked_timestamps, conform_array, is_timestamp
from tap.describe import Described
from tap.sources.base import Source
from tap.stores import Draft

__all__ = ["Load", "load", "unload"]

MEMORY = "1GB"
Progress = Callable[[str, int], object]


@dataclass(frozen=True)
class Load:
    """One table to publish, from one file or from several with the same columns."""

    described: Described
    sources: Sequence[Source]

    @property
    def table(self) -> Table:
        return self.described.table


def load(
    schema: Schema, loads: Sequence[Load], *, progress: Progress | None = None, memory: str = MEMORY
) -> Manifest:
    """Publish tables into a schema; those that it has beside them stay.

    Parameters
    ----------
    schema
        Name and description; a description of '' keeps the present one.
    progress
        Called now and then with a table's name and how many of its rows were read.
    memory
        What DuckDB may use before it spills to disk; PostgreSQL decides by itself.

    Raises
    ------
    UsageError
        If names clash, or values do not fit; nothing is changed then.
    """
    publish.check_names(replace(schema, tables=tuple(item.table for item in loads)))
    with stores.current().draft(memory) as draft:
        tables = [_store(draft, item, progress) for item in loads]
        with publish.locked():
            previous = archive.current()
            known = previous.schema(schema.name)
            new = {table.name.lower() for table in tables}
            kept = [table for table in (known.tables if known else ()) if table.name.lower() not in new]
            if known is not None:
                draft.keep(previous, known, kept)
            return publish.put_in_place(previous, _merged(schema, known, [*kept, *tables]), draft.finish())


def unload(schema: str, table: str) -> Manifest:
    """Take one table out of the archive; a schema without tables goes with its last one.

    Raises
    ------
    NotFound
        If there is no such table.
    """
    with stores.current().draft(MEMORY) as draft, publish.locked():
        previous = archive.current()
        known = previous.schema(schema)
        kept = [item for item in (known.tables if known else ()) if item.name.lower() != table.lower()]
        if known is None or len(kept) == len(known.tables):
            raise NotFound(f"There is no table {schema}.{table}.", hint="`vogate tables` lists them.")
        if kept:
            draft.keep(previous, known, kept)
            return publish.put_in_place(previous, replace(known, tables=tuple(kept)), draft.finish())
    return publish.unpublish_schema(schema)


def _merged(schema: Schema, known: Schema | None, tables: Sequence[Table]) -> Schema:
    if known is None:
        return replace(schema, tables=tuple(tables))
    tables = [replace(table, schema=known.name) for table in tables]
    return replace(known, tables=tuple(tables), description=schema.description or known.description)


def _store(draft: Draft, item: Load, progress: Progress | None) -> Table:
    """Write one table; its metadata with what only the rows tell."""
    batches = _prepared(item, progress)
    first = next(batches, None)
    if first is None:
        raise UsageError(f"{item.table.qualified_name} has no rows.")

    def again() -> Iterator[pa.RecordBatch]:
        yield first
        yield from batches

    return draft.add(item.table, first.schema, again())


def _prepared(item: Load, progress: Progress | None) -> Iterator[pa.RecordBatch]:
    """All rows in the types of the metadata, with the hidden index columns."""
    table, count = item.table, 0
    names = [column.name for column in table.columns]
    for source in item.sources:
        for batch in source.batches():
            arrays = []
            for number, column in zip(item.described.picked, table.columns, strict=True):
                arrays.append(_fitting(batch.column(number), column, count))
            rows = pa.Table.from_arrays(arrays, names=names)
            try:
                rows = spatial.add_columns(rows, table)
            except ValueError as error:
                what = "region" if isinstance(error, spatial.RegionError) else "position"
                raise UsageError(
                    f"{error} (after row {count}).",
                    hint=f"Say `{what}: none` in the YAML to publish it as it is.",
                ) from None
            count += batch.num_rows
            yield from rows.combine_chunks().to_batches()
            if progress is not None:
                progress(table.name, count)


def _fitting(array: pa.Array, column: Column, first: int) -> pa.Array:
    """An array in the type of its column; NaN is how FITS and others write that a number is missing."""
    target = arrow_type(column)
    try:
        if pa.types.is_null(array.type):
            return pa.nulls(len(array), target)
        array = conform_array(array, column).cast(target)
        if pa.types.is_floating(target) and pc.any(pc.is_nan(array)).as_py():
            array = pc.if_else(pc.is_nan(array), pa.scalar(None, target), array)
    except pa.ArrowException as error:
        raise UsageError(
            f"column {column.name}, after row {first}: {' '.join(str(error).split())[:200]}",
            hint="Give its datatype in the YAML beside the file.",
        ) from None
    try:
        return checked_timestamps(array) if is_timestamp(column) else array
    except ValueError as error:
        raise UsageError(
            f"column {column.name}, after row {first}: {error}.",
            hint="`xtype: ''` in the YAML beside the file publishes it as text.",
        ) from None
