"""A small reader of PROV-N (W3C Recommendation, 2013-04-30), written from its grammar and not from `prov`."""

from __future__ import annotations

import re
from typing import Any

from lark import Lark, Token, Transformer

GRAMMAR = r"""
document: "document" prefix* expression* "endDocument"
prefix: "prefix" NAME "<" IRI ">"
expression: NAME "(" [identifier ";"] _arguments ["," attributes] ")"
_arguments: argument ("," argument)*
identifier: QUALIFIED
argument: QUALIFIED -> name
        | TIME -> time
        | "-" -> marker
attributes: "[" [attribute ("," attribute)*] "]"
attribute: QUALIFIED "=" literal
literal: (STRING | LONG_STRING) ["%%" QUALIFIED] -> typed
       | INT -> integer
       | "'" QUALIFIED "'" -> qualified
IRI: /[^>]+/
NAME.1: /[A-Za-z][A-Za-z0-9_-]*(?![A-Za-z0-9_:-])/
QUALIFIED: /[A-Za-z][A-Za-z0-9_-]*:(\\[='(),:;\[\].-]|%[0-9A-Fa-f]{2}|[\w\/@~&+*?#$!.-])+/
TIME.2: /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?/
INT: /-?\d+/
STRING: /\"([^\"\\\n\r]|\\[tbnrf\"'\\])*\"/
LONG_STRING.2: /\"\"\"(\"{0,2}([^\"\\]|\\[tbnrf\"'\\]))*\"\"\"/
%ignore /\s+/
"""

_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}


def _inside(literal: str) -> str:
    quotes = 3 if literal.startswith('"""') else 1
    return literal[quotes:-quotes]


class _Build(Transformer[Token, Any]):
    def __init__(self) -> None:
        super().__init__()
        self.prefixes = {
            "prov": "http://www.w3.org/ns/prov#",
            "xsd": "http://www.w3.org/2001/XMLSchema#",
        }

    def prefix(self, items: list[Token]) -> None:
        self.prefixes[str(items[0])] = str(items[1])

    def uri(self, token: Token) -> str:
        prefix, local = token.split(":", 1)
        return self.prefixes[prefix] + re.sub(r"\\(.)", r"\1", local)

    def identifier(self, items: list[Token]) -> str:
        return self.uri(items[0])

    name = identifier

    def qualified(self, items: list[Token]) -> tuple[str, str]:
        return ("qualified", self.uri(items[0]))

    def time(self, items: list[Token]) -> str:
        return str(items[0])

    def marker(self, items: list[Token]) -> None:
        return None

    def integer(self, items: list[Token]) -> tuple[str, str]:
        return ("xsd:int", str(items[0]))

    def typed(self, items: list[Token]) -> tuple[str, str]:
        text = re.sub(r"\\(.)", lambda m: _ESCAPES.get(m.group(1), m.group(1)), _inside(items[0]))
        return (str(items[1]) if items[1] else "xsd:string", text)

    def attribute(self, items: list[Any]) -> tuple[str, Any]:
        return (self.uri(items[0]), items[1])

    def attributes(self, items: list[Any]) -> list[Any]:
        return [item for item in items if item is not None]

    def expression(self, items: list[Any]) -> tuple[str, tuple[Any, ...], frozenset[Any]]:
        kind, identifier, *arguments, attributes = items
        assert identifier is None, "no relation of ours has an identifier"
        return (str(kind), tuple(arguments), frozenset(attributes or ()))

    def document(self, items: list[Any]) -> list[Any]:
        return [item for item in items if item is not None]


def read(text: str) -> list[tuple[str, tuple[Any, ...], frozenset[Any]]]:
    """The expressions of a document: kind, arguments (URIs, times, None), attributes."""
    tree = Lark(GRAMMAR, start="document", parser="earley", lexer="dynamic").parse(text)
    return _Build().transform(tree)
