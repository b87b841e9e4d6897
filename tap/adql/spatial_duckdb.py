"""DuckDB's SQL of geometries: HEALPix ranges, distances written out, and calls of functions.py for the rest.

A predicate is a filter that may let too much through (ranges of `_hpx29`; bounding caps of regions) and an exact
test of what is left.  `Emitter` stands for tap.adql.duckdb.Emitter, which calls these by its tables.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from tap.adql import cover, geometry, ir, moc, moc_duckdb
from tap.adql.folding import constant
from tap.adql.ir import Expr, Kind
from tap.adql.shapes import Shape, ShapeKind, cone_limit, lon_lat, unit_vector

if TYPE_CHECKING:
    from tap.adql.duckdb import Emitter

WHOLE_SKY = (0, 12 * 4**29 - 1)
_INLINE = 160
"""Longest argument, in characters, that a formula may repeat."""
CONE_RANGES = 8
"""Ranges of a small cone's filter, always so many: with placeholders the SQL is then the same for all of them."""

TEMPLATES = {
    "healpix_center": "vg_healpix_centre(CAST({0} AS BIGINT), CAST({1} AS BIGINT))",
    "as_integer": "CAST({0} AS INTEGER)",
    "healpix_ancestor": "(CASE WHEN {2} BETWEEN 0 AND {0} AND {0} <= 29 AND {1} BETWEEN 0 AND "
    "(CAST(12 AS BIGINT) << CAST(2 * {0} AS BIGINT)) - 1 THEN CAST({1} AS BIGINT) >> CAST(2 * ({0} - {2}) AS BIGINT) END)",
    "healpix_area": "(CASE WHEN {0} BETWEEN 0 AND 29 THEN 3437.746770784939e0 / pow(4.0e0, {0}) END)",
}


def number(value: float) -> str:
    """A double as DuckDB reads it."""
    text = repr(float(value))
    text = text if "e" in text else text + "e0"
    return f"({text})" if value < 0 else text


def numbers(values: tuple[float, ...] | list[float]) -> str:
    return f"[{', '.join(number(value) for value in values)}]"


def double(emitter: Emitter, expr: Expr) -> str:
    value = constant(expr)
    if value is not None:
        return number(value)
    text = emitter.value(expr)
    return text if expr.meta.datatype == "double" else f"CAST({text} AS {emitter.types['double']})"


# Geometries as values


def point(emitter: Emitter, expr: ir.Point) -> str:
    lon, lat = double(emitter, expr.lon), double(emitter, expr.lat)
    return f"vg_point({lon}, {lat})"


def circle(emitter: Emitter, expr: ir.Circle) -> str:
    return f"vg_circle({', '.join(double(emitter, part) for part in expr.children())})"


def polygon(emitter: Emitter, expr: ir.Polygon) -> str:
    return f"vg_polygon([{', '.join(double(emitter, part) for part in expr.coordinates)}])"


def box(emitter: Emitter, expr: ir.Box) -> str:
    return f"vg_box({', '.join(double(emitter, part) for part in expr.children())})"


def fixed(emitter: Emitter, expr: ir.Fixed) -> str:
    if expr.text:
        return "'" + expr.text.replace("'", "''") + "'"
    return numbers(expr.values)


def encoded(emitter: Emitter, expr: Expr) -> str:
    """A geometry in the form that exact tests take (`shapes.Shape.encode`)."""
    if isinstance(expr, ir.Fixed):
        return numbers(expr.shape.encode())
    if isinstance(expr, ir.Ref) and expr.region is not None and emitter.indexes:
        return f'{expr.region.source}."{expr.region.names[0]}"'
    text = emitter.value(expr)
    return (
        f"vg_encode_text({text})" if expr.kind is Kind.REGION else f"vg_encode({_CODES[expr.kind]}, {text})"
    )


_CODES = {Kind.POINT: 0, Kind.CIRCLE: 1, Kind.POLYGON: 2}


def distance(emitter: Emitter, expr: ir.Call) -> str:
    """Degrees between two positions, accurate at all distances (Vincenty's formula with half-angle terms)."""
    lon1, lat1, lon2, lat2 = (double(emitter, arg) for arg in expr.args)
    if max(map(len, (lon1, lat1, lon2, lat2))) > _INLINE:
        return f"vg_distance({lon1}, {lat1}, {lon2}, {lat2})"
    half = f"sin(radians({lon2} - {lon1}) / 2)"
    b1, b2 = f"radians({lat1})", f"radians({lat2})"
    s1, c1, c2 = f"sin({b1})", f"cos({b1})", f"cos({b2})"
    across = f"({c2} * sin(radians({lon2} - {lon1})))"
    along = f"(sin(radians({lat2} - {lat1})) + 2 * {s1} * {c2} * {half} * {half})"
    ahead = f"(cos(radians({lat2} - {lat1})) - 2 * {c1} * {c2} * {half} * {half})"
    return f"degrees(atan2(sqrt({across} * {across} + {along} * {along}), {ahead}))"


def element(emitter: Emitter, expr: ir.Call) -> str:
    return f"({emitter.value(expr.args[0])})[{int(str(expr.extra))}]"


def measured(emitter: Emitter, expr: ir.Call) -> str:
    return f"vg_{expr.op}({encoded(emitter, expr.args[0])})"


def parse_dali(emitter: Emitter, expr: ir.Call) -> str:
    return f"vg_parse({int(str(expr.extra))}, {emitter.value(expr.args[0])})"


def healpix_index(emitter: Emitter, expr: ir.Call) -> str:
    order, lon, lat = expr.args
    index = _index(emitter, lon, lat)
    fixed_order = constant(order)
    if index is not None and fixed_order is not None:
        return f'({index.source}."{index.healpix}" >> {2 * (29 - int(fixed_order))})'
    where = f"{double(emitter, lon)}, {double(emitter, lat)}"
    return f"vg_healpix(CAST({emitter.value(order)} AS BIGINT), {where})"


def rotate(emitter: Emitter, expr: ir.Call) -> str:
    assert isinstance(expr.extra, tuple)
    code, rotation = expr.extra
    return f"vg_rotate({numbers(rotation)}, {int(code)}, {emitter.value(expr.args[0])})"


def epoch_prop(emitter: Emitter, expr: ir.Call) -> str:
    ra, dec, *rest, start, end = (double(emitter, arg) for arg in expr.args)
    known = ", ".join(f"coalesce({part}, 0.0e0)" for part in rest)
    text = f"vg_epoch_prop({ra}, {dec}, {known}, {end} - {start})"
    return f"({text})[1:2]" if expr.op == "epoch_prop_pos" else text


def position_angle(emitter: Emitter, expr: ir.Call) -> str:
    lon1, lat1, lon2, lat2 = (f"radians({double(emitter, arg)})" for arg in expr.args)
    east = f"sin({lon2} - {lon1}) * cos({lat2})"
    north = f"sin({lat2} - {lat1}) + 2 * sin({lat1}) * cos({lat2}) * pow(sin(({lon2} - {lon1}) / 2), 2)"
    angle = f"degrees(atan2({east}, {north}))"
    return f"(({angle} + 360.0e0) % 360.0e0)"


# Predicates


def _index(emitter: Emitter, lon: Expr, lat: Expr) -> ir.PositionIndex | None:
    """The index that covers a pair of columns, where it can be named."""
    return ir.position_of(lon, lat) if emitter.indexes else None


def cone_ranges(emitter: Emitter, index: ir.PositionIndex, shape: Shape) -> str:
    """`ranges`; with placeholders its text is the same for all cones of about one size."""
    if emitter.values is None:
        return ranges(emitter, index, shape)
    most = CONE_RANGES if shape.radius <= cover.SMALL else 2 * CONE_RANGES
    found = cover.ranges(shape, most)
    if found == (WHOLE_SKY,):
        return ""
    return between(
        f'{index.source}."{index.healpix}"', found + (found[-1],) * (most - len(found)), emitter.placed
    )


def ranges(emitter: Emitter, index: ir.PositionIndex, shape: Shape) -> str:
    """A filter on the HEALPix column; '' where it would let all through."""
    found = cover.ranges(shape)
    column = f'{index.source}."{index.healpix}"'
    if found == (WHOLE_SKY,):
        return ""
    return emitter.between(column, found)


def between(column: str, found: tuple[tuple[int, int], ...], write: Callable[[int], str] = str) -> str:
    """In one of the ranges; the outer BETWEEN tells DuckDB at once which row groups it may skip."""
    if not found:
        return f"{column} < 0"
    outer = f"{column} BETWEEN {write(found[0][0])} AND {write(found[-1][1])}"
    if len(found) == 1:
        return outer
    inner = " OR ".join(f"{column} BETWEEN {write(low)} AND {write(high)}" for low, high in found)
    return f"{outer} AND ({inner})"


def in_moc(emitter: Emitter, expr: ir.InMoc) -> str:
    """Ranges of the index column; where there are many, the widest gaps between them and then a search."""
    place, cells = expr.point, moc.parse(expr.moc)
    index = _index(emitter, place.lon, place.lat)
    if index is None:
        column = f"vg_healpix(29, {double(emitter, place.lon)}, {double(emitter, place.lat)})"
    else:
        column = f'{index.source}."{index.healpix}"'
    exact = f"vg_in_cells({column}, {[int(edge) for edge in cells.ravel()]})"
    if index is None:
        return exact if len(cells) else f"({column} < 0)"
    filtered = emitter.between(column, moc.coarse(cells, cover.MAX_RANGES))
    if len(cells) <= cover.MAX_RANGES:
        return f"({filtered})"
    return f"({filtered} AND CASE WHEN {filtered} THEN {exact} END)"


def _all(*conditions: str) -> str:
    return f"({' AND '.join(condition for condition in conditions if condition)})"


def _haversine(lon: str, lat: str, centre_lon: str, centre_lat: str, cosine: str) -> str:
    """The square of the sine of half the distance."""
    return (
        f"(pow(sin(radians({lat} - {centre_lat}) / 2), 2) + cos(radians({lat})) * {cosine} * "
        f"pow(sin(radians({lon} - {centre_lon}) / 2), 2))"
    )


def in_cone(
    emitter: Emitter, lon: str, lat: str, centre: tuple[float, float], radius: float, strict: bool
) -> str:
    """Whether a position is within `radius` degrees of a constant centre."""
    if radius < 0:
        return "false"
    if radius >= 180:
        return f"({lon} + {lat} IS NOT NULL)"
    x, y, limit, beyond = cone_limit(*centre, radius)
    test = ("<", ">")[beyond] + "=" * (not strict)
    at_x, at_y, cosine = (emitter.placed(float(v)) for v in (x, y, math.cos(math.radians(y))))
    return f"{_haversine(lon, lat, at_x, at_y, cosine)} {test} {emitter.placed(limit)}"


def within(emitter: Emitter, expr: ir.Within) -> str:
    """A cone: constant, or a pair of positions no farther apart than a radius."""
    a, b, radius = expr.a, expr.b, constant(expr.radius)
    if constant(b.lon) is None or constant(b.lat) is None:
        a, b = b, a
    lon, lat = double(emitter, a.lon), double(emitter, a.lat)
    x, y = constant(b.lon), constant(b.lat)
    if x is not None and y is not None and radius is not None and len(lon + lat) < _INLINE:
        index = _index(emitter, a.lon, a.lat)
        shape = Shape(ShapeKind.CIRCLE, unit_vector(x, y), math.radians(max(0.0, min(radius, 180.0))))
        filtered = cone_ranges(emitter, index, shape) if index is not None else ""
        return _all(filtered, in_cone(emitter, lon, lat, (float(x), float(y)), radius, expr.strict))
    lon2, lat2 = double(emitter, b.lon), double(emitter, b.lat)
    limit = double(emitter, expr.radius)
    less = "<" if expr.strict else "<="
    if max(map(len, (lon, lat, lon2, lat2, limit))) > _INLINE:
        return f"(vg_distance({lon}, {lat}, {lon2}, {lat2}) {less} {limit})"
    square = _haversine(lon, lat, lon2, lat2, f"cos(radians({lat2}))")
    if radius is not None and 0 <= radius < 180:
        return f"({square} {less} {number(math.sin(math.radians(radius) / 2) ** 2)})"
    bound = f"pow(sin(radians(least({limit}, 180.0e0)) / 2), 2)"
    # DuckDB takes NaN for larger than any number.
    return f"({limit} >= 0 AND NOT isnan({limit}) AND {square} {less} {bound})"


def spatial(emitter: Emitter, expr: ir.Spatial) -> str:
    a, b = expr.a, expr.b
    if Kind.MOC in (a.kind, b.kind):
        return emitter.mocs.test(emitter, expr.op, a, b)
    if a.kind is Kind.POINT and isinstance(b, ir.Fixed) and not isinstance(a, ir.Fixed):
        return _point_in(emitter, geometry.as_point(a), b.shape)
    name = "vg_contains" if expr.op == "CONTAINS" else "vg_intersects"
    first, second = encoded(emitter, a), encoded(emitter, b)
    if isinstance(b, ir.Fixed):
        exact = f"{name}_k({first}, {second})"
    elif isinstance(a, ir.Fixed):
        mirrored = "vg_contained_k" if expr.op == "CONTAINS" else "vg_intersects_k"
        exact = f"{mirrored}({second}, {first})"
    else:
        exact = f"{name}({first}, {second})"
    meet = _caps(emitter, a, b) if emitter.indexes else None
    if not meet:
        return exact
    # CASE, since it is sure to evaluate the dear test on the rows alone that pass the filter.
    condition, known = meet
    sure = wholly_in(emitter, a, b)
    yes = f" WHEN {sure} THEN true" if sure else ""
    tested = f"CASE WHEN NOT {condition} THEN false{yes} WHEN {known} THEN {exact} END"
    near = _near(a, b)
    return f"({near} AND {tested})" if near else f"({tested})"


def _point_in(emitter: Emitter, place: ir.Point, shape: Shape) -> str:
    lon, lat = double(emitter, place.lon), double(emitter, place.lat)
    index = _index(emitter, place.lon, place.lat)
    if shape.kind is ShapeKind.CIRCLE and len(lon + lat) < _INLINE:
        filtered = cone_ranges(emitter, index, shape) if index is not None else ""
        centre, radius = lon_lat(shape.centre), math.degrees(shape.radius)
        return _all(filtered, in_cone(emitter, lon, lat, centre, radius, False))
    filtered = ranges(emitter, index, shape) if index is not None else ""
    exact = f"vg_point_in({lon}, {lat}, {numbers(shape.encode())})"
    if not filtered:
        return exact
    # The first stands for itself, since DuckDB prunes by it; CASE makes sure that the dear test comes after it.
    return f"({filtered} AND CASE WHEN {filtered} THEN {exact} END)"


def _caps(emitter: Emitter, a: Expr, b: Expr) -> tuple[str, str] | None:
    """Whether bounding caps meet (a little generous), and what is not NULL where the regions are not."""
    one, other = _cap(emitter, a), _cap(emitter, b)
    if one is None or other is None or not any(isinstance(expr, ir.Ref) for expr in (a, b)):
        return None
    x, y, z, c, s = one
    u, v, w, d, t = other
    dot = f"{x} * {u} + {y} * {v} + {z} * {w}"
    # Caps whose radii add up to more than 180 degrees always meet.
    condition = f"({dot} >= {c} * {d} - {s} * {t} - 4e-15 OR {c} < -{d})"
    known = " AND ".join(
        f"{cap[0]} IS NOT NULL" for cap, expr in ((one, a), (other, b)) if isinstance(expr, ir.Ref)
    )
    return condition, known


def wholly_in(emitter: Emitter, a: Expr, b: Expr) -> str:
    """That the bounding cap of a region is within a constant circle, and so it is too; '' for other pairs.

    Combinations are left to the exact test: they may be empty.
    """
    if not (isinstance(b, ir.Fixed) and b.shape.kind is ShapeKind.CIRCLE and isinstance(a, ir.Ref)):
        return ""
    cap = _cap(emitter, a)
    if cap is None:
        return ""
    x, y, z, c, s = cap
    u, v, w = (number(value) for value in b.shape.centre)
    cosine, sine = number(math.cos(b.shape.radius)), number(math.sin(b.shape.radius))
    dot = f"{x} * {u} + {y} * {v} + {z} * {w}"
    simple = f"({encoded(emitter, a)})[1] < {ShapeKind.UNION:d}"
    return f"({c} >= {cosine} AND {dot} >= {c} * {cosine} + {s} * {sine} + 4e-15 AND {simple})"


def _near(a: Expr, b: Expr) -> str:
    """Ranges of the stored caps' centres, by which DuckDB skips row groups; '' where they would be no help.

    A cap that meets a constant one has its centre within the sum of their radii, that of the table's largest for its own.
    """
    stored, given = (a, b) if isinstance(b, ir.Fixed) else (b, a)
    if not (isinstance(given, ir.Fixed) and isinstance(stored, ir.Ref) and stored.region is not None):
        return ""
    reach = stored.region.reach
    away = math.inf if reach is None else math.radians(reach) + given.shape.radius + 1e-7
    if away > math.radians(60):
        return ""
    parts = []
    for name, value in zip(stored.region.names[1:4], given.shape.centre):
        angle = math.acos(max(-1.0, min(1.0, value)))
        low, high = math.cos(min(math.pi, angle + away)), math.cos(max(0.0, angle - away))
        column = f'{stored.region.source}."{name}"'
        parts.append(f"{column} BETWEEN {number(low - 1e-12)} AND {number(high + 1e-12)}")
    return " AND ".join(parts)


def _cap(emitter: Emitter, expr: Expr) -> tuple[str, ...] | None:
    """Centre, cosine and sine of the radius of a geometry's bounding cap, where SQL has them."""
    if isinstance(expr, ir.Fixed):
        shape = expr.shape
        values = (*shape.centre, math.cos(shape.radius), math.sin(shape.radius))
        return tuple(number(value) for value in values)
    if isinstance(expr, ir.Point):
        lon, lat = f"radians({double(emitter, expr.lon)})", f"radians({double(emitter, expr.lat)})"
        if len(lon + lat) < _INLINE:
            return f"(cos({lat}) * cos({lon}))", f"(cos({lat}) * sin({lon}))", f"sin({lat})", "1.0e0", "0.0e0"
    if isinstance(expr, ir.Ref) and expr.region is not None:
        return tuple(f'{expr.region.source}."{name}"' for name in expr.region.names[1:])
    return None


EMIT: dict[type, Callable[..., str]] = {
    ir.Point: lambda emitter, expr: point(emitter, expr),
    ir.Circle: lambda emitter, expr: circle(emitter, expr),
    ir.Polygon: lambda emitter, expr: polygon(emitter, expr),
    ir.Box: lambda emitter, expr: box(emitter, expr),
    ir.Fixed: lambda emitter, expr: fixed(emitter, expr),
    ir.FixedMoc: lambda emitter, expr: moc_duckdb.fixed(emitter, expr),
    ir.InMoc: lambda emitter, expr: in_moc(emitter, expr),
    ir.Within: lambda emitter, expr: within(emitter, expr),
    ir.Spatial: lambda emitter, expr: spatial(emitter, expr),
}
CALLS = {
    "area": measured,
    "centroid": measured,
    "distance": distance,
    "element": element,
    "epoch_prop": epoch_prop,
    "epoch_prop_pos": epoch_prop,
    "healpix_index": healpix_index,
    "moc_of": lambda emitter, expr: emitter.mocs.of_shape(emitter, expr),
    "parse_dali": parse_dali,
    "position_angle": position_angle,
    "rotate": rotate,
}
