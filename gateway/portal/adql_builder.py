"""From the terms of a search to the ADQL that asks for them.  Pure: no Django, no archive.

Values have been parsed and converted before they come here: positions in degrees ICRS, times as MJD
in UTC (the scale of ObsCore's `t_min` and `t_max` in this archive), energies in eV.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from enum import Enum

from obscore.quantities import energy_to_wavelength

TABLE = "ivoa.obscore"


class Match(str, Enum):
    """What of an observation has to lie in the cone."""

    REGION = "region"
    """Its footprint `s_region` overlaps the cone."""
    CENTRE = "centre"
    """Its centre (`s_ra`, `s_dec`) lies inside the cone."""


class Operator(str, Enum):
    """Comparisons that a constraint row offers; the values travel in URLs."""

    EQUAL = "eq"
    NOT_EQUAL = "ne"
    LESS = "lt"
    AT_MOST = "le"
    MORE = "gt"
    AT_LEAST = "ge"
    BETWEEN = "between"
    CONTAINS = "contains"
    STARTS = "starts"
    ANY_OF = "in"
    NULL = "null"
    NOT_NULL = "notnull"

    @property
    def takes_value(self) -> bool:
        return self not in (Operator.NULL, Operator.NOT_NULL)


_COMPARISON = {
    Operator.EQUAL: "=",
    Operator.NOT_EQUAL: "<>",
    Operator.LESS: "<",
    Operator.AT_MOST: "<=",
    Operator.MORE: ">",
    Operator.AT_LEAST: ">=",
}


@dataclass(frozen=True)
class Cone:
    """A circle on the sky: centre and radius in degrees, ICRS."""

    ra: float
    dec: float
    radius: float
    match: Match = Match.REGION


@dataclass(frozen=True)
class Interval:
    """A closed interval; None is an open end."""

    low: float | None = None
    high: float | None = None

    def __bool__(self) -> bool:
        return self.low is not None or self.high is not None


@dataclass(frozen=True)
class Constraint:
    """One row of "any field": a column, an operator, and as many values as the operator takes."""

    column: str
    operator: Operator
    values: tuple[str | float | int, ...] = ()


@dataclass(frozen=True)
class SearchTerms:
    """Everything that the search form can ask for."""

    cone: Cone | None = None
    time: Interval = Interval()
    """MJD, UTC."""
    energy: Interval = Interval()
    """eV."""
    collections: tuple[str, ...] = ()
    product_types: tuple[str, ...] = ()
    instruments: tuple[str, ...] = ()
    constraints: tuple[Constraint, ...] = field(default=())

    def __bool__(self) -> bool:
        return any(
            (
                self.cone,
                self.time,
                self.energy,
                self.collections,
                self.product_types,
                self.instruments,
                self.constraints,
            )
        )


def text_literal(value: str) -> str:
    """An ADQL character string literal; the quote is doubled, the only escape there is."""
    return "'" + value.replace("'", "''") + "'"


def number_literal(value: float | int) -> str:
    """An ADQL numeric literal that reads back as the same double.

    Raises
    ------
    ValueError
        For NaN and infinities, which ADQL cannot write.
    """
    if isinstance(value, bool) or not math.isfinite(value):
        raise ValueError(f"{value!r} is not a number that ADQL can write")
    text = repr(value)
    return text[:-2] if text.endswith(".0") else text


def degrees_literal(value: float) -> str:
    """Degrees to 1e-8 (0.04 milliarcseconds), without trailing zeros or exponents."""
    text = f"{value:.8f}".rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def identifier(name: str) -> str:
    """A column name as ADQL writes it: delimited where it is not a regular identifier."""
    if re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name):
        return name
    return '"' + name.strip('"').replace('"', '""') + '"'


def _literal(value: str | float | int) -> str:
    return text_literal(value) if isinstance(value, str) else number_literal(value)


def cone_condition(cone: Cone) -> str:
    numbers = ", ".join(degrees_literal(value) for value in (cone.ra, cone.dec, cone.radius))
    circle = f"CIRCLE('ICRS', {numbers})"
    if cone.match is Match.CENTRE:
        return f"1 = CONTAINS(POINT('ICRS', s_ra, s_dec), {circle})"
    return f"1 = INTERSECTS(s_region, {circle})"


def overlap_conditions(interval: Interval, low_column: str, high_column: str) -> list[str]:
    """The columns' interval [low_column, high_column] overlaps the given one."""
    found = []
    if interval.low is not None:
        found.append(f"{high_column} >= {number_literal(interval.low)}")
    if interval.high is not None:
        found.append(f"{low_column} <= {number_literal(interval.high)}")
    return found


def _wavelength(energy_ev: float) -> float:
    """Metres, to 12 significant digits: more would only make the ADQL hard to read."""
    return float(f"{energy_to_wavelength(energy_ev):.12g}")


def energy_as_wavelengths(energy: Interval) -> Interval:
    """Energies in eV as wavelengths in m: the highest energy is the shortest wavelength."""
    return Interval(
        low=None if energy.high is None else _wavelength(energy.high),
        high=None if energy.low is None else _wavelength(energy.low),
    )


def membership(column: str, values: tuple[str | float | int, ...]) -> str:
    if len(values) == 1:
        return f"{column} = {_literal(values[0])}"
    return f"{column} IN ({', '.join(_literal(value) for value in values)})"


def constraint_condition(constraint: Constraint) -> str:
    """One constraint row as a condition.

    Text is compared without regard to case by "contains" and "starts with" (LOWER on both sides);
    `%` and `_` in the value keep their meaning in LIKE, because ADQL has no way to escape them.

    Raises
    ------
    ValueError
        If the number of values does not fit the operator.
    """
    column, operator, values = identifier(constraint.column), constraint.operator, constraint.values
    if operator is Operator.NULL:
        return f"{column} IS NULL"
    if operator is Operator.NOT_NULL:
        return f"{column} IS NOT NULL"
    if operator is Operator.BETWEEN:
        if len(values) != 2:
            raise ValueError("'between' takes two values")
        return f"{column} BETWEEN {_literal(values[0])} AND {_literal(values[1])}"
    if not values:
        raise ValueError(f"{operator.value} takes a value")
    if operator is Operator.ANY_OF:
        return membership(column, values)
    if operator in (Operator.CONTAINS, Operator.STARTS):
        start = "%" if operator is Operator.CONTAINS else ""
        return f"LOWER({column}) LIKE {text_literal(start + str(values[0]).lower() + '%')}"
    return f"{column} {_COMPARISON[operator]} {_literal(values[0])}"


def conditions(terms: SearchTerms) -> list[str]:
    """The conditions of a search, to be ANDed, in the order of the form."""
    found: list[str] = []
    if terms.cone is not None:
        found.append(cone_condition(terms.cone))
    found += overlap_conditions(terms.time, "t_min", "t_max")
    found += overlap_conditions(energy_as_wavelengths(terms.energy), "em_min", "em_max")
    for column, values in (
        ("obs_collection", terms.collections),
        ("dataproduct_type", terms.product_types),
        ("instrument_name", terms.instruments),
    ):
        if values:
            found.append(membership(column, values))
    found += [constraint_condition(constraint) for constraint in terms.constraints]
    return found


def build(terms: SearchTerms, table: str = TABLE) -> str:
    """The ADQL of a search: one condition a line."""
    text = f"SELECT *\nFROM {table}"
    found = conditions(terms)
    return text + ("\nWHERE " + "\n  AND ".join(found) if found else "")


def observations_query(identifiers: tuple[str, ...], columns: str = "*", table: str = TABLE) -> str:
    """The rows with the given publisher DIDs."""
    return f"SELECT {columns}\nFROM {table}\nWHERE {membership('obs_publisher_did', identifiers)}"
