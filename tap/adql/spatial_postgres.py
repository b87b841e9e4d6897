"""PostgreSQL's SQL of geometries: what differs from DuckDB's (spatial_duckdb.py).

A predicate is a filter that an index answers (b-tree ranges of `_hpx29`; GiST boxes around regions) and an exact test of
what is left, by the functions in postgres_sql/.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from tap.adql import cover, geometry, ir, moc, postgres_moc, spatial_duckdb
from tap.adql.ir import Expr, Kind
from tap.adql.shapes import Shape, ShapeKind, lon_lat
from tap.adql.spatial_duckdb import double

if TYPE_CHECKING:
    from tap.adql.duckdb import Emitter


def array(values: tuple[float, ...] | list[float]) -> str:
    """A list of doubles."""
    return f"CAST('{{{','.join(repr(float(value)) for value in values)}}}' AS DOUBLE PRECISION[])"


def fixed(emitter: Emitter, expr: ir.Fixed) -> str:
    return emitter.literal(expr.text) if expr.text else array(expr.values)


def polygon(emitter: Emitter, expr: ir.Polygon) -> str:
    return f"vg_polygon(ARRAY[{', '.join(double(emitter, part) for part in expr.coordinates)}])"


def encoded(emitter: Emitter, expr: Expr) -> str:
    """A geometry in the form that exact tests take (`shapes.Shape.encode`)."""
    if isinstance(expr, ir.Fixed):
        return array(expr.shape.encode())
    return spatial_duckdb.encoded(emitter, expr)


def measured(emitter: Emitter, expr: ir.Call) -> str:
    return f"vg_{expr.op}({encoded(emitter, expr.args[0])})"


def rotate(emitter: Emitter, expr: ir.Call) -> str:
    assert isinstance(expr.extra, tuple)
    code, rotation = expr.extra
    return f"vg_rotate({array(rotation)}, {int(code)}, {emitter.value(expr.args[0])})"


def position_angle(emitter: Emitter, expr: ir.Call) -> str:
    lon1, lat1, lon2, lat2 = (f"radians({double(emitter, arg)})" for arg in expr.args)
    east = f"sin({lon2} - {lon1}) * cos({lat2})"
    north = f"sin({lat2} - {lat1}) + 2 * sin({lat1}) * cos({lat2}) * pow(sin(({lon2} - {lon1}) / 2), 2)"
    return f"vg_wrap(degrees(atan2({east}, {north})))"


def in_moc(emitter: Emitter, expr: ir.InMoc) -> str:
    """Ranges of the index column; where there are many, the widest gaps between them and then a search."""
    place, cells = expr.point, moc.parse(expr.moc)
    index = spatial_duckdb._index(emitter, place.lon, place.lat)
    if index is None:
        column = f"vg_healpix(29, {double(emitter, place.lon)}, {double(emitter, place.lat)})"
    else:
        column = f'{index.source}."{index.healpix}"'
    exact = f"({column} <@ {postgres_moc.literal(cells)})"
    if index is None:
        return exact
    filtered = emitter.between(column, moc.coarse(cells, cover.MAX_RANGES))
    return f"({filtered})" if len(cells) <= cover.MAX_RANGES else f"({filtered} AND {exact})"


def spatial(emitter: Emitter, expr: ir.Spatial) -> str:
    a, b = expr.a, expr.b
    if Kind.MOC in (a.kind, b.kind):
        return emitter.mocs.test(emitter, expr.op, a, b)
    if a.kind is Kind.POINT and isinstance(b, ir.Fixed) and not isinstance(a, ir.Fixed):
        return _point_in(emitter, geometry.as_point(a), b.shape)
    name = "vg_contains" if expr.op == "CONTAINS" else "vg_intersects"
    exact = f"{name}({encoded(emitter, a)}, {encoded(emitter, b)})"
    meet = spatial_duckdb._caps(emitter, a, b) if emitter.indexes else None
    if not meet:
        return exact
    condition, known = meet
    sure = spatial_duckdb.wholly_in(emitter, a, b)
    yes = f" WHEN {sure} THEN true" if sure else ""
    tested = f"CASE WHEN NOT {condition} THEN false{yes} WHEN {known} THEN {exact} END"
    boxes = _boxes(emitter, a, b)
    return f"({boxes} AND {tested})" if boxes else f"({tested})"


def _point_in(emitter: Emitter, place: ir.Point, shape: Shape) -> str:
    lon, lat = double(emitter, place.lon), double(emitter, place.lat)
    index = spatial_duckdb._index(emitter, place.lon, place.lat)
    filtered = spatial_duckdb.ranges(emitter, index, shape) if index is not None else ""
    if shape.kind is ShapeKind.CIRCLE and len(lon + lat) < spatial_duckdb._INLINE:
        exact = spatial_duckdb.in_cone(
            emitter, lon, lat, lon_lat(shape.centre), math.degrees(shape.radius), False
        )
    else:
        exact = f"vg_point_in({lon}, {lat}, {array(shape.encode())})"
    return f"({filtered} AND {exact})" if filtered else exact


def _boxes(emitter: Emitter, a: Expr, b: Expr) -> str:
    """That boxes of longitude and latitude around two caps overlap: what the index of regions answers."""
    one, other = _box(emitter, a), _box(emitter, b)
    if isinstance(other, tuple):
        one, other = other, one
    if one is None or other is None or isinstance(other, tuple):
        return ""
    if isinstance(one, tuple):
        west, south, east, north = one
        # Stored boxes reach from -90 to 450 degrees, those around the poles farther: they meet the one that is not shifted.
        turns = [
            turn for turn in (0.0, -360.0, 360.0) if not turn or (west + turn <= 450 and east + turn >= -90)
        ]
        parts = [
            f"{other} && box(point({west + turn!r}, {south!r}), point({east + turn!r}, {north!r}))"
            for turn in turns
        ]
    else:
        parts = [
            f"{other} && {one}",
            f"{other} && ({one} + point(360, 0))",
            f"{other} && ({one} - point(360, 0))",
        ]
    return f"({' OR '.join(parts)})"


def _box(emitter: Emitter, expr: Expr) -> str | tuple[float, float, float, float] | None:
    """SQL of a box (`vg_cap_box`), or west, south, east, north of a constant one; None where it would be no help."""
    if isinstance(expr, ir.Fixed):
        return _around(expr.shape)
    cap = spatial_duckdb._cap(emitter, expr)
    return None if cap is None else f"vg_cap_box({', '.join(cap)})"


def _around(shape: Shape) -> tuple[float, float, float, float] | None:
    lon, lat = lon_lat(shape.centre)
    radius = math.degrees(shape.radius) + 1e-9
    if radius >= 120:
        return None
    south, north = lat - radius, lat + radius
    if south <= -90 or north >= 90:
        return -180.0, south, 540.0, north
    away = (
        math.degrees(math.asin(min(1.0, math.sin(math.radians(radius)) / math.cos(math.radians(lat))))) + 1e-9
    )
    return lon - away, south, lon + away, north


EMIT: dict[type, Callable[..., str]] = {
    ir.Fixed: fixed,
    ir.FixedMoc: postgres_moc.fixed,
    ir.InMoc: in_moc,
    ir.Polygon: polygon,
    ir.Spatial: spatial,
}
CALLS: dict[str, Callable[..., str]] = {
    "area": measured,
    "centroid": measured,
    "moc_of": postgres_moc.of_shape,
    "position_angle": position_angle,
    "rotate": rotate,
}
