"""HEALPix numbering against cdshealpix, and covers against brute force: no point of a shape is missed."""

from __future__ import annotations

import math

import astropy.units as u
import cdshealpix.nested
import numpy as np
import pytest
from astropy.coordinates import Latitude, Longitude

from tap.adql import cover, healpix, regions, shapes
from tests.tap.adql import oracle
from tests.tap.adql.test_shapes import centre, points_in


@pytest.mark.parametrize("order", [0, 1, 2, 5, 12, 20, 29])
def test_numbering_is_that_of_cdshealpix(order):
    rng = np.random.default_rng(order)
    lon, lat = oracle.degrees(oracle.random_directions(rng, 20_000))
    expected = cdshealpix.nested.lonlat_to_healpix(Longitude(lon, u.deg), Latitude(lat, u.deg), order).astype(
        np.int64
    )
    found = healpix.index(order, lon, lat)
    # At order 29 cells are as fine as the rounding of the positions.
    assert (found != expected).mean() < (1e-4 if order < 25 else 1e-2)
    x, y = healpix.centre_positions(order, expected)
    a, b = cdshealpix.nested.healpix_to_lonlat(expected.astype(np.uint64), order)
    assert np.abs(y - b.deg).max() < 1e-12
    assert np.abs(np.sin(np.radians(x - a.deg)) * np.cos(np.radians(y))).max() < 1e-14


@pytest.mark.parametrize("order", [0, 1, 2, 3, 6])
def test_no_point_of_a_cell_is_farther_from_its_centre_than_the_circumradius(order):
    rng = np.random.default_rng(order)
    v = oracle.random_directions(rng, 50_000)
    cells = healpix.index(order, *oracle.degrees(v))
    apart = 2 * np.arcsin(np.linalg.norm(v - healpix.centres(order, cells), axis=1) / 2)
    assert apart.max() <= healpix.circumradius(order)
    corner_lon, corner_lat = cdshealpix.nested.vertices(np.arange(12 * 4**order, dtype=np.uint64), order)
    corners = np.asarray(oracle.vectors(corner_lon.deg, corner_lat.deg), np.float64)
    middle = healpix.centres(order, np.arange(12 * 4**order))[:, None]
    assert 2 * np.arcsin(np.sqrt(((corners - middle) ** 2).sum(-1)).max() / 2) <= healpix.circumradius(order)


def covered(shape, lon, lat):
    found = np.array(cover.ranges(shape))
    cells = healpix.index(29, lon, lat)
    at = np.searchsorted(found[:, 0], cells, "right") - 1
    return (at >= 0) & (cells <= found[np.maximum(at, 0), 1])


def fraction(shape):
    return sum(high - low + 1 for low, high in cover.ranges(shape)) / (12 * 4**29)


@pytest.mark.parametrize("radius", [1 / 3600, 5 / 3600, 0.1, 1, 10, 30, 60, 90, 135, 150, 175])
def test_cones_are_covered_and_not_much_more(radius):
    rng = np.random.default_rng(3)
    for i in range(40):
        lon, lat = centre(rng, i)
        shape = shapes.circle(lon, lat, radius)
        x, y = oracle.around(rng, lon, lat, radius, 2000)
        assert covered(shape, x, y)[points_in(shape, x, y)].all()
        assert len(cover.ranges(shape)) <= cover.MAX_RANGES
        if radius >= 0.1:
            assert fraction(shape) < 3 * math.sin(math.radians(radius) / 2) ** 2


@pytest.mark.parametrize("size", [0.02, 1, 20, 70])
def test_polygons_are_covered(size):
    rng = np.random.default_rng(4)
    for i in range(40):
        lon, lat = centre(rng, i)
        a, d = oracle.star(rng, lon, lat, size, int(rng.integers(3, 12)))
        shape = shapes.polygon(np.stack([a, d], 1).ravel().tolist())
        x, y = oracle.around(rng, lon, lat, size * 0.6, 1500)
        assert covered(shape, x, y)[points_in(shape, x, y)].all()


@pytest.mark.parametrize(
    "text",
    [
        "Union (Circle 10 10 2 Polygon 50 50 60 50 55 60)",
        "Intersection (Circle 10 10 20 Circle 20 10 20)",
        "Intersection (Circle 10 10 20 Not (Circle 10 10 15))",
        "Not (Polygon 0 -40 40 -40 40 40 0 40)",
        "Position 10 10",
        "AllSky",
    ],
)
def test_combinations_are_covered(text):
    rng = np.random.default_rng(6)
    shape = regions.parse(text)
    x, y = oracle.around(rng, 10, 10, 20, 3000)
    assert covered(shape, x, y)[points_in(shape, x, y)].all()
    lon, lat = oracle.degrees(oracle.random_directions(rng, 3000))
    assert covered(shape, lon, lat)[points_in(shape, lon, lat)].all()


@pytest.mark.parametrize("order", [0, 1, 2, 5, 14])
def test_neighbours_are_those_of_cdshealpix(order):
    rng = np.random.default_rng(order)
    cells = np.unique(np.r_[np.arange(min(12 * 4**order, 3000)), rng.integers(0, 12 * 4**order, 3000)])
    found = healpix.neighbours(order, cells)
    expected = cdshealpix.nested.neighbours(cells.astype(np.uint64), order)
    for mine, theirs in zip(found.tolist(), np.asarray(expected).astype(np.int64).tolist()):
        assert set(mine) - {-1} == set(theirs) - {-1}


@pytest.mark.parametrize("radius", [1 / 3600, 0.01, 0.5, 3, 9])
def test_cells_around_a_position_hold_everything_within_the_radius(radius):
    import pyarrow as pa

    from tap.adql import functions, reach

    order = reach.finest_order(radius)
    rng = np.random.default_rng(1)
    lon, lat = oracle.degrees(oracle.random_directions(rng, 400))
    # Corners of the twelve faces, where cells are least square, and the poles.
    lon[:6], lat[:6] = [0, 45, 90, 0, 123, 0.01], [41.81, 0, -41.82, 90, -90, 89.99]
    columns = [pa.array([order] * 400), pa.array(lon), pa.array(lat), pa.array([float(radius)] * 400)]
    around = functions.cells_around(*columns).to_pylist()
    for i in range(400):
        x, y = oracle.around(rng, lon[i], lat[i], radius, 300)
        apart = oracle.angle(oracle.vectors(x, y), oracle.vectors(lon[i], lat[i])).astype(float)
        cells = healpix.index(order, x, y)[apart <= radius]
        assert set(cells.tolist()) <= set(around[i])
        assert len(set(around[i])) == len(around[i])
