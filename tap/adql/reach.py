"""Which HEALPix cells the points within a radius of a position can be in: what joins by position are made of."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from tap.adql import healpix

LARGEST = 10.0
"""Degrees; with larger radii cells would be too few to help."""
LEAST = 1e-7
"""Degrees, to which smaller radii are widened where cells are chosen; 0 asks for what is at the same place."""
_NARROWEST = 0.6
"""A bound of how wide a cell is at its narrowest, as a part of the square root of its area (0.67 in truth)."""
_ORDERS = 2
"""Cells are so many orders coarser than the finest that would do: most rows then reach one alone."""


def finest_order(radius: float) -> int:
    """The finest order whose cells are four times as large as the radius."""
    radius = math.radians(max(radius, LEAST))
    return max(0, min(20, math.floor(math.log2(math.sqrt(math.pi / 3) / (4 * radius)))))


def order_of(radius: float) -> int:
    """The order of cells of which most positions reach one alone, within `radius` degrees."""
    return max(0, finest_order(radius) - _ORDERS)


def margin_of(order: int, radius: float) -> float:
    """How near an edge a point is, in cells, from which the neighbour is in reach."""
    side = math.sqrt(math.pi / 3.0) / (1 << order)
    return math.radians(max(radius, LEAST)) * (1 + 1e-9) / (_NARROWEST * side)


def reached(
    order: int, lon: NDArray[np.float64], lat: NDArray[np.float64], margin: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """How many cells each position reaches, and all the cells in a row; `vg_cells_of` computes the same."""
    deepest = healpix.index(healpix.MAX_ORDER, lon, lat)
    shift = healpix.MAX_ORDER - order
    side = 1 << shift
    inside = deepest & ((1 << (2 * shift)) - 1)
    near = []
    for along in (healpix._gather(inside), healpix._gather(inside >> 1)):
        fraction = (along + 0.5) / side
        near.append({-1: fraction <= margin, 0: np.ones(len(lon), bool), 1: 1 - fraction <= margin})
    block = healpix.neighbours(order, deepest >> (2 * shift))
    wanted = np.stack([near[0][dx] & near[1][dy] for dx, dy in healpix._STEPS], axis=1) & (block >= 0)
    return wanted.sum(axis=1), block[wanted]
