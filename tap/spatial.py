"""Hidden index columns of published tables, by which ADQL's geometry is fast.

- `_hpx29` BIGINT: HEALPix cell (NESTED, order 29) of the table's position columns; rows are sorted by it.
- `_rgn_shape` LIST<DOUBLE>: the encoded shape of the table's region column (`tap.adql.shapes.Shape.encode`);
  `_rgn_x`, `_rgn_y`, `_rgn_z`, `_rgn_cos`, `_rgn_sin` DOUBLE: unit vector of the centre of its bounding cap, and the
  cosine and sine of the cap's radius, so that whether two caps meet is a few multiplications.

Rows without a usable position or region have NULL there, and no spatial condition holds for them.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gateway.vo.columns import Table
from tap.adql import healpix, regions, shapes
from tap.adql.ir import Kind
from tap.adql.metadata import kind_of
from tap.adql.scope import HEALPIX_COLUMN, REGION_COLUMNS
from tap.adql.shapes import Shape, ShapeError

LEAST = REGION_COLUMNS[4]
"""The column whose least value belongs to the largest region."""


def reach(least: float | None) -> float | None:
    """Radius in degrees of a cap by its cosine, rounded up; of none, None."""
    return None if least is None else math.degrees(math.acos(max(-1.0, min(1.0, least)))) + 1e-5


def index_columns(table: pa.Table, meta: Table) -> pa.Table:
    """The table with its index columns, sorted for them.

    Parameters
    ----------
    table
        The rows; index columns that it has already are made anew.
    meta
        Says which columns are positions (degrees, ICRS) and which one is a region (STC-S or DALI).

    Raises
    ------
    ValueError
        If a column is missing, a declination is out of range, or a region cannot be read; the message names
        the row.
    """
    table = add_columns(table, meta)
    if meta.position is not None:
        order = pc.sort_indices(table, sort_keys=[(HEALPIX_COLUMN, "ascending")])
        table = table.take(order)
    return table


def add_columns(table: pa.Table, meta: Table) -> pa.Table:
    """`index_columns` without the sorting, for tables that come in parts."""
    table = table.drop_columns(
        [name for name in table.column_names if name in (HEALPIX_COLUMN, *REGION_COLUMNS)]
    )
    if meta.region is not None:
        table = _with_regions(table, meta)
    if meta.position is not None:
        table = _with_positions(table, meta)
    return table


def _column(table: pa.Table, meta: Table, name: str) -> pa.ChunkedArray:
    if name not in table.column_names:
        raise ValueError(f"{meta.qualified_name} has no column {name}")
    return table.column(name)


def _with_positions(table: pa.Table, meta: Table) -> pa.Table:
    assert meta.position is not None
    lon, lat = (
        np.asarray(pc.cast(_column(table, meta, name), pa.float64()).to_numpy(), np.float64)
        for name in meta.position
    )
    known = np.isfinite(lon) & np.isfinite(lat)
    bad = np.flatnonzero(known & (np.abs(np.where(known, lat, 0.0)) > 90.0))
    if len(bad):
        name = meta.position[1]
        raise ValueError(
            f"{meta.qualified_name}, row {bad[0] + 1}: {name} = {lat[bad[0]]:g} is no declination"
        )
    cells = healpix.index(healpix.MAX_ORDER, np.where(known, lon, 0.0), np.where(known, lat, 0.0))
    return table.append_column(HEALPIX_COLUMN, pa.array(cells, mask=~known))


class RegionError(ValueError):
    """A region that cannot be read; the message says which."""


def _with_regions(table: pa.Table, meta: Table) -> pa.Table:
    assert meta.region is not None
    column = _column(table, meta, meta.region)
    known: dict[Any, Shape | None] = {}
    found: list[Shape | None] = []
    for number, value in enumerate(column.to_pylist(), 1):
        key = tuple(value) if isinstance(value, list) else value
        if key not in known:
            try:
                known[key] = _shape(key, meta)
            except ShapeError as error:
                raise RegionError(f"{meta.qualified_name}, row {number}: {meta.region}: {error}") from None
        found.append(known[key])
    encoded = [None if shape is None else shape.encode() for shape in found]
    caps = [
        (None,) * 5 if shape is None else (*shape.centre, np.cos(shape.radius), np.sin(shape.radius))
        for shape in found
    ]
    table = table.append_column(REGION_COLUMNS[0], pa.array(encoded, pa.list_(pa.float64())))
    for place, name in enumerate(REGION_COLUMNS[1:]):
        table = table.append_column(name, pa.array([cap[place] for cap in caps], pa.float64()))
    return table


def _shape(value: str | tuple[float, ...] | None, meta: Table) -> Shape | None:
    """The shape of a cell; None for NULL and for an empty text."""
    if value is None or value == () or (isinstance(value, str) and not value.strip()):
        return None
    if isinstance(value, str):
        return regions.parse(value)
    column = next(column for column in meta.columns if column.name == meta.region)
    if kind_of(column) is Kind.POLYGON:
        return shapes.polygon(value)
    return regions.from_numbers(value)
