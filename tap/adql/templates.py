"""Queries that differ in their literals alone are parsed once: later ones put their numbers and strings into the
tree of the first.

Clients send the same few queries with other positions over and over.  What depends on where something stands in the
text (messages of errors) is not right in such a tree, so who finds a fault with one parses the text itself.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from typing import Any

from gateway.vo.errors import QueryError
from tap.adql import tree
from tap.adql.extensions import Extension
from tap.adql.lexer import words
from tap.adql.parser import parse

MOST_KEPT = 64
MAX_LENGTH = 20_000
"""Longer queries are long lists of literals, seldom sent twice."""
_LITERALS = frozenset({"INTEGER", "DECIMAL", "STRING"})
_FIXED_AFTER = frozenset({"TOP", "OFFSET"})
"""Keywords whose number belongs to the shape."""

_Key = tuple[frozenset[Extension], frozenset[str], str]
_Word = tuple[str, str, int]
"""(kind, text, offset)"""


class _Template:
    """A tree of this thread's own, and its literals in the order of the text."""

    def __init__(self, statement: tree.Statement, nodes: list[tree.Number | tree.String]) -> None:
        self.statement = statement
        self.nodes = nodes
        self.signs = [_sign(node) for node in nodes]

    def fill(self, literals: list[_Word]) -> bool:
        """Put other literals in; False if one is not what the parser would take."""
        for node, sign, (kind, text, _) in zip(self.nodes, self.signs, literals):
            if kind == "STRING":
                object.__setattr__(node, "value", text[1:-1].replace("''", "'"))
                continue
            value: int | float = int(text) if kind == "INTEGER" else float(text)
            if value == float("inf"):
                return False
            object.__setattr__(node, "value", -value if sign == "-" else value)
            object.__setattr__(node, "text", sign + text)
        return True


def _sign(node: tree.Number | tree.String) -> str:
    return node.text[0] if isinstance(node, tree.Number) and node.text[0] in "+-" else ""


def _shape(text: str) -> tuple[str, list[_Word]]:
    """What the queries of one shape have in common, and the literals in which they differ."""
    common: list[str] = []
    literals: list[_Word] = []
    before = opened = ""
    for word in words(text):
        kind, written, _ = word
        short = kind != "INTEGER" or len(written) < 18
        if kind in _LITERALS and short and before not in _FIXED_AFTER and opened not in ("CHAR", "VARCHAR"):
            literals.append(word)
            common.append(f"\x01{kind}")
        else:
            common.append(written)
        before, opened = kind, before if kind == "LPAR" else ""
    return "\x00".join(common), literals


def _literal_nodes(root: object) -> list[tree.Number | tree.String]:
    found: list[tree.Number | tree.String] = []
    seen: set[int] = set()
    rest: list[Any] = [root]
    while rest:
        item = rest.pop()
        if isinstance(item, tuple):
            rest += item
        elif isinstance(item, tree.Node) and id(item) not in seen:
            seen.add(id(item))
            if isinstance(item, tree.Number | tree.String):
                found.append(item)
            rest += [getattr(item, part.name) for part in fields(item)]
    return sorted(found, key=lambda node: node.at)


def _matches(node: tree.Number | tree.String, literal: _Word) -> bool:
    kind, text, _ = literal
    if isinstance(node, tree.String):
        return kind == "STRING" and node.value == text[1:-1].replace("''", "'")
    return kind != "STRING" and node.text == _sign(node) + text


class _Local(threading.local):
    def __init__(self) -> None:
        self.templates: OrderedDict[_Key, _Template] = OrderedDict()


_local = _Local()


@contextmanager
def parsed(
    text: str, extensions: frozenset[Extension], functions: frozenset[str]
) -> Iterator[tuple[tree.Statement, bool]]:
    """The syntax tree of a query, to be read in this context alone, and whether its offsets are those of `text`.

    Raises
    ------
    QueryError
        As `parse` does.
    """
    if len(text) > MAX_LENGTH:
        yield parse(text, extensions, functions), True
        return
    try:
        shape, literals = _shape(text)
    except QueryError:
        yield parse(text, extensions, functions), True
        return
    key = (extensions, functions, shape)
    # While a template is in use it is in no one else's reach, not even that of a query compiled meanwhile.
    template = _local.templates.pop(key, None)
    if template is not None and template.fill(literals):
        yield template.statement, False
    else:
        template = _made(text, extensions, functions, literals)
        yield parse(text, extensions, functions) if template is None else template.statement, True
    if template is not None:
        _local.templates[key] = template
        while len(_local.templates) > MOST_KEPT:
            _local.templates.popitem(last=False)


def _made(
    text: str, extensions: frozenset[Extension], functions: frozenset[str], literals: list[_Word]
) -> _Template | None:
    """A template of a query, None if its literals are not all found again in its tree."""
    statement = parse.__wrapped__(text, extensions, functions)  # not the shared tree, since this one changes
    wanted = {start for _, _, start in literals}
    nodes = [
        node
        for node in _literal_nodes(statement)
        if node.at in wanted or (_sign(node) and _after_sign(text, node.at) in wanted)
    ]
    same = len(nodes) == len(literals) and all(map(_matches, nodes, literals))
    return _Template(statement, nodes) if same else None


def _after_sign(text: str, at: int) -> int:
    """Where the number begins whose sign is at an offset."""
    rest = text[at + 1 :]
    return at + 1 + len(rest) - len(rest.lstrip())
