"""Exact tests between any two shapes, unions, intersections and complements among them; one pair at a time.

The boundaries of all parts are cut where they cross; each piece between cuts lies wholly inside or outside of every
part, so that its middle decides for it.  A non-empty common region has a piece of boundary, or is the whole sphere.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tap.adql import predicates
from tap.adql.predicates import Ragged
from tap.adql.shapes import Shape, ShapeKind

Floats = NDArray[np.float64]

_NEAR = 1e-12
_STEP = 1e-9


@dataclass(frozen=True)
class Curve:
    """An arc of the circle where the plane `normal . p = offset` cuts the sphere, counted from `start`."""

    normal: Floats
    offset: float
    start: Floats
    side: Floats
    length: float

    def at(self, t: Floats) -> Floats:
        size = math.sqrt(max(0.0, 1.0 - self.offset**2))
        return self.offset * self.normal + size * (
            np.cos(t)[:, None] * self.start + np.sin(t)[:, None] * self.side
        )

    def cuts(self, other: Curve) -> list[float]:
        """Parameters at which another curve's full circle meets this arc."""
        cosine = float(self.normal @ other.normal)
        sine2 = 1.0 - cosine * cosine
        if sine2 < 1e-24:
            return []
        a = (self.offset - other.offset * cosine) / sine2
        b = (other.offset - self.offset * cosine) / sine2
        foot = a * self.normal + b * other.normal
        rest = 1.0 - float(foot @ foot)
        if rest < -1e-14:
            return []
        line = np.cross(self.normal, other.normal) * math.sqrt(max(0.0, rest) / sine2)
        found = []
        for point in (foot + line, foot - line):
            t = math.atan2(float(point @ self.side), float(point @ self.start)) % (2 * math.pi)
            if t <= self.length:
                found.append(t)
        return found


def _leaves(shape: Shape) -> list[Shape]:
    return [leaf for part in shape.parts for leaf in _leaves(part)] if shape.parts else [shape]


def _curves(shape: Shape) -> list[Curve]:
    """Boundary of a simple shape."""
    if shape.kind is ShapeKind.POLYGON:
        vertices = [np.array(vertex) for vertex in shape.vertices]
        curves = []
        for a, b in zip(vertices, vertices[1:] + vertices[:1]):
            normal = np.cross(a - b, a + b)
            size = float(np.linalg.norm(normal))
            if size > 0:
                normal = normal / size
                length = math.atan2(size / 2, float(a @ b))
                curves.append(Curve(normal, 0.0, a, np.cross(normal, a), length))
        return curves
    if shape.kind is ShapeKind.CIRCLE and 0 < shape.radius < math.pi:
        centre = np.array(shape.centre)
        helper = np.array([0.0, 0.0, 1.0] if abs(centre[2]) < 0.9 else [1.0, 0.0, 0.0])
        start = np.cross(helper, centre)
        start /= np.linalg.norm(start)
        return [Curve(centre, math.cos(shape.radius), start, np.cross(centre, start), 2 * math.pi)]
    return []


def _points(curves: list[Curve]) -> tuple[Floats, Floats]:
    """Cut points and the middles of all pieces of boundary curves."""
    ends, middles = [np.empty((0, 3))], [np.empty((0, 3))]
    for curve in curves:
        cuts = [t for other in curves if other is not curve for t in curve.cuts(other)]
        t = np.unique(np.array([0.0, curve.length, *cuts]))
        ends.append(curve.at(t))
        middles.append(curve.at((t[1:] + t[:-1]) / 2))
    return np.concatenate(ends), np.concatenate(middles)


def depth(shape: Shape, p: Floats) -> Floats:
    """How far points are inside of a shape (positive) or, for simple shapes, outside (negative), in radians."""
    if shape.kind is ShapeKind.UNION:
        return np.maximum.reduce([depth(part, p) for part in shape.parts])
    if shape.kind is ShapeKind.INTERSECTION:
        return np.minimum.reduce([depth(part, p) for part in shape.parts])
    if shape.kind is ShapeKind.COMPLEMENT:
        return -depth(shape.parts[0], p)
    centre = np.broadcast_to(np.array(shape.centre), p.shape)
    if shape.kind is not ShapeKind.POLYGON:
        return (shape.radius if shape.kind is ShapeKind.CIRCLE else 0.0) - predicates.angle(p, centre)
    rows = Ragged.constant(np.array(shape.encode()), len(p))
    away = predicates.boundary_distance(p, rows)
    return np.where(predicates.in_polygon(p, rows), away, -away)


def _candidates(a: Shape, b: Shape) -> tuple[Floats, list[Curve]]:
    leaves = _leaves(a) + _leaves(b)
    curves = [curve for leaf in leaves for curve in _curves(leaf)]
    ends, middles = _points(curves)
    centres = np.array([leaf.centre for leaf in leaves])
    return np.concatenate([ends, middles, centres, -centres]), curves


def intersects(a: Shape, b: Shape) -> bool:
    """Whether two shapes have a point in common."""
    points, _ = _candidates(a, b)
    return bool((np.minimum(depth(a, points), depth(b, points)) >= -_NEAR).any())


def contains(a: Shape, b: Shape) -> bool:
    """Whether `a` lies wholly in `b`."""
    points, curves = _candidates(a, b)
    # Next to each piece of boundary, on both sides: what is left of `a` outside of `b` touches one of them.
    _, middles = _points(curves)
    normals = [np.empty((0, 3))]
    for curve in curves:
        count = len(
            np.unique(
                np.array([0.0, curve.length, *(t for o in curves if o is not curve for t in curve.cuts(o))])
            )
        )
        normals.append(np.repeat(curve.normal[None, :], count - 1, axis=0))
    away = np.concatenate(normals) * _STEP
    beside = np.concatenate([points, middles + away, middles - away])
    beside /= np.linalg.norm(beside, axis=1, keepdims=True)
    left = (depth(a, beside) >= -_NEAR / 10) & (depth(b, beside) < -_NEAR)
    return not bool(left.any())


def polygon_stays_in(a: Shape, b: Shape) -> bool:
    """Whether polygon `a`, whose vertices are in polygon `b`, leaves it nowhere between them."""
    walls = _curves(b)
    middles = []
    for curve in _curves(a):
        t = np.unique(np.array([0.0, curve.length, *(t for wall in walls for t in curve.cuts(wall))]))
        middles.append(curve.at((t[1:] + t[:-1]) / 2))
    return bool((depth(b, np.concatenate(middles)) >= -_NEAR).all())
