"""Exact spatial predicates over columns of encoded shapes, vectorised with numpy.

Points that are within `TOLERANCE` of a boundary count as on it, and so inside.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from tap.adql import shapes
from tap.adql.shapes import HEADER, Shape, ShapeKind

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]
Pairwise: TypeAlias = "Callable[[Ragged, Ragged], Booleans]"

TOLERANCE = 2e-15
"""Radians; 0.4 nanoarcseconds. Coordinates in degrees as doubles are no finer."""


class Ragged:
    """Many encoded shapes: row i is `values[starts[i]:stops[i]]`; rows may share values."""

    def __init__(self, values: Floats, starts: Integers, stops: Integers) -> None:
        self.values, self.starts, self.stops = values, starts, stops
        self.kinds = values[starts].astype(np.int64)

    @classmethod
    def of(cls, items: list[Shape]) -> Ragged:
        encoded = [np.array(item.encode()) for item in items]
        sizes = np.array([len(row) for row in encoded], np.int64)
        stops = np.cumsum(sizes)
        return cls(np.concatenate(encoded), stops - sizes, stops)

    @classmethod
    def constant(cls, values: Floats, count: int) -> Ragged:
        """One shape in every row."""
        return cls(values, np.zeros(count, np.int64), np.full(count, len(values), np.int64))

    def __len__(self) -> int:
        return len(self.starts)

    def take(self, rows: Integers) -> Ragged:
        return Ragged(self.values, self.starts[rows], self.stops[rows])

    @property
    def centre(self) -> Floats:
        """Centres of the bounding caps, shape (n, 3)."""
        return self.values[self.starts[:, None] + np.array([1, 2, 3])]

    @property
    def radius(self) -> Floats:
        return self.values[self.starts + 4]

    def row(self, i: int) -> Shape:
        return shapes.decode(self.values[self.starts[i] : self.stops[i]])

    def vertices(self) -> tuple[Floats, Integers]:
        """Vertices of all rows (polygons), shape (m, 3), and the row that each belongs to."""
        counts = (self.stops - self.starts - HEADER) // 3
        owner = np.repeat(np.arange(len(self)), counts)
        first = np.cumsum(counts) - counts
        place = np.arange(len(owner)) - first[owner]
        at = self.starts[owner] + HEADER + 3 * place
        return self.values[at[:, None] + np.array([0, 1, 2])], owner

    def sides(self) -> tuple[Floats, Floats, Integers]:
        """Both ends of all sides (polygons), each (m, 3), and the row that each belongs to."""
        a, owner = self.vertices()
        following = np.arange(1, len(a) + 1)
        last = np.flatnonzero(np.r_[owner[1:] != owner[:-1], True])
        following[last] = np.flatnonzero(np.r_[True, owner[1:] != owner[:-1]])
        return a, a[following], owner


def angle(a: Floats, b: Floats) -> Floats:
    """Angles between unit vectors, (n, 3) each, in radians; accurate at all distances."""
    return np.arctan2(np.linalg.norm(np.cross(a, b), axis=-1), (a * b).sum(axis=-1))


def _any_by(owner: Integers, flags: Booleans, count: int) -> Booleans:
    return np.bincount(owner, weights=flags, minlength=count) > 0


def _distances_to_sides(p: Floats, a: Floats, b: Floats) -> Floats:
    """Angles from points to arcs, row by row."""
    normal = np.cross(a - b, a + b)
    length = np.linalg.norm(normal, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        normal = normal / length[:, None]
    beside = ((np.cross(normal, a) * p).sum(1) >= 0) & ((np.cross(b, normal) * p).sum(1) >= 0)
    to_plane = np.arcsin(np.minimum(1.0, np.abs((normal * p).sum(1))))
    chord2 = np.minimum(((p - a) ** 2).sum(1), ((p - b) ** 2).sum(1))
    to_ends = 2.0 * np.arcsin(np.minimum(1.0, np.sqrt(chord2) / 2.0))
    return np.where(beside & (length > 0), to_plane, to_ends)


def boundary_distance(p: Floats, polygons: Ragged) -> Floats:
    """Angles from points to the boundaries of polygons, row by row."""
    a, b, owner = polygons.sides()
    distances = _distances_to_sides(p[owner], a, b)
    return np.minimum.reduceat(distances, np.flatnonzero(np.r_[True, owner[1:] != owner[:-1]]))


def _basis(c: Floats) -> tuple[Floats, Floats]:
    """Two vectors that with `c` make right-handed bases."""
    helper = np.where(np.abs(c[:, 2:]) < 0.9, np.array([[0.0, 0.0, 1.0]]), np.array([[1.0, 0.0, 0.0]]))
    u = np.cross(helper, c)
    u /= np.linalg.norm(u, axis=1, keepdims=True)
    return u, np.cross(c, u)


def in_polygon(p: Floats, polygons: Ragged) -> Booleans:
    """Whether points are in polygons or on their boundaries, row by row.

    A polygon fits into the hemisphere around its cap's centre, where the gnomonic projection makes its sides
    straight; there crossings of a ray are counted.
    """
    inside = np.zeros(len(p), bool)
    near = np.flatnonzero((p * polygons.centre).sum(1) > 0)
    if not len(near):
        return inside
    polygons, p = polygons.take(near), p[near]
    c = polygons.centre
    u, v = _basis(c)
    a, b, owner = polygons.sides()
    depth = (p * c).sum(1)
    px, py = ((p * u).sum(1) / depth)[owner], ((p * v).sum(1) / depth)[owner]
    cu, cv, cc = u[owner], v[owner], c[owner]
    da, db = (a * cc).sum(1), (b * cc).sum(1)
    ax, ay = (a * cu).sum(1) / da, (a * cv).sum(1) / da
    bx, by = (b * cu).sum(1) / db, (b * cv).sum(1) / db
    side = (bx - ax) * (py - ay) - (px - ax) * (by - ay)
    upward = by > ay
    crossing = ((ay > py) != (by > py)) & (np.where(upward, side, -side) > 0)
    odd = np.bincount(owner, weights=crossing, minlength=len(p)) % 2 == 1
    rest = np.flatnonzero(~odd)
    if len(rest):
        odd[rest] = boundary_distance(p[rest], polygons.take(rest)) <= TOLERANCE
    inside[near] = odd
    return inside


def distance(p: Floats, rows: Ragged) -> Floats:
    """Angles from points to simple shapes (0 inside), row by row."""
    result = np.empty(len(p))
    round_ones = rows.kinds <= ShapeKind.CIRCLE
    if round_ones.any():
        i = np.flatnonzero(round_ones)
        part = rows.take(i)
        result[i] = np.maximum(0.0, angle(p[i], part.centre) - np.where(part.kinds == 1, part.radius, 0.0))
    i = np.flatnonzero(rows.kinds == ShapeKind.POLYGON)
    if len(i):
        part = rows.take(i)
        result[i] = np.where(in_polygon(p[i], part), 0.0, boundary_distance(p[i], part))
    return result


def caps_meet(x: Ragged, y: Ragged) -> Booleans:
    """Whether bounding caps overlap; a little generous."""
    return angle(x.centre, y.centre) <= x.radius + y.radius + 1e-12


def intersects(x: Ragged, y: Ragged) -> Booleans:
    """Whether shapes have a point in common, row by row."""
    result = caps_meet(x, y)
    rows = np.flatnonzero(result)
    if len(rows):
        result[rows] = _by_kind(x.take(rows), y.take(rows), _INTERSECTS, "intersects")
    return result


def contains(x: Ragged, y: Ragged) -> Booleans:
    """Whether shapes of `x` lie wholly in those of `y`, row by row."""
    result = caps_meet(x, y)
    rows = np.flatnonzero(result)
    if len(rows):
        result[rows] = _by_kind(x.take(rows), y.take(rows), _CONTAINS, "contains")
    return result


def _by_kind(x: Ragged, y: Ragged, table: Mapping[tuple[int, int], Pairwise], name: str) -> Booleans:
    result = np.zeros(len(x), bool)
    pairs = x.kinds * 8 + y.kinds
    for code in np.unique(pairs):
        rows = np.flatnonzero(pairs == code)
        a, b = x.take(rows), y.take(rows)
        function = table.get((int(code) // 8, int(code) % 8))
        result[rows] = function(a, b) if function is not None else _combined(a, b, name)
    return result


def _combined(x: Ragged, y: Ragged, name: str) -> Booleans:
    """Tests with combinations: by the logic of their parts where that decides, else pair by pair."""
    from tap.adql import combinations  # it imports this module

    if name == "intersects" and y.kinds[0] <= ShapeKind.POLYGON:
        x, y = y, x
    test = getattr(combinations, name)
    result = np.zeros(len(x), bool)
    # Rows of a constant share one encoding.
    for start in np.unique(y.starts):
        rows = np.flatnonzero(y.starts == start)
        shape = y.row(int(rows[0]))
        part = x.take(rows)
        decided = _by_parts(part, shape, name) if part.kinds[0] <= ShapeKind.POLYGON else None
        if decided is None:
            decided = np.array([test(part.row(i), shape) for i in range(len(rows))], bool)
        result[rows] = decided
    return result


def _by_parts(x: Ragged, shape: Shape, name: str) -> Booleans | None:
    """`x` (simple shapes, of one kind) against a combination; None where its parts' answers do not decide."""
    if x.kinds[0] == ShapeKind.POINT:
        from tap.adql import combinations

        return combinations.depth(shape, x.centre) >= -TOLERANCE
    if shape.kind is ShapeKind.COMPLEMENT:
        opposite = contains if name == "intersects" else intersects
        return ~opposite(x, Ragged.constant(np.array(shape.parts[0].encode()), len(x)))
    joined = shape.kind is ShapeKind.UNION
    if joined is not (name == "intersects"):
        return None
    test = intersects if name == "intersects" else contains
    answers = [test(x, Ragged.constant(np.array(part.encode()), len(x))) for part in shape.parts]
    return (np.logical_or if joined else np.logical_and).reduce(answers)


def _round_meets(x: Ragged, y: Ragged) -> Booleans:
    return angle(x.centre, y.centre) <= x.radius + y.radius + TOLERANCE


def _round_meets_polygon(x: Ragged, y: Ragged) -> Booleans:
    inside = in_polygon(x.centre, y)
    rest = np.flatnonzero(~inside)
    if len(rest):
        part = x.take(rest)
        inside[rest] = boundary_distance(part.centre, y.take(rest)) <= part.radius + TOLERANCE
    return inside


def _polygons_meet(x: Ragged, y: Ragged) -> Booleans:
    first_x = x.values[x.starts[:, None] + HEADER + np.array([0, 1, 2])]
    first_y = y.values[y.starts[:, None] + HEADER + np.array([0, 1, 2])]
    result = in_polygon(first_x, y) | in_polygon(first_y, x)
    rest = np.flatnonzero(~result)
    if len(rest):
        result[rest] = sides_meet(x.take(rest), y.take(rest))
    return result


def sides_meet(x: Ragged, y: Ragged) -> Booleans:
    """Whether any sides of two polygons cross or touch, row by row."""
    a, b, owner = x.sides()
    c, d, other = y.sides()
    nx, ny = np.bincount(owner, minlength=len(x)), np.bincount(other, minlength=len(y))
    pairs = nx * ny
    row = np.repeat(np.arange(len(x)), pairs)
    k = np.arange(len(row)) - (np.cumsum(pairs) - pairs)[row]
    i = (np.cumsum(nx) - nx)[row] + k // ny[row]
    j = (np.cumsum(ny) - ny)[row] + k % ny[row]
    return _any_by(row, arcs_meet(a[i], b[i], c[j], d[j]), len(x))


def arcs_meet(a: Floats, b: Floats, c: Floats, d: Floats) -> Booleans:
    """Whether arcs a-b and c-d have a point in common, row by row."""
    n, m = np.cross(a - b, a + b), np.cross(c - d, c + d)
    sc, sd = (n * c).sum(1), (n * d).sum(1)
    sa, sb = (m * a).sum(1), (m * b).sum(1)
    # Arcs that separate each other's ends meet at a crossing of their planes, on the near side of the sphere.
    crossing = (sc * sd < 0) & (sa * sb < 0)
    line = np.cross(n, m)
    met = crossing & ((line * (a + b)).sum(1) * (line * (c + d)).sum(1) > 0)
    rest = np.flatnonzero(~met)
    if len(rest):
        touching = np.minimum.reduce(
            [
                _distances_to_sides(a[rest], c[rest], d[rest]),
                _distances_to_sides(b[rest], c[rest], d[rest]),
                _distances_to_sides(c[rest], a[rest], b[rest]),
                _distances_to_sides(d[rest], a[rest], b[rest]),
            ]
        )
        met[rest] = touching <= TOLERANCE
    return met


def _round_in_round(x: Ragged, y: Ragged) -> Booleans:
    whole = y.radius >= np.pi
    return (angle(x.centre, y.centre) + x.radius <= y.radius + TOLERANCE) | whole


def _round_in_polygon(x: Ragged, y: Ragged) -> Booleans:
    inside = in_polygon(x.centre, y)
    rows = np.flatnonzero(inside & (x.radius > 0))
    if len(rows):
        part = x.take(rows)
        inside[rows] = boundary_distance(part.centre, y.take(rows)) >= part.radius - TOLERANCE
    return inside


def _polygon_in_round(x: Ragged, y: Ragged) -> Booleans:
    """A polygon is in a circle if it keeps off the circle around the opposite point."""
    small = y.radius < np.pi / 2
    result = np.zeros(len(x), bool)
    rows = np.flatnonzero(small)
    if len(rows):
        part, target = x.take(rows), y.take(rows)
        v, owner = part.vertices()
        outside = angle(v, target.centre[owner]) > target.radius[owner] + TOLERANCE
        result[rows] = ~_any_by(owner, outside, len(rows))
    rows = np.flatnonzero(~small)
    if len(rows):
        part, target = x.take(rows), y.take(rows)
        result[rows] = distance(-target.centre, part) >= np.pi - target.radius - TOLERANCE
    return result


def _polygon_in_polygon(x: Ragged, y: Ragged) -> Booleans:
    v, owner = x.vertices()
    result = ~_any_by(owner, ~in_polygon(v, y.take(owner)), len(x))
    rows = np.flatnonzero(result)
    if len(rows):
        from tap.adql import combinations

        result[rows] = [combinations.polygon_stays_in(x.row(int(i)), y.row(int(i))) for i in rows]
    return result


_P, _C, _G = ShapeKind.POINT, ShapeKind.CIRCLE, ShapeKind.POLYGON


def _swapped(function: Pairwise) -> Pairwise:
    return lambda x, y: function(y, x)


_INTERSECTS: dict[tuple[int, int], Pairwise] = {
    (_P, _P): _round_meets,
    (_P, _C): _round_meets,
    (_C, _P): _round_meets,
    (_C, _C): _round_meets,
    (_P, _G): _round_meets_polygon,
    (_C, _G): _round_meets_polygon,
    (_G, _P): _swapped(_round_meets_polygon),
    (_G, _C): _swapped(_round_meets_polygon),
    (_G, _G): _polygons_meet,
}
_CONTAINS: dict[tuple[int, int], Pairwise] = {
    (_P, _P): _round_in_round,
    (_P, _C): _round_in_round,
    (_C, _P): _round_in_round,
    (_C, _C): _round_in_round,
    (_P, _G): _round_in_polygon,
    (_C, _G): _round_in_polygon,
    (_G, _P): _polygon_in_round,
    (_G, _C): _polygon_in_round,
    (_G, _G): _polygon_in_polygon,
}
