"""Shapes and their predicates against brute force in extended precision."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tap.adql import combinations, predicates, regions, shapes
from tap.adql.functions import vectors
from tap.adql.predicates import Ragged
from tap.adql.shapes import Shape, ShapeError, ShapeKind
from tests.tap.adql import oracle

EDGE = 1e-8
"""Degrees; closer to an edge than this, double precision decides nothing."""

CENTRES = [
    (0.0, 90.0),
    (0.0, -90.0),
    (0.0, 0.0),
    (359.9999, 12.0),
    (180.0, -60.0),
    (45.0, 41.81),
    (90.0, 89.9),
]


def centre(rng, i):
    if i < len(CENTRES):
        return CENTRES[i]
    lon, lat = oracle.degrees(oracle.random_directions(rng, 1))
    return float(lon[0]), float(lat[0])


def points_in(shape, lon, lat):
    """Whether positions are in one shape."""
    p = vectors(lon, lat)
    rows = Ragged.of([Shape(ShapeKind.POINT, tuple(v), 0.0) for v in p.tolist()])
    return predicates.contains(rows, Ragged.constant(np.array(shape.encode()), len(p)))


def one(test, a, b):
    return bool(test(Ragged.of([a]), Ragged.of([b]))[0])


@pytest.mark.parametrize("radius", [1e-4, 0.01, 1.0, 20.0, 60.0, 89.999, 90.0, 135.0, 179.9])
def test_points_in_circles(radius):
    rng = np.random.default_rng(int(radius * 1000))
    for i in range(40):
        lon, lat = centre(rng, i)
        x, y = oracle.around(rng, lon, lat, radius, 200)
        distance = oracle.angle(oracle.vectors(x, y), oracle.vectors(lon, lat))
        decided = np.abs(distance - radius) > EDGE
        found = points_in(shapes.circle(lon, lat, radius), x, y)
        assert (found == (distance <= radius))[decided].all()
        assert decided.sum() > 100


@pytest.mark.parametrize("size", [0.01, 1.0, 20.0, 60.0, 85.0])
@pytest.mark.parametrize("corners", [3, 4, 7, 30])
def test_points_in_polygons_of_either_winding(size, corners):
    rng = np.random.default_rng(int(size * 100) + corners)
    for i in range(25):
        lon, lat = centre(rng, i)
        a, d = oracle.star(rng, lon, lat, size, corners)
        shape = shapes.polygon(np.stack([a, d], 1).ravel().tolist())
        x, y = oracle.around(rng, lon, lat, size * 0.7, 150)
        p, vertices = oracle.vectors(x, y), oracle.vectors(a, d)
        away = np.degrees(
            predicates.boundary_distance(vectors(x, y), Ragged.constant(np.array(shape.encode()), len(x)))
        )
        decided = away > EDGE
        expected = oracle.winding(p, vertices) != 0
        # The boundary runs around opposite points too; they are not in the smaller area.
        expected &= p @ oracle.vectors(lon, lat) > 0
        assert (points_in(shape, x, y) == expected)[decided].all()
        assert decided.sum() > 140


def test_vertices_and_middles_of_sides_count_as_inside():
    shape = shapes.polygon([10, 10, 20, 10, 20, 20, 10, 20])
    assert points_in(shape, np.array([10.0, 20, 20, 10]), np.array([10.0, 10, 20, 20])).all()
    meridian = shapes.polygon([0, 0, 10, 0, 10, 10, 0, 10])
    assert points_in(meridian, np.array([0.0, 5.0, 10.0]), np.array([5.0, 0.0, 3.0])).all()


@pytest.mark.parametrize(("width", "height"), [(1.0, 2.0), (40.0, 10.0), (100.0, 100.0), (179.0, 1.0)])
def test_boxes_have_great_circle_sides_at_the_ends_of_a_cross(width, height):
    rng = np.random.default_rng(int(width))
    for i in range(30):
        lon, lat = centre(rng, i)
        shape = shapes.box(lon, lat, width, height)
        x, y = oracle.around(rng, lon, lat, min(max(width, height) * 0.6, 120), 300)
        p, c = oracle.vectors(x, y), oracle.vectors(lon, lat)
        a, d = lon * oracle.RAD, lat * oracle.RAD
        east = np.array([-np.sin(a), np.cos(a), 0], oracle.Long)
        north = np.array([-np.sin(d) * np.cos(a), -np.sin(d) * np.sin(a), np.cos(d)], oracle.Long)
        half_w, half_h = width * oracle.RAD / 2, height * oracle.RAD / 2
        # The angle between a point's plane through the other axis and the centre's is what the arm measures.
        ahead = p @ c
        across, along = np.arctan2(p @ east, ahead), np.arctan2(p @ north, ahead)
        expected = (np.abs(across) <= half_w) & (np.abs(along) <= half_h) & (ahead > 0)
        margin = np.minimum(np.abs(np.abs(across) - half_w), np.abs(np.abs(along) - half_h))
        decided = margin > 1e-9
        assert (points_in(shape, x, y) == expected)[decided].all()


def random_shape(rng, lon, lat, size):
    if rng.random() < 0.4:
        return shapes.circle(lon, lat, size), None
    a, d = oracle.star(rng, lon, lat, min(size, 80.0), int(rng.integers(3, 9)))
    return shapes.polygon(np.stack([a, d], 1).ravel().tolist()), oracle.vectors(a, d)


def outline(shape, vertices, count):
    """Points along the boundary of a circle or polygon, in extended precision."""
    if vertices is not None:
        return oracle.boundary(vertices, count)
    c = np.array(shape.centre, oracle.Long)
    helper = np.array([0, 0, 1], oracle.Long) if abs(c[2]) < 0.9 else np.array([1, 0, 0], oracle.Long)
    u = np.cross(helper, c)
    u /= np.sqrt((u**2).sum())
    t = np.linspace(0, 2 * np.pi, 6 * count)[:, None]
    return np.cos(shape.radius) * c + np.sin(shape.radius) * (np.cos(t) * u + np.sin(t) * np.cross(c, u))


def inside(p, shape, vertices):
    if vertices is not None:
        near = p @ np.array(shape.centre, oracle.Long) > 0
        return (oracle.winding(p, vertices) != 0) & near
    return oracle.angle(p, np.array(shape.centre, oracle.Long)) <= np.degrees(shape.radius)


@pytest.mark.parametrize("size", [0.5, 10.0, 50.0])
def test_pairs_of_circles_and_polygons(size):
    rng = np.random.default_rng(int(size * 10))
    undecided = 0
    for i in range(150):
        lon, lat = centre(rng, i)
        x, y = oracle.around(rng, lon, lat, size * rng.uniform(0.2, 2.2), 2)
        a, va = random_shape(rng, lon, lat, size * rng.uniform(0.2, 1.2))
        b, vb = random_shape(rng, float(x[1]), float(y[1]), size * rng.uniform(0.2, 1.2))
        edge_a, edge_b = outline(a, va, 120), outline(b, vb, 120)
        a_in_b, b_in_a = inside(edge_a, b, vb), inside(edge_b, a, va)
        meet = bool(a_in_b.any() or b_in_a.any())
        within = bool(a_in_b.all() and not (b_in_a.any() and not b_in_a.all()))
        # Sampled edges miss what happens between samples: a near touch or a sliver.
        step = np.degrees(max(a.radius, b.radius)) * 2 * np.pi / 120
        gap = min(
            np.degrees(np.arccos(np.clip((edge_a[::4] @ edge_b[::4].T).astype(float), -1, 1))).min(), 180.0
        )
        found = one(predicates.intersects, a, b)
        if found != meet:
            assert gap < step
            undecided += 1
        assert one(predicates.intersects, b, a) == found
        assert combinations.intersects(a, b) == found
        contained = one(predicates.contains, a, b)
        if contained != within:
            assert gap < step
            undecided += 1
        assert not (contained and not found)
        assert combinations.contains(a, b) == contained
    assert undecided < 15


def test_concave_polygons_hold_only_what_stays_in_them():
    u = shapes.polygon([0, 0, 9, 0, 9, 9, 6, 9, 6, 3, 3, 3, 3, 9, 0, 9])
    bridge = shapes.polygon([1, 7, 8, 7, 8, 8, 1, 8])
    arm = shapes.polygon([1, 5, 2, 5, 2, 8, 1, 8])
    assert not one(predicates.contains, bridge, u)
    assert one(predicates.intersects, bridge, u)
    assert one(predicates.contains, arm, u)
    gap = shapes.circle(4.5, 7, 1)
    assert not one(predicates.intersects, gap, u)


def test_combinations_of_regions():
    ring = regions.parse("Intersection ICRS (Circle 10 10 5 Not (Circle 10 10 3))")
    inner, across, outside = shapes.circle(10, 10, 2), shapes.circle(13, 10, 1), shapes.circle(30, 10, 2)
    assert [one(predicates.intersects, ring, shape) for shape in (inner, across, outside)] == [
        False,
        True,
        False,
    ]
    both = regions.parse("Union ICRS (Circle 10 10 2 Circle 13 10 2)")
    bridging = shapes.circle(11.5, 10, 1.2)
    assert one(predicates.contains, bridging, both)
    assert not one(predicates.contains, bridging, shapes.circle(10, 10, 2))
    assert one(predicates.contains, shapes.circle(200, 0, 10), regions.parse("Not (Circle 10 10 5)"))
    everything = regions.parse("Union (Circle 0 0 170 Not (Circle 0 0 160))")
    assert one(predicates.contains, shapes.circle(180, 0, 30), everything)


def test_points_in_combinations_agree_with_logic():
    rng = np.random.default_rng(5)
    text = (
        "Union ICRS (Intersection (Circle 10 10 8 Box 12 12 10 6) Not (Circle 10 10 40) Polygon 5 5 8 5 8 9)"
    )
    parts = [
        regions.parse(part)
        for part in ("Circle 10 10 8", "Box 12 12 10 6", "Circle 10 10 40", "Polygon 5 5 8 5 8 9")
    ]
    lon, lat = oracle.around(rng, 10, 10, 12, 1500)
    a, b, c, d = (points_in(part, lon, lat) for part in parts)
    assert (points_in(regions.parse(text), lon, lat) == (a & b | ~c | d)).all()


def test_areas_and_centroids():
    octant = shapes.polygon([0, 0, 90, 0, 0, 90])
    assert shapes.area(octant) == pytest.approx(4 * math.pi / 8 * math.degrees(1) ** 2, rel=1e-13)
    assert shapes.lon_lat(shapes.centroid(octant)) == pytest.approx(
        (45, math.degrees(math.atan(1 / math.sqrt(2))))
    )
    assert shapes.area(shapes.circle(0, 0, 180)) == pytest.approx(41252.961249419)
    tiny = shapes.box(100, 60, 1e-4, 2e-4)
    assert shapes.area(tiny) == pytest.approx(2e-8, rel=1e-6)
    assert shapes.lon_lat(shapes.centroid(tiny)) == pytest.approx((100, 60), abs=1e-9)


def test_area_of_polygons_by_random_points():
    rng = np.random.default_rng(8)
    lon, lat = oracle.degrees(oracle.random_directions(rng, 100_000))
    for i in range(3):
        a, d = oracle.star(rng, 40.0 * i, 30.0 * i, 60.0, 9)
        shape = shapes.polygon(np.stack([a, d], 1).ravel().tolist())
        expected = points_in(shape, lon, lat).mean() * 41252.96
        assert shapes.area(shape) == pytest.approx(expected, rel=0.05)


@pytest.mark.parametrize(
    "coordinates",
    [
        [0, 0, 1, 1],
        [0, 0, 1, 1, 0, 0],
        [0, 0, 180, 0, 90, 10],
        [0, 0, 120, 0, 240, 0],
        [0, 95, 10, 0, 20, 0],
        [0, 0, 1, 0, 1],
        [float("nan"), 0, 1, 0, 1, 1],
    ],
)
def test_what_is_no_polygon_is_refused(coordinates):
    with pytest.raises(ShapeError):
        shapes.polygon(coordinates)


def test_polygons_are_written_counter_clockwise_as_seen_in_the_sky():
    # North up, east to the left: from the south-west corner up north, then east.
    expected = [10.0, 10.0, 10.0, 20.0, 20.0, 20.0, 20.0, 10.0]
    for written in (expected, [10.0, 10.0, 20.0, 10.0, 20.0, 20.0, 10.0, 20.0]):
        assert shapes.dali_coordinates(shapes.polygon(written), tuple(written)) == expected
    assert shapes.dali_coordinates(shapes.circle(-10, 5, 1), (-10, 5, 1)) == [350.0, 5, 1]


def test_encoding_and_decoding_give_the_same_shape():
    for text in (
        "Circle 10 20 3",
        "Polygon 1 1 5 1 3 4",
        "Union (Circle 1 2 3 Not (Box 1 2 3 4))",
        "Position 1 2",
    ):
        shape = regions.parse(text)
        assert shapes.decode(np.array(shape.encode())) == shape
