"""The coverage of tables with positions as MOCs (IVOA MOC 2.0)."""

from __future__ import annotations

import io
import json
from functools import lru_cache

import numpy as np

from gateway.vo.columns import Table
from gateway.vo.errors import NotFound, UsageError
from tap import archive, stores, workers
from tap.adql.scope import HEALPIX_COLUMN
from tap.archive import Manifest

DEFAULT_ORDER = 8
HIGHEST_ORDER = 12
"""Cells of 51 arcsec; finer ones would list the sources instead of saying where they are."""
SECONDS = 60.0
TYPES = {"fits": "application/fits", "json": "application/json", "ascii": "text/plain; charset=utf-8"}

__all__ = ["DEFAULT_ORDER", "HIGHEST_ORDER", "TYPES", "document"]


def document(manifest: Manifest, table: Table, order: int, form: str) -> bytes:
    """The MOC of a table.

    Parameters
    ----------
    order
        Its HEALPix order: cells of order 8 are 13.7 arcmin wide.
    form
        fits, json or ascii.

    Raises
    ------
    NotFound
        If the table has no positions.
    UsageError
        For another form, or an order that is too high.
    """
    if table.position is None or table.schema not in manifest.stored:
        raise NotFound(f"{table.qualified_name} has no positions, so it has no coverage.")
    if form not in TYPES:
        raise UsageError("A MOC comes as fits, json or ascii.", field="RESPONSEFORMAT")
    if not 0 <= order <= HIGHEST_ORDER:
        raise UsageError(f"ORDER must be from 0 to {HIGHEST_ORDER}.", field="ORDER")
    relation = stores.current().relation(manifest, table.schema, table.name)
    place = f"{manifest.origin}{manifest.files.get(table.schema, '')}"
    return _document(manifest.version, place, relation, order, form)


@lru_cache(maxsize=64)
def _document(version: int, place: str, relation: str, order: int, form: str) -> bytes:
    from mocpy import MOC

    cells = _cells(relation, order)
    depths = np.full(len(cells), order, np.uint8)
    moc = MOC.from_healpix_cells(cells, depths, order)
    if form == "json":
        return json.dumps(moc.serialize("json"), separators=(",", ":")).encode() + b"\n"
    if form == "ascii":
        return moc.to_string("ascii").encode() + b"\n"
    out = io.BytesIO()
    moc.serialize("fits").writeto(out)
    return out.getvalue()


def _cells(relation: str, order: int) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    """The cells that hold a position, by the hidden index column."""
    manifest = archive.ready()
    sql = (
        f"SELECT DISTINCT {HEALPIX_COLUMN} >> {2 * (29 - order)} AS cell FROM {relation} "
        f"WHERE {HEALPIX_COLUMN} IS NOT NULL"
    )
    answer = workers.engine().run(sql, manifest.version, workers.attached(manifest), seconds=SECONDS)
    parts = [batch.column(0).to_numpy() for batch in answer]
    return np.concatenate(parts).astype(np.uint64) if parts else np.empty(0, np.uint64)
