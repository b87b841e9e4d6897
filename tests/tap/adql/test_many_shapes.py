"""Random circles, polygons and boxes of every size, with points all around and close to their edges, against brute
force in extended precision: 1,200 here, VOGATE_LONG=1 makes 12,000.
"""

from __future__ import annotations

import os

import numpy as np
import pytest

from tap.adql import predicates, shapes
from tap.adql.functions import vectors
from tap.adql.predicates import Ragged
from tap.adql.shapes import Shape, ShapeKind
from tests.tap.adql import oracle
from tests.tap.adql.oracle import Long

COUNT = 12_000 if os.environ.get("VOGATE_LONG") else 1200
POINTS = 30
DECIDED = 1e-11
"""Degrees (40 nanoarcseconds) from an edge at which there is no doubt; positions as doubles are no finer than 6e-14."""
CENTRES = [
    (0, 90),
    (123, -90),
    (0, 0),
    (359.99999999, 12),
    (1e-9, -45),
    (180, 89.9999),
    (90, -89.99999),
    (45, 41.81),
]
NEAR = [0.0, 1e-10, 1e-8, 1e-6, 1e-3]
"""Degrees off an edge."""


def centre(rng):
    if rng.random() < 0.5:
        return tuple(map(float, CENTRES[rng.integers(len(CENTRES))]))
    lon, lat = oracle.degrees(oracle.random_directions(rng, 1))
    return float(lon[0]), float(lat[0])


def off(rng, p):
    """Points of extended precision, pushed a little to one side or other, as degrees in doubles."""
    push = np.cross(p, oracle.random_directions(rng, len(p)).astype(Long))
    push /= np.sqrt((push**2).sum(-1))[:, None]
    step = rng.choice(NEAR, len(p)).astype(Long) * oracle.RAD * rng.choice([-1, 1], len(p))
    moved = p + push * step[:, None]
    moved /= np.sqrt((moved**2).sum(-1))[:, None]
    a = np.arctan2(moved[:, 1], moved[:, 0]) / oracle.RAD
    d = np.arctan2(moved[:, 2], np.hypot(moved[:, 0], moved[:, 1])) / oracle.RAD
    return np.mod(a, 360).astype(float) % 360, np.clip(d.astype(float), -90, 90)


def to_arcs(p, polygon):
    """Degrees from points to the nearest side."""
    best = np.full(len(p), Long(180))
    for a, b in zip(polygon, np.roll(polygon, -1, axis=0)):
        normal = np.cross(a - b, a + b)
        length = np.sqrt((normal**2).sum())
        ends = np.minimum(oracle.angle(p, a[None]), oracle.angle(p, b[None]))
        if length > 0:
            normal = normal / length
            beside = (p @ np.cross(normal, a) >= 0) & (p @ np.cross(b, normal) >= 0)
            plane = np.arcsin(np.clip(np.abs(p @ normal), 0, 1)) / oracle.RAD
            ends = np.where(beside, plane, ends)
        best = np.minimum(best, ends)
    return best


def frame(lon, lat):
    """East and north of a place, in extended precision."""
    a, d = Long(lon) * oracle.RAD, Long(lat) * oracle.RAD
    east = np.array([-np.sin(a), np.cos(a), Long(0)])
    return east, np.array([-np.sin(d) * np.cos(a), -np.sin(d) * np.sin(a), np.cos(d)])


def a_circle(rng):
    lon, lat = centre(rng)
    radius = float(rng.choice([0.0, 90.0, 179.9999, 10 ** rng.uniform(-7, 2.255)], p=[0.03, 0.03, 0.04, 0.9]))
    c = oracle.vectors(lon, lat)
    x, y = oracle.around(rng, lon, lat, radius, POINTS)
    u = frame(lon, lat)[0]
    w, r, t = (
        np.cross(c, u),
        Long(radius) * oracle.RAD,
        rng.uniform(0, 2 * np.pi, POINTS)[:, None].astype(Long),
    )
    near = off(rng, np.cos(r) * c + np.sin(r) * (np.cos(t) * u + np.sin(t) * w))
    x, y = np.r_[x, near[0]], np.r_[y, near[1]]
    distance = oracle.angle(oracle.vectors(x, y), c)
    return shapes.circle(lon, lat, radius), (x, y), distance <= radius, np.abs(distance - radius)


def corners(rng, lon, lat):
    """Vertices of stars, slivers and triangles that are nearly a hemisphere wide."""
    kind = rng.random()
    size = float(min(89.0, 10 ** rng.uniform(-5, 1.95)))
    if kind < 0.6:
        return oracle.star(rng, lon, lat, size, int(rng.integers(3, 14)))
    c = np.asarray(oracle.vectors(lon, lat), float)
    east, north = (np.asarray(v, float) for v in frame(lon, lat))
    turn = rng.uniform(0, 2 * np.pi)
    along, across = np.cos(turn) * east + np.sin(turn) * north, np.cos(turn) * north - np.sin(turn) * east
    if kind < 0.85:  # a sliver
        thin = size * 10 ** rng.uniform(-7, -2)
        far = np.tan(np.radians(size))
        thin = np.tan(np.radians(thin))
        v = np.stack(
            [c - far * along, c + thin * across, c + far * along, c - rng.uniform(0.1, 1) * thin * across]
        )
    else:
        far = np.tan(np.radians(rng.uniform(85, 89.5)))
        angles = np.cumsum(rng.uniform(1.6, 2.4, 3))
        v = c + far * (np.cos(angles)[:, None] * along + np.sin(angles)[:, None] * across)
    return oracle.degrees(v / np.linalg.norm(v, axis=1)[:, None])


def a_polygon(rng):
    lon, lat = centre(rng)
    a, d = corners(rng, lon, lat)
    shape = shapes.polygon(np.stack([a, d], 1).ravel().tolist())
    vertices = oracle.vectors(a, d)
    x, y = oracle.around(rng, *shapes.lon_lat(shape.centre), np.degrees(shape.radius), POINTS)
    edge = off(rng, oracle.boundary(vertices, 3))
    x, y = np.r_[x, edge[0], a], np.r_[y, edge[1], d]
    p = oracle.vectors(x, y)
    inside = (oracle.winding(p, vertices) != 0) & (p @ np.array(shape.centre, Long) > 0)
    away = to_arcs(p, vertices)
    inside[-len(a) :], away[-len(a) :] = True, 1  # its own vertices are in it
    return shape, (x, y), inside, away


def a_box(rng):
    lon, lat = centre(rng)
    width, height = (float(rng.choice([179.9, 10 ** rng.uniform(-6, 2.25)], p=[0.1, 0.9])) for _ in range(2))
    shape = shapes.box(lon, lat, width, height)
    x, y = oracle.around(rng, lon, lat, min(max(width, height) * 0.6, 120), POINTS)
    edge = off(rng, oracle.boundary(np.array(shape.vertices, Long), 5))
    x, y = np.r_[x, edge[0]], np.r_[y, edge[1]]
    p, (east, north) = oracle.vectors(x, y), frame(lon, lat)
    ahead = p @ oracle.vectors(lon, lat)
    # Which angle its plane through the other arm makes with the centre's.
    across, along = np.arctan2(p @ east, ahead) / oracle.RAD, np.arctan2(p @ north, ahead) / oracle.RAD
    inside = (np.abs(across) <= Long(width) / 2) & (np.abs(along) <= Long(height) / 2) & (ahead > 0)
    # Its corners are rounded to doubles; where they are far off, that moves the sides (0.1 microarcsec at 89.95 degrees).
    moved = 3e-14 / np.cos(shape.radius)
    return shape, (x, y), inside, to_arcs(p, np.array(shape.vertices, Long)) - moved


@pytest.mark.parametrize("make", [a_circle, a_polygon, a_box])
def test_points_in_random_shapes(make):
    rng = np.random.default_rng(2026)
    decided = inner = total = 0
    for number in range(COUNT // 3):
        shape, (x, y), expected, away = make(rng)
        p = vectors(x, y)
        rows = Ragged.of([Shape(ShapeKind.POINT, tuple(v), 0.0) for v in p.tolist()])
        found = predicates.contains(rows, Ragged.constant(np.array(shape.encode()), len(p)))
        sure = away > DECIDED
        assert (found == expected)[sure].all(), (number, shape, x[sure & (found != expected)], y, away)
        decided, inner, total = decided + sure.sum(), inner + expected.sum(), total + len(x)
    assert decided > 0.8 * total
    assert 0.1 * total < inner < 0.9 * total
