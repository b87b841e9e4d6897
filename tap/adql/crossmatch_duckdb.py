"""Joins by position in DuckDB: rows of one side are spread over the HEALPix cells that they reach, so that the join
is one of equal cells, and the distance is computed for neighbours alone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tap.adql import ir, reach, spatial_duckdb
from tap.adql.catalogue import UPLOAD_SCHEMA
from tap.adql.folding import constant

if TYPE_CHECKING:
    from tap.adql.duckdb import Emitter

CELL_COLUMN = "_cell"


@dataclass(frozen=True)
class Match:
    """`spread` is the alias of the side whose rows are spread, `there` its position, `here` the other one."""

    spread: str
    there: ir.Point
    here: ir.Point
    order: int
    radius: float
    near: ir.TableSource | None = None
    """An upload with `here`: of the spread side, only rows in the cells that its rows reach are needed."""


def of_join(join: ir.JoinSource) -> Match | None:
    """How to speed up a join, None for joins that are not by position."""
    left, right = _alias(join.left), _alias(join.right)
    # The rows of the spread side are not kept for themselves, so it cannot be a side that an outer join keeps.
    sides = {"INNER": (right, left), "LEFT": (right,), "RIGHT": (left,)}.get(join.kind, ())
    match = _find(join.on, [side for side in sides if side], _aliases(join))
    if match is None or join.kind == "INNER" or not _indexed(match.there):
        return match
    kept = join.left if join.kind == "LEFT" else join.right
    if isinstance(kept, ir.TableSource) and kept.schema == UPLOAD_SCHEMA and kept.alias == _home(match.here):
        return replace(match, near=kept)
    return match


def of_list(sources: list[ir.Source], where: ir.Expr | None) -> Match | None:
    """The same for tables joined by commas."""
    if where is None or len(sources) < 2:
        return None
    spreadable = [alias for alias in map(_alias, reversed(sources)) if alias]
    return _find(where, spreadable, {alias for source in sources for alias in _aliases(source)})


def _alias(source: ir.Source) -> str:
    return "" if isinstance(source, ir.JoinSource) else source.alias


def _aliases(source: ir.Source) -> set[str]:
    if isinstance(source, ir.JoinSource):
        return _aliases(source.left) | _aliases(source.right)
    return {source.alias}


def _find(condition: ir.Expr, spreadable: list[str], inside: set[str]) -> Match | None:
    terms = condition.args if isinstance(condition, ir.Logic) and condition.op == "AND" else (condition,)
    best: Match | None = None
    for term in terms:
        radius = constant(term.radius) if isinstance(term, ir.Within) else None
        if not isinstance(term, ir.Within) or radius is None or not 0 <= radius <= reach.LARGEST:
            continue
        for there, here in ((term.a, term.b), (term.b, term.a)):
            home, other = _home(there), _home(here)
            if home not in spreadable or other not in inside or home == other:
                continue
            match = Match(home, there, here, reach.finest_order(radius), float(radius))
            if best is None or (_indexed(here) and not _indexed(best.here)):
                best = match
    return best


def _home(point: ir.Point) -> str:
    """The one source whose columns make a position, '' for none or several."""
    found: set[str] = set()
    parts: list[ir.Expr] = [point.lon, point.lat]
    while parts:
        part = parts.pop()
        if isinstance(part, ir.Ref):
            found.add(part.source)
        elif isinstance(part, ir.Aggregate | ir.QueryTest):
            return ""
        parts += part.children()
    return found.pop() if len(found) == 1 else ""


def _indexed(point: ir.Point) -> bool:
    return isinstance(point.lon, ir.Ref) and point.lon.position is not None


def spread(emitter: Emitter, match: Match, text: str) -> str:
    """The side's rows, each once for every cell that points within the radius can be in."""
    cells = _cells(emitter, match, match.there)
    near = ""
    if match.near is not None:
        # A catalogue beside an upload: to spread it all would take far longer than the join.
        reached = f"SELECT unnest({_cells(emitter, match, match.here)}) FROM {emitter.source(match.near)}"
        near = f" WHERE {_cell(emitter, match, match.there)} IN ({reached})"
    return (
        f'(SELECT {match.spread}.*, unnest({cells}) AS "{CELL_COLUMN}" FROM {text} AS {match.spread}{near})'
    )


def _cells(emitter: Emitter, match: Match, place: ir.Point) -> str:
    """The cells that points within the radius of a position can be in."""
    lon, lat = (spatial_duckdb.double(emitter, part) for part in (place.lon, place.lat))
    return f"vg_cells({match.order}, {lon}, {lat}, {spatial_duckdb.number(match.radius)})"


def _cell(emitter: Emitter, match: Match, place: ir.Point) -> str:
    """The cell that a position is in."""
    order = ir.Const(ir.Kind.INTEGER, place.meta, match.order)
    return emitter.value(ir.Call(ir.Kind.INTEGER, place.meta, "healpix_index", (order, place.lon, place.lat)))


def same_cell(emitter: Emitter, match: Match) -> str:
    """That a row of the other side is in the cell."""
    return f'{_cell(emitter, match, match.here)} = {match.spread}."{CELL_COLUMN}"'
