"""Geometry functions: shapes folded where they are constant, and every way to write a cone made one predicate."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from tap.adql import forms, frames, ir, library, moc_calls, regions, shapes, tree
from tap.adql.build import Problem
from tap.adql.folding import constant
from tap.adql.ir import Expr, Kind
from tap.adql.metadata import column_of
from tap.adql.shapes import Shape, ShapeError, ShapeKind

if TYPE_CHECKING:
    from tap.adql.expressions import Expressions

_NAMES = "POINT CIRCLE BOX POLYGON REGION CENTROID AREA COORD1 COORD2 COORDSYS DISTANCE CONTAINS INTERSECTS"
FUNCTIONS = frozenset(_NAMES.split())
_TESTS = frozenset({"CONTAINS", "INTERSECTS", "vogate_match", "vogate_in_moc"})
_SIZES = {"POINT": 0, "CIRCLE": 1, "BOX": 2, "POLYGON": 0}
"""How many numbers follow the positions in a constructor."""
_BOOLEAN = column_of(Kind.BOOLEAN)
_MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "=": "=", "<>": "<>"}
_KINDS = {ShapeKind.POINT: Kind.POINT, ShapeKind.CIRCLE: Kind.CIRCLE, ShapeKind.POLYGON: Kind.POLYGON}


def call(expressions: Expressions, node: tree.Call) -> Expr:
    """A call of one of FUNCTIONS.

    Raises
    ------
    Problem
    """
    if node.name in ("POINT", "CIRCLE", "BOX", "POLYGON"):
        return _constructor(expressions, node)
    if node.name == "REGION":
        return _region(node)
    if node.name in ("CONTAINS", "INTERSECTS"):
        test = spatial(expressions, node)
        meta = column_of(Kind.INTEGER, node.name.lower(), datatype="int")
        return ir.Call(Kind.INTEGER, meta, "as_integer", (test,))
    args = [expressions.value(argument) for argument in node.arguments]
    if node.name == "DISTANCE":
        return _distance(node, args)
    shape = _need_shape(args[0], node.arguments[0], node.name)
    if node.name == "COORDSYS":
        return ir.Const(Kind.TEXT, column_of(Kind.TEXT, "coordsys"), "ICRS")
    if node.name == "AREA":
        return moc_calls.area(shape) if shape.kind is Kind.MOC else _area(node, shape)
    if shape.kind is Kind.MOC:
        raise Problem(node.arguments[0].at, f"{node.name} does not take a MOC.")
    if node.name == "CENTROID":
        return _centroid(node, shape)
    which = int(node.name[-1])
    value = coordinates(_need_point(shape, node.arguments[0], node.name))[which - 1]
    ucd = value.meta.ucd or ("pos.eq.ra" if which == 1 else "pos.eq.dec")
    return replace(value, meta=replace(value.meta, name=node.name.lower(), unit="deg", ucd=ucd))


def _need_shape(value: Expr, node: tree.Value, name: str) -> Expr:
    hint = ""
    if value.kind is Kind.TEXT:
        hint = "REGION('...') makes a region of a string."
        if isinstance(node, tree.ColumnName):
            hint = f"CAST({node.shown()} AS POLYGON) reads the polygons of a column of strings."
    if not value.kind.is_geometry:
        raise Problem(node.at, f"{name} takes a geometry here, not {value.kind.value}.", hint)
    return value


def _need_point(value: Expr, node: tree.Value, name: str) -> Expr:
    if value.kind is not Kind.POINT:
        hint = "CENTROID makes a point of a shape." if value.kind.is_geometry else ""
        raise Problem(node.at, f"{name} takes a point here, not {value.kind.value}.", hint)
    return value


def fixed(shape: Shape, values: tuple[float, ...] = (), text: str = "") -> ir.Fixed:
    """A constant geometry; `values` are the numbers as written, `text` the serialisation of other regions."""
    kind = Kind.REGION if text else _KINDS[shape.kind]
    numbers = () if text else tuple(shapes.dali_coordinates(shape, values))
    return ir.Fixed(kind, column_of(kind, kind.name.lower()), shape, numbers, text)


def coordinates(point: Expr) -> tuple[Expr, Expr]:
    """Longitude and latitude of a point expression."""
    if isinstance(point, ir.Point):
        return point.lon, point.lat
    metas = (
        column_of(Kind.REAL, unit="deg", ucd="pos.eq.ra"),
        column_of(Kind.REAL, unit="deg", ucd="pos.eq.dec"),
    )
    if isinstance(point, ir.Fixed):
        return ir.Const(Kind.REAL, metas[0], point.values[0]), ir.Const(Kind.REAL, metas[1], point.values[1])
    return ir.Call(Kind.REAL, metas[0], "element", (point,), 1), ir.Call(
        Kind.REAL, metas[1], "element", (point,), 2
    )


def as_point(value: Expr) -> ir.Point:
    if isinstance(value, ir.Point):
        return value
    lon, lat = coordinates(value)
    return ir.Point(Kind.POINT, value.meta, lon, lat)


# Constructors


def _constructor(expressions: Expressions, node: tree.Call) -> Expr:
    frame, rest = forms.constructor(node)
    try:
        galactic = frames.is_galactic(frame or "")
    except ShapeError as error:
        raise Problem(node.arguments[0].at, str(error)) from None
    args = _coordinates_of(expressions, node, rest)
    values = [constant(arg) for arg in args]
    if all(value is not None for value in values):
        try:
            return _constant(node.name, [float(value) for value in values if value is not None], galactic)
        except ShapeError as error:
            raise Problem(node.at, str(error)) from None
    if galactic:
        hint = "Only positions written out are converted to ICRS."
        raise Problem(node.arguments[0].at, "Columns cannot be declared galactic.", hint)
    for value in values[1 : len(values) - _SIZES[node.name] : 2]:
        if value is not None and abs(value) > 90:
            raise Problem(node.at, f"The latitude {value:g} is not between -90 and 90 degrees.")
    kind = {"BOX": Kind.POLYGON}.get(node.name) or Kind[node.name]
    meta = column_of(kind, node.name.lower())
    if node.name == "POINT":
        return ir.Point(kind, meta, *args)
    if node.name == "CIRCLE":
        return ir.Circle(kind, meta, *args)
    return ir.Box(kind, meta, *args) if node.name == "BOX" else ir.Polygon(kind, meta, tuple(args))


def _coordinates_of(expressions: Expressions, node: tree.Call, rest: tuple[tree.Value, ...]) -> list[Expr]:
    """The arguments as numbers, points taken apart."""
    args = [expressions.value(argument) for argument in rest]
    name = node.name
    sizes = _SIZES[name]
    places, tail = args[: len(args) - sizes], args[len(args) - sizes :]
    result: list[Expr] = []
    if any(arg.kind is Kind.POINT for arg in places):
        for arg, written in zip(places, rest):
            result += coordinates(_need_point(arg, written, name))
    else:
        for arg, written in zip(places, rest):
            result.append(library.need_number(arg, written, name))
        if len(result) % 2 or (name == "POLYGON" and len(result) < 6):
            raise Problem(node.at, f"This {name} has too few coordinates, or an odd number of them.")
    for arg, written in zip(tail, rest[len(places) :]):
        result.append(library.need_number(arg, written, name))
    return result


def _constant(name: str, values: list[float], galactic: bool) -> ir.Fixed:
    if name == "BOX":
        corners = shapes.box_coordinates(*values)
        corners = frames.from_galactic(corners) if galactic else corners
        return fixed(shapes.polygon(corners), tuple(corners))
    if galactic:
        size = len(values) if name == "POLYGON" else 2
        values = frames.from_galactic(values[:size]) + values[size:]
    if name == "POINT":
        return fixed(shapes.point(*values), tuple(values))
    if name == "CIRCLE":
        return fixed(shapes.circle(*values), tuple(values))
    if values[:2] == values[-2:]:
        values = values[:-2]
    return fixed(shapes.polygon(values), tuple(values))


def _region(node: tree.Call) -> Expr:
    written = node.arguments[0]
    assert isinstance(written, tree.String)
    try:
        shape = regions.parse(written.value)
    except ShapeError as error:
        raise Problem(written.at, str(error)) from None
    if shape.kind in _KINDS and shape.radius < math.pi:
        return fixed(shape)
    return fixed(shape, text=written.value.strip())


def cast(node: tree.Cast, value: Expr) -> Expr:
    """CAST to POINT, CIRCLE or POLYGON: of the same, or of a string as DALI or STC-S writes it."""
    kind = Kind[node.target]
    if value.kind is kind:
        return value
    if not value.kind.is_text:
        raise Problem(node.operand.at, f"{value.kind.value} cannot be cast to {node.target}.".capitalize())
    if isinstance(value, ir.Const) and isinstance(value.value, str):
        try:
            shape = regions.parse(value.value)
        except ShapeError as error:
            raise Problem(node.operand.at, str(error)) from None
        if _KINDS.get(shape.kind) is not kind:
            raise Problem(node.operand.at, f"{value.value!r} is no {node.target.lower()}.")
        return fixed(shape)
    return ir.Call(kind, column_of(kind, value.meta.name), "parse_dali", (value,), int(_CODES[kind]))


_CODES = {kind: code for code, kind in _KINDS.items()}


# Measures


def _distance(node: tree.Call, args: list[Expr]) -> Expr:
    if len(args) == 2:
        a, b = (as_point(_need_point(arg, written, "DISTANCE")) for arg, written in zip(args, node.arguments))
        numbers = [a.lon, a.lat, b.lon, b.lat]
    else:
        numbers = [
            library.need_number(arg, written, "DISTANCE") for arg, written in zip(args, node.arguments)
        ]
    _check_latitudes(node, numbers)
    meta = column_of(Kind.REAL, "distance", unit="deg", ucd="pos.angDistance")
    return ir.Call(Kind.REAL, meta, "distance", tuple(numbers))


def _check_latitudes(node: tree.Call, numbers: list[Expr]) -> None:
    for latitude in numbers[1::2]:
        value = constant(latitude)
        if value is not None and abs(value) > 90:
            raise Problem(node.at, f"The latitude {value:g} is not between -90 and 90 degrees.")


def _area(node: tree.Call, shape: Expr) -> Expr:
    meta = column_of(Kind.REAL, "area", unit="deg**2", ucd="phys.angArea")
    if isinstance(shape, ir.Fixed):
        value = shapes.area(shape.shape)
        if value is None:
            raise Problem(
                node.at, "The area of combined regions is not computed.", "Take the areas of their parts."
            )
        return ir.Const(Kind.REAL, meta, value)
    return ir.Call(Kind.REAL, meta, "area", (shape,))


def _centroid(node: tree.Call, shape: Expr) -> Expr:
    if shape.kind is Kind.POINT:
        return shape
    if isinstance(shape, ir.Fixed):
        if shape.kind is Kind.CIRCLE:
            return fixed(shapes.point(*shape.values[:2]), shape.values[:2])
        centre = shapes.centroid(shape.shape)
        if centre is None:
            raise Problem(node.at, "The centroid of combined regions is not computed.")
        return fixed(shapes.point(*shapes.lon_lat(centre)))
    meta = column_of(Kind.POINT, "centroid")
    if isinstance(shape, ir.Circle):
        return ir.Point(Kind.POINT, meta, shape.lon, shape.lat)
    return ir.Call(Kind.POINT, meta, "centroid", (shape,))


# Predicates


def spatial(expressions: Expressions, node: tree.Call) -> Expr:
    """The condition that CONTAINS, INTERSECTS or one of our own computes as 1 or 0."""
    if node.name.islower():
        from tap.adql import specials  # it imports this module

        return specials.CONDITIONS[node.name](expressions, node)
    a, b = (_need_shape(expressions.value(argument), argument, node.name) for argument in node.arguments)
    op = node.name
    if op == "INTERSECTS":
        if b.kind is Kind.POINT:
            a, b = b, a
        if a.kind is Kind.POINT:
            op = "CONTAINS"  # ADQL 2.1, section 4.2.14
    if Kind.MOC in (a.kind, b.kind):
        return moc_calls.test(op, a, b)
    if op == "CONTAINS" and a.kind is Kind.POINT and isinstance(b, ir.Circle):
        centre = ir.Point(Kind.POINT, b.meta, b.lon, b.lat)
        return ir.Within(Kind.BOOLEAN, _BOOLEAN, as_point(a), centre, b.radius, False)
    return ir.Spatial(Kind.BOOLEAN, _BOOLEAN, op, a, b)


def comparison(expressions: Expressions, node: tree.Comparison) -> Expr | None:
    """A comparison that is a spatial condition in disguise; None for any other."""
    left, right, operator = node.left, node.right, node.operator
    if isinstance(right, tree.Call) and right.name in _TESTS | {"DISTANCE"}:
        left, right, operator = right, left, _MIRRORED[operator]
    if not isinstance(left, tree.Call):
        return None
    if left.name in _TESTS and isinstance(right, tree.Number):
        return _truth(expressions, left, right, operator)
    if left.name == "DISTANCE" and operator not in ("=", "<>"):
        return _within(expressions, left, right, operator)
    return None


def _truth(expressions: Expressions, call: tree.Call, number: tree.Number, operator: str) -> Expr | None:
    """CONTAINS(...) = 1 and all its like: which of 1 and 0 fulfil the comparison?"""
    compare = {
        "=": lambda x: x == number.value,
        "<>": lambda x: x != number.value,
        "<": lambda x: x < number.value,
        "<=": lambda x: x <= number.value,
        ">": lambda x: x > number.value,
        ">=": lambda x: x >= number.value,
    }[operator]
    yes, no = compare(1), compare(0)
    if yes == no:
        return None
    test = spatial(expressions, call)
    return test if yes else ir.Logic(Kind.BOOLEAN, _BOOLEAN, "NOT", (test,))


def _within(expressions: Expressions, call: tree.Call, limit: tree.Value, operator: str) -> Expr | None:
    """DISTANCE(...) < r and all its like."""
    if isinstance(limit, tree.Call) and limit.name == "DISTANCE":
        return None
    distance = expressions.value(call)
    radius = expressions.value(limit)
    if not radius.kind.is_number:
        return None
    assert isinstance(distance, ir.Call)
    a = ir.Point(Kind.POINT, distance.meta, *distance.args[:2])
    b = ir.Point(Kind.POINT, distance.meta, *distance.args[2:])
    test = ir.Within(Kind.BOOLEAN, _BOOLEAN, a, b, radius, operator in ("<", ">="))
    if operator in ("<", "<="):
        return test
    return ir.Logic(Kind.BOOLEAN, _BOOLEAN, "NOT", (test,))


def finish_user_defined(expressions: Expressions, node: tree.Call, result: ir.Call) -> Expr | None:
    """Catalogue functions of positions: a point is taken apart, an order must be one."""
    if result.op not in ("healpix_index", "healpix_center"):
        return None
    order = constant(result.args[0])
    if order is not None and not 0 <= order <= 29:
        raise Problem(node.arguments[0].at, "The order of HEALPix is from 0 to 29.")
    if result.op == "healpix_index" and len(result.args) == 2:
        result.args = (result.args[0], *coordinates(result.args[1]))
    return result
