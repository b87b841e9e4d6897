"""The forms that the grammar gives to ADQL's own functions: how many arguments, and which must be literals."""

from __future__ import annotations

from tap.adql import tree
from tap.adql.build import Problem

# name: (fewest, most) arguments of functions whose arguments are plain values
_ONE = """
ABS ACOS ASIN ATAN CEILING COS COT DEGREES EXP FLOOR LOG LOG10 RADIANS SIN SQRT TAN LOWER UPPER AREA CENTROID COORD1
COORD2 COORDSYS REGION
"""
_TWO = "ATAN2 MOD POWER CONTAINS INTERSECTS IN_UNIT"
_ARITY = (
    dict.fromkeys(_ONE.split(), (1, 1))
    | dict.fromkeys(_TWO.split(), (2, 2))
    | {
        "ROUND": (1, 2),
        "TRUNCATE": (1, 2),
        "PI": (0, 0),
        "RAND": (0, 1),
        "COALESCE": (1, 1000),
        "DISTANCE": (2, 4),
    }
)

_NUMBERS = (tree.Number, tree.Signed, tree.Chain)
_SHAPES = frozenset({"POINT", "CIRCLE", "BOX", "POLYGON", "REGION", "CENTROID"})
_NOT_POINTS = frozenset({"CIRCLE", "BOX", "POLYGON", "REGION"})


def _counted(name: str, fewest: int, most: int) -> str:
    if fewest == most:
        return f"{name} takes {fewest or 'no'} argument{'' if fewest == 1 else 's'}."
    return f"{name} takes {fewest} to {most} arguments."


def check(call: tree.Call) -> None:
    """Refuse a call of a reserved function that the grammar does not derive.

    Raises
    ------
    Problem
    """
    name, arguments = call.name, call.arguments
    if name in _ARITY:
        fewest, most = _ARITY[name]
        if not fewest <= len(arguments) <= most or (name == "DISTANCE" and len(arguments) == 3):
            text = (
                "DISTANCE takes 2 points or 4 numbers."
                if name == "DISTANCE"
                else _counted(name, fewest, most)
            )
            raise Problem(call.at, text)
    if name in ("ROUND", "TRUNCATE") and len(arguments) == 2:
        places = arguments[1]
        if not (isinstance(places, tree.Number) and isinstance(places.value, int)):
            raise Problem(places.at, f"The second argument of {name} is an integer, written out.")
    elif name == "RAND" and arguments:
        seed = arguments[0]
        if not (isinstance(seed, tree.Number) and seed.text.isdigit()):
            raise Problem(seed.at, "The argument of RAND is an unsigned integer, written out.")
    elif name == "IN_UNIT":
        if not isinstance(arguments[1], tree.String):
            raise Problem(arguments[1].at, "The second argument of IN_UNIT is a unit between quotes.")
    elif name == "REGION":
        if not isinstance(arguments[0], tree.String):
            raise Problem(
                call.at, "The argument of REGION is a string, written out.", "A column needs no REGION."
            )
    elif name in ("POINT", "CIRCLE", "BOX", "POLYGON"):
        constructor(call)


def frame_and_rest(call: tree.Call) -> tuple[str | None, tuple[tree.Value, ...]]:
    """The coordinate system argument of a constructor (None if there is none, '' for NULL), and the others."""
    arguments = call.arguments
    if arguments and isinstance(arguments[0], tree.String):
        return arguments[0].value, arguments[1:]
    if arguments and isinstance(arguments[0], tree.Null):
        return "", arguments[1:]
    return None, arguments


def is_coordinate(value: tree.Value) -> bool:
    """Whether a value can only be a number, so that a point cannot stand here."""
    return isinstance(value, _NUMBERS) or (
        isinstance(value, tree.Call) and value.name.isupper() and value.name not in _SHAPES
    )


def constructor(call: tree.Call) -> tuple[str | None, tuple[tree.Value, ...]]:
    """`frame_and_rest` of POINT, CIRCLE, BOX or POLYGON, with their numbers of arguments checked."""
    frame, rest = frame_and_rest(call)
    for value in rest:
        if isinstance(value, tree.String | tree.Null):
            raise Problem(value.at, f"{call.name} takes numbers or points here.")
        if isinstance(value, tree.Call) and value.name in _NOT_POINTS:
            raise Problem(value.at, f"{value.name} is no point; {call.name} takes numbers or points.")
    count, name = len(rest), call.name
    if name == "POINT" and count != 2:
        raise Problem(call.at, "POINT takes a longitude and a latitude.")
    if name in ("CIRCLE", "BOX"):
        sizes = 1 if name == "CIRCLE" else 2
        what = "a radius" if sizes == 1 else "a width and a height"
        by_point = count == 1 + sizes and not is_coordinate(rest[0])
        if count != 2 + sizes and not by_point:
            raise Problem(call.at, f"{name} takes a longitude and a latitude, or a point, then {what}.")
    if name == "POLYGON":
        if count < 3:
            raise Problem(call.at, "POLYGON takes at least three vertices.")
        numbers = any(is_coordinate(value) for value in rest)
        points = any(isinstance(value, tree.Call) and value.name in ("POINT", "CENTROID") for value in rest)
        if numbers and points:
            raise Problem(call.at, "POLYGON takes numbers or points, not both.")
        if numbers and (count % 2 or count < 6):
            text = "an odd number of coordinates" if count % 2 else "fewer than three vertices"
            raise Problem(call.at, f"This POLYGON has {text}.")
    return frame, rest
