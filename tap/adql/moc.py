"""Multi-order coverage maps (IVOA MOC 2.0) in their text form, as sorted ranges of order-29 HEALPix cells."""

from __future__ import annotations

import math
import re
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from tap.adql import cover, healpix
from tap.adql.shapes import Shape, ShapeError, ShapeKind, lon_lat

Ranges = NDArray[np.int64]

MAX_RANGES = 20_000
"""Most ranges of one MOC."""
MAX_CELLS = 100_000
FINEST = 12
"""Finest order of the MOCs that are made of shapes."""
_REFINED = 6
"""Levels below a MOC's order at which its cells on a shape's edge are examined."""
_WHOLE = 12 << 58
_WORD = re.compile(r"(\d+)/|(\d+)-(\d+)|(\d+)|(\S)")


def merged(ranges: Ranges) -> Ranges:
    """Ranges (n, 2), ends excluded, sorted and without overlaps or neighbours."""
    if not len(ranges):
        return np.empty((0, 2), np.int64)
    ranges = ranges[np.argsort(ranges[:, 0], kind="stable")]
    ends = np.maximum.accumulate(ranges[:, 1])
    first = np.flatnonzero(np.r_[True, ranges[1:, 0] > ends[:-1]])
    return np.stack([ranges[first, 0], ends[np.r_[first[1:] - 1, len(ends) - 1]]], 1)


@lru_cache(maxsize=256)
def parse(text: str) -> Ranges:
    """The cells of a MOC such as '3/10 4/16-18,22'; an order alone at the end is its resolution.

    Raises
    ------
    ShapeError
        If it is no MOC, or has more than MAX_RANGES ranges.
    """
    order = -1
    found: list[tuple[int, int]] = []
    for match in _WORD.finditer(text.replace(",", " ")):
        level, low, high, cell, other = match.groups()
        if other:
            raise ShapeError(f"{other!r} has no place in a MOC; it is written like '3/10 4/16-18,22'.")
        if level:
            order = int(level)
            if order > healpix.MAX_ORDER:
                raise ShapeError(f"The order {order} of a MOC is not between 0 and 29.")
            continue
        if order < 0:
            raise ShapeError("A MOC begins with an order and a slash, like '3/10'.")
        first, last = (int(cell), int(cell)) if cell else (int(low), int(high))
        if not first <= last < 12 << (2 * order):
            raise ShapeError(f"There are no cells {match.group()} at order {order}.")
        shift = 2 * (healpix.MAX_ORDER - order)
        found.append((first << shift, (last + 1) << shift))
        if len(found) > MAX_RANGES:
            raise ShapeError(f"A MOC in a query may have {MAX_RANGES} ranges; degrade it, or upload a table.")
    if order < 0 and text.strip():
        raise ShapeError("A MOC begins with an order and a slash, like '3/10'.")
    return merged(np.array(found, np.int64).reshape(-1, 2))


def serialise(ranges: Ranges) -> str:
    """The text form: the largest cells that fit, by order."""
    cells: dict[int, list[tuple[int, int]]] = {}
    rest = [(int(low), int(high)) for low, high in ranges]
    for order in range(healpix.MAX_ORDER + 1):
        shift = 2 * (healpix.MAX_ORDER - order)
        left: list[tuple[int, int]] = []
        for low, high in rest:
            first, last = -(-low >> shift), high >> shift
            if first >= last:
                left.append((low, high))
                continue
            cells.setdefault(order, []).append((first, last - 1))
            left += [part for part in ((low, first << shift), (last << shift, high)) if part[0] < part[1]]
        rest = left
    parts = []
    for order, runs in cells.items():
        runs.sort()
        words = ",".join(str(low) if low == high else f"{low}-{high}" for low, high in runs)
        parts.append(f"{order}/{words}")
    return " ".join(parts) or "0/"


def union(a: Ranges, b: Ranges) -> Ranges:
    return merged(np.concatenate([a, b]))


def complement(a: Ranges) -> Ranges:
    edges = np.r_[0, a.ravel(), _WHOLE].reshape(-1, 2)
    return edges[edges[:, 0] < edges[:, 1]]


def intersection(a: Ranges, b: Ranges) -> Ranges:
    return complement(union(complement(a), complement(b)))


def difference(a: Ranges, b: Ranges) -> Ranges:
    return intersection(a, complement(b))


def within(a: Ranges, b: Ranges) -> bool:
    """Whether all cells of `a` are in `b`; those of an empty MOC are."""
    return not len(difference(a, b))


def overlap(a: Ranges, b: Ranges) -> bool:
    """Whether there is a cell in both."""
    return bool(len(intersection(a, b)))


def degraded(a: Ranges, order: int) -> Ranges:
    """The cells of `order`, or larger, that hold any of these."""
    shift = 2 * (healpix.MAX_ORDER - order)
    return merged(np.stack([a[:, 0] >> shift << shift, -(-a[:, 1] >> shift) << shift], 1))


def area(a: Ranges) -> float:
    """Square degrees."""
    cells = float((a[:, 1] - a[:, 0]).sum())
    return cells / _WHOLE * 4.0 * math.pi * math.degrees(1.0) ** 2


def inside(cells: Ranges, ranges: Ranges) -> NDArray[np.bool_]:
    """Which of the order-29 cells, shape (n,), are in a MOC."""
    return np.searchsorted(ranges.ravel(), cells, side="right") % 2 == 1


def of_shape(shape: Shape, order: int) -> Ranges:
    """Cells of `order`, or larger ones, that a shape touches; a cell within 1/64 of its size may be among them.

    Raises
    ------
    ShapeError
        If there would be too many.
    """
    if shape.kind is ShapeKind.POINT:
        place = (np.array([part]) for part in lon_lat(shape.centre))
        cell = healpix.index(order, *place) << 2 * (healpix.MAX_ORDER - order)
        return np.stack([cell, cell + (1 << 2 * (healpix.MAX_ORDER - order))], 1)
    found = []
    cells, level = np.arange(12, dtype=np.int64), 0
    while True:
        reach = healpix.circumradius(level)
        near, far = cover.bounds(shape, healpix.centres(level, cells))
        full = far > reach
        kept = cells[full]
        if level == order:
            kept = np.r_[kept, _touched(shape, cells[(near <= reach) & ~full], level)]
        shift = 2 * (healpix.MAX_ORDER - level)
        found.append(np.stack([kept << shift, (kept + 1) << shift], 1))
        if level == order:
            return merged(np.concatenate(found))
        cells = cells[(near <= reach) & ~full]
        if 4 * len(cells) > MAX_CELLS:
            raise ShapeError(f"The MOC of this shape at order {order} is too large; take a lower order.")
        cells, level = cover.children(cells, 1), level + 1


def _touched(shape: Shape, cells: Ranges, order: int) -> Ranges:
    """Of cells near a shape's edge, those that have a part in it: their children are tried, down to some levels."""
    touched = np.zeros(len(cells), bool)
    parts, owner = cells, np.arange(len(cells))
    for level in range(order, min(order + _REFINED, healpix.MAX_ORDER) + 1):
        near, _ = cover.bounds(shape, healpix.centres(level, parts))
        touched[owner[near == 0.0]] = True
        open_ = (near <= healpix.circumradius(level)) & ~touched[owner]
        parts, owner = parts[open_], owner[open_]
        if not len(parts) or 4 * len(parts) > 4 * MAX_CELLS:
            break
        parts, owner = cover.children(parts, 1), np.repeat(owner, 4)
    touched[owner] = True
    return cells[touched]


def coarse(ranges: Ranges, most: int) -> tuple[tuple[int, int], ...]:
    """At most `most` ranges, both ends included, that hold all of these: the widest gaps stay."""
    if not len(ranges):
        return ()
    gaps = ranges[1:, 0] - ranges[:-1, 1]
    cut = np.arange(len(gaps))
    if len(gaps) >= most:
        cut = np.sort(np.argsort(gaps)[-(most - 1) :])
    low = ranges[np.r_[0, cut + 1], 0]
    high = ranges[np.r_[cut, len(ranges) - 1], 1] - 1
    return tuple(zip(low.tolist(), high.tolist()))
