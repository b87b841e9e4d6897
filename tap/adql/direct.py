"""Queries that need no database: a region of one table, a table as a whole, or an upload matched by position.

`plan` knows a few forms of the resolved query and says None to all others, which go to the database as SQL.  What it
takes must mean the same as in the emitters (spatial_duckdb.py): the tests compare the two.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from tap.adql import cover, geometry, ir, moc, reach
from tap.adql.catalogue import UPLOAD_SCHEMA
from tap.adql.folding import constant
from tap.adql.ir import Kind
from tap.adql.shapes import Shape, ShapeKind, cone_limit, lon_lat, unit_vector
from tap.copies.plan import Comparison, Cone, Inside, Item, Known, Match, Plan, Test

Copies = Mapping[tuple[str, str], str]
"""(schema, table) -> folder of its copy."""
Ranges = tuple[tuple[int, int], ...]

_NUMBERS = frozenset({"short", "int", "float", "double", "unsignedByte"})
"""Types whose values are the same as doubles."""
_MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "=": "=", "<>": "<>"}
_MOST_RANGES = 5_000


class _Unfit(Exception):
    """The query is none of those that need no database."""


def plan(query: ir.Query, names: Sequence[str], limit: int | None, copies: Copies) -> Plan | None:
    """How to answer a query from the copy of a table, None if that cannot be.

    Parameters
    ----------
    names
        Of the result's columns.
    limit
        Most rows, beside the query's own TOP.
    """
    body = query.body
    if not copies or not isinstance(body, ir.Select) or query.order_by or query.offset or query.named:
        return None
    if body.distinct or body.grouped or body.group_by or body.having is not None:
        return None
    if query.limit is not None:
        limit = query.limit if limit is None else min(limit, query.limit)
    try:
        return _plan(body, names, limit, copies)
    except _Unfit:
        return None


def _plan(body: ir.Select, names: Sequence[str], limit: int | None, copies: Copies) -> Plan:
    table, upload, terms = _sources(body, copies)
    path = copies[table.schema, table.table]
    aliases = {table.alias: False} | ({upload.alias: True} if upload is not None else {})
    items = tuple(_item(expr, name, aliases) for (expr, _), name in zip(body.items, names, strict=False))
    if upload is not None:
        index, match = _match(terms, table, upload)
        return Plan(path, index.lon, index.lat, items, None, (), match, limit)
    if not terms:
        return Plan(path, "", "", items, limit=limit)
    found: Ranges | None = None
    place: ir.PositionIndex | None = None
    tests: list[Test] = []
    for term in terms:
        region = _region(term, table)
        if region is None:
            tests.append(_test(term, table))
        else:
            place, ranges, exact = region
            tests += exact
            found = ranges if found is None else _common(found, ranges)
    if place is None or found is None:
        raise _Unfit  # without a region, the database knows better what to read
    tests.sort(key=lambda test: isinstance(test, Inside))  # dear ones last
    return Plan(path, place.lon, place.lat, items, found, tuple(tests), None, limit)


def _common(one: Ranges, other: Ranges) -> Ranges:
    """What is in both."""
    step = np.array([0, 1])  # moc.py counts without the last cell
    both = moc.intersection(np.array(one).reshape(-1, 2) + step, np.array(other).reshape(-1, 2) + step)
    return tuple((int(low), int(high) - 1) for low, high in both)


def _sources(body: ir.Select, copies: Copies) -> tuple[ir.TableSource, ir.TableSource | None, list[ir.Expr]]:
    """The table that has a copy, the upload beside it, and all conditions."""
    terms = _terms(body.where)
    sources: list[ir.Source] = list(body.sources)
    if len(sources) == 1 and isinstance(sources[0], ir.JoinSource) and sources[0].kind == "INNER":
        join = sources[0]
        sources, terms = [join.left, join.right], _terms(join.on) + terms
    tables = [source for source in sources if isinstance(source, ir.TableSource)]
    known = [source for source in tables if (source.schema, source.table) in copies]
    sent = [source for source in tables if source.schema == UPLOAD_SCHEMA]
    if len(known) != 1 or len(known) + len(sent) != len(sources) or len(sent) > 1:
        raise _Unfit
    return known[0], sent[0] if sent else None, terms


def _terms(condition: ir.Expr | None) -> list[ir.Expr]:
    if condition is None:
        return []
    if isinstance(condition, ir.Logic) and condition.op == "AND":
        return [term for part in condition.args for term in _terms(part)]
    return [condition]


def _item(expr: ir.Expr, name: str, aliases: Mapping[str, bool]) -> Item:
    if not isinstance(expr, ir.Ref) or expr.source not in aliases:
        raise _Unfit
    uploaded = aliases[expr.source]
    if uploaded and expr.kind is Kind.TIMESTAMP:
        raise _Unfit  # its text is made by the database
    return Item(expr.name, name, uploaded, expr.prefix)


# Regions


def _region(term: ir.Expr, table: ir.TableSource) -> tuple[ir.PositionIndex, Ranges, list[Test]] | None:
    """The ranges and exact tests of a condition that keeps to a region; None for other conditions."""
    if isinstance(term, ir.InMoc):
        index = _index(term.point, table)
        cells = moc.parse(term.moc)
        if index is None or len(cells) > _MOST_RANGES:
            return None
        return index, tuple((int(low), int(high) - 1) for low, high in cells), []
    if isinstance(term, ir.Within):
        return _within(term, table)
    if isinstance(term, ir.Spatial) and isinstance(term.b, ir.Fixed) and term.a.kind is Kind.POINT:
        if isinstance(term.a, ir.Fixed):
            return None
        index = _index(geometry.as_point(term.a), table)
        if index is None:
            return None
        shape = term.b.shape
        if shape.kind is ShapeKind.CIRCLE:
            cone = _cone(lon_lat(shape.centre), math.degrees(shape.radius), False)
            return index, cover.ranges(shape), cone
        return index, cover.ranges(shape), [Inside(tuple(shape.encode()))]
    return None


def _within(term: ir.Within, table: ir.TableSource) -> tuple[ir.PositionIndex, Ranges, list[Test]] | None:
    radius = constant(term.radius)
    for here, there in ((term.a, term.b), (term.b, term.a)):
        index, lon, lat = _index(here, table), constant(there.lon), constant(there.lat)
        if index is not None and lon is not None and lat is not None and radius is not None:
            if not 0 <= radius <= 180:
                return None
            shape = Shape(ShapeKind.CIRCLE, unit_vector(lon, lat), math.radians(radius))
            return index, cover.ranges(shape), _cone((float(lon), float(lat)), float(radius), term.strict)
    return None


def _cone(centre: tuple[float, float], radius: float, strict: bool) -> list[Test]:
    """The exact test of a circle; none where it is the whole sky."""
    if radius >= 180:
        return []
    lon, lat, limit, beyond = cone_limit(*centre, radius)
    return [Cone(lon, lat, limit, strict, beyond)]


def _index(point: ir.Point, table: ir.TableSource) -> ir.PositionIndex | None:
    """The table's own position, if that is what makes the point."""
    index = ir.position_of(point.lon, point.lat)
    return index if index is not None and index.source == table.alias else None


# Other conditions


def _test(term: ir.Expr, table: ir.TableSource) -> Test:
    """A comparison with a number, or IS [NOT] NULL."""
    if isinstance(term, ir.Compare):
        for here, there, op in (
            (term.left, term.right, term.op),
            (term.right, term.left, _MIRRORED.get(term.op, "")),
        ):
            value = there.value if isinstance(there, ir.Const) else None
            if _is_number(here, table) and op in _MIRRORED and isinstance(value, int | float):
                assert isinstance(here, ir.Ref)
                return Comparison(here.name, op, float(value))
    if isinstance(term, ir.Test) and term.op == "ISNULL" and len(term.args) == 1:
        (column,) = term.args
        if isinstance(column, ir.Ref) and column.source == table.alias and not column.prefix:
            return Known(column.name, negated=not term.negated)
    raise _Unfit


def _is_number(expr: ir.Expr, table: ir.TableSource) -> bool:
    return (
        isinstance(expr, ir.Ref)
        and expr.source == table.alias
        and expr.meta.datatype in _NUMBERS
        and expr.meta.arraysize in ("", "1")
    )


# Cross-matches


def _match(
    terms: list[ir.Expr], table: ir.TableSource, upload: ir.TableSource
) -> tuple[ir.PositionIndex, Match]:
    if len(terms) != 1 or not isinstance(terms[0], ir.Within):
        raise _Unfit
    term = terms[0]
    radius = constant(term.radius)
    if radius is None or not 0 <= radius <= reach.LARGEST:
        raise _Unfit
    for here, there in ((term.a, term.b), (term.b, term.a)):
        index = _index(here, table)
        lon, lat = there.lon, there.lat
        if index is None or not isinstance(lon, ir.Ref) or not isinstance(lat, ir.Ref):
            continue
        if lon.source == lat.source == upload.alias and {lon.meta.datatype, lat.meta.datatype} <= _NUMBERS:
            order = reach.order_of(float(radius))
            return index, Match(upload.table, lon.name, lat.name, float(radius), order, term.strict)
    raise _Unfit
