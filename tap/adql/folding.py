"""Arithmetic on literals at compile time: `5./3600` is a constant like any other."""

from __future__ import annotations

import math
from collections.abc import Callable

from tap.adql.ir import Arithmetic, Call, Const, Expr, Kind

_FUNCTIONS: dict[str, Callable[..., float]] = {
    "neg": lambda x: -x,
    "pi": lambda: math.pi,
    "degrees": math.degrees,
    "radians": math.radians,
}


def constant(expr: Expr) -> float | int | None:
    """The value of an expression of numeric literals, None for any other (or where it is not finite)."""
    if isinstance(expr, Const):
        return expr.value if isinstance(expr.value, int | float) else None
    if isinstance(expr, Call) and expr.op in _FUNCTIONS:
        args = [constant(arg) for arg in expr.args]
        return None if None in args else _FUNCTIONS[expr.op](*args)
    if isinstance(expr, Arithmetic):
        return _chain(expr)
    return None


def _chain(expr: Arithmetic) -> float | int | None:
    total = constant(expr.args[0])
    for op, arg in zip(expr.ops, expr.args[1:]):
        value = constant(arg)
        if total is None or value is None:
            return None
        try:
            if op == "+":
                total = total + value
            elif op == "-":
                total = total - value
            elif op == "*":
                total = total * value
            elif op == "/" and expr.kind is Kind.INTEGER:
                total = math.trunc(total / value) if abs(total) < 2**53 else None
            elif op == "/":
                total = total / value
            else:
                return None
        except (ZeroDivisionError, OverflowError):
            return None
    return total if total is None or math.isfinite(total) else None
