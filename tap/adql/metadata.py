"""How metadata flow through expressions: what a computed column is called and measured in."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import replace
from functools import lru_cache

from gateway.vo.columns import Column
from tap.adql.ir import Const, Expr, Kind

_INTEGERS = {"unsignedByte": 0, "short": 1, "int": 2, "long": 3}
_XTYPES = {
    "point": Kind.POINT,
    "circle": Kind.CIRCLE,
    "polygon": Kind.POLYGON,
    "timestamp": Kind.TIMESTAMP,
    "adql:timestamp": Kind.TIMESTAMP,
    "adql:point": Kind.REGION,
    "adql:circle": Kind.REGION,
    "adql:polygon": Kind.REGION,
    "adql:region": Kind.REGION,
    "region": Kind.REGION,
    "shape": Kind.REGION,
    "stc-s": Kind.REGION,
    "moc": Kind.MOC,
}


def kind_of(column: Column) -> Kind:
    """The kind of a stored column. Geometries of DALI are arrays of doubles, other regions are strings."""
    kind = _XTYPES.get(column.xtype.lower())
    text = column.datatype in ("char", "unicodeChar")
    if kind in (Kind.POINT, Kind.CIRCLE, Kind.POLYGON) and column.datatype in ("double", "float"):
        return kind
    if kind in (Kind.REGION, Kind.MOC, Kind.TIMESTAMP) and text:
        return kind
    if text:
        return Kind.TEXT
    if column.arraysize not in ("", "1"):
        return Kind.OTHER
    if column.datatype in _INTEGERS:
        return Kind.INTEGER
    return Kind.BOOLEAN if column.datatype == "boolean" else Kind.REAL


_COMPUTED = {
    Kind.BOOLEAN: ("boolean", "", ""),
    Kind.INTEGER: ("long", "", ""),
    Kind.REAL: ("double", "", ""),
    Kind.TEXT: ("char", "*", ""),
    Kind.NULL: ("char", "*", ""),
    Kind.TIMESTAMP: ("char", "*", "timestamp"),
    Kind.POINT: ("double", "2", "point"),
    Kind.CIRCLE: ("double", "3", "circle"),
    Kind.POLYGON: ("double", "*", "polygon"),
    Kind.REGION: ("char", "*", "adql:REGION"),
    Kind.MOC: ("char", "*", "moc"),
}
"""datatype, arraysize and xtype of computed values."""


@lru_cache(maxsize=1024)
def column_of(kind: Kind, name: str = "", **fields: Hashable) -> Column:
    """The column of a computed value."""
    known = dict(zip(("datatype", "arraysize", "xtype"), _COMPUTED[kind], strict=True)) | fields
    return Column(name, **known)  # type: ignore[arg-type]


def as_result(column: Column, name: str) -> Column:
    """A stored column as it appears in a result; itself if it does already, as most do when they are selected."""
    stored = column.base_url or column.principal or column.indexed or column.std
    if column.name == name and not stored and column.column_index is None:
        return column
    return replace(
        column, name=name, base_url=False, principal=False, indexed=False, std=False, column_index=None
    )


def wider(a: Expr, b: Expr) -> str:
    """The datatype that holds the values of both numbers."""
    if Kind.NULL in (a.kind, b.kind):
        return (b if a.kind is Kind.NULL else a).meta.datatype
    types = (a.meta.datatype, b.meta.datatype)
    if all(name in _INTEGERS for name in types):
        return max(types, key=_INTEGERS.__getitem__)
    return "float" if types == ("float", "float") else "double"


def widest(items: list[Expr]) -> str:
    """The datatype that holds the values of all of these numbers."""
    result = items[0]
    for item in items[1:]:
        result = Const(item.kind, Column("", wider(result, item)), None)
    return result.meta.datatype


def same_quantity(items: list[Expr], kind: Kind, name: str = "") -> Column:
    """Metadata of a sum, a minimum, a COALESCE: unit and UCD stay if the operands agree."""
    unit = ucd = ""
    first = True
    for item in items:
        if item.kind is Kind.NULL or is_bare(item):
            continue
        unit = item.meta.unit if first else (unit if unit == item.meta.unit else "")
        ucd = item.meta.ucd if first else (ucd if ucd == item.meta.ucd else "")
        first = False
    return column_of(kind, name, unit=unit, ucd=ucd)


def is_bare(item: Expr) -> bool:
    """Whether an expression is made of literals alone, so that it takes the unit of what it is added to."""
    children = item.children()
    if type(item).__name__ == "Const":
        return True
    return bool(children) and all(is_bare(child) for child in children)


@lru_cache(maxsize=1024)
def _unit(text: str) -> object:
    from astropy import units  # loaded when first needed: it takes a third of a second

    try:
        return units.Unit(text, format="vounit")
    except ValueError:
        try:
            return units.Unit(text)
        except ValueError:
            return None


@lru_cache(maxsize=1024)
def combined_unit(a: str, b: str, operator: str) -> str:
    """The unit of a product or quotient as VOUnit text, '' if it cannot be told."""
    if operator == "/" and a == b:
        return ""
    left, right = _unit(a), _unit(b)
    if left is None or right is None:
        return ""
    return _written(left * right if operator == "*" else left / right)  # type: ignore[operator]


@lru_cache(maxsize=1024)
def power_of_unit(unit: str, exponent: float) -> str:
    known = _unit(unit) if unit else None
    return _written(known**exponent) if known is not None else ""  # type: ignore[operator]


def _written(unit: object) -> str:
    try:
        return unit.to_string("vounit")  # type: ignore[attr-defined]
    except (ValueError, TypeError):
        return ""


def conversion_factor(unit: str, target: str) -> float | None:
    """What a value in `unit` is multiplied by to be in `target`.

    Returns
    -------
    The factor, or None if the units measure different things.

    Raises
    ------
    ValueError
        If either unit is not known; the message names it.
    """
    known, wanted = _unit(unit), _unit(target)
    if known is None:
        raise ValueError(f"{unit!r} is not a unit that this service knows.")
    if wanted is None or not target.strip():
        raise ValueError(f"{target!r} is not a unit of the VOUnits standard.")
    try:
        return float(known.to(wanted))  # type: ignore[attr-defined]
    except Exception as error:
        from astropy.units import UnitsError

        if isinstance(error, UnitsError | TypeError):
            return None
        raise
