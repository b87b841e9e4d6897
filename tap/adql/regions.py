"""Regions as text: STC-S (TAP 1.0, section 6; Rots 2007) and the DALI forms of points, circles and polygons."""

from __future__ import annotations

import re
from collections.abc import Iterable

from tap.adql import frames, shapes
from tap.adql.shapes import Shape, ShapeError

MAX_TEXT = 500_000
MAX_DEPTH = 20
MAX_PARTS = 1_000

_TOKEN = re.compile(r"[()]|[^\s(),]+")
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$")
_FRAME_WORDS = "ICRS FK5 FK4 J2000 B1950 GALACTIC GALACTIC_II GAL ECLIPTIC UNKNOWNFRAME"
_FRAMES = frozenset(_FRAME_WORDS.split())
# Reference positions and flavours make no difference to shapes on the sky.
_IGNORED_WORDS = """
GEOCENTER BARYCENTER HELIOCENTER TOPOCENTER LSR LSRK LSRD GALACTIC_CENTER LOCAL_GROUP_CENTER EMBARYCENTER RELOCATABLE
UNKNOWNREFPOS SPHERICAL2 CARTESIAN2 UNKNOWNFLAVOR
"""
_IGNORED = frozenset(_IGNORED_WORDS.split())
_TRAILERS = frozenset({"UNIT", "FILLFACTOR", "ERROR", "RESOLUTION", "SIZE", "PIXSIZE"})


class _Reader:
    """Tokens of one text, and how many parts were made of them."""

    def __init__(self, text: str) -> None:
        self.tokens = _TOKEN.findall(text)
        self.at = 0
        self.parts = 0

    def peek(self) -> str:
        return self.tokens[self.at].upper() if self.at < len(self.tokens) else ""

    def word(self) -> str:
        token = self.peek()
        self.at += 1
        return token

    def numbers(self) -> list[float]:
        start = self.at
        tokens = self.tokens
        while self.at < len(tokens) and _NUMBER.match(tokens[self.at]):
            self.at += 1
        return [float(token) for token in tokens[start : self.at]]

    def frame(self, inherited: str) -> str:
        """The frame words before the numbers, if any."""
        frame = inherited
        if self.peek() in _FRAMES:
            frame = self.word()
        while self.peek() in _IGNORED:
            self.at += 1
        return frame

    def trailers(self) -> None:
        """`unit deg` and the like after the numbers."""
        while self.peek() in _TRAILERS:
            name = self.word()
            if name == "UNIT":
                unit = self.word()
                if unit not in ("DEG", "DEGREE", "DEGREES"):
                    raise ShapeError(f"Regions are in degrees, not {unit.lower()}.")
                while self.peek() == "DEG":
                    self.at += 1
            else:
                self.numbers()


def parse(text: str) -> Shape:
    """The shape that a text describes.

    Accepts STC-S (Position, Circle, Box, Polygon, Union, Intersection, Not, AllSky; frames ICRS, FK5 and GALACTIC),
    DALI 1.2 shapes (`circle 10 20 1`), and bare numbers as DALI writes them: two are a point, three a circle, six
    and more a polygon.

    Raises
    ------
    ShapeError
        With a message that says what cannot be read.
    """
    if len(text) > MAX_TEXT:
        raise ShapeError("The region is too long.")
    reader = _Reader(text)
    if not reader.tokens:
        raise ShapeError("The region is empty.")
    if _NUMBER.match(reader.tokens[0]):
        shape = from_numbers(reader.numbers())
    else:
        shape = _shape(reader, "", 0)
    if reader.at < len(reader.tokens):
        raise ShapeError(f"{reader.tokens[reader.at]!r} is not expected in the region {_short(text)!r}.")
    return shape


def _short(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "..."


def from_numbers(numbers: Iterable[float]) -> Shape:
    """A point, circle or polygon by the number of its coordinates (DALI 1.1, section 3.3)."""
    values = list(numbers)
    if len(values) == 2:
        return shapes.point(*values)
    if len(values) == 3:
        return shapes.circle(*values)
    if len(values) < 6 or len(values) % 2:
        raise ShapeError(f"{len(values)} numbers are neither a point, a circle nor a polygon.")
    return shapes.polygon(values)


def _shape(reader: _Reader, frame: str, depth: int) -> Shape:
    reader.parts += 1
    if depth > MAX_DEPTH or reader.parts > MAX_PARTS:
        raise ShapeError("The region is too complex.")
    word = reader.word()
    frame = reader.frame(frame)
    if word in ("UNION", "INTERSECTION", "NOT"):
        return _combination(word, reader, frame, depth)
    if word in ("ALLSKY", "FULL"):
        return shapes.circle(0.0, 0.0, 180.0)
    if word not in ("POSITION", "POINT", "CIRCLE", "BOX", "POLYGON"):
        known = "Position, Circle, Box, Polygon, Union, Intersection, Not and AllSky"
        raise ShapeError(f"{word.capitalize() or 'Nothing'!r} is no shape; this service reads {known}.")
    numbers = reader.numbers()
    reader.trailers()
    return _simple(word, numbers, frame)


def _simple(word: str, numbers: list[float], frame: str) -> Shape:
    counts = {"POSITION": 2, "POINT": 2, "CIRCLE": 3, "BOX": 4}
    if word in counts and len(numbers) != counts[word]:
        raise ShapeError(f"{word.capitalize()} takes {counts[word]} numbers, not {len(numbers)}.")
    galactic = frames.is_galactic(frame)
    if word == "BOX":
        # The cross of a box is parallel to the axes of its own frame: corners first, then the frame.
        numbers, word = shapes.box_coordinates(*numbers), "POLYGON"
    if galactic:
        size = 2 if word != "POLYGON" else len(numbers) - len(numbers) % 2
        numbers = frames.from_galactic(numbers[:size]) + numbers[size:]
    if word == "POLYGON":
        return shapes.polygon(numbers)
    return shapes.circle(*numbers) if word == "CIRCLE" else shapes.point(*numbers)


def _combination(word: str, reader: _Reader, frame: str, depth: int) -> Shape:
    if reader.word() != "(":
        raise ShapeError(f"{word.capitalize()} needs its parts in parentheses.")
    parts = []
    while reader.peek() not in (")", ""):
        parts.append(_shape(reader, frame, depth + 1))
    if reader.word() != ")":
        raise ShapeError(f"The parenthesis of {word.capitalize()} is not closed.")
    if not parts:
        raise ShapeError(f"{word.capitalize()} has no parts.")
    if word == "NOT":
        if len(parts) > 1:
            raise ShapeError("Not takes one region.")
        return shapes.complement(parts[0])
    if len(parts) == 1:
        return parts[0]
    return shapes.union(parts) if word == "UNION" else shapes.intersection(parts)
