"""Brute force in extended precision, by other methods than the package: what tests compare with."""

from __future__ import annotations

import numpy as np

Long = np.longdouble
RAD = Long(np.pi) / 180 if np.finfo(Long).nmant <= 52 else Long("3.14159265358979323846264338327950288") / 180


def vectors(lon, lat):
    """Unit vectors of degrees, in extended precision."""
    a, d = np.asarray(lon, Long) * RAD, np.asarray(lat, Long) * RAD
    return np.stack([np.cos(d) * np.cos(a), np.cos(d) * np.sin(a), np.sin(d)], -1)


def angle(a, b):
    """Degrees between vectors."""
    return np.arctan2(np.sqrt((np.cross(a, b) ** 2).sum(-1)), (a * b).sum(-1)) / RAD


def winding(p, polygon):
    """How often a polygon's boundary, vertices (n, 3), runs around each of the points (m, 3)."""
    total = np.zeros(len(p), Long)
    for a, b in zip(polygon, np.roll(polygon, -1, axis=0)):
        # The angle at p between the directions to a and b.
        u, v = a - p * (p @ a)[:, None], b - p * (p @ b)[:, None]
        total += np.arctan2((np.cross(u, v) * p).sum(-1), (u * v).sum(-1))
    return np.rint(total / (360 * RAD)).astype(int)


def arc_points(a, b, count):
    """Points along the arc between two vectors, both ends included."""
    t = np.linspace(Long(0), Long(1), count)[:, None]
    # Great-circle arcs are straight in the chord's projection; even spacing is not needed.
    line = a * (1 - t) + b * t
    return line / np.sqrt((line**2).sum(-1))[:, None]


def boundary(polygon, count):
    """Points all along a polygon's sides."""
    return np.concatenate([arc_points(a, b, count) for a, b in zip(polygon, np.roll(polygon, -1, axis=0))])


def in_polygon(p, polygon):
    """Points (m, 3) inside of a polygon of vertices (n, 3) in either order, smaller than a hemisphere."""
    middle = polygon.sum(axis=0)
    turns = winding(p, polygon)
    # Around the point opposite to an inner one, the boundary runs the other way.
    near = (p @ middle) > 0
    return (turns != 0) & near


def random_directions(rng, count):
    v = rng.normal(size=(count, 3))
    return v / np.linalg.norm(v, axis=1)[:, None]


def degrees(v):
    """Longitudes and latitudes as doubles."""
    v = np.asarray(v, np.float64)
    return np.degrees(np.arctan2(v[:, 1], v[:, 0])) % 360, np.degrees(
        np.arctan2(v[:, 2], np.hypot(v[:, 0], v[:, 1]))
    )


def around(rng, lon, lat, radius, count):
    """Positions within about `radius` degrees of a centre, most of them near that distance."""
    c = np.asarray(vectors(lon, lat), np.float64)
    helper = np.array([0.0, 0.0, 1.0]) if abs(c[2]) < 0.9 else np.array([1.0, 0.0, 0.0])
    u = np.cross(helper, c)
    u /= np.linalg.norm(u)
    w = np.cross(c, u)
    angles = rng.uniform(0, 2 * np.pi, count)
    spread = np.concatenate(
        [1 + rng.normal(size=count // 2) * 1e-4, np.sqrt(rng.random(count - count // 2)) * 1.5]
    )
    r = np.radians(np.minimum(radius * spread, 180.0))[:, None]
    return degrees(np.cos(r) * c + np.sin(r) * (np.cos(angles)[:, None] * u + np.sin(angles)[:, None] * w))


def star(rng, lon, lat, size, corners):
    """A simple polygon, mostly concave, around a centre: vertices by increasing position angle, degrees."""
    c = np.asarray(vectors(lon, lat), np.float64)
    helper = np.array([0.0, 0.0, 1.0]) if abs(c[2]) < 0.9 else np.array([1.0, 0.0, 0.0])
    u = np.cross(helper, c)
    u /= np.linalg.norm(u)
    w = np.cross(c, u)
    steps = rng.uniform(0.5, 1.5, corners)
    angles = np.cumsum(steps) / steps.sum() * 2 * np.pi
    # Straight in the gnomonic projection, so star-shaped there is simple on the sphere.
    r = np.radians(size * rng.uniform(0.3, 1.0, corners))
    v = c + np.tan(r)[:, None] * (np.cos(angles)[:, None] * u + np.sin(angles)[:, None] * w)
    lon, lat = degrees(v / np.linalg.norm(v, axis=1)[:, None])
    if rng.random() < 0.5:
        lon, lat = lon[::-1], lat[::-1]
    return lon, lat
