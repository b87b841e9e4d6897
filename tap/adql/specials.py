"""User-defined functions that are more than a call: their arguments are read when the query is compiled, or they
are conditions that an index can answer.
"""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from gateway.vo.columns import Column
from gateway.vo.errors import GatewayError
from tap.adql import geometry, ir, library, moc_calls, objects, rotations, shapes, tree, udf
from tap.adql.build import Problem
from tap.adql.folding import constant
from tap.adql.ir import Expr, Kind
from tap.adql.metadata import column_of, conversion_factor
from tap.adql.shapes import ShapeError

if TYPE_CHECKING:
    from tap.adql.expressions import Expressions

MAX_BINS = 10_000
_CODES = {Kind.POINT: 0, Kind.CIRCLE: 1, Kind.POLYGON: 2}
_BOOLEAN = column_of(Kind.BOOLEAN)


def _arguments(expressions: Expressions, node: tree.Call) -> list[Expr]:
    """The arguments, as many as one of the function's forms has."""
    forms = udf.overloads(node.name)
    if all(len(form.parameters) != len(node.arguments) for form in forms):
        counts = " or ".join(str(len(form.parameters)) for form in forms)
        shown = " or ".join(form.form for form in forms)
        raise Problem(node.at, f"{node.name} takes {counts} arguments.", f"Its form is {shown}.")
    return [expressions.value(argument) for argument in node.arguments]


def _written(node: tree.Call, place: int, what: str) -> str:
    argument = node.arguments[place]
    if not isinstance(argument, tree.String):
        raise Problem(argument.at, f"{node.name} takes {what} here, written out as a string.")
    return argument.value


def _number(node: tree.Call, place: int, value: Expr) -> Expr:
    return library.need_number(value, node.arguments[place], node.name)


# Coordinates


def _frame(node: tree.Call, place: int) -> str:
    written = _written(node, place, "the name of a coordinate system")
    name = written.strip().upper()
    if name not in rotations.FRAMES:
        near = get_close_matches(name, rotations.FRAMES, 1)
        hint = f"Do you mean {near[0]}?" if near else f"There are {', '.join(rotations.FRAMES)}."
        raise Problem(node.arguments[place].at, f"There is no coordinate system {written!r}.", hint)
    return name


def rotated(geometry_: Expr, rotation: tuple[float, ...], name: str) -> Expr:
    """A point, circle or polygon in other coordinates; constants are turned at once."""
    kind = geometry_.kind
    if isinstance(geometry_, ir.Fixed):
        size = 2 if kind is Kind.CIRCLE else len(geometry_.values)
        places = np.array(geometry_.values[:size]).reshape(-1, 2)
        lon, lat = rotations.turned(rotation, places[:, 0], places[:, 1])
        values = (*np.stack([lon, lat], 1).ravel().tolist(), *geometry_.values[size:])
        if kind is Kind.POLYGON:
            return geometry.fixed(shapes.polygon(values), values)
        return geometry.fixed((shapes.point if kind is Kind.POINT else shapes.circle)(*values), values)
    return ir.Call(kind, column_of(kind, name), "rotate", (geometry_,), (_CODES[kind], rotation))


def geom_transform(expressions: Expressions, node: tree.Call) -> Expr:
    args = _arguments(expressions, node)
    rotation = rotations.matrix(_frame(node, 0), _frame(node, 1))
    if args[2].kind not in _CODES:
        kinds = "a point, a circle or a polygon"
        raise Problem(node.arguments[2].at, f"{node.name} takes {kinds} here, not {args[2].kind.value}.")
    return rotated(args[2], rotation, node.name)


def _coordinate(frame: str, which: int, ucd: str) -> Callable[[Expressions, tree.Call], Expr]:
    def call(expressions: Expressions, node: tree.Call) -> Expr:
        lon, lat = (_number(node, i, arg) for i, arg in enumerate(_arguments(expressions, node)))
        x, y = constant(lon), constant(lat)
        place: Expr = ir.Point(Kind.POINT, column_of(Kind.POINT), lon, lat)
        if x is not None and y is not None:
            try:
                place = geometry.fixed(shapes.point(x, y), (x, y))
            except ShapeError as error:
                raise Problem(node.at, str(error)) from None
        turned = rotated(place, rotations.matrix("ICRS", frame), node.name)
        value = geometry.coordinates(turned)[which]
        value.meta = column_of(Kind.REAL, node.name, unit="deg", ucd=ucd)
        return value

    return call


# Conditions: what CONTAINS is for circles and regions, these are for pairs of columns and MOCs


def match(expressions: Expressions, node: tree.Call) -> Expr:
    """Two positions closer than some arcseconds: the same condition as that of DISTANCE, and as fast in joins."""
    args = [_number(node, i, arg) for i, arg in enumerate(_arguments(expressions, node))]
    for place in (1, 3):
        latitude = constant(args[place])
        if latitude is not None and abs(latitude) > 90:
            text = f"The latitude {latitude:g} is not between -90 and 90 degrees."
            raise Problem(node.arguments[place].at, text)
    a, b = (ir.Point(Kind.POINT, column_of(Kind.POINT), *args[i : i + 2]) for i in (0, 2))
    seconds = constant(args[4])
    meta = column_of(Kind.REAL, unit="deg")
    radius: Expr = ir.Call(Kind.REAL, meta, "scale", (args[4],), 1 / 3600)
    if seconds is not None:
        radius = ir.Const(Kind.REAL, meta, seconds / 3600)
    return ir.Within(Kind.BOOLEAN, _BOOLEAN, a, b, radius, False)


def in_moc(expressions: Expressions, node: tree.Call) -> Expr:
    args = _arguments(expressions, node)
    cells = moc_calls.as_moc(args[0], node.arguments[0], node.name)
    place = ir.Point(Kind.POINT, column_of(Kind.POINT), _number(node, 1, args[1]), _number(node, 2, args[2]))
    return moc_calls.test("CONTAINS", place, cells)


CONDITIONS: dict[str, Callable[[Expressions, tree.Call], Expr]] = {
    "vogate_match": match,
    "vogate_in_moc": in_moc,
}


def _as_number(expressions: Expressions, node: tree.Call) -> Expr:
    meta = column_of(Kind.INTEGER, node.name, datatype="int")
    return ir.Call(Kind.INTEGER, meta, "as_integer", (CONDITIONS[node.name](expressions, node),))


# Units, objects, histograms


@lru_cache(maxsize=512)
def _spectral(unit: str, target: str) -> tuple[str, float] | None:
    """How wavelengths, frequencies and energies become each other: ('scale' or 'reciprocal', constant)."""
    from astropy import units

    try:
        one, two = units.Unit(unit).to(units.Unit(target), [1.0, 2.0], equivalencies=units.spectral())
    except (units.UnitConversionError, ValueError):
        return None
    return ("scale", float(one)) if two > one else ("reciprocal", float(one))


def convert(expressions: Expressions, node: tree.Call) -> Expr:
    value = _number(node, 0, _arguments(expressions, node)[0])
    return _converted(node, value, _written(node, 1, "a unit"), _written(node, 2, "a unit"))


def _converted(node: tree.Call, value: Expr, unit: str, target: str) -> Expr:
    """A value in `unit` as one in `target`, the last argument."""
    try:
        factor = conversion_factor(unit, target)
    except ValueError as error:
        at = node.arguments[-2 if repr(unit) in str(error) else -1].at
        raise Problem(
            at, str(error), "Units are written as in VOUnits: 'km/s', 'keV', 'erg.cm**-2'."
        ) from None
    how = ("scale", factor) if factor is not None else _spectral(unit, target)
    if how is None:
        raise Problem(node.at, f"{unit!r} cannot be converted to {target!r}.")
    meta = column_of(Kind.REAL, node.name, unit=target, ucd=value.meta.ucd)
    return ir.Call(Kind.REAL, meta, how[0], (value,), how[1])


def spectral(expressions: Expressions, node: tree.Call) -> Expr:
    """gavo_specconv: with two arguments, the unit is the expression's own."""
    args = _arguments(expressions, node)
    if len(args) == 3:
        return convert(expressions, node)
    value, target = _number(node, 0, args[0]), _written(node, 1, "a unit")
    if not value.meta.unit:
        hint = f"{node.name}(value, 'unit of it', '{target}') says it."
        raise Problem(node.arguments[0].at, "The unit of this value is not known.", hint)
    return _converted(node, value, value.meta.unit, target)


def apply_motion(expressions: Expressions, node: tree.Call) -> Expr:
    """gavo_apply_pm: degrees a year, and a time that has passed."""
    ra, dec, *rest, years = (_number(node, i, arg) for i, arg in enumerate(_arguments(expressions, node)))
    none = ir.Const(Kind.REAL, column_of(Kind.REAL), 0.0)
    motion_ = [ir.Call(Kind.REAL, column_of(Kind.REAL), "scale", (part,), 3.6e6) for part in rest]
    args = (ra, dec, none, *motion_, none, none, years)
    return ir.Call(Kind.POINT, column_of(Kind.POINT, node.name), "epoch_prop_pos", args)


def simbad_point(expressions: Expressions, node: tree.Call) -> Expr:
    _arguments(expressions, node)
    name = _written(node, 0, "an object's name")
    find = objects.resolver()
    if find is None:
        raise Problem(node.at, f"{node.name} needs a name resolver, and this service has none.", _SIMBAD)
    try:
        lon, lat = find(name)
    except GatewayError as error:
        raise Problem(node.arguments[0].at, str(error), getattr(error, "hint", "") or _SIMBAD) from None
    return geometry.fixed(shapes.point(lon, lat), (lon, lat))


_SIMBAD = "Write the position instead: POINT(ra, dec) in degrees."


def histogram(expressions: Expressions, node: tree.Call) -> Expr:
    if len(node.arguments) != 4:
        form = udf.overloads(node.name)[0].form
        raise Problem(node.at, f"{node.name} takes 4 arguments.", f"Its form is {form}.")
    value = _number(node, 0, expressions.aggregate_argument(node.at, node.name, node.arguments[0]))
    bounds = [constant(expressions.value(argument)) for argument in node.arguments[1:]]
    for bound, argument in zip(bounds, node.arguments[1:]):
        if bound is None:
            raise Problem(argument.at, "The limits and the number of bins are numbers, written out.")
    low, high, bins = bounds
    if not isinstance(bins, int) or not 1 <= bins <= MAX_BINS:
        raise Problem(node.arguments[3].at, f"A histogram has 1 to {MAX_BINS} bins.")
    if low is None or high is None or not low < high:
        raise Problem(node.arguments[2].at, "The upper limit is larger than the lower one.")
    parts: list[Expr] = [value]
    parts += [ir.Const(Kind.REAL, column_of(Kind.REAL), float(bound)) for bound in (low, high)]
    parts.append(ir.Const(Kind.INTEGER, column_of(Kind.INTEGER), bins))
    meta = Column(node.name, "long", arraysize=str(bins + 2), ucd="meta.number")
    return ir.Aggregate(Kind.OTHER, meta, "HISTOGRAM", tuple(parts))


def normal_random(expressions: Expressions, node: tree.Call) -> Expr:
    mean, sigma = (_number(node, i, arg) for i, arg in enumerate(_arguments(expressions, node)))
    meta = column_of(Kind.REAL, node.name, unit=mean.meta.unit, ucd=mean.meta.ucd)
    return ir.Call(Kind.REAL, meta, "normal_random", (mean, sigma))


def motion(expressions: Expressions, node: tree.Call) -> Expr:
    """ivo_epoch_prop and ivo_epoch_prop_pos; six arguments leave out parallax and radial velocity."""
    args = [_number(node, i, arg) for i, arg in enumerate(_arguments(expressions, node))]
    if len(args) == 6:
        none = ir.Const(Kind.REAL, column_of(Kind.REAL), 0.0)
        args = [*args[:2], none, *args[2:4], none, *args[4:]]
    if node.name == "ivo_epoch_prop_pos":
        meta = column_of(Kind.POINT, node.name)
        return ir.Call(Kind.POINT, meta, "epoch_prop_pos", tuple(args))
    return ir.Call(Kind.OTHER, Column(node.name, "double", arraysize="6"), "epoch_prop", tuple(args))


CALLS: dict[str, Callable[[Expressions, tree.Call], Expr]] = {
    "gavo_apply_pm": apply_motion,
    "gavo_histogram": histogram,
    "gavo_normal_random": normal_random,
    "gavo_simbadpoint": simbad_point,
    "gavo_specconv": spectral,
    "gavo_transform": geom_transform,
    "ivo_geom_transform": geom_transform,
    "ivo_epoch_prop": motion,
    "ivo_epoch_prop_pos": motion,
    "ivo_histogram": histogram,
    "ivo_normal_random": normal_random,
    "ivo_simbadpoint": simbad_point,
    "vogate_convert": convert,
    "vogate_ecliptic_lat": _coordinate("ECLIPTIC", 1, "pos.ecliptic.lat"),
    "vogate_ecliptic_lon": _coordinate("ECLIPTIC", 0, "pos.ecliptic.lon"),
    "vogate_galactic_lat": _coordinate("GALACTIC", 1, "pos.galactic.lat"),
    "vogate_galactic_lon": _coordinate("GALACTIC", 0, "pos.galactic.lon"),
    **moc_calls.CALLS,
    **dict.fromkeys(CONDITIONS, _as_number),
}
