"""Functions that exact geometry needs in DuckDB, vectorised over Arrow: `register(connection)` adds them.

DuckDB calls them with some 2,000 rows at a time; where an argument is NULL, so is the result.  Values that are no
shape (a latitude of 95 degrees in a column, a polygon of two vertices) give NULL, as a comparison with NULL does;
constants were checked when the query was compiled.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from functools import lru_cache, wraps
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa

from tap.adql import functions_more, healpix, moc_functions, predicates, regions, shapes
from tap.adql.predicates import Booleans, Floats, Ragged
from tap.adql.shapes import Shape, ShapeError, ShapeKind

Column: TypeAlias = Any


def _array(column: Any) -> pa.Array:
    if isinstance(column, pa.ChunkedArray):
        return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
    return column


def _floats(column: Column) -> Floats:
    return np.asarray(_array(column).to_numpy(zero_copy_only=False), np.float64)


def _integers(column: Column) -> predicates.Integers:
    return np.asarray(_array(column).to_numpy(zero_copy_only=False), np.int64)


def _lists(column: Column) -> tuple[Floats, predicates.Integers, predicates.Integers]:
    """Values of a list column, and where each row's begin and end."""
    array = _array(column)
    offsets = np.asarray(array.offsets, np.int64)
    values = array.values.to_numpy(zero_copy_only=False)
    return np.asarray(values, np.float64), offsets[:-1], offsets[1:]


def _ragged(column: Column) -> Ragged:
    return Ragged(*_lists(column))


def _constant(column: Column, count: int) -> Ragged:
    """A column that has the same shape in every row."""
    values, starts, stops = _lists(column)
    return Ragged.constant(values[starts[0] : stops[0]], count)


def _list_column(rows: list[list[float] | None]) -> pa.Array:
    return pa.array(rows, pa.list_(pa.float64()))


def _masked_lists(values: Floats, good: Booleans) -> pa.Array:
    """Rows of an (n, k) array as lists, NULL where not `good`."""
    count, size = values.shape
    offsets = pa.array(np.arange(0, (count + 1) * size, size, dtype=np.int32))
    return pa.ListArray.from_arrays(offsets, pa.array(values.ravel()), mask=pa.array(~good))


def vectors(lon: Floats, lat: Floats) -> Floats:
    """Unit vectors of positions in degrees, (n, 3)."""
    a, d = np.radians(lon), np.radians(lat)
    return np.stack([np.cos(d) * np.cos(a), np.cos(d) * np.sin(a), np.sin(d)], axis=1)


def _valid(lon: Floats, lat: Floats) -> Booleans:
    return np.isfinite(lon) & (np.abs(lat) <= 90.0)


# Making shapes


def _wrap(lon: Floats) -> Floats:
    wrapped = np.where((lon >= 0) & (lon < 360), lon, np.mod(lon, 360.0))
    return np.where(wrapped >= 360.0, 0.0, wrapped)


def point(lon: Column, lat: Column) -> pa.Array:
    x, y = _floats(lon), _floats(lat)
    return _masked_lists(np.stack([_wrap(x), y], axis=1), _valid(x, y))


def circle(lon: Column, lat: Column, radius: Column) -> pa.Array:
    x, y, r = _floats(lon), _floats(lat), _floats(radius)
    return _masked_lists(np.stack([_wrap(x), y, r], axis=1), _valid(x, y) & (r >= 0))


@lru_cache(maxsize=4096)
def _polygon(coordinates: tuple[float, ...]) -> Shape | None:
    try:
        return shapes.polygon(coordinates)
    except ShapeError:
        return None


def _rows(column: Column) -> list[tuple[float, ...]]:
    values, starts, stops = _lists(column)
    flat = values.tolist()
    return [tuple(flat[start:stop]) for start, stop in zip(starts, stops)]


def polygon(coordinates: Column) -> pa.Array:
    """Polygons with their vertices in DALI's order."""
    result: list[list[float] | None] = []
    for row in _rows(coordinates):
        shape = _polygon(row)
        result.append(None if shape is None else shapes.dali_coordinates(shape, row))
    return _list_column(result)


def box(lon: Column, lat: Column, width: Column, height: Column) -> pa.Array:
    result: list[list[float] | None] = []
    for row in zip(*(_floats(part).tolist() for part in (lon, lat, width, height))):
        try:
            corners = shapes.box_coordinates(*row)
            result.append(shapes.dali_coordinates(shapes.polygon(corners), tuple(corners)))
        except ShapeError:
            result.append(None)
    return _list_column(result)


def encode(code: Column, coordinates: Column) -> pa.Array:
    """DALI values of points, circles or polygons as encoded shapes."""
    kind = int(_array(code)[0].as_py())
    if kind == ShapeKind.POLYGON:
        encoded = [_polygon(row) for row in _rows(coordinates)]
        return _list_column([None if shape is None else shape.encode() for shape in encoded])
    values, starts, stops = _lists(coordinates)
    size = 2 + kind
    good = stops - starts == size
    at = np.where(good, starts, 0)[:, None] + np.arange(size)
    row = values[np.minimum(at, max(len(values) - 1, 0))]
    good &= _valid(row[:, 0], row[:, 1])
    radius = np.minimum(np.radians(row[:, 2]), math.pi) if kind else np.zeros(len(row))
    good &= radius >= 0
    header = np.full((len(row), 1), float(kind))
    return _masked_lists(
        np.concatenate([header, vectors(row[:, 0], row[:, 1]), radius[:, None]], axis=1), good
    )


@lru_cache(maxsize=4096)
def _parsed(text: str) -> Shape | None:
    try:
        return regions.parse(text)
    except ShapeError:
        return None


def encode_text(text: Column) -> pa.Array:
    """STC-S or DALI regions as encoded shapes."""
    parsed = [_parsed(value) for value in _array(text).to_pylist()]
    return _list_column([None if shape is None else shape.encode() for shape in parsed])


def parse(code: Column, text: Column) -> pa.Array:
    """Strings as DALI values of one kind of shape; NULL for any other."""
    kind = int(_array(code)[0].as_py())
    result: list[list[float] | None] = []
    for value in _array(text).to_pylist():
        shape = _parsed(value)
        result.append(shapes.dali_coordinates(shape) if shape is not None and shape.kind == kind else None)
    return _list_column(result)


# Tests and measures


def _tested(test: Callable[[Ragged, Ragged], Booleans], a: Ragged, b: Ragged) -> pa.Array:
    return pa.array(test(a, b))


def intersects(a: Column, b: Column) -> pa.Array:
    return _tested(predicates.intersects, _ragged(a), _ragged(b))


def intersects_k(a: Column, b: Column) -> pa.Array:
    return _tested(predicates.intersects, _ragged(a), _constant(b, len(a)))


def contains(a: Column, b: Column) -> pa.Array:
    """Whether `a` is in `b`."""
    return _tested(predicates.contains, _ragged(a), _ragged(b))


def contains_k(a: Column, b: Column) -> pa.Array:
    return _tested(predicates.contains, _ragged(a), _constant(b, len(a)))


def contained_k(a: Column, b: Column) -> pa.Array:
    """Whether the constant `b` is in `a`."""
    return _tested(predicates.contains, _constant(b, len(a)), _ragged(a))


def point_in(lon: Column, lat: Column, shape: Column) -> pa.Array:
    x, y = _floats(lon), _floats(lat)
    p = vectors(x, y)
    header = np.concatenate([np.zeros((len(p), 1)), p, np.zeros((len(p), 1))], axis=1)
    starts = np.arange(len(p)) * shapes.HEADER
    rows = Ragged(header.ravel(), starts, starts + shapes.HEADER)
    inside = predicates.contains(rows, _constant(shape, len(p)))
    return pa.array(inside, mask=~_valid(x, y))


def distance(lon1: Column, lat1: Column, lon2: Column, lat2: Column) -> pa.Array:
    a, b = vectors(_floats(lon1), _floats(lat1)), vectors(_floats(lon2), _floats(lat2))
    return pa.array(np.degrees(predicates.angle(a, b)))


def area(shape: Column) -> pa.Array:
    rows = _ragged(shape)
    return pa.array([shapes.area(rows.row(i)) for i in range(len(rows))], pa.float64())


def centroid(shape: Column) -> pa.Array:
    rows = _ragged(shape)
    centres = [shapes.centroid(rows.row(i)) for i in range(len(rows))]
    return _list_column([None if centre is None else list(shapes.lon_lat(centre)) for centre in centres])


# HEALPix and sexagesimal angles


def healpix_index(order: Column, lon: Column, lat: Column) -> pa.Array:
    orders, x, y = _integers(order), _floats(lon), _floats(lat)
    good = _valid(x, y) & (orders >= 0) & (orders <= 29)
    deepest = healpix.index(29, np.where(good, x, 0.0), np.where(good, y, 0.0))
    return pa.array(deepest >> (2 * (29 - np.where(good, orders, 29))), mask=~good)


def healpix_centre(order: Column, cell: Column) -> pa.Array:
    orders, cells = _integers(order), _integers(cell)
    good = (orders >= 0) & (orders <= 29) & (cells >= 0)
    good &= cells < (np.int64(12) << (2 * np.where(good, orders, 0)))
    result = np.zeros((len(cells), 2))
    for one in np.unique(orders[good]):
        rows = np.flatnonzero(good & (orders == one))
        result[rows, 0], result[rows, 1] = healpix.centre_positions(int(one), cells[rows])
    return _masked_lists(result, good)


def cells_around(order: Column, lon: Column, lat: Column, radius: Column) -> pa.Array:
    """Cells of one order that can hold points within `radius` degrees: of the cell and its neighbours, those near.

    The order is such that cells are at least four times as large as the radius, so that no other cell is within reach.
    """
    level, x, y = int(_integers(order)[0]), _floats(lon), _floats(lat)
    good = _valid(x, y)
    x, y = np.where(good, x, 0.0), np.where(good, y, 0.0)
    block = healpix.neighbours(level, healpix.index(level, x, y))
    middles = healpix.centres(level, np.maximum(block, 0).ravel()).reshape(len(x), 9, 3)
    reach = math.radians(float(_floats(radius)[0])) + healpix.circumradius(level)
    chord2 = ((middles - vectors(x, y)[:, None, :]) ** 2).sum(axis=2)
    near = (block >= 0) & (chord2 <= (2 * math.sin(min(reach, math.pi) / 2)) ** 2) & good[:, None]
    offsets = np.concatenate([[0], np.cumsum(near.sum(axis=1))]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(block[near]))


_HMS = re.compile(
    r"\s*(\d{1,2})(?:\s*[:hH]\s*|\s+)(\d{1,2})(?:\s*[:mM]\s*|\s+)(\d{1,2}(?:\.\d*)?)\s*[sS]?\s*$"
)
_HMS_RUN = re.compile(r"\s*(\d\d)(\d\d)(\d\d(?:\.\d*)?)\s*$")
_DMS = re.compile(
    r"\s*([+-]?)(\d{1,3})(?:\s*[:dD]\s*|\s+)(\d{1,2})(?:\s*[:mM]\s*|\s+)(\d{1,2}(?:\.\d*)?)\s*[sS]?\s*$"
)
_DMS_RUN = re.compile(r"\s*([+-]?)(\d\d)(\d\d)(\d\d(?:\.\d*)?)\s*$")


def _sexagesimal(parts: tuple[str, ...], most: float) -> float | None:
    whole, minutes, seconds = float(parts[0]), float(parts[1]), float(parts[2])
    if minutes >= 60 or seconds >= 60:
        return None
    value = whole + minutes / 60 + seconds / 3600
    return value if value <= most else None


def hms_to_degrees(text: Column) -> pa.Array:
    result: list[float | None] = []
    for value in _array(text).to_pylist():
        found = _HMS.match(value) or _HMS_RUN.match(value)
        hours = _sexagesimal(found.groups(), 24.0) if found else None
        result.append(None if hours is None else hours * 15)
    return pa.array(result, pa.float64())


def dms_to_degrees(text: Column) -> pa.Array:
    result: list[float | None] = []
    for value in _array(text).to_pylist():
        found = _DMS.match(value) or _DMS_RUN.match(value)
        degrees = _sexagesimal(found.groups()[1:], 360.0) if found else None
        result.append(
            None if found is None or degrees is None else (-degrees if found.group(1) == "-" else degrees)
        )
    return pa.array(result, pa.float64())


_D, _L, _T, _I, _B = "DOUBLE", "DOUBLE[]", "VARCHAR", "BIGINT", "BOOLEAN"
_IL = "BIGINT[]"

_OWN: dict[str, tuple[Callable[..., pa.Array], list[str], str]] = {
    "vg_point": (point, [_D, _D], _L),
    "vg_circle": (circle, [_D, _D, _D], _L),
    "vg_polygon": (polygon, [_L], _L),
    "vg_box": (box, [_D, _D, _D, _D], _L),
    "vg_encode": (encode, ["INTEGER", _L], _L),
    "vg_encode_text": (encode_text, [_T], _L),
    "vg_parse": (parse, ["INTEGER", _T], _L),
    "vg_intersects": (intersects, [_L, _L], _B),
    "vg_intersects_k": (intersects_k, [_L, _L], _B),
    "vg_contains": (contains, [_L, _L], _B),
    "vg_contains_k": (contains_k, [_L, _L], _B),
    "vg_contained_k": (contained_k, [_L, _L], _B),
    "vg_point_in": (point_in, [_D, _D, _L], _B),
    "vg_distance": (distance, [_D, _D, _D, _D], _D),
    "vg_area": (area, [_L], _D),
    "vg_centroid": (centroid, [_L], _L),
    "vg_healpix": (healpix_index, [_I, _D, _D], _I),
    "vg_healpix_centre": (healpix_centre, [_I, _I], _L),
    "vg_cells": (cells_around, [_I, _D, _D, _D], _IL),
    "vg_hms": (hms_to_degrees, [_T], _D),
    "vg_dms": (dms_to_degrees, [_T], _D),
}
FUNCTIONS = _OWN | functions_more.FUNCTIONS | moc_functions.FUNCTIONS


_ARROW = {
    _D: pa.float64(),
    _L: pa.list_(pa.float64()),
    _I: pa.int64(),
    _B: pa.bool_(),
    _T: pa.string(),
    _IL: pa.list_(pa.int64()),
}


def _strict(function: Callable[..., pa.Array], returns: str) -> Callable[..., pa.Array]:
    """The function on the rows that have all arguments; NULL in the others."""

    @wraps(function)
    def called(*columns: Column) -> pa.Array:
        arrays = [_array(column) for column in columns]
        missing = [array for array in arrays if array.null_count]
        if not missing:
            return function(*arrays) if len(arrays[0]) else pa.array([], _ARROW[returns])
        valid = np.logical_and.reduce([array.is_valid().to_numpy(zero_copy_only=False) for array in missing])
        if not valid.any():
            return pa.nulls(len(valid), _ARROW[returns])
        kept = pa.array(valid)
        result = function(*(array.filter(kept) for array in arrays))
        return result.take(pa.array(np.cumsum(valid) - 1, mask=~valid))

    return called


def register(connection: Any) -> None:
    """Add the functions to a DuckDB connection; once per connection, before its configuration is locked."""
    for name, (function, parameters, returns) in FUNCTIONS.items():
        connection.create_function(
            name, _strict(function, returns), parameters, returns, type="arrow", null_handling="special"
        )
