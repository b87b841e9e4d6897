"""More vectorised functions over Arrow, as those of functions.py: frames, motions, MOCs, time scales."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa

from tap.adql import moc, motion, rotations

Column: TypeAlias = Any

_LEAPS = np.array(
    [41317, 41499, 41683, 42048, 42413, 42778, 43144, 43509, 43874, 44239, 44786, 45151, 45516, 46247]
    + [47161, 47892, 48257, 48804, 49169, 49534, 50083, 50630, 51179, 53736, 54832, 56109, 57204, 57754],
    np.float64,
)
"""Days (MJD, UTC) from which on TAI - UTC is 10, 11, ... seconds (IERS Bulletin C)."""
TT_MINUS_TAI = 32.184
DAY = 86400.0


def leap_days() -> list[float]:
    """Days (MJD) that begin after a leap second, since 1972."""
    found: list[float] = _LEAPS.tolist()
    return found


def _floats(column: Column) -> np.ndarray:
    return np.asarray(column.to_numpy(zero_copy_only=False), np.float64)


def rotate(rotation: Column, code: Column, coordinates: Column) -> pa.Array:
    """Points, circles or polygons in other coordinates; the first two arguments are constants."""
    matrix = tuple(rotation[0].as_py())
    values = np.array(coordinates.values.to_numpy(zero_copy_only=False), np.float64)
    first, last = coordinates.offsets[0].as_py(), coordinates.offsets[-1].as_py()
    part = values[first:last]
    step = 3 if code[0].as_py() == 1 else 2
    if len(part) % step:
        raise ValueError("a geometry has a wrong number of coordinates")
    part[0::step], part[1::step] = rotations.turned(matrix, part[0::step], part[1::step])
    return pa.ListArray.from_arrays(pa.array(np.asarray(coordinates.offsets) - first), pa.array(part))


def epoch_prop(
    ra: Column, dec: Column, parallax: Column, pm_ra: Column, pm_dec: Column, velocity: Column, years: Column
) -> pa.Array:
    """Six parameters after some years; see `motion.propagated`."""
    columns = (ra, dec, parallax, pm_ra, pm_dec, velocity, years)
    result = motion.propagated(*(_floats(column) for column in columns))
    offsets = pa.array(np.arange(0, 6 * len(result) + 1, 6, dtype=np.int32))
    good = np.isfinite(result[:, :2]).all(axis=1)
    return pa.ListArray.from_arrays(offsets, pa.array(result.ravel()), mask=pa.array(~good))


def in_cells(cell: Column, bounds: Column) -> pa.Array:
    """Whether order-29 cells are in ranges: first, end, first, end, ...; a constant."""
    ranges = np.array(bounds[0].as_py(), np.int64).reshape(-1, 2)
    return pa.array(moc.inside(np.asarray(cell.to_numpy(zero_copy_only=False), np.int64), ranges))


def _shifted(mjd: np.ndarray, starts: np.ndarray, sign: int) -> pa.Array:
    number = np.searchsorted(starts, mjd, side="right")
    seconds = TT_MINUS_TAI + 9.0 + number
    return pa.array(mjd + sign * seconds / DAY, mask=(number == 0) | ~np.isfinite(mjd))


def utc_to_tt(mjd: Column) -> pa.Array:
    return _shifted(_floats(mjd), _LEAPS, 1)


def tt_to_utc(mjd: Column) -> pa.Array:
    starts = _LEAPS + (TT_MINUS_TAI + 10.0 + np.arange(len(_LEAPS))) / DAY
    return _shifted(_floats(mjd), starts, -1)


_D, _L, _I, _B = "DOUBLE", "DOUBLE[]", "BIGINT", "BOOLEAN"

FUNCTIONS: dict[str, tuple[Callable[..., pa.Array], list[str], str]] = {
    "vg_rotate": (rotate, [_L, "INTEGER", _L], _L),
    "vg_epoch_prop": (epoch_prop, [_D] * 7, _L),
    "vg_in_cells": (in_cells, [_I, "BIGINT[]"], _B),
    "vg_utc_to_tt": (utc_to_tt, [_D], _D),
    "vg_tt_to_utc": (tt_to_utc, [_D], _D),
}
