"""ADQL's own scalar functions and the catalogue's: argument types, result and metadata of each call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tap.adql import tree
from tap.adql.build import Problem
from tap.adql.ir import Call, Const, Expr, Kind
from tap.adql.metadata import column_of, conversion_factor, power_of_unit, same_quantity, widest

# name in ADQL -> (op, number of arguments); all of numbers, all with a double as result
MATHEMATICS = {
    "ACOS": "acos",
    "ASIN": "asin",
    "ATAN": "atan",
    "ATAN2": "atan2",
    "CEILING": "ceiling",
    "COS": "cos",
    "COT": "cot",
    "DEGREES": "degrees",
    "EXP": "exp",
    "FLOOR": "floor",
    "LOG": "ln",
    "LOG10": "log10",
    "MOD": "mod",
    "PI": "pi",
    "POWER": "power",
    "RADIANS": "radians",
    "RAND": "rand",
    "ROUND": "round",
    "SIN": "sin",
    "SQRT": "sqrt",
    "TAN": "tan",
    "TRUNCATE": "truncate",
}
_KEEPS_UNIT = frozenset({"CEILING", "FLOOR", "ROUND", "TRUNCATE"})
_UNIT = {"DEGREES": "deg", "RADIANS": "rad", "ACOS": "rad", "ASIN": "rad", "ATAN": "rad", "ATAN2": "rad"}


def need(value: Expr, node: tree.Value, what: str, accepted: Callable[[Kind], bool]) -> Expr:
    """`value`, if its kind is accepted; else a Problem that says what `what` takes."""
    if not accepted(value.kind):
        hint = "CAST(... AS type) converts." if value.kind in (Kind.TEXT, Kind.INTEGER, Kind.REAL) else ""
        raise Problem(node.at, f"{what}, not {value.kind.value}.", hint)
    return value


def need_number(value: Expr, node: tree.Value, name: str) -> Expr:
    return need(value, node, f"{name} takes a number here", lambda kind: kind.is_number)


def need_text(value: Expr, node: tree.Value, name: str) -> Expr:
    return need(value, node, f"{name} takes a string here", lambda kind: kind.is_text)


def mathematics(call: tree.Call, args: list[Expr]) -> Expr:
    """A call of one of MATHEMATICS."""
    name = call.name
    extra: object = None
    for arg, node in zip(args, call.arguments):
        need_number(arg, node, name)
    if name in ("ROUND", "TRUNCATE"):
        extra = args[1].value if len(args) == 2 and isinstance(args[1], Const) else 0
        if isinstance(extra, int) and abs(extra) > 300:
            raise Problem(call.arguments[1].at, f"{name} takes up to 300 places.")
        args = args[:1]
    elif name == "RAND":
        args = []
    unit = ucd = ""
    if name in _KEEPS_UNIT:
        unit, ucd = args[0].meta.unit, args[0].meta.ucd
    elif name == "SQRT" and args[0].meta.unit:
        unit = power_of_unit(args[0].meta.unit, 0.5)
    elif name == "POWER" and args[0].meta.unit and isinstance(args[1], Const) and args[1].value is not None:
        unit = power_of_unit(args[0].meta.unit, float(args[1].value))
    else:
        unit = _UNIT.get(name, "")
    return Call(
        Kind.REAL,
        column_of(Kind.REAL, name.lower(), unit=unit, ucd=ucd),
        MATHEMATICS[name],
        tuple(args),
        extra,
    )


def absolute(call: tree.Call, args: list[Expr]) -> Expr:
    arg = need_number(args[0], call.arguments[0], "ABS")
    kind = Kind.REAL if arg.kind is Kind.NULL else arg.kind
    meta = column_of(kind, "abs", unit=arg.meta.unit, ucd=arg.meta.ucd, datatype=arg.meta.datatype)
    return Call(kind, meta, "abs", (arg,))


def case_folding(call: tree.Call, args: list[Expr]) -> Expr:
    arg = need_text(args[0], call.arguments[0], call.name)
    return Call(
        Kind.TEXT, column_of(Kind.TEXT, call.name.lower(), ucd=arg.meta.ucd), call.name.lower(), (arg,)
    )


def coalesce(call: tree.Call, args: list[Expr]) -> Expr:
    kinds = {arg.kind for arg in args} - {Kind.NULL}
    if kinds <= {Kind.INTEGER, Kind.REAL} and kinds:
        kind = Kind.REAL if Kind.REAL in kinds else Kind.INTEGER
    elif len(kinds) <= 1:
        kind = kinds.pop() if kinds else Kind.NULL
    else:
        shown = " and ".join(sorted(kind.value for kind in kinds))
        raise Problem(call.at, f"The arguments of COALESCE must be of one type; these are {shown}.")
    if kind is Kind.OTHER:
        raise Problem(call.at, "COALESCE does not take arrays.")
    meta = same_quantity(args, kind, "coalesce")
    if kind.is_number and kind is not Kind.NULL:
        numbers = [arg for arg in args if arg.kind is not Kind.NULL]
        meta = column_of(kind, "coalesce", unit=meta.unit, ucd=meta.ucd, datatype=widest(numbers))
    return Call(kind, meta, "coalesce", tuple(args))


def in_unit(call: tree.Call, args: list[Expr]) -> Expr:
    value = need_number(args[0], call.arguments[0], "IN_UNIT")
    target = call.arguments[1]
    assert isinstance(target, tree.String)
    if not value.meta.unit:
        raise Problem(
            call.arguments[0].at,
            "This value has no unit that could be converted.",
            "IN_UNIT converts columns with units, and expressions whose unit can be told; literals have none.",
        )
    try:
        factor = conversion_factor(value.meta.unit, target.value)
    except ValueError as error:
        raise Problem(
            target.at, str(error), "Units are written as in VOUnits: 'km/s', 'mas/yr', 'erg.cm**-2.s**-1'."
        ) from None
    if factor is None:
        raise Problem(target.at, f"{value.meta.unit!r} cannot be converted to {target.value!r}.")
    meta = column_of(Kind.REAL, value.meta.name or "in_unit", unit=target.value, ucd=value.meta.ucd)
    return Call(Kind.REAL, meta, "scale", (value,), factor)


@dataclass(frozen=True)
class Function:
    """A user-defined function as the capabilities declare it."""

    name: str
    form: str
    """Signature as TAPRegExt writes it."""
    description: str
    example: str
    """A value expression that can be selected from any table."""
    parameters: tuple[str, ...]
    """number, integer, text, timestamp, point for each argument."""
    op: str
    returns: Kind
    unit: str = ""
    ucd: str = ""


def user_defined(function: Function, call: tree.Call, args: list[Expr]) -> Call:
    """A call of a catalogue function, its arguments checked."""
    if len(args) != len(function.parameters):
        count = len(function.parameters)
        raise Problem(call.at, f"{function.name} takes {count} arguments.", f"Its form is {function.form}.")
    checks: dict[str, Callable[[Kind], bool]] = {
        "number": lambda kind: kind.is_number,
        "integer": lambda kind: kind in (Kind.INTEGER, Kind.NULL),
        "text": lambda kind: kind.is_text,
        "timestamp": lambda kind: kind in (Kind.TIMESTAMP, Kind.TEXT, Kind.NULL),
        "point": lambda kind: kind is Kind.POINT,
    }
    for arg, node, parameter in zip(args, call.arguments, function.parameters):
        need(arg, node, f"{function.name} takes a {parameter} here", checks[parameter])
    datatype = (
        {"datatype": "int"}
        if function.returns is Kind.INTEGER and function.op not in ("healpix_index", "healpix_ancestor")
        else {}
    )
    meta = column_of(function.returns, function.name, unit=function.unit, ucd=function.ucd, **datatype)
    return Call(function.returns, meta, function.op, tuple(args))
