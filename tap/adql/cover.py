"""HEALPix ranges that cover a shape and never miss a point of it.

A cell is kept unless its centre is farther from the shape than any point of the cell can be from the centre
(`healpix.circumradius`).  Libraries' covers of large cones leave out cells; this one is compared with brute force.
"""

from __future__ import annotations

import math
from functools import cache, lru_cache

import numpy as np
from numpy.typing import NDArray

from tap.adql import healpix, predicates
from tap.adql.predicates import Floats, Ragged
from tap.adql.shapes import Shape, ShapeKind

MAX_RANGES = 40
SMALL = 0.05
"""Radians up to which a cover is a coarse one: it is found sooner, and few rows lie in what it has too much."""
FINEST = 14
"""Finest order that is used: cells of 13 arcseconds, after which the exact test has little left to do."""
_CELLS = 4096
_FIRST = 4
_KEPT = 7
"""Order up to which the centres of all cells are kept (5 MB): small cones need them again and again."""


def bounds(shape: Shape, p: Floats) -> tuple[Floats, Floats]:
    """Lower bounds of the distances of points to a shape, and to what is outside of it."""
    if shape.kind is ShapeKind.COMPLEMENT:
        near, far = bounds(shape.parts[0], p)
        return far, near
    if shape.kind in (ShapeKind.UNION, ShapeKind.INTERSECTION):
        pairs = [bounds(part, p) for part in shape.parts]
        if shape.kind is ShapeKind.UNION:
            return np.minimum.reduce([near for near, _ in pairs]), np.maximum.reduce(
                [far for _, far in pairs]
            )
        return np.maximum.reduce([near for near, _ in pairs]), np.minimum.reduce([far for _, far in pairs])
    if shape.kind is ShapeKind.POLYGON:
        rows = Ragged.constant(np.array(shape.encode()), len(p))
        edge = predicates.boundary_distance(p, rows)
        inside = predicates.in_polygon(p, rows)
        return np.where(inside, 0.0, edge), np.where(inside, edge, 0.0)
    away = _to_centre(shape, p) - (shape.radius if shape.kind is ShapeKind.CIRCLE else 0.0)
    return np.maximum(away, 0.0), np.maximum(-away, 0.0)


def _to_centre(shape: Shape, p: Floats) -> Floats:
    """Angles to the cap's centre: by the chord, or near the antipode by the chord to that."""
    centre = np.array(shape.centre)
    chord2 = ((p - centre) ** 2).sum(axis=1)
    other2 = ((p + centre) ** 2).sum(axis=1)
    return np.where(
        chord2 <= 2.0,
        2.0 * np.arcsin(np.sqrt(np.minimum(chord2, 2.0)) / 2.0),
        math.pi - 2.0 * np.arcsin(np.sqrt(np.minimum(other2, 2.0)) / 2.0),
    )


def _depth(shape: Shape) -> int:
    """Order whose cells are a quarter of the shape's radius or smaller, half of it where that is small."""
    radius = shape.radius if shape.kind is not ShapeKind.COMPLEMENT else shape.parts[0].radius
    if radius <= 0:
        return FINEST
    return min(
        FINEST, max(0, math.ceil(math.log2(math.sqrt(math.pi / 3) * (2 if radius <= SMALL else 4) / radius)))
    )


@cache
def _coarse(order: int) -> tuple[NDArray[np.int64], Floats]:
    """All cells of a low order, and their centres."""
    cells = np.arange(12 << (2 * order), dtype=np.int64)
    return cells, healpix.centres(order, cells)


def _centres(order: int, cells: NDArray[np.int64]) -> Floats:
    """Unit vectors of cells' centres."""
    return _coarse(order)[1][cells] if order <= _KEPT else healpix.centres(order, cells)


def children(cells: NDArray[np.int64], steps: int) -> NDArray[np.int64]:
    return ((cells[:, None] << (2 * steps)) + np.arange(1 << (2 * steps))).ravel()


@lru_cache(maxsize=512)
def ranges(shape: Shape, most: int = MAX_RANGES) -> tuple[tuple[int, int], ...]:
    """Ranges of order-29 cells, both ends included, in ascending order; at most `most`."""
    deepest = _depth(shape)
    centre = np.array(shape.centre)
    order = min(_FIRST, deepest)
    cells, p = _coarse(order)
    found: list[tuple[NDArray[np.int64], int]] = []
    while True:
        reach = healpix.circumradius(order)
        # The cap first: exact bounds of polygons are dearer.
        touched = p @ centre >= math.cos(min(math.pi, shape.radius + reach)) - 1e-12
        cells, p = cells[touched], p[touched]
        if order < deepest and reach > shape.radius:
            # Cells larger than the shape are not inside of it, and the cap tells enough about them.
            steps = min(2, deepest - order)
        else:
            near, far = bounds(shape, p)
            full = far > reach
            found.append((cells[full], order))
            cells = cells[(near <= reach) & ~full]
            if order == deepest or len(cells) > _CELLS or not len(cells):
                found.append((cells, order))
                return _merged(found, most)
            steps = 1
        cells, order = children(cells, steps), order + steps
        p = _centres(order, cells)


def _merged(found: list[tuple[NDArray[np.int64], int]], most: int) -> tuple[tuple[int, int], ...]:
    low = np.concatenate([cells << (2 * (29 - order)) for cells, order in found])
    high = np.concatenate([(cells + 1) << (2 * (29 - order)) for cells, order in found])
    if not len(low):
        return ()
    sequence = np.argsort(low)
    low, high = low[sequence], high[sequence]
    gaps = low[1:] - high[:-1]
    cut = np.flatnonzero(gaps > 0)
    if len(cut) >= most:
        cut = np.sort(cut[np.argsort(gaps[cut])[-(most - 1) :]])
    starts = np.concatenate((low[:1], low[cut + 1]))
    ends = np.concatenate((high[cut], high[-1:])) - 1
    return tuple(zip(starts.tolist(), ends.tolist()))
