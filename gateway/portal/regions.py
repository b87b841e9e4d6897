"""Regions of result rows as the sky map draws them.  Pure."""

from __future__ import annotations

import math
import re
from typing import Any, TypedDict


class Footprint(TypedDict, total=False):
    """One outline: a circle (centre and radius), a polygon (vertices) or a point, degrees ICRS."""

    shape: str
    ra: float
    dec: float
    radius: float
    points: list[list[float]]


_FRAMES = {"ICRS", "FK5", "J2000", "UNKNOWNFRAME"}
_IGNORED = {"GEOCENTER", "BARYCENTER", "TOPOCENTER", "SPHERICAL2", "UNKNOWNREFPOS", "RELOCATABLE"}


_NUMBER = r"([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)"
_CIRCLE = re.compile(
    rf"\bCIRCLE\s*\(\s*(?:'[^']*'\s*,\s*)?{_NUMBER}\s*,\s*{_NUMBER}\s*,\s*{_NUMBER}\s*\)", re.I
)


def searched_circle(adql: str) -> Footprint | None:
    """The first circle with literal centre and radius in a query, to mark it on the map."""
    match = _CIRCLE.search(adql)
    if match is None:
        return None
    return _outline("CIRCLE", [float(value) for value in match.groups()])


def _numbers(tokens: list[str]) -> list[float] | None:
    try:
        values = [float(token) for token in tokens]
    except ValueError:
        return None
    return values if all(math.isfinite(value) for value in values) else None


def _outline(shape: str, values: list[float]) -> Footprint | None:
    if shape == "CIRCLE" and len(values) == 3 and values[2] > 0:
        return {"shape": "circle", "ra": values[0], "dec": values[1], "radius": values[2]}
    if shape == "POLYGON" and len(values) >= 6 and len(values) % 2 == 0:
        pairs = [list(pair) for pair in zip(values[::2], values[1::2])]
        return {"shape": "polygon", "points": pairs}
    if shape in ("POSITION", "POINT") and len(values) == 2:
        return {"shape": "point", "ra": values[0], "dec": values[1]}
    return None


def parse_region(value: Any, xtype: str = "") -> list[Footprint]:
    """The outlines of an `s_region`.

    Parameters
    ----------
    value
        STC-S text (`CIRCLE ICRS 83.6 22.0 2.5`, `POLYGON ICRS ...`, a `UNION` of them), or DALI numbers
        with their `xtype` (`circle`, `polygon`, `point`).

    Returns
    -------
    list
        Empty where there is no region, or one in a frame or shape that a map of ICRS cannot draw.
    """
    if value is None:
        return []
    if not isinstance(value, str):
        numbers = _numbers([str(item) for item in value])
        outline = _outline(xtype.upper(), numbers) if numbers else None
        return [outline] if outline else []
    tokens = value.replace("(", " ").replace(")", " ").replace(",", " ").split()
    found: list[Footprint] = []
    shape, collected = xtype.upper(), list[str]()

    def finish() -> None:
        numbers = _numbers(collected)
        outline = _outline(shape, numbers) if numbers else None
        if outline is not None:
            found.append(outline)
        collected.clear()

    for token in tokens:
        upper = token.upper()
        if upper in ("CIRCLE", "POLYGON", "POSITION", "POINT"):
            finish()
            shape = upper
        elif upper in ("GALACTIC", "ECLIPTIC", "FK4", "B1950", "NOT", "INTERSECTION"):
            return []
        elif upper not in _FRAMES and upper not in _IGNORED and upper != "UNION":
            collected.append(token)
    finish()
    return found
