"""HEALPix in NESTED numbering over numpy arrays (Gorski et al. 2005, ApJ 622, 759, sections 4 and 5).

Written here because the query path needs it within microseconds; tests compare it with cdshealpix.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

MAX_ORDER = 29
_ROW = np.array([2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4], np.int64)
_COLUMN = np.array([1, 3, 5, 7, 0, 2, 4, 6, 1, 3, 5, 7], np.int64)


def _spread(v: Integers) -> Integers:
    """The bits of 32-bit numbers at the even places of 64-bit ones."""
    v = (v | (v << 16)) & 0x0000FFFF0000FFFF
    v = (v | (v << 8)) & 0x00FF00FF00FF00FF
    v = (v | (v << 4)) & 0x0F0F0F0F0F0F0F0F
    v = (v | (v << 2)) & 0x3333333333333333
    return (v | (v << 1)) & 0x5555555555555555


def _gather(v: Integers) -> Integers:
    """The bits at the even places."""
    v = v & 0x5555555555555555
    v = (v | (v >> 1)) & 0x3333333333333333
    v = (v | (v >> 2)) & 0x0F0F0F0F0F0F0F0F
    v = (v | (v >> 4)) & 0x00FF00FF00FF00FF
    v = (v | (v >> 8)) & 0x0000FFFF0000FFFF
    return (v | (v >> 16)) & 0x00000000FFFFFFFF


def index(order: int, lon: Floats, lat: Floats) -> Integers:
    """Cells that hold positions.

    Parameters
    ----------
    order
        HEALPix order, 0 to 29.
    lon, lat
        Degrees, shape (n,). Longitudes may be out of range; latitudes may not.

    Returns
    -------
    Cell numbers, shape (n,).
    """
    nside = 1 << order
    latitude = np.radians(lat)
    z, sine = np.sin(latitude), np.cos(latitude)
    height = np.abs(z)
    tt = np.mod(np.asarray(lon, np.float64) / 90.0, 4.0)
    tt[tt >= 4.0] = 0.0
    # The belt between the polar caps
    ascending = nside * (0.5 + tt)
    shift = nside * (z * 0.75)
    jp = np.floor(ascending - shift).astype(np.int64)
    jm = np.floor(ascending + shift).astype(np.int64)
    ifp, ifm = jp >> order, jm >> order
    face = np.where(ifp == ifm, ifp | 4, np.where(ifp < ifm, ifp, ifm + 8))
    ix = jm & (nside - 1)
    iy = nside - (jp & (nside - 1)) - 1
    # The polar caps
    cap = height > 2.0 / 3.0
    if cap.any():
        quarter = np.minimum(tt[cap].astype(np.int64), 3)
        along = tt[cap] - quarter
        scale = nside * sine[cap] / np.sqrt((1.0 + height[cap]) / 3.0)
        jp = np.minimum((along * scale).astype(np.int64), nside - 1)
        jm = np.minimum(((1.0 - along) * scale).astype(np.int64), nside - 1)
        north = z[cap] >= 0
        face[cap] = np.where(north, quarter, quarter + 8)
        ix[cap] = np.where(north, nside - jm - 1, jp)
        iy[cap] = np.where(north, nside - jp - 1, jm)
    return (face << (2 * order)) | _spread(ix) | (_spread(iy) << 1)


def _ring_coordinates(order: int, cells: Integers) -> tuple[Floats, Floats, Floats]:
    """(z, sine of the colatitude, longitude in radians) of cell centres."""
    nside = 1 << order
    face = cells >> (2 * order)
    inside = cells & ((1 << (2 * order)) - 1)
    ix, iy = _gather(inside), _gather(inside >> 1)
    ring = _ROW[face] * nside - ix - iy - 1
    north, south = ring < nside, ring > 3 * nside
    nr = np.where(north, ring, np.where(south, 4 * nside - ring, nside)).astype(np.float64)
    fraction = nr * nr / (3.0 * nside * nside)
    polar = north | south
    z = np.where(
        north, 1.0 - fraction, np.where(south, fraction - 1.0, (2 * nside - ring) * 2.0 / (3.0 * nside))
    )
    sine = np.sqrt(np.where(polar, fraction * (2.0 - fraction), (1.0 - z) * (1.0 + z)))
    return z, sine, (_COLUMN[face] * nr + ix - iy) * (math.pi / 4.0) / nr


def centres(order: int, cells: Integers) -> Floats:
    """Unit vectors of cell centres, shape (n, 3)."""
    z, sine, phi = _ring_coordinates(order, cells)
    return np.stack([sine * np.cos(phi), sine * np.sin(phi), z], axis=1)


def centre_positions(order: int, cells: Integers) -> tuple[Floats, Floats]:
    """Longitudes and latitudes of cell centres, in degrees."""
    z, sine, phi = _ring_coordinates(order, cells)
    return np.mod(np.degrees(phi), 360.0), np.degrees(np.arctan2(z, sine))


# Offsets of the eight neighbours in a face's own coordinates, and where they lead across the edges of the twelve
# faces: by (3 * (1 + step in y) + 1 + step in x) the face, and by the face's row how its coordinates are turned.
_STEPS = ((0, 0), (-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1))
_ACROSS = np.array(
    [
        [8, 9, 10, 11, -1, -1, -1, -1, 10, 11, 8, 9],
        [5, 6, 7, 4, 8, 9, 10, 11, 9, 10, 11, 8],
        [-1, -1, -1, -1, 5, 6, 7, 4, -1, -1, -1, -1],
        [4, 5, 6, 7, 11, 8, 9, 10, 11, 8, 9, 10],
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11],
        [1, 2, 3, 0, 0, 1, 2, 3, 5, 6, 7, 4],
        [-1, -1, -1, -1, 7, 4, 5, 6, -1, -1, -1, -1],
        [3, 0, 1, 2, 3, 0, 1, 2, 4, 5, 6, 7],
        [2, 3, 0, 1, -1, -1, -1, -1, 0, 1, 2, 3],
    ],
    np.int64,
)
_TURN = np.array(
    [[0, 0, 3], [0, 0, 6], [0, 0, 0], [0, 0, 5], [0, 0, 0], [5, 0, 0], [0, 0, 0], [6, 0, 0], [3, 0, 0]],
    np.int64,
)


def neighbours(order: int, cells: Integers) -> Integers:
    """Each cell and its eight neighbours, shape (n, 9); -1 where three cells meet and there is none."""
    nside = 1 << order
    face = cells >> (2 * order)
    inside = cells & ((1 << (2 * order)) - 1)
    ix, iy = _gather(inside), _gather(inside >> 1)
    result = np.empty((len(cells), 9), np.int64)
    for place, (dx, dy) in enumerate(_STEPS):
        x, y = ix + dx, iy + dy
        side = 4 + (x >= nside).astype(np.int64) - (x < 0) + 3 * ((y >= nside).astype(np.int64) - (y < 0))
        x, y = x % nside, y % nside
        other, turn = _ACROSS[side, face], _TURN[side, face >> 2]
        x = np.where(turn & 1, nside - x - 1, x)
        y = np.where(turn & 2, nside - y - 1, y)
        x, y = np.where(turn & 4, y, x), np.where(turn & 4, x, y)
        index = (other << (2 * order)) | _spread(x) | (_spread(y) << 1)
        result[:, place] = np.where(other >= 0, index, -1)
    return result


def circumradius(order: int) -> float:
    """An upper bound, in radians, of the distance of any point of a cell from the cell's centre.

    The largest distance of a corner is known in closed form (cells touching the 45 degree lines of the polar
    caps); 1 per cent is added for rounding and for the curvature of edges.
    """
    nside = 1 << order
    a_z, a_phi = 2.0 / 3.0, math.pi / (4.0 * nside)
    t = 1.0 - 1.0 / nside
    b_z = 1.0 - t * t / 3.0
    a_s, b_s = math.sqrt(1 - a_z * a_z), math.sqrt(max(0.0, 1 - b_z * b_z))
    chord2 = (a_s * math.cos(a_phi) - b_s) ** 2 + (a_s * math.sin(a_phi)) ** 2 + (a_z - b_z) ** 2
    return 1.01 * 2.0 * math.asin(min(1.0, math.sqrt(chord2) / 2.0))
