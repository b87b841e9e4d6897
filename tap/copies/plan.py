"""What a query worker is told to do with the copy of a table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

CELLS = "_hpx29"
"""The column that a copy is sorted by; rows without a position come last."""


@dataclass(frozen=True, slots=True)
class Item:
    """One column of the result."""

    column: str
    name: str
    uploaded: bool = False
    """Whether it is of the uploaded table."""
    prefix: str = ""
    """Text put before its values."""


@dataclass(frozen=True, slots=True)
class Cone:
    """Positions in a circle, by the square of the sine of half their distance to its centre.

    `beyond` is of circles wider than 90 degrees, which are told by the distance to the opposite point.
    """

    lon: float
    lat: float
    limit: float
    strict: bool = False
    beyond: bool = False


@dataclass(frozen=True, slots=True)
class Inside:
    """Positions in a shape (`shapes.Shape.encode`)."""

    shape: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """A column of numbers against a number: = <> < <= > >=."""

    column: str
    op: str
    value: float


@dataclass(frozen=True, slots=True)
class Known:
    """IS NOT NULL, or with `negated` IS NULL."""

    column: str
    negated: bool = False


Test = Cone | Inside | Comparison | Known


@dataclass(frozen=True, slots=True)
class Match:
    """Every row of an upload with the rows of the table that are no farther from it than `radius` degrees."""

    upload: str
    lon: str
    lat: str
    radius: float
    order: int
    """HEALPix order of the cells by which pairs are found, each wider than the radius."""
    strict: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """SELECT `items` FROM the copy at `path` WHERE its position is in `ranges` and `tests` hold."""

    path: str
    lon: str
    lat: str
    items: tuple[Item, ...]
    ranges: tuple[tuple[int, int], ...] | None = None
    """Of order-29 cells, ascending, both ends included; None for all rows, those without a position too."""
    tests: tuple[Test, ...] = ()
    match: Match | None = None
    limit: int | None = None
    """Most rows."""


_TESTS: dict[str, type[Test]] = {kind.__name__: kind for kind in (Cone, Inside, Comparison, Known)}


def dumps(plan: Plan) -> bytes:
    """JSON of a plan."""
    tests = [(type(test).__name__, test) for test in plan.tests]
    return orjson.dumps(
        [plan.path, plan.lon, plan.lat, plan.items, plan.ranges, tests, plan.match, plan.limit]
    )


def loads(text: bytes | bytearray) -> Plan:
    """Inverse of `dumps`."""
    path, lon, lat, items, ranges, tests, match, limit = orjson.loads(text)
    return Plan(
        path,
        lon,
        lat,
        tuple(Item(**item) for item in items),
        None if ranges is None else tuple((low, high) for low, high in ranges),
        tuple(_test(kind, values) for kind, values in tests),
        None if match is None else Match(**match),
        limit,
    )


def _test(kind: str, values: dict[str, Any]) -> Test:
    if kind == "Inside":
        return Inside(tuple(values["shape"]))
    return _TESTS[kind](**values)
