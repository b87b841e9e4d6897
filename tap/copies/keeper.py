"""Which tables have a copy, and making those that are missing.

Copies are beside the archive, in `copies/<schema>.<table>-<edition>-<number>`; an edition never changes, so a copy is
right or not there.  Whoever publishes makes them at once; a server makes in the background what it finds missing (a
table that another host has published, or one of `vogate ingest`).  Until then, and where the disk has no room, queries
go to the database.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import logging
import re
import shutil
import tempfile
import threading
import time
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
from django.db import DatabaseError

from gateway.vo.columns import Table
from gateway.vo.errors import GatewayError
from tap import adql, archive, stores, tapschema, workers
from tap.archive import Manifest
from tap.arrowtypes import conform, schema_of
from tap.copies import layout
from tap.copies.plan import CELLS
from tap.engines.base import Lane
from tap.names import qualified, quoted

__all__ = ["folder", "keep", "known", "refresh"]

log = logging.getLogger("vogate.copies")

LEAST_ROWS = 1_000
"""Smaller tables are read as fast by the database."""
LOOK_SECONDS = 2.0
"""How often a server looks for copies that are being made."""
COPY_SECONDS = 6 * 3600.0
TEXT_BYTES = 24
"""What a value of a column of variable length may take, for a guess of a copy's size."""

Key = tuple[str, str]
"""(schema, table)"""


@dataclass
class _Known:
    """What has been found of one manifest's copies."""

    manifest: Manifest
    found: dict[Key, str] = field(default_factory=dict)
    missing: dict[Key, Table] = field(default_factory=dict)
    looked: float = 0.0
    tried: bool = False


_known = _Known(Manifest())
_keeping = False
"""Whether this process makes in the background what is missing."""


def folder() -> Path:
    """Where the copies are."""
    return archive.folder() / "copies"


def _place(manifest: Manifest, table: Table) -> Path:
    """The folder of a table's copy."""
    name = table.qualified_name
    readable = re.sub(r"[^A-Za-z0-9_.]", "_", name)[:80]
    origin = name
    # An archive that was thrown away and begun anew counts its versions from one again.
    with contextlib.suppress(KeyError, FileNotFoundError):
        origin += str(manifest.files[table.schema].stat().st_mtime_ns)
    number = hashlib.sha256(origin.encode()).hexdigest()[:12]
    return folder() / f"{readable}-{manifest.edition(table)}-{number}"


def _wanted(manifest: Manifest) -> dict[Key, Table]:
    """The tables that are worth a copy."""
    return {
        (table.schema, table.name): table
        for schema in manifest.schemas
        for table in schema.tables
        if schema.name != tapschema.NAME and (table.nrows or 0) >= LEAST_ROWS and manifest.edition(table)
    }


def known(manifest: Manifest) -> Mapping[Key, str]:
    """The copies of a manifest's tables, as queries may read them now."""
    global _known
    if not workers.query_settings().copies:
        return {}
    state = _known
    if state.manifest is not manifest:
        state = _known = _Known(manifest, missing=_wanted(manifest))
    if state.missing and time.monotonic() - state.looked > LOOK_SECONDS:
        state.looked = time.monotonic()
        for key, table in list(state.missing.items()):
            path = _place(manifest, table)
            if path.is_dir():
                state.found[key] = str(path)
                state.missing.pop(key, None)
        if state.missing and _keeping and not state.tried:
            state.tried = True
            with contextlib.suppress(RuntimeError):  # no more threads: queries do without
                threading.Thread(target=_try, args=(state,), name="copies", daemon=True).start()
    return state.found


def keep() -> None:
    """From now on, make in the background what is missing; for servers."""
    global _keeping
    _keeping = True
    with contextlib.suppress(GatewayError, OSError, ValueError, DatabaseError):
        known(archive.current())


def _try(state: _Known) -> None:
    """Make what is missing; another time, if another process is at it or the archive cannot be asked."""
    try:
        state.tried = refresh()
    except Exception:
        log.exception("tables are not copied until some are published again")


def refresh() -> bool:
    """Make the copies that published tables do not have, and remove those of other editions.

    What goes wrong is logged: without a copy, queries go to the database.  False if it is to be tried again: another
    process is at it, or the archive's database is away.
    """
    if not workers.query_settings().copies:
        return True
    try:
        folder().mkdir(parents=True, exist_ok=True)
        with _alone() as alone:
            if not alone:
                return False
            manifest = archive.current()
            wanted = _wanted(manifest)
            _remove_others({_place(manifest, table).name for table in wanted.values()})
            for table in wanted.values():
                if not _place(manifest, table).is_dir():
                    _make(manifest, table)
    except OSError as error:
        log.warning("tables are not copied: %s", error)
    except (GatewayError, DatabaseError) as error:
        log.warning("tables are not copied for now: %s", error)
        return False
    return True


@contextlib.contextmanager
def _alone() -> Iterator[bool]:
    """Whether no other process makes copies."""
    with open(folder() / ".lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True


def _remove_others(names: set[str]) -> None:
    """Remove copies of tables that are not published any more; workers that have one open keep reading it."""
    for path in folder().iterdir():
        if path.is_dir() and path.name not in names:
            shutil.rmtree(path, ignore_errors=True)


def _make(manifest: Manifest, table: Table) -> None:
    begun = time.monotonic()
    size = (table.nrows or 0) * (
        8 + sum(_width(column.datatype, column.arraysize) for column in table.columns)
    )
    if shutil.disk_usage(folder()).free < 2 * size:
        log.warning("%s is not copied: the disk has no room", table.qualified_name)
        return
    with tempfile.TemporaryDirectory(dir=folder(), prefix=".draft-") as work:
        for ordered in (False, True):
            draft = Path(work) / f"copy-{ordered:d}"
            try:
                with contextlib.closing(_rows(manifest, table, ordered)) as found:
                    rows = layout.write(draft, _schema(table), found)
            except layout.Unsorted:
                continue  # PostgreSQL may read a table from its middle on
            except (GatewayError, OSError, pa.ArrowException) as error:
                log.warning("%s is not copied: %s", table.qualified_name, error)
                return
            if rows != table.nrows:
                log.warning(
                    "%s is not copied: it has %d rows, not %s", table.qualified_name, rows, table.nrows
                )
                return
            draft.rename(_place(manifest, table))
            log.info("copied %s in %.1f s", table.qualified_name, time.monotonic() - begun)
            return
        log.warning("%s is not copied: its rows cannot be sorted", table.qualified_name)


def _width(datatype: str, arraysize: str) -> int:
    if datatype in ("char", "unicodeChar") or arraysize not in ("", "1"):
        return TEXT_BYTES
    return {"boolean": 1, "unsignedByte": 1, "short": 2, "int": 4, "float": 4}.get(datatype, 8)


def _schema(table: Table) -> pa.Schema:
    return schema_of(table.columns).append(pa.field(CELLS, pa.int64()))


def _rows(manifest: Manifest, table: Table, ordered: bool) -> Generator[pa.RecordBatch, None, None]:
    """All rows as a query gives them, and their cells."""
    cells = "NULL AS"
    if table.position is not None:
        lon, lat = (quoted(name) for name in table.position)
        cells = f"IVO_HEALPIX_INDEX(29, {lon}, {lat}) AS"
    text = f'SELECT {cells} "{CELLS}", t.* FROM {qualified(table.schema, table.name)} AS t'
    query = adql.compile_query(
        text + f' ORDER BY "{CELLS}"' * (ordered and table.position is not None),
        manifest.schemas,
        emitter=stores.current().emitter(manifest),
    )
    answer = workers.engine().run(
        query.sql,
        manifest.version,
        workers.attached(manifest),
        seconds=COPY_SECONDS,
        lane=Lane.LONG,
        patience=COPY_SECONDS,
    )
    schema = _schema(table)
    for batch in answer:
        place = batch.column(0)
        if table.position is None:
            place = pa.array(np.full(batch.num_rows, layout.NOWHERE))
        rows = conform(batch.select(batch.schema.names[1:]), table.columns)
        yield pa.RecordBatch.from_arrays([*rows.columns, place.cast(pa.int64())], schema=schema)
