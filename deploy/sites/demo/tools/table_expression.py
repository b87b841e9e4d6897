"""Conditions on the rows of a table: `rate > 100 and (quality = 0 or name = 'Crab')`.

A small language of its own: a text becomes a tree of the functions below, and nothing of it ever reaches
Python's `eval` or CFITSIO.  Comparisons with a missing value (masked, NaN, TNULL) are neither true nor
false, as in SQL, and a row is kept only if its condition is true.

    or        := and ("or" and)*
    and       := not ("and" not)*
    not       := "not" not | comparison
    comparison:= sum (("=" | "==" | "!=" | "<>" | "<" | "<=" | ">" | ">=") sum | ["not"] "in" "(" sum ("," sum)* ")")?
    sum       := product (("+" | "-") product)*
    product   := unary (("*" | "/") unary)*
    unary     := ("-" | "+") unary | atom ("**" unary)?
    atom      := number | 'text' | "column name" | column | function "(" or ("," or)* ")" | "(" or ")"
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

MAXIMUM_LENGTH = 2000
MAXIMUM_DEPTH = 40

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?![\w.]))
      | (?P<text>'(?:[^']|'')*')
      | (?P<quoted>"[^"]+")
      | (?P<name>[A-Za-z_][A-Za-z0-9_.]*)
      | (?P<sign><=|>=|<>|!=|==|\*\*|[-+*/()<>=,])
    )""",
    re.VERBOSE,
)
_KEYWORDS = {"and", "or", "not", "in", "true", "false"}


class ConditionError(ValueError):
    """The condition is not of this language, or does not fit the table."""


@dataclass(frozen=True)
class Value:
    """Values for all rows (or one for all), and where they are missing."""

    data: Any
    missing: Any = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "data", np.asarray(self.data))
        object.__setattr__(self, "missing", np.asarray(self.missing, dtype=bool))

    @property
    def kind(self) -> str:
        """`text`, `truth` or `number`."""
        code = self.data.dtype.kind
        return {"U": "text", "S": "text", "O": "text", "b": "truth"}.get(code, "number")


Node = Callable[[Mapping[str, Value]], Value]


def column(values: Any) -> Value:
    """A column of an astropy table as a value; masked and NaN entries are missing."""
    data = np.ma.getdata(values)
    missing = np.ma.getmaskarray(np.ma.asarray(values))
    if data.ndim > 1:
        raise ConditionError("holds more than one number per row, so it cannot stand in a condition")
    if data.dtype.kind == "S":
        data = np.char.decode(data, "latin-1")
    if data.dtype.kind == "f":
        missing = missing | np.isnan(data)
    return Value(np.char.rstrip(data) if data.dtype.kind == "U" else data, missing)


class Condition:
    """A parsed condition; `.names` are the columns that it looks at."""

    def __init__(self, text: str, columns: Mapping[str, Any] | list[str]) -> None:
        if len(text) > MAXIMUM_LENGTH:
            raise ConditionError(f"the condition is longer than {MAXIMUM_LENGTH} characters")
        parser = _Parser(text, list(columns))
        self._node = parser.parse()
        self.names = tuple(dict.fromkeys(parser.used))

    def keep(self, columns: Mapping[str, Any], rows: int) -> np.ndarray:
        """True for every row for which the condition is true."""
        values: dict[str, Value] = {}
        for name in self.names:
            try:
                values[name] = column(columns[name])
            except ConditionError as error:
                raise ConditionError(f"column {name} {error}") from None
        with np.errstate(all="ignore"):
            found = self._node(values)
        if found.kind != "truth":
            raise ConditionError("the condition is no comparison; write for example rate > 100")
        return np.broadcast_to(found.data & ~found.missing, (rows,))


class _Parser:
    """Recursive descent; faults name the place (from 1)."""

    def __init__(self, text: str, columns: list[str]) -> None:
        self.text, self.columns, self.used = text, columns, []
        self.tokens = list(_tokens(text))
        self.place = self.depth = 0

    def parse(self) -> Node:
        if not self.tokens:
            raise ConditionError("the condition is empty")
        node = self._or()
        if self.place < len(self.tokens):
            raise self._fault(f"{self.tokens[self.place][1]!r} is not expected here")
        return node

    def _fault(self, message: str) -> ConditionError:
        at = self.tokens[self.place][2] if self.place < len(self.tokens) else len(self.text)
        return ConditionError(f"{message} (character {at + 1} of {self.text!r})")

    def _next(self, *words: str) -> str:
        """The next token if it is one of these words or signs."""
        if self.place < len(self.tokens):
            kind, word, _ = self.tokens[self.place]
            if kind in ("sign", "keyword") and word in words:
                self.place += 1
                return word
        return ""

    def _need(self, sign: str) -> None:
        if not self._next(sign):
            raise self._fault(f"{sign!r} is missing")

    def _or(self) -> Node:
        self.depth += 1
        if self.depth > MAXIMUM_DEPTH:
            raise ConditionError("the condition is nested too deeply")
        node = self._and()
        while self._next("or"):
            node = _call(_either, node, self._and())
        self.depth -= 1
        return node

    def _and(self) -> Node:
        node = self._not()
        while self._next("and"):
            node = _call(_both, node, self._not())
        return node

    def _not(self) -> Node:
        turns = 0
        while self._next("not"):
            turns += 1
        node = self._comparison()
        return _call(_negation, node) if turns % 2 else node

    def _comparison(self) -> Node:
        left = self._sum()
        sign = self._next("<=", ">=", "<>", "!=", "==", "<", ">", "=")
        if sign:
            right = self._sum()
            if self._next("<=", ">=", "<>", "!=", "==", "<", ">", "="):
                self.place -= 1
                raise self._fault("comparisons do not chain; join them by `and`")
            return _call(_comparisons[sign], left, right)
        turned = bool(self._next("not"))
        if self._next("in"):
            node = self._members(left)
            return _call(_negation, node) if turned else node
        if turned:
            raise self._fault("'in' is missing")
        return left

    def _members(self, left: Node) -> Node:
        self._need("(")
        node = _call(_comparisons["="], left, self._sum())
        while self._next(","):
            node = _call(_either, node, _call(_comparisons["="], left, self._sum()))
        self._need(")")
        return node

    def _sum(self) -> Node:
        node = self._product()
        while sign := self._next("+", "-"):
            node = _call(_arithmetic[sign], node, self._product())
        return node

    def _product(self) -> Node:
        node = self._unary()
        while sign := self._next("*", "/"):
            node = _call(_arithmetic[sign], node, self._unary())
        return node

    def _unary(self) -> Node:
        turns = 0
        while sign := self._next("-", "+"):
            turns += sign == "-"
        node = self._atom()
        if self._next("**"):
            self.depth += 1
            if self.depth > MAXIMUM_DEPTH:
                raise ConditionError("the condition is nested too deeply")
            node = _call(_arithmetic["**"], node, self._unary())
            self.depth -= 1
        return _call(_negative, node) if turns % 2 else node

    def _atom(self) -> Node:
        if self._next("("):
            node = self._or()
            self._need(")")
            return node
        if word := self._next("true", "false"):
            return _constant(Value(np.bool_(word == "true")))
        if self.place >= len(self.tokens):
            raise self._fault("something is missing")
        kind, word, _ = self.tokens[self.place]
        if kind == "number":
            node = _constant(Value(int(word) if word.isdigit() and len(word) < 20 else float(word)))
        elif kind == "text":
            node = _constant(Value(word[1:-1].replace("''", "'")))
        elif kind == "quoted":
            node = self._column(word[1:-1])
        elif kind == "name":
            return self._name(word)
        else:
            raise self._fault(f"{word!r} is not expected here")
        self.place += 1
        return node

    def _name(self, word: str) -> Node:
        following = self.tokens[self.place + 1][1] if self.place + 1 < len(self.tokens) else ""
        if following != "(":
            node = self._column(word)
            self.place += 1
            return node
        function = _FUNCTIONS.get(word.lower())
        if function is None:
            near = difflib.get_close_matches(word.lower(), _FUNCTIONS, n=1)
            raise self._fault(f"there is no function {word}; {_hint(near, sorted(_FUNCTIONS))}")
        self.place += 2
        arguments = [self._or()]
        while self._next(","):
            arguments.append(self._or())
        self._need(")")
        if len(arguments) != function[0]:
            raise self._fault(f"{word} takes {function[0]} argument{'s' * (function[0] > 1)}")
        return _call(function[1], *arguments)

    def _column(self, name: str) -> Node:
        found = name if name in self.columns else None
        if found is None:
            alike = [known for known in self.columns if known.lower() == name.lower()]
            found = alike[0] if len(alike) == 1 else None
        if found is None:
            near = nearest(name, self.columns)
            raise self._fault(f"there is no column {name}; {_hint(near, self.columns[:30])}")
        self.used.append(found)
        return lambda values, name=found: values[name]


def _tokens(text: str) -> list[tuple[str, str, int]]:
    found, place, end = [], 0, len(text.rstrip())
    while place < end:
        match = _TOKEN.match(text, place)
        if match is None:
            rest = text[place:].lstrip()
            raise ConditionError(
                f"{rest[:1]!r} is not expected here (character {text.index(rest, place) + 1} of {text!r})"
            )
        kind = str(match.lastgroup)
        word, start = match[kind], match.start(kind)
        if kind == "name" and word.lower() in _KEYWORDS:
            kind, word = "keyword", word.lower()
        found.append((kind, word, start))
        place = match.end()
    return found


def nearest(name: str, known: list[str]) -> list[str]:
    """The known name that is most like this one, whatever its case; empty if none is."""
    by_lower = {one.lower(): one for one in known}
    return [by_lower[found] for found in difflib.get_close_matches(name.lower(), by_lower, n=1)]


def _hint(near: list[str], known: list[str]) -> str:
    return f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"


def _constant(value: Value) -> Node:
    return lambda values: value


def _call(function: Callable[..., Value], *nodes: Node) -> Node:
    return lambda values: function(*(node(values) for node in nodes))


def _numbers(*values: Value) -> list[np.ndarray]:
    for value in values:
        if value.kind != "number":
            raise ConditionError(f"a {value.kind} cannot be calculated with")
    return [np.asarray(value.data, dtype=float) for value in values]


def _of_numbers(function: Callable[..., Any]) -> Callable[..., Value]:
    def apply(*values: Value) -> Value:
        data = function(*_numbers(*values))
        missing = np.isnan(data)
        for value in values:
            missing = missing | value.missing
        return Value(data, missing)

    return apply


def _compare(function: Callable[[Any, Any], Any]) -> Callable[[Value, Value], Value]:
    def apply(left: Value, right: Value) -> Value:
        if left.kind != right.kind:
            raise ConditionError(f"a {left.kind} cannot be compared with a {right.kind}")
        return Value(function(left.data, right.data), left.missing | right.missing)

    return apply


def _truths(*values: Value) -> None:
    for value in values:
        if value.kind != "truth":
            raise ConditionError(
                "and, or and not join comparisons; write for example rate > 100 and quality = 0"
            )


def _both(left: Value, right: Value) -> Value:
    _truths(left, right)
    false = (~left.missing & ~left.data) | (~right.missing & ~right.data)
    return Value(left.data & right.data, (left.missing | right.missing) & ~false)


def _either(left: Value, right: Value) -> Value:
    _truths(left, right)
    true = (~left.missing & left.data) | (~right.missing & right.data)
    return Value(true, (left.missing | right.missing) & ~true)


def _negation(value: Value) -> Value:
    _truths(value)
    return Value(~value.data, value.missing)


def _is_missing(value: Value) -> Value:
    return Value(value.missing)


_negative = _of_numbers(np.negative)
_arithmetic = {
    "+": _of_numbers(np.add),
    "-": _of_numbers(np.subtract),
    "*": _of_numbers(np.multiply),
    "/": _of_numbers(np.divide),
    "**": _of_numbers(np.power),
}
_comparisons = {
    "=": _compare(np.equal), "==": _compare(np.equal), "!=": _compare(np.not_equal), "<>": _compare(np.not_equal),
    "<": _compare(np.less), "<=": _compare(np.less_equal), ">": _compare(np.greater), ">=": _compare(np.greater_equal),
}  # fmt: skip


def _separation(ra: Any, dec: Any, ra0: Any, dec0: Any) -> Any:
    """Angle on the sky in degrees, stable for small angles (haversine)."""
    ra, dec, ra0, dec0 = np.radians(ra), np.radians(dec), np.radians(ra0), np.radians(dec0)
    half = np.sin((dec - dec0) / 2) ** 2 + np.cos(dec) * np.cos(dec0) * np.sin((ra - ra0) / 2) ** 2
    return np.degrees(2 * np.arcsin(np.sqrt(np.clip(half, 0, 1))))


_FUNCTIONS: dict[str, tuple[int, Callable[..., Value]]] = {
    "abs": (1, _of_numbers(np.abs)),
    "sqrt": (1, _of_numbers(np.sqrt)),
    "exp": (1, _of_numbers(np.exp)),
    "log": (1, _of_numbers(np.log)),
    "log10": (1, _of_numbers(np.log10)),
    "floor": (1, _of_numbers(np.floor)),
    "sin": (1, _of_numbers(lambda angle: np.sin(np.radians(angle)))),
    "cos": (1, _of_numbers(lambda angle: np.cos(np.radians(angle)))),
    "tan": (1, _of_numbers(lambda angle: np.tan(np.radians(angle)))),
    "separation": (4, _of_numbers(_separation)),
    "missing": (1, _is_missing),
}
