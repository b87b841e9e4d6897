"""Calls that make, combine and test MOCs; what is made of literals is computed when the query is compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from tap.adql import ir, library, moc, moc_shapes, tree, udf
from tap.adql.build import Problem
from tap.adql.folding import constant
from tap.adql.ir import Expr, Kind
from tap.adql.metadata import column_of
from tap.adql.moc import Ranges
from tap.adql.shapes import ShapeError, ShapeKind

if TYPE_CHECKING:
    from tap.adql.expressions import Expressions

_BOOLEAN = column_of(Kind.BOOLEAN)
TRUE = ir.Logic(Kind.BOOLEAN, _BOOLEAN, "AND", ())
FALSE = ir.Logic(Kind.BOOLEAN, _BOOLEAN, "NOT", (TRUE,))

_FOLDED: dict[str, Callable[[Ranges, Ranges], Ranges]] = {
    "moc_union": moc.union,
    "moc_intersection": moc.intersection,
    "moc_difference": moc.difference,
}


def fixed(ranges: Ranges, name: str = "moc") -> ir.FixedMoc:
    return ir.FixedMoc(Kind.MOC, column_of(Kind.MOC, name), moc.serialise(ranges))


def as_moc(value: Expr, node: tree.Value, name: str) -> Expr:
    """A MOC, or a string that is one.

    Raises
    ------
    Problem
        For other kinds of values, and for a literal that is no MOC.
    """
    if value.kind is Kind.MOC:
        return value
    library.need(value, node, f"{name} takes a MOC here", lambda kind: kind.is_text)
    if isinstance(value, ir.Const) and isinstance(value.value, str):
        try:
            return fixed(moc.parse(value.value))
        except ShapeError as error:
            raise Problem(node.at, str(error)) from None
    return ir.Call(Kind.MOC, column_of(Kind.MOC, value.meta.name), "moc", (value,))


def _order(node: tree.Call, value: Expr, finest: int) -> int:
    level = constant(value)
    if not isinstance(level, int) or not 0 <= level <= finest:
        text = f"The order of a MOC is an integer from 0 to {finest}, written out."
        raise Problem(node.arguments[0].at, text)
    return level


def make(expressions: Expressions, node: tree.Call) -> Expr:
    """MOC(text), MOC(order, geometry) and vogate_moc(order, geometry)."""
    args = [expressions.value(argument) for argument in node.arguments]
    if len(args) == 1 and node.name == "moc":
        return as_moc(args[0], node.arguments[0], "MOC")
    if len(args) != 2:
        forms = " or ".join(form.form for form in udf.overloads(node.name))
        count = "1 or 2" if node.name == "moc" else "2"
        raise Problem(node.at, f"{node.name} takes {count} arguments.", f"Its form is {forms}.")
    shape, written = args[1], node.arguments[1]
    if shape.kind is Kind.MOC:
        return _degraded(_order(node, args[0], 29), shape)
    if not shape.kind.is_geometry:
        raise Problem(written.at, f"{node.name} takes a geometry here, not {shape.kind.value}.")
    level = _order(node, args[0], 29 if shape.kind is Kind.POINT else moc.FINEST)
    if not isinstance(shape, ir.Fixed):
        return ir.Call(Kind.MOC, column_of(Kind.MOC, "moc"), "moc_of", (shape,), level)
    try:
        return fixed(moc.of_shape(shape.shape, level))
    except ShapeError as error:
        raise Problem(node.at, str(error)) from None


def _degraded(level: int, value: Expr) -> Expr:
    if isinstance(value, ir.FixedMoc):
        return fixed(moc.degraded(moc.parse(value.text), level))
    return ir.Call(Kind.MOC, value.meta, "moc_degrade", (value,), level)


def _mocs(expressions: Expressions, node: tree.Call) -> list[Expr]:
    """The arguments, all of them MOCs, as many as the function's form has."""
    form = udf.overloads(node.name)[0]
    if len(node.arguments) != len(form.parameters):
        count = len(form.parameters)
        noun = "argument" if count == 1 else "arguments"
        raise Problem(node.at, f"{node.name} takes {count} {noun}.", f"Its form is {form.form}.")
    return [as_moc(expressions.value(argument), argument, node.name) for argument in node.arguments]


def combine(expressions: Expressions, node: tree.Call) -> Expr:
    """Unions, intersections and differences."""
    args = _mocs(expressions, node)
    op = udf.overloads(node.name)[0].op
    one, other = args
    if isinstance(one, ir.FixedMoc) and isinstance(other, ir.FixedMoc):
        return fixed(_FOLDED[op](moc.parse(one.text), moc.parse(other.text)), node.name)
    return ir.Call(Kind.MOC, column_of(Kind.MOC, node.name), op, tuple(args))


def complement(expressions: Expressions, node: tree.Call) -> Expr:
    (value,) = _mocs(expressions, node)
    if isinstance(value, ir.FixedMoc):
        return fixed(moc.complement(moc.parse(value.text)), node.name)
    return ir.Call(Kind.MOC, column_of(Kind.MOC, node.name), "moc_complement", (value,))


def measure(expressions: Expressions, node: tree.Call) -> Expr:
    return area(_mocs(expressions, node)[0], node.name)


def area(value: Expr, name: str = "area") -> Expr:
    """Square degrees of a MOC."""
    meta = column_of(Kind.REAL, name, unit="deg**2", ucd="phys.angArea")
    if isinstance(value, ir.FixedMoc):
        return ir.Const(Kind.REAL, meta, moc.area(moc.parse(value.text)))
    return ir.Call(Kind.REAL, meta, "moc_area", (value,))


def gather(expressions: Expressions, node: tree.Call) -> Expr:
    """vogate_moc_agg(order, lon, lat): the cells that hold a group's positions."""
    if len(node.arguments) != 3:
        form = udf.overloads(node.name)[0].form
        raise Problem(node.at, f"{node.name} takes 3 arguments.", f"Its form is {form}.")
    order = expressions.value(node.arguments[0])
    _order(node, order, moc.FINEST)
    place = []
    for argument in node.arguments[1:]:
        value = expressions.aggregate_argument(node.at, node.name, argument)
        place.append(library.need_number(value, argument, node.name))
    return ir.Aggregate(Kind.MOC, column_of(Kind.MOC, node.name), "MOC", (order, *place))


def test(op: str, a: Expr, b: Expr) -> Expr:
    """CONTAINS (`a` in `b`) or INTERSECTS, where one of them or both are MOCs."""
    if isinstance(b, ir.FixedMoc) and a.kind is Kind.POINT and not isinstance(a, ir.Fixed):
        from tap.adql.geometry import as_point  # it imports this module

        return ir.InMoc(Kind.BOOLEAN, _BOOLEAN, as_point(a), b.text)
    if isinstance(a, ir.Fixed | ir.FixedMoc) and isinstance(b, ir.Fixed | ir.FixedMoc):
        return TRUE if _decided(op, a, b) else FALSE
    return ir.Spatial(Kind.BOOLEAN, _BOOLEAN, op, a, b)


def _decided(op: str, a: ir.Fixed | ir.FixedMoc, b: ir.Fixed | ir.FixedMoc) -> bool:
    """The test of two constants."""
    if isinstance(a, ir.FixedMoc) and isinstance(b, ir.FixedMoc):
        x, y = moc.parse(a.text), moc.parse(b.text)
        return moc.within(x, y) if op == "CONTAINS" else moc.overlap(x, y)
    if isinstance(a, ir.FixedMoc):
        assert isinstance(b, ir.Fixed)
        ranges = moc.parse(a.text)
        if op == "CONTAINS":
            return moc_shapes.inside_shape(ranges, b.shape)
        return moc_shapes.meets(b.shape, ranges)
    assert isinstance(b, ir.FixedMoc)
    ranges = moc.parse(b.text)
    if op == "CONTAINS" and a.shape.kind is not ShapeKind.POINT:
        return moc_shapes.inside_moc(a.shape, ranges)
    return moc_shapes.meets(a.shape, ranges)


CALLS: dict[str, Callable[[Expressions, tree.Call], Expr]] = {
    "moc": make,
    "vogate_moc": make,
    "vogate_moc_agg": gather,
    "vogate_moc_area": measure,
    "vogate_moc_complement": complement,
    **dict.fromkeys(
        (
            *("vogate_moc_union", "vogate_moc_intersection", "vogate_moc_difference"),
            *("gavo_mocunion", "gavo_mocintersect"),
        ),
        combine,
    ),
}
