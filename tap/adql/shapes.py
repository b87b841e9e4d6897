"""Shapes on the sphere: points, circles, polygons with great-circle sides, and their combinations.

A shape is checked when it is made (`ShapeError` says what is wrong) and knows a cap that bounds it.  Where many
are processed, a shape is one list of doubles (`encode`): kind, unit vector of the cap's centre, the cap's radius in
radians, then the payload (vertices; for combinations each part's length and encoding).  predicates.py works on these.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

Vector = tuple[float, float, float]

HEADER = 5
MAX_VERTICES = 10_000
_LEAST_COSINE = 1e-6


class ShapeError(ValueError):
    """What was asked for is no shape; the message says why."""


class ShapeKind(IntEnum):
    """Codes of the first element of an encoded shape."""

    POINT = 0
    CIRCLE = 1
    POLYGON = 2
    UNION = 3
    INTERSECTION = 4
    COMPLEMENT = 5


@dataclass(frozen=True)
class Shape:
    kind: ShapeKind
    centre: Vector
    """Centre of the bounding cap; of a circle or point, its own."""
    radius: float
    """Radius of the bounding cap in radians."""
    vertices: tuple[Vector, ...] = ()
    """Of a polygon, with the interior on the left of each side, seen from outside of the sphere."""
    parts: tuple[Shape, ...] = ()

    def encode(self) -> list[float]:
        header = [float(self.kind), *self.centre, self.radius]
        if self.kind is ShapeKind.POLYGON:
            return header + [coordinate for vertex in self.vertices for coordinate in vertex]
        for part in self.parts:
            inner = part.encode()
            header += [float(len(inner)), *inner]
        return header


def decode(values: NDArray[np.float64]) -> Shape:
    """The shape of an encoding."""
    kind = ShapeKind(int(values[0]))
    centre = (float(values[1]), float(values[2]), float(values[3]))
    vertices: tuple[Vector, ...] = ()
    parts = []
    if kind is ShapeKind.POLYGON:
        vertices = tuple((x, y, z) for x, y, z in values[HEADER:].reshape(-1, 3).tolist())
    elif kind > ShapeKind.POLYGON:
        offset = HEADER
        while offset < len(values):
            size = int(values[offset])
            parts.append(decode(values[offset + 1 : offset + 1 + size]))
            offset += 1 + size
    return Shape(kind, centre, float(values[4]), vertices, tuple(parts))


def unit_vector(lon: float, lat: float) -> Vector:
    """Cartesian unit vector of a position in degrees.

    Raises
    ------
    ShapeError
        If the latitude is out of range or either is not finite.
    """
    if not (math.isfinite(lon) and math.isfinite(lat)):
        raise ShapeError("Coordinates must be finite numbers.")
    if not -90.0 <= lat <= 90.0:
        raise ShapeError(f"The latitude {lat:g} is not between -90 and 90 degrees.")
    a, d = math.radians(math.fmod(lon, 360.0)), math.radians(lat)
    return math.cos(d) * math.cos(a), math.cos(d) * math.sin(a), math.sin(d)


def lon_lat(vector: Vector) -> tuple[float, float]:
    """Degrees; the longitude from 0 to 360."""
    x, y, z = vector
    lon = math.degrees(math.atan2(y, x)) % 360.0
    return (0.0 if lon >= 360.0 else lon), math.degrees(math.atan2(z, math.hypot(x, y)))


def separation(a: Vector, b: Vector) -> float:
    """Angle between unit vectors in radians, accurate at all distances."""
    cross = (a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0])
    return math.atan2(math.hypot(*cross), a[0] * b[0] + a[1] * b[1] + a[2] * b[2])


def cone_limit(lon: float, lat: float, radius: float) -> tuple[float, float, float, bool]:
    """How positions within `radius` (0 to 180 degrees, 180 left out) of a centre are told.

    Returns
    -------
    lon, lat
        The point from which to measure.  Far from a centre the sine of half the angle is flat, so wide cones are
        measured from the opposite point.
    limit
        Square of the sine of half the distance at the cone's edge.
    beyond
        Whether the cone is what is farther than that, not nearer.
    """
    if radius > 90:
        return (lon + 180.0) % 360.0, -lat, math.sin(math.radians(180.0 - radius) / 2) ** 2, True
    return lon, lat, math.sin(math.radians(radius) / 2) ** 2, False


def point(lon: float, lat: float) -> Shape:
    return Shape(ShapeKind.POINT, unit_vector(lon, lat), 0.0)


def circle(lon: float, lat: float, radius: float) -> Shape:
    """All within `radius` degrees of a position; from 180 on, the whole sphere."""
    if not math.isfinite(radius) or radius < 0:
        raise ShapeError(f"The radius {radius:g} is not zero or more.")
    return Shape(ShapeKind.CIRCLE, unit_vector(lon, lat), math.radians(min(radius, 180.0)))


def polygon(coordinates: list[float] | tuple[float, ...]) -> Shape:
    """The smaller area within the great-circle arcs between vertices lon, lat, lon, lat, ... in degrees.

    Vertices may run either way round; they are kept counter-clockwise, a repeated last vertex is dropped.

    Raises
    ------
    ShapeError
        With fewer than three different vertices, for opposite neighbours, and for a polygon that does not fit
        into a hemisphere.
    """
    if len(coordinates) % 2:
        raise ShapeError("A polygon has an odd number of coordinates.")
    if len(coordinates) > 2 * MAX_VERTICES:
        raise ShapeError(f"A polygon may have {MAX_VERTICES} vertices.")
    vertices: list[Vector] = []
    for lon, lat in zip(coordinates[::2], coordinates[1::2]):
        vertex = unit_vector(lon, lat)
        if not vertices or separation(vertices[-1], vertex) > 1e-14:
            vertices.append(vertex)
    while len(vertices) > 1 and separation(vertices[0], vertices[-1]) <= 1e-14:
        vertices.pop()
    if len(vertices) < 3:
        raise ShapeError("A polygon needs three different vertices.")
    return from_vertices(vertices)


def from_vertices(vertices: list[Vector]) -> Shape:
    """A polygon of unit vectors; see `polygon`."""
    for a, b in zip(vertices, vertices[1:] + vertices[:1]):
        if math.hypot(a[0] + b[0], a[1] + b[1], a[2] + b[2]) < 1e-9:
            raise ShapeError("Two neighbouring vertices of a polygon are opposite: no side joins them.")
    centre, radius = _bounding_cap(np.array(vertices))
    if _signed_area(vertices, centre) < 0:
        vertices = vertices[::-1]
    return Shape(ShapeKind.POLYGON, centre, radius, tuple(vertices))


def _bounding_cap(vertices: NDArray[np.float64]) -> tuple[Vector, float]:
    """A cap smaller than a hemisphere around points.

    The direction of the centre of the points' smallest enclosing ball is that of the smallest cap; the ball is
    approached by stepping towards the farthest point (Badoiu & Clarkson 2003).
    """
    middle = vertices.mean(axis=0)
    for step in range(2, 40):
        length = float(np.linalg.norm(middle))
        if length > 1e-9:
            centre = middle / length
            cosine = float((vertices @ centre).min())
            if cosine > 0.1:  # most are done at once
                return _cap_about(vertices, centre)
        farthest = vertices[((vertices - middle) ** 2).sum(axis=1).argmax()]
        middle = middle + (farthest - middle) / step
    smallest = _smallest_cap(vertices)
    if smallest is None or float((vertices @ smallest).min()) <= _LEAST_COSINE:
        raise ShapeError("The polygon does not fit into a hemisphere; split it into smaller ones.")
    return _cap_about(vertices, smallest)


def _cap_about(vertices: NDArray[np.float64], centre: NDArray[np.float64]) -> tuple[Vector, float]:
    chord = float(np.sqrt(((vertices - centre) ** 2).sum(axis=1).max()))
    radius = 2.0 * math.asin(min(1.0, chord / 2.0)) * (1 + 1e-12) + 1e-15
    return (float(centre[0]), float(centre[1]), float(centre[2])), radius


def _smallest_cap(vertices: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Centre of the smallest cap around points that are nearly a hemisphere apart; None if there is none.

    The cap is that of two or three of them: the farthest point is taken in and the least of the caps of what is there
    kept, until none lies outside.
    """
    base = [vertices[0], vertices[((vertices - vertices[0]) ** 2).sum(axis=1).argmax()]]
    for _ in range(200):
        best, rest = None, base
        for chosen in (*combinations(base, 2), *combinations(base, 3)):
            centre = chosen[0] + chosen[1]
            if len(chosen) == 3:
                centre = np.cross(chosen[1] - chosen[0], chosen[2] - chosen[0])
                centre = centre if centre @ chosen[0] > 0 else -centre
            length = float(np.linalg.norm(centre))
            if length < 1e-12:
                continue
            centre = centre / length
            reach = min(float(centre @ point) for point in chosen)
            if min(float(centre @ point) for point in base) < reach - 1e-14:
                continue
            if best is None or reach > best[0]:
                best, rest = (reach, centre), list(chosen)
        if best is None or best[0] <= 0:
            return None
        away = vertices @ best[1]
        if float(away.min()) >= best[0] - 1e-12:
            return best[1]
        base = [*rest, vertices[away.argmin()]]
    return None


def _signed_area(vertices: list[Vector], centre: Vector) -> float:
    """Steradians, positive for counter-clockwise ones: triangles from the centre (Van Oosterom & Strackee 1983)."""
    total = 0.0
    for a, b in zip(vertices, vertices[1:] + vertices[:1]):
        triple = (
            centre[0] * (a[1] * b[2] - a[2] * b[1])
            + centre[1] * (a[2] * b[0] - a[0] * b[2])
            + centre[2] * (a[0] * b[1] - a[1] * b[0])
        )
        total += 2.0 * math.atan2(triple, 1.0 + _dot(centre, a) + _dot(a, b) + _dot(b, centre))
    return total


def _dot(a: Vector, b: Vector) -> float:
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def box_coordinates(lon: float, lat: float, width: float, height: float) -> list[float]:
    """Corners of an STC box, lon, lat, ... in degrees, counter-clockwise.

    Its sides are great circles at right angles to the ends of a cross, whose arms are `width` and `height` long
    (ADQL 2.1, section 4.2.7): in the gnomonic projection about the centre it is a rectangle.
    """
    if not (0 <= width < 180 and 0 <= height < 180):
        raise ShapeError("The width and height of a box are from 0 to less than 180 degrees.")
    c = unit_vector(lon, lat)
    a, d = math.radians(math.fmod(lon, 360.0)), math.radians(lat)
    east = (-math.sin(a), math.cos(a), 0.0)
    north = (-math.sin(d) * math.cos(a), -math.sin(d) * math.sin(a), math.cos(d))
    x, y = math.tan(math.radians(width) / 2), math.tan(math.radians(height) / 2)
    coordinates: list[float] = []
    for sx, sy in ((1, 1), (-1, 1), (-1, -1), (1, -1)):
        corner = [c[i] + sx * x * east[i] + sy * y * north[i] for i in range(3)]
        length = math.hypot(*corner)
        coordinates += lon_lat((corner[0] / length, corner[1] / length, corner[2] / length))
    return coordinates


def dali_coordinates(shape: Shape, written: tuple[float, ...] = ()) -> list[float]:
    """A point, circle or polygon as DALI serialises it: degrees, longitudes from 0 to 360.

    DALI's polygons run counter-clockwise as one sees them in the sky, from inside of the sphere; the first vertex
    stays the first.  Where the numbers that made the shape are known (`written`), they come back unrounded.
    """
    if shape.kind is ShapeKind.POLYGON:
        pairs = [lon_lat(vertex) for vertex in shape.vertices]
        if len(written) == 2 * len(pairs):
            pairs = [(_wrapped(lon), lat) for lon, lat in zip(written[::2], written[1::2])]
            turns = _signed_area([unit_vector(*pair) for pair in pairs], shape.centre)
            if turns < 0:
                return [coordinate for pair in pairs for coordinate in pair]
        return [coordinate for pair in (pairs[:1] + pairs[:0:-1]) for coordinate in pair]
    lon, lat = (_wrapped(written[0]), written[1]) if written else lon_lat(shape.centre)
    if shape.kind is ShapeKind.CIRCLE:
        return [lon, lat, written[2] if written else math.degrees(shape.radius)]
    return [lon, lat]


def _wrapped(lon: float) -> float:
    """A longitude from 0 up to, but not including, 360 degrees; those in range unchanged."""
    if 0.0 <= lon < 360.0:
        return lon
    wrapped = lon % 360.0
    return 0.0 if wrapped >= 360.0 else wrapped


def box(lon: float, lat: float, width: float, height: float) -> Shape:
    return polygon(box_coordinates(lon, lat, width, height))


def union(parts: list[Shape]) -> Shape:
    centre, radius = parts[0].centre, parts[0].radius
    for part in parts[1:]:
        radius = max(radius, separation(centre, part.centre) + part.radius)
    return Shape(ShapeKind.UNION, centre, min(radius, math.pi), parts=tuple(parts))


def intersection(parts: list[Shape]) -> Shape:
    smallest = min(parts, key=lambda part: part.radius)
    return Shape(ShapeKind.INTERSECTION, smallest.centre, smallest.radius, parts=tuple(parts))


def complement(part: Shape) -> Shape:
    """All that is not in a shape, and its boundary."""
    if part.kind is ShapeKind.CIRCLE:
        x, y, z = part.centre
        return Shape(ShapeKind.CIRCLE, (-x, -y, -z), math.pi - part.radius)
    return Shape(ShapeKind.COMPLEMENT, part.centre, math.pi, parts=(part,))


def area(shape: Shape) -> float | None:
    """Square degrees; None for combinations, whose parts may overlap."""
    square_degrees = math.degrees(1.0) ** 2
    if shape.kind is ShapeKind.POINT:
        return 0.0
    if shape.kind is ShapeKind.CIRCLE:
        return 4.0 * math.pi * math.sin(shape.radius / 2) ** 2 * square_degrees
    if shape.kind is ShapeKind.POLYGON:
        return abs(_signed_area(list(shape.vertices), shape.centre)) * square_degrees
    return None


def centroid(shape: Shape) -> Vector | None:
    """Centre of area; None for combinations.

    A polygon's is half the sum of its sides' normals, each as long as its side: the first moment of the area
    (Stokes), exact on the sphere.
    """
    if shape.kind in (ShapeKind.POINT, ShapeKind.CIRCLE):
        return shape.centre
    if shape.kind is not ShapeKind.POLYGON:
        return None
    a = np.array(shape.vertices)
    b = np.roll(a, -1, axis=0)
    if shape.radius < 1e-4:
        return _flat_centroid(shape, a, b)
    normals = np.cross(a - b, a + b) / 2.0
    lengths = np.linalg.norm(normals, axis=1)
    angles = np.arctan2(lengths, (a * b).sum(axis=1))
    with np.errstate(invalid="ignore", divide="ignore"):
        moment = (normals * (angles / lengths)[:, None]).sum(axis=0)
    norm = float(np.linalg.norm(moment))
    if not norm > 1e-18:
        return shape.centre
    return _normalised(moment)


def _flat_centroid(shape: Shape, a: NDArray[np.float64], b: NDArray[np.float64]) -> Vector:
    """That of a small polygon, where the moments of the sides would cancel: in the plane of its cap."""
    c = np.array(shape.centre)
    doubled = np.cross(a - c, b - c) @ c
    total = float(doubled.sum())
    if not abs(total) > 1e-300:
        return shape.centre
    return _normalised(c + ((a - c + b - c) * doubled[:, None]).sum(axis=0) / (3.0 * total))


def _normalised(vector: NDArray[np.float64]) -> Vector:
    x, y, z = (vector / np.linalg.norm(vector)).tolist()
    return x, y, z
