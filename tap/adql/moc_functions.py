"""Functions of MOCs that DuckDB calls, over Arrow columns, as those of functions.py: NULL for what is no MOC."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa

from tap.adql import moc, moc_shapes
from tap.adql.moc import Ranges
from tap.adql.predicates import Ragged
from tap.adql.shapes import Shape, ShapeError, decode

Column: TypeAlias = Any


def _parsed(text: str) -> Ranges | None:
    try:
        return moc.parse(text)
    except ShapeError:
        return None


def _all(column: Column) -> list[Ranges | None]:
    return [_parsed(text) for text in column.to_pylist()]


def _texts(found: list[Ranges | None]) -> pa.Array:
    return pa.array([None if ranges is None else moc.serialise(ranges) for ranges in found], pa.string())


def _shapes(column: Column) -> Ragged:
    offsets = np.asarray(column.offsets, np.int64)
    return Ragged(column.values.to_numpy(zero_copy_only=False), offsets[:-1], offsets[1:])


def normal(text: Column) -> pa.Array:
    """MOCs in their shortest form."""
    return _texts(_all(text))


def degrade(order: Column, text: Column) -> pa.Array:
    level = int(order[0].as_py())
    return _texts([None if ranges is None else moc.degraded(ranges, level) for ranges in _all(text)])


@lru_cache(maxsize=1024)
def _made(shape: Shape, order: int) -> str:
    return moc.serialise(moc.of_shape(shape, order))


def of_shapes(order: Column, shape: Column) -> pa.Array:
    """The MOCs of shapes of every row.

    Raises
    ------
    ShapeError
        If one would have too many cells.
    """
    level = int(order[0].as_py())
    return pa.array(
        [_made(decode(np.array(row, np.float64)), level) for row in shape.to_pylist()], pa.string()
    )


def _combined(how: Callable[[Ranges, Ranges], Ranges]) -> Callable[..., pa.Array]:
    def call(a: Column, b: Column) -> pa.Array:
        pairs = zip(_all(a), _all(b))
        return _texts([None if x is None or y is None else how(x, y) for x, y in pairs])

    return call


def _compared(how: Callable[[Ranges, Ranges], bool]) -> Callable[..., pa.Array]:
    def call(a: Column, b: Column) -> pa.Array:
        pairs = zip(_all(a), _all(b))
        return pa.array([None if x is None or y is None else how(x, y) for x, y in pairs], pa.bool_())

    return call


def complement(text: Column) -> pa.Array:
    return _texts([None if ranges is None else moc.complement(ranges) for ranges in _all(text)])


def area(text: Column) -> pa.Array:
    return pa.array([None if ranges is None else moc.area(ranges) for ranges in _all(text)], pa.float64())


def _tested(how: Callable[[Ragged, list[Ranges | None]], list[bool | None]]) -> Callable[..., pa.Array]:
    def call(shape: Column, text: Column) -> pa.Array:
        return pa.array(how(_shapes(shape), _all(text)), pa.bool_())

    return call


def of_cells(order: Column, cells: Column) -> pa.Array:
    """The MOC of a list of cells of one order."""
    level = int(order[0].as_py())
    shift = 2 * (29 - level)
    found = []
    for row in cells.to_pylist():
        low = np.array([cell for cell in row if cell is not None], np.int64) << shift
        found.append(moc.serialise(moc.merged(np.stack([low, low + (np.int64(1) << shift)], 1))))
    return pa.array(found, pa.string())


_L, _T, _B, _D = "DOUBLE[]", "VARCHAR", "BOOLEAN", "DOUBLE"

FUNCTIONS: dict[str, tuple[Callable[..., pa.Array], list[str], str]] = {
    "vg_moc": (normal, [_T], _T),
    "vg_moc_degrade": (degrade, ["INTEGER", _T], _T),
    "vg_moc_of": (of_shapes, ["INTEGER", _L], _T),
    "vg_moc_of_cells": (of_cells, ["INTEGER", "BIGINT[]"], _T),
    "vg_moc_union": (_combined(moc.union), [_T, _T], _T),
    "vg_moc_intersection": (_combined(moc.intersection), [_T, _T], _T),
    "vg_moc_difference": (_combined(moc.difference), [_T, _T], _T),
    "vg_moc_complement": (complement, [_T], _T),
    "vg_moc_area": (area, [_T], _D),
    "vg_moc_overlaps": (_compared(moc.overlap), [_T, _T], _B),
    "vg_moc_within": (_compared(moc.within), [_T, _T], _B),
    "vg_shape_meets_moc": (_tested(moc_shapes.all_meet), [_L, _T], _B),
    "vg_shape_in_moc": (_tested(moc_shapes.all_inside_moc), [_L, _T], _B),
    "vg_moc_in_shape": (_tested(moc_shapes.all_inside_shape), [_L, _T], _B),
}
