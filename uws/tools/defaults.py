"""Defaults that come from the selected observations, as the description declares them.

`default_from` of a parameter is a list of sources, tried in order.  A source is the name of a column of
the rows, and how to sum the rows up:

    target_ra            the value, if all rows that have one agree (within 1 part in 10^6)
    s_ra mean_angle      the mean direction of an angle in degrees, over the 0/360 seam
    s_dec mean           the mean
    em_max min, max      the smallest, the largest value
    target_name first    the first value
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from gateway.vo.errors import UsageError
from uws.tools.description import Tool


def from_rows(tool: Tool, rows: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Defaults of a tool's parameters for these rows (ObsCore columns in their ObsCore units).

    A column that is not there, or whose value does not fit the parameter, gives no default.
    """
    rows = list(rows)
    found: dict[str, Any] = {}
    for parameter in tool.parameters:
        for source in parameter.default_from:
            column, _, how = source.partition(" ")
            values = [row[column] for row in rows if _present(row.get(column))]
            summed = AGGREGATES[how or "common"](values) if values else None
            if summed is None:
                continue
            try:
                found[parameter.name] = parameter.convert(summed)
            except UsageError:
                continue
            break
    return found


def _present(value: Any) -> bool:
    return value is not None and value != "" and not (isinstance(value, float) and math.isnan(value))


def _common(values: Sequence[Any]) -> Any:
    first = values[0]
    if all(value == first for value in values):
        return first
    numbers = all(isinstance(value, int | float) for value in values)
    if numbers and all(math.isclose(value, first, rel_tol=1e-6, abs_tol=1e-6) for value in values):
        return first
    return None


def _mean(values: Sequence[Any]) -> Any:
    return round(sum(values) / len(values), 6)


def _mean_angle(values: Sequence[Any]) -> Any:
    x = sum(math.cos(math.radians(value)) for value in values)
    y = sum(math.sin(math.radians(value)) for value in values)
    if math.hypot(x, y) < 1e-9 * len(values):
        return None
    return round(math.degrees(math.atan2(y, x)), 6) % 360.0


AGGREGATES: dict[str, Callable[[Sequence[Any]], Any]] = {
    "common": _common,
    "mean": _mean,
    "mean_angle": _mean_angle,
    "min": min,
    "max": max,
    "first": lambda values: values[0],
}
