"""What differs between two products of one name, as numbers that can be drawn.

Images give both pictures and their difference, spectra and light curves the points of both, tables the
differences of each column that has any.  No Django here.
"""

from __future__ import annotations

import json
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Column", "Curves", "Images", "Point", "Table", "difference"]

Array = npt.NDArray[np.float64]

MAX_BYTES = 200 << 20
"""Larger files are not read for a picture."""
MAX_COLUMNS = 12


@dataclass(frozen=True)
class Images:
    """Two images of one shape; axes beyond the second are summed."""

    earlier: Array
    later: Array
    unit: str = ""

    @property
    def change(self) -> Array:
        return self.later - self.earlier


@dataclass(frozen=True)
class Point:
    """A point of a spectrum or light curve."""

    x: float
    y: float
    low: float
    """Length of the error bar downwards."""
    high: float
    limit: bool = False
    """An upper limit: `y` is the limit."""


@dataclass(frozen=True)
class Curves:
    """The points of two spectra or light curves."""

    earlier: tuple[Point, ...]
    later: tuple[Point, ...]
    x_name: str
    y_name: str
    logarithmic: bool


@dataclass(frozen=True)
class Column:
    """A column that differs."""

    name: str
    change: Array
    """Later minus earlier, row by row; 1 where texts differ, NaN where one side alone has no value."""
    differing: int
    rows: int
    is_text: bool = False


@dataclass(frozen=True)
class Table:
    """The columns that differ, the one with most differing rows first."""

    columns: tuple[Column, ...]
    rows: tuple[int, int]
    only: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())
    """Columns that one side alone has."""


def difference(earlier: Path, later: Path, preview: str) -> Images | Curves | Table | None:
    """What differs, None where it cannot be drawn.

    Parameters
    ----------
    preview
        How pages show the product (`uws.tools.description.Preview`), '' if they do not.
    """
    if max(earlier.stat().st_size, later.stat().st_size) > MAX_BYTES:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if preview in ("spectrum", "lightcurve"):
                return _curves(json.loads(earlier.read_text()), json.loads(later.read_text()), preview)
            if _is_fits(earlier) and _is_fits(later):
                return _of_fits(earlier, later)
            if earlier.suffix.lower() in (".vot", ".votable", ".xml", ".ecsv", ".csv"):
                return _of_tables(*(_read_table(path) for path in (earlier, later)))
    except (ValueError, TypeError, KeyError, OSError, AttributeError, IndexError):
        return None
    return None


def _is_fits(path: Path) -> bool:
    with path.open("rb") as file:
        begin = file.read(6)
    return begin == b"SIMPLE" or (begin[:2] == b"\x1f\x8b" and ".fit" in path.name.lower())


def _of_fits(earlier: Path, later: Path) -> Images | Table | None:
    """The first extension that differs and can be drawn."""
    from astropy.io import fits
    from astropy.table import Table as AstropyTable

    with fits.open(earlier) as one, fits.open(later) as other:
        for first, second in zip(one, other, strict=False):
            if first.is_image and first.header.get("NAXIS", 0) >= 2 and second.shape == first.shape:
                a, b = _flat(first.data), _flat(second.data)
                if not np.array_equal(a, b, equal_nan=True):
                    return Images(a, b, str(first.header.get("BUNIT", "")))
            elif isinstance(first, fits.BinTableHDU) and isinstance(second, fits.BinTableHDU):
                found = _of_tables(AstropyTable(first.data), AstropyTable(second.data))
                if found is not None:
                    return found
    return None


def _flat(data: Any) -> Array:
    values = np.asarray(data, dtype=float)
    return np.nansum(values, axis=tuple(range(values.ndim - 2))) if values.ndim > 2 else values


def _read_table(path: Path) -> Any:
    from astropy.table import Table as AstropyTable

    kind = {".ecsv": "ascii.ecsv", ".csv": "ascii.csv"}.get(path.suffix.lower(), "votable")
    return AstropyTable.read(path, format=kind)


def _of_tables(earlier: Any, later: Any) -> Table | None:
    rows = min(len(earlier), len(later))
    columns = []
    for name in earlier.colnames:
        if name in later.colnames:
            column = _column(name, earlier[name][:rows], later[name][:rows])
            if column is not None:
                columns.append(column)
    only = (
        tuple(name for name in earlier.colnames if name not in later.colnames),
        tuple(name for name in later.colnames if name not in earlier.colnames),
    )
    if not columns and not any(only) and len(earlier) == len(later):
        return None
    columns.sort(key=lambda column: -column.differing)
    return Table(tuple(columns[:MAX_COLUMNS]), (len(earlier), len(later)), only)


def _column(name: str, earlier: Any, later: Any) -> Column | None:
    a, b = (np.ma.filled(np.ma.asarray(values), _missing(values)) for values in (earlier, later))
    rows = len(a)
    if a.dtype.kind in "OSU" or b.dtype.kind in "OSU":
        unequal = np.array([str(x) != str(y) for x, y in zip(a, b, strict=True)], dtype=bool)
        differing = int(unequal.sum())
        return Column(name, unequal.astype(float), differing, rows, is_text=True) if differing else None
    if a.shape != b.shape:
        return Column(name, np.full(rows, np.nan), rows, rows)
    a, b = a.astype(float).reshape(rows, -1), b.astype(float).reshape(rows, -1)
    change = b - a
    change[np.isnan(a) & np.isnan(b)] = 0.0
    change[(a == b)] = 0.0  # infinities
    unequal = (change != 0).any(axis=1)
    if not unequal.any():
        return None
    largest = np.take_along_axis(change, np.nan_to_num(np.abs(change)).argmax(axis=1)[:, None], axis=1)[:, 0]
    return Column(name, largest, int(unequal.sum()), rows)


def _missing(values: Any) -> Any:
    kind = np.ma.asarray(values).dtype.kind
    return np.nan if kind in "fc" else None if kind == "O" else "" if kind in "SU" else 0


def _curves(earlier: Any, later: Any, preview: str) -> Curves | None:
    if preview == "spectrum":
        found = [_points(data, "e_ref", "dnde") for data in (earlier, later)]
        names = (f"energy / {earlier.get('energy_unit', '')}", f"dN/dE / {earlier.get('flux_unit', '')}")
    else:
        found = [_points(_with_times(data), "t", "flux") for data in (earlier, later)]
        names = ("MJD", f"flux / {earlier.get('flux_unit', '')}")
    if found[0] == found[1]:
        return None
    x_name, y_name = (name.rstrip(" /") for name in names)
    return Curves(found[0], found[1], x_name, y_name, preview == "spectrum")


def _with_times(data: Any) -> dict[str, Any]:
    points = [{**one, "t": (one["t_start_mjd"] + one["t_stop_mjd"]) / 2} for one in data.get("points") or []]
    return {**data, "points": points}


def _points(data: Any, x: str, y: str) -> tuple[Point, ...]:
    found = []
    for one in data.get("points") or []:
        limit = bool(one.get("is_ul"))
        value = one.get(f"{y}_ul") if limit else one.get(y)
        if isinstance(value, int | float) and isinstance(one.get(x), int | float) and np.isfinite(value):
            error = 0.0 if limit else one.get(f"{y}_err") or 0.0
            low, high = one.get(f"{y}_errn") or error, one.get(f"{y}_errp") or error
            found.append(Point(float(one[x]), float(value), *(0.0, 0.0) if limit else (low, high), limit))
    return tuple(found)
