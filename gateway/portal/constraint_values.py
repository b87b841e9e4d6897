"""Values of "any ObsCore field" rows: text as typed to what ADQL compares with."""

from __future__ import annotations

import re

from gateway.portal.adql_builder import Operator
from gateway.vo.columns import Column
from gateway.vo.errors import UsageError
from obscore.quantities import parse_time

OPERATORS: tuple[tuple[Operator, str], ...] = (
    (Operator.EQUAL, "="),
    (Operator.NOT_EQUAL, "≠"),
    (Operator.LESS, "<"),
    (Operator.AT_MOST, "≤"),
    (Operator.MORE, ">"),
    (Operator.AT_LEAST, "≥"),
    (Operator.BETWEEN, "between"),
    (Operator.ANY_OF, "is one of"),
    (Operator.CONTAINS, "contains"),
    (Operator.STARTS, "starts with"),
    (Operator.NULL, "is empty"),
    (Operator.NOT_NULL, "is not empty"),
)

_INTEGER_TYPES = ("short", "int", "long", "unsignedByte")
_TEXT_ONLY = (Operator.CONTAINS, Operator.STARTS)
_LARGEST = 2**63 - 1

Value = str | float | int


class ValueProblem(ValueError):
    """A value that the field cannot be compared with; the message says what to write."""


def is_text(column: Column) -> bool:
    return column.datatype in ("char", "unicodeChar")


def holds_mjd(column: Column) -> bool:
    """The column is a date as MJD: days, with a UCD of time (but not a duration)."""
    return column.unit == "d" and column.ucd.startswith("time") and "duration" not in column.ucd


def constraint_values(column: Column, operator: Operator, text: str) -> tuple[Value, ...]:
    """The values of one row.

    Raises
    ------
    ValueProblem
        With what the field takes.
    """
    if not operator.takes_value:
        return ()
    if not text.strip():
        raise ValueProblem("Give a value, or choose “is empty”.")
    if operator in _TEXT_ONLY and not is_text(column):
        raise ValueProblem(f"{column.name} holds numbers; compare it with =, < or between.")
    if "region" in column.xtype.lower() or column.name == "s_region":
        raise ValueProblem("A region is searched by the target and radius above.")
    parts = _parts(operator, text)
    values = tuple(part if is_text(column) else _number(column, part) for part in parts)
    if operator is Operator.BETWEEN and values[0] > values[1]:  # type: ignore[operator]
        raise ValueProblem(
            f"Nothing lies between {parts[0]} and {parts[1]}: the first has to be the smaller."
        )
    return values


def _parts(operator: Operator, text: str) -> list[str]:
    if operator is Operator.ANY_OF:
        parts = [part.strip() for part in text.split(",") if part.strip()]
        if not parts:
            raise ValueProblem("Give values with commas between them.")
        return parts
    if operator is Operator.BETWEEN:
        parts = [part.strip() for part in re.split(r",|\.\.|\s+(?:and|to|–)\s+", text.strip())]
        if len(parts) == 1:
            parts = text.split()
        if len(parts) != 2 or not all(parts):
            raise ValueProblem("Give two values: “10, 20”.")
        return parts
    return [text.strip()]


def _number(column: Column, text: str) -> float | int:
    """A number in the column's unit; `20 min` and `2004-03-26` where the column's meaning allows them."""
    if column.datatype in _INTEGER_TYPES and re.fullmatch(r"[+-]?\d+", text):
        value = int(text)
        if abs(value) > _LARGEST:
            raise ValueProblem(f"{text} is too large for {column.name}.")
        return value
    match = re.fullmatch(r"([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*(\S.*)?", text)
    if holds_mjd(column) and (match is None or (match[2] or "").startswith(("-", ":"))):
        return _mjd(text)
    if match is None:
        raise ValueProblem(f"{column.name} is a number{_in(column)}; “{text}” is none.")
    return _converted(column, float(match[1]), (match[2] or "").strip())


def _in(column: Column) -> str:
    return f" in {column.unit}" if column.unit else ""


def _converted(column: Column, number: float, unit: str) -> float:
    if not unit or unit == column.unit:
        return _finite(column, number)
    if not column.unit:
        raise ValueProblem(f"{column.name} has no unit; leave “{unit}” out.")
    from astropy import units as u  # slow to import, and rarely needed

    try:
        value = u.Quantity(number, unit).to_value(column.unit)
    except (u.UnitConversionError, TypeError):
        raise ValueProblem(
            f"“{unit}” cannot be converted to {column.unit}, the unit of {column.name}."
        ) from None
    except ValueError:
        raise ValueProblem(f"“{unit}” is no unit; {column.name} is in {column.unit}.") from None
    return _finite(column, float(f"{value:.15g}"))


def _finite(column: Column, number: float) -> float:
    if number in (float("inf"), float("-inf")):
        raise ValueProblem(f"That number is too large for {column.name}.")
    return number


def _mjd(text: str) -> float:
    try:
        return parse_time(text)
    except UsageError as error:
        raise ValueProblem(str(error)) from None
