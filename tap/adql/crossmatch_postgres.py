"""Joins by position in PostgreSQL: for each row of one side, the index of the other is asked for the cells in reach.

The cells of an uploaded table's rows are computed when it is taken in (`Spread`), since that is vectorised; those of
other tables by `vg_cells_of`.  Sources without an index are joined by equal cells, as in DuckDB.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeGuard

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tap.adql import crossmatch_duckdb, healpix, ir, reach, spatial_duckdb
from tap.adql.catalogue import UPLOAD_SCHEMA
from tap.adql.folding import constant

if TYPE_CHECKING:
    from tap.adql.postgres import PostgresEmitter


@dataclass(frozen=True)
class Spread:
    """A column that an upload needs: the cells of `order` that points within reach of its positions can be in."""

    upload: str
    column: str
    lon: str
    lat: str
    order: int
    margin: float


@dataclass(frozen=True)
class Match:
    """Rows of the source that has `there` ask the index of the source `indexed`."""

    indexed: ir.TableSource | ir.DerivedSource
    there: ir.Point
    index: ir.PositionIndex
    radius: float

    @property
    def order(self) -> int:
        return reach.order_of(self.radius)

    @property
    def margin(self) -> float:
        return reach.margin_of(self.order, self.radius)


def of_join(join: ir.JoinSource) -> tuple[Match, ir.Source, str] | None:
    """How to speed up a join: the match, the side that asks, and the kind of the join from there."""
    sides = {
        "INNER": ((join.left, join.right, "JOIN"), (join.right, join.left, "JOIN")),
        "LEFT": ((join.left, join.right, "LEFT JOIN"),),
        "RIGHT": ((join.right, join.left, "LEFT JOIN"),),
    }
    for asking, asked, kind in sides.get(join.kind, ()):
        match = _find(join.on, crossmatch_duckdb._aliases(asking), [asked])
        if match is not None:
            return match, asking, kind
    return None


def of_list(sources: list[ir.Source], where: ir.Expr | None) -> Match | None:
    """The same for tables joined by commas; an upload asks rather than is asked."""
    if where is None or len(sources) < 2:
        return None
    aliases = {alias for source in sources for alias in crossmatch_duckdb._aliases(source)}
    return _find(where, aliases, list(reversed(sources)))


def _find(condition: ir.Expr, asking: set[str], asked: list[ir.Source]) -> Match | None:
    terms = condition.args if isinstance(condition, ir.Logic) and condition.op == "AND" else (condition,)
    tables = {item.alias: item for item in asked if _is_plain(item)}
    for term in terms:
        radius = constant(term.radius) if isinstance(term, ir.Within) else None
        if not isinstance(term, ir.Within) or radius is None or not 0 <= radius <= reach.LARGEST:
            continue
        for there, here in ((term.a, term.b), (term.b, term.a)):
            index = ir.position_of(here.lon, here.lat)
            home = crossmatch_duckdb._home(there)
            if index is not None and index.source in tables and home in asking and home != index.source:
                return Match(tables[index.source], there, index, float(radius))
    return None


def _is_plain(source: ir.Source) -> TypeGuard[ir.TableSource | ir.DerivedSource]:
    """Whether a condition on a source reaches its table's index."""
    if isinstance(source, ir.DerivedSource):
        query = source.query
        body = query.body
        whole = query.limit is None and not query.offset and not query.order_by and not query.named
        return whole and isinstance(body, ir.Select) and not body.grouped and not body.distinct
    return isinstance(source, ir.TableSource)


def _tempting(match: Match, conditions: Sequence[ir.Expr | None]) -> bool:
    """Whether an inequality compares columns of the indexed source with another's, as `a.id < b.id` does.

    PostgreSQL takes ranges between tables for a ninth of the rows each, the cells and such a one alike, and may ask
    an index of the latter in place of the cells', which gives half the table for every row.
    """
    for condition in conditions:
        together = isinstance(condition, ir.Logic) and condition.op == "AND"
        terms = condition.children() if condition is not None and together else (condition,)
        for term in terms:
            if term is None or isinstance(term, ir.Within):
                continue
            if isinstance(term, ir.Compare) and term.op in ("=", "<>"):
                continue
            found = _sources(term)
            if match.indexed.alias in found and len(found) > 1:
                return True
    return False


def _sources(expr: ir.Expr) -> set[str]:
    own = {expr.source} if isinstance(expr, ir.Ref) else set()
    return own.union(*map(_sources, expr.children()))


def lateral(
    emitter: PostgresEmitter,
    match: Match,
    asking: list[ir.Source],
    conditions: Sequence[ir.Expr | None] = (),
) -> str:
    """The rows of the indexed table in the cells that a row reaches, to stand after the source that it is of.

    `conditions` are all that rows of the join have to fulfil.
    """
    shift = 2 * (healpix.MAX_ORDER - match.order)
    alias = match.indexed.alias
    column = f'{alias}."{match.index.healpix}"'
    row = f"{alias}.ctid, " if isinstance(match.indexed, ir.TableSource) else ""
    low = f"(near.cell << {shift})"
    fence = " OFFSET 0" if _tempting(match, conditions) else ""
    return (
        f"LATERAL (SELECT {row}{alias}.* FROM unnest({_cells(emitter, match, asking)}) AS near(cell) "
        f"JOIN {emitter.source(match.indexed)} "
        f"ON {column} BETWEEN {low} AND {low} + {(1 << shift) - 1}{fence}) AS {alias}"
    )


def _cells(emitter: PostgresEmitter, match: Match, asking: list[ir.Source]) -> str:
    lon, lat = match.there.lon, match.there.lat
    if isinstance(lon, ir.Ref) and isinstance(lat, ir.Ref):
        for source in asking:
            if isinstance(source, ir.TableSource) and (source.schema, source.alias) == (
                UPLOAD_SCHEMA,
                lon.source,
            ):
                column = f"_cells{len(emitter.spreads_needed) + 1}"
                emitter.spreads_needed.append(
                    Spread(source.table, column, lon.name, lat.name, match.order, match.margin)
                )
                return f'{source.alias}."{column}"'
    index = ir.position_of(match.there.lon, match.there.lat)
    if index is not None and emitter.indexes:
        cell = f'{index.source}."{index.healpix}"'
    else:
        cell = f"vg_healpix(29, {spatial_duckdb.double(emitter, lon)}, {spatial_duckdb.double(emitter, lat)})"
    return f"vg_cells_of({cell}, {match.order}, {spatial_duckdb.number(match.margin)})"


def add_cells(rows: pa.Table, spread: Spread) -> pa.Table:
    """An uploaded table with the column that `spread` describes."""
    lon, lat = (
        np.asarray(pc.cast(rows.column(name), pa.float64()).to_numpy(), np.float64)
        for name in (spread.lon, spread.lat)
    )
    good = np.isfinite(lon) & (np.abs(lat) <= 90.0)
    counts, cells = reach.reached(
        spread.order, np.where(good, lon, 0.0), np.where(good, lat, 0.0), spread.margin
    )
    offsets = pa.array(np.concatenate([[0], np.cumsum(counts)]).astype(np.int32))
    return rows.append_column(
        spread.column, pa.ListArray.from_arrays(offsets, pa.array(cells), mask=pa.array(~good))
    )
