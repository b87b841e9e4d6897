"""`vogate publish`, `unpublish` and `tables`."""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from django.db import DatabaseError
from django.utils import timezone

from gateway.vo.columns import Schema
from gateway.vo.errors import NotFound, UsageError
from tap import archive
from tap.archive import Manifest
from tap.copies import keeper
from tap.describe import Described, Notes, describe, read_notes, table_name, template
from tap.loading import Load, load, unload
from tap.names import REGULAR, qualified, quoted
from tap.record import record_tables
from tap.sources import Source, open_source

__all__ = ["publish", "tables", "unpublish"]

GENERATED = ("ivoa",)
"""Schemas that the gateway writes by itself, with every `vogate ingest`."""


class Progress:
    """A line on stderr that grows, if somebody looks."""

    def __init__(self, total: int | None, quiet: bool) -> None:
        self.total, self.quiet, self.last = total, quiet, time.monotonic()

    def __call__(self, table: str, rows: int) -> None:
        now = time.monotonic()
        if self.quiet or now - self.last < 1.0:
            return
        self.last = now
        share = f" ({100 * rows // self.total}%)" if self.total else ""
        print(f"{table}: {rows:,} rows read{share}", file=sys.stderr, flush=True)


def publish(args: argparse.Namespace) -> int:
    """Publish files; nothing is changed if one of them is wrong."""
    if not REGULAR.match(args.schema):
        raise UsageError(f"{args.schema} cannot be the name of a schema.", hint="Use letters, digits and _.")
    if args.schema.lower() in GENERATED:
        raise UsageError(
            f"{args.schema} is written by `vogate ingest`; what is published there would be lost.",
            hint="Choose another schema.",
        )
    loads = _loads(args)
    if args.describe:
        for item in loads:
            print(template(item.described), end="")
            _remark(item.described)
        return 0
    counts = [source.rows for item in loads for source in item.sources]
    began = timezone.now()
    total = None if None in counts or len(loads) > 1 else sum(count or 0 for count in counts)
    manifest = load(
        Schema(args.schema, (), description=args.description),
        loads,
        progress=Progress(total, args.quiet),
        memory=args.memory,
    )
    _record(args, loads, manifest, began)
    for item in loads:
        _remark(item.described)
        table = manifest.table(args.schema, item.table.name)
        print(
            f"published {qualified(table.schema, table.name)}: {table.nrows:,} rows, {len(table.columns)} columns",
            flush=True,
        )
    keeper.refresh()  # queries find the tables already
    return 0


def _record(args: argparse.Namespace, loads: list[Load], manifest: Manifest, began: datetime) -> None:
    """Write down which files the tables came from; tables can be published before there is a database."""
    paths = [Path(name) for name in args.files]
    one = len(loads) == 1
    files = {item.table.name: paths if one else [path] for item, path in zip(loads, paths, strict=False)}
    try:
        record_tables(Schema(args.schema, ()), files, manifest, began)
    except DatabaseError as error:
        print(f"the provenance of the tables is not recorded: {error}", file=sys.stderr)


def _remark(described: Described) -> None:
    for remark in described.remarks:
        print(f"{described.table.name}: {remark}", file=sys.stderr)
    bare = [column.name for column in described.table.columns if not column.description]
    if bare:
        shown = ", ".join(bare[:5]) + (" ..." if len(bare) > 5 else "")
        print(
            f"{described.table.name}: {len(bare)} columns have no description ({shown}); "
            "--describe prints a YAML to complete",
            file=sys.stderr,
        )


def _loads(args: argparse.Namespace) -> list[Load]:
    paths = [Path(name) for name in args.files]
    given = Path(args.metadata) if args.metadata else None
    if given is not None and len(paths) > 1 and not args.table:
        raise UsageError(
            "--metadata describes one table.", hint="Add --table, or put a YAML beside each file."
        )
    opened = [(path, open_source(path), read_notes(path, given)) for path in paths]
    if args.table:
        first = opened[0]
        for path, source, _ in opened[1:]:
            _same_columns(first[0], first[1], path, source)
        notes = next((notes for _, _, notes in opened if notes.where), Notes())
        described = describe(first[1], args.schema, _checked(args.table), notes)
        return [Load(described, [source for _, source, _ in opened])]
    found: list[Load] = []
    for path, source, notes in opened:
        stem = path.name
        while Path(stem).suffix.lower() in (
            ".gz",
            ".fits",
            ".fit",
            ".vot",
            ".votable",
            ".xml",
            ".parquet",
            ".csv",
            ".ecsv",
        ):
            stem = Path(stem).stem
        name = _checked(str(notes.values.get("table") or table_name(stem)))
        found.append(Load(describe(source, args.schema, name, notes), [source]))
    return found


def _checked(name: str) -> str:
    if not REGULAR.match(name):
        raise UsageError(f"{name} cannot be the name of a table.", hint="Use letters, digits and _.")
    return name


def _same_columns(first: Path, known: Source, path: Path, source: Source) -> None:
    names = [column.name for column in known.columns]
    others = [column.name for column in source.columns]
    if names != others:
        differing = next((b for a, b in zip(names, others, strict=False) if a != b), "their number")
        raise UsageError(
            f"{path.name} has other columns than {first.name} ({differing}).",
            hint="Files of one table must have the same columns in the same order.",
        )


def unpublish(args: argparse.Namespace) -> int:
    """Take a table or a whole schema out of the archive."""
    from tap.publish import check_names, unpublish_schema

    schema, _, table = args.name.partition(".")
    manifest = archive.current()
    known = manifest.schema(schema)
    if known is None:
        raise NotFound(f"There is no schema {schema}.", hint="`vogate tables` lists what is published.")
    check_names(replace(known, tables=()))
    if table:
        unload(known.name, table)
    else:
        unpublish_schema(known.name)
    keeper.refresh()
    print(f"unpublished {args.name}")
    return 0


def tables(args: argparse.Namespace) -> int:
    """List what is published."""
    manifest = archive.ready()
    rows = [
        {
            "table": qualified(table.schema, table.name),
            "rows": table.nrows,
            "columns": len(table.columns),
            "position": [quoted(name) for name in table.position] if table.position else None,
            "description": table.description,
        }
        for schema in manifest.schemas
        for table in schema.tables
    ]
    if args.json:
        print(json.dumps(rows, indent=1, ensure_ascii=False))
        return 0
    width = max(len(str(row["table"])) for row in rows)
    for row in rows:
        count = "live" if row["rows"] is None else f"{row['rows']:,}"
        place = "sky" if row["position"] else ""
        numbers = f"{count:>13} rows  {row['columns']!s:>4} columns  {place:3}"
        print(f"{row['table']!s:{width}}  {numbers}  {row['description']}".rstrip())
    return 0
