"""Exact tests between shapes and MOCs, by ever smaller HEALPix cells along their edges.

What comes within a cell of order 29 (0.4 milliarcseconds) of touching counts as touching, as a boundary does in
`predicates`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tap.adql import cover, healpix, moc, predicates, shapes
from tap.adql.moc import Ranges
from tap.adql.predicates import Booleans, Floats, Integers, Ragged
from tap.adql.shapes import Shape, ShapeKind

MOST_CELLS = 5_000
"""More undecided cells than these lie along one common edge, which is a touch."""
_NEAR_ORDER = 7
"""Order of the cells that tell which of many shapes are far from a MOC."""
_NEAR_CELLS = 3_000
_AT_ONCE = 256
"""Shapes that are tested together: their undecided cells have to fit into memory."""


def _overlaps(cells: Integers, order: int, ranges: Ranges) -> tuple[Booleans, Booleans]:
    """Which cells have a part in a MOC, and which lie in it wholly."""
    shift = 2 * (healpix.MAX_ORDER - order)
    low, high = cells << shift, (cells + 1) << shift
    # The first range that ends after the cell's beginning.
    at = np.searchsorted(ranges[:, 1], low, side="right")
    inside = at < len(ranges)
    start, stop = (np.where(inside, ranges[np.minimum(at, len(ranges) - 1), side], 0) for side in (0, 1))
    return inside & (start < high), inside & (start <= low) & (stop >= high)


def _bounds(p: Floats, rows: Ragged) -> tuple[Floats, Floats]:
    """Lower bounds of the distances of points to shapes, and to what is outside of them, row by row."""
    near, far = np.zeros(len(p)), np.zeros(len(p))
    i = np.flatnonzero(rows.kinds <= ShapeKind.CIRCLE)
    if len(i):
        part = rows.take(i)
        away = predicates.angle(p[i], part.centre) - part.radius
        near[i], far[i] = np.maximum(away, 0.0), np.maximum(-away, 0.0)
    i = np.flatnonzero(rows.kinds == ShapeKind.POLYGON)
    if len(i):
        part = rows.take(i)
        edge, inside = predicates.boundary_distance(p[i], part), predicates.in_polygon(p[i], part)
        near[i], far[i] = np.where(inside, 0.0, edge), np.where(inside, edge, 0.0)
    i = np.flatnonzero(rows.kinds > ShapeKind.POLYGON)
    for one in i:
        bound = cover.bounds(rows.row(int(one)), p[one : one + 1])
        near[one], far[one] = bound[0][0], bound[1][0]
    return near, far


def _meet(rows: Ragged, ranges: Ranges, *, outside: bool = False) -> Booleans:
    """Whether shapes (or all that is `outside` of them) and the cells of a MOC have a point in common."""
    found = np.zeros(len(rows), bool)
    if not len(ranges):
        return found
    cells = np.tile(np.arange(12, dtype=np.int64), len(rows))
    owner = np.repeat(np.arange(len(rows)), 12)
    for order in range(healpix.MAX_ORDER + 1):
        some, whole = _overlaps(cells, order, ranges)
        some &= ~found[owner]
        cells, owner, whole = cells[some], owner[some], whole[some]
        if not len(cells):
            return found
        near, far = _bounds(healpix.centres(order, cells), rows.take(owner))
        if outside:
            near, far = far, near
        reach = healpix.circumradius(order)
        found[owner[(far > reach) | (whole & (near == 0.0))]] = True
        undecided = (near <= reach) & ~found[owner]
        cells, owner = cells[undecided], owner[undecided]
        crowded = np.bincount(owner, minlength=len(rows)) > MOST_CELLS
        found |= crowded
        if order < healpix.MAX_ORDER:
            cells, owner = cover.children(cells, 1), np.repeat(owner, 4)
    found[owner] = True
    return found


def _points_in(rows: Ragged, ranges: Ranges) -> Booleans:
    """Which of the points of rows are in a MOC."""
    lon, lat = np.array([shapes.lon_lat((x, y, z)) for x, y, z in rows.centre.tolist()]).reshape(-1, 2).T
    return moc.inside(healpix.index(healpix.MAX_ORDER, lon, lat), ranges)


def meets(shape: Shape, ranges: Ranges) -> bool:
    """Whether a shape and the cells of a MOC have a point in common."""
    return bool(_few(Ragged.of([shape]), ranges)[0])


def inside_moc(shape: Shape, ranges: Ranges) -> bool:
    """Whether a shape lies wholly in the cells of a MOC."""
    if shape.kind is ShapeKind.POINT:
        return meets(shape, ranges)
    return not meets(shape, moc.complement(ranges))


def inside_shape(ranges: Ranges, shape: Shape) -> bool:
    """Whether all cells of a MOC lie in a shape."""
    if shape.kind is ShapeKind.POINT:
        return not len(ranges)
    return not _meet(Ragged.of([shape]), ranges, outside=True)[0]


def maybe(rows: Ragged, ranges: Ranges) -> Booleans:
    """Which shapes may meet a MOC: their caps reach one of its cells (made coarse)."""
    order = _NEAR_ORDER
    while True:
        coarse = moc.degraded(ranges, order) >> (2 * (healpix.MAX_ORDER - order))
        if (coarse[:, 1] - coarse[:, 0]).sum() <= _NEAR_CELLS or order == 0:
            break
        order -= 1
    cells = np.concatenate([np.arange(low, high) for low, high in coarse.tolist()] or [np.empty(0, np.int64)])
    if not len(cells):
        return np.zeros(len(rows), bool)
    cosine = (rows.centre @ healpix.centres(order, cells.astype(np.int64)).T).max(axis=1)
    reach = np.minimum(rows.radius + healpix.circumradius(order), np.pi)
    return cosine >= np.cos(reach) - 1e-12


def all_meet(rows: Ragged, mocs: list[Ranges | None]) -> list[bool | None]:
    """`meets`, row by row; None where there is no MOC."""
    return _by_moc(rows, mocs, _few)


def _few(rows: Ragged, ranges: Ranges) -> Booleans:
    if not len(ranges):
        return np.zeros(len(rows), bool)
    found = maybe(rows, ranges) if len(rows) > 1 else np.ones(len(rows), bool)
    points = found & (rows.kinds == ShapeKind.POINT)
    if points.any():
        found[points] = _points_in(rows.take(np.flatnonzero(points)), ranges)
    others = np.flatnonzero(found & (rows.kinds != ShapeKind.POINT))
    for start in range(0, len(others), _AT_ONCE):
        part = others[start : start + _AT_ONCE]
        found[part] = _meet(rows.take(part), ranges)
    return found


def all_inside_moc(rows: Ragged, mocs: list[Ranges | None]) -> list[bool | None]:
    """`inside_moc`, row by row."""

    def test(part: Ragged, ranges: Ranges) -> Booleans:
        round_ones = part.kinds == ShapeKind.POINT
        found = np.zeros(len(part), bool)
        points = np.flatnonzero(round_ones)
        found[points] = _few(part.take(points), ranges) if len(points) else []
        others = np.flatnonzero(~round_ones)
        if len(others):
            found[others] = ~_few(part.take(others), moc.complement(ranges))
        return found

    return _by_moc(rows, mocs, test)


def all_inside_shape(rows: Ragged, mocs: list[Ranges | None]) -> list[bool | None]:
    """`inside_shape`, row by row."""
    return [None if ranges is None else inside_shape(ranges, rows.row(i)) for i, ranges in enumerate(mocs)]


def _by_moc(
    rows: Ragged, mocs: list[Ranges | None], test: Callable[[Ragged, Ranges], Booleans]
) -> list[bool | None]:
    """A test of all rows that share a MOC at once; equal texts share one array (`moc.parse` keeps them)."""
    groups: dict[int, list[int]] = {}
    for i, ranges in enumerate(mocs):
        if ranges is not None:
            groups.setdefault(id(ranges), []).append(i)
    result: list[bool | None] = [None] * len(mocs)
    for places in groups.values():
        ranges = mocs[places[0]]
        assert ranges is not None
        found = test(rows.take(np.array(places)), ranges)
        for place, value in zip(places, found.tolist()):
            result[place] = value
    return result
