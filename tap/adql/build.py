"""Parser callbacks: one method per rule of grammar.lark, making the nodes of tree.py.

Rules that LALR(1) cannot express are checked here: where a condition must stand and where a value, what IS NULL
and ROUND take, and the switched extensions (all parsed, refused here when off).
"""

from __future__ import annotations

from typing import Any

from lark import Token, Transformer

from tap.adql import tree
from tap.adql.extensions import Extension

MAX_CHAIN = 200
"""Most operands of one arithmetic expression; databases nest them."""

MAX_CONDITIONS = 5000
"""Most conditions of one chain of AND or OR; databases take a time that grows with their square."""


SWITCHED_OFF = "It is an extension of ADQL that this service's operators have not switched on."


class Problem(Exception):
    """A fault at an offset; the parser, which has the text, makes it a QueryError."""

    def __init__(self, at: int, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.at, self.message, self.hint = at, message, hint


def value_of(node: Any) -> Any:
    """`node`, if it is a value."""
    if isinstance(node, tree.Condition):
        raise Problem(node.at, "A condition stands where a value is needed.")
    return node


def condition_of(node: Any) -> Any:
    """`node`, if it is a condition."""
    if isinstance(node, tree.Condition):
        return node
    if isinstance(node, tree.Call) and node.name in ("CONTAINS", "INTERSECTS"):
        hint = f"{node.name} gives 1 or 0: write 1 = {node.name}(...)."
        raise Problem(node.at, f"{node.name} alone is no condition.", hint)
    raise Problem(node.at, "A value stands where a condition is needed.", "Compare it with something.")


def _nodes(children: list[Any]) -> list[Any]:
    return [child for child in children if not isinstance(child, Token)]


def _has(children: list[Any], *kinds: str) -> bool:
    return any(isinstance(child, Token) and child.type in kinds for child in children)


def _integer(token: Token) -> int:
    if len(token) > 18:
        raise Problem(token.start_pos or 0, "This number is too large here.")
    return int(token)


class Builder(Transformer):
    """Makes the tree bottom up; method names are those of the grammar's rules and aliases."""

    def __init__(self) -> None:
        super().__init__(visit_tokens=False)

    # Queries

    def start(self, c: list[Any]) -> tree.Statement:
        nodes = _nodes(c)
        named = nodes[0] if isinstance(nodes[0], tuple) else ()
        return tree.Statement(0, named, nodes[-1])

    def with_clause(self, c: list[Any]) -> tuple[Any, ...]:
        return tuple(_nodes(c))

    def with_query(self, c: list[Any]) -> tuple[tree.Identifier, tree.Query]:
        name, query = _nodes(c)
        return name, query

    def query(self, c: list[Any]) -> tree.Query:
        body, order_by, offset = c[0], (), None
        for child in c[1:]:
            if isinstance(child, tuple):
                order_by = child
            else:
                offset = child
        return tree.Query(body.at, body, order_by, offset)

    def nested_query(self, c: list[Any]) -> tree.Query:
        return c[0]

    def set_operation(self, c: list[Any]) -> tree.SetOperation:
        operator = next(child for child in c if isinstance(child, Token))
        nodes = _nodes(c)
        keep = "ALL" in nodes[1:-1]
        return tree.SetOperation(operator.start_pos, str(operator.type), keep, nodes[0], nodes[-1])  # type: ignore

    def all(self, c: list[Any]) -> str:
        return "ALL"

    def quantifier(self, c: list[Any]) -> str:
        return c[0].type

    def top(self, c: list[Any]) -> int:
        return _integer(c[-1])

    def select(self, c: list[Any]) -> tree.Select:
        fields: dict[str, Any] = {
            "distinct": False,
            "top": None,
            "where": None,
            "group_by": (),
            "having": None,
        }
        for child in c[1:]:
            if isinstance(child, str) and not isinstance(child, Token):
                fields["distinct"] = child == "DISTINCT"
            elif isinstance(child, int):
                fields["top"] = child
            elif isinstance(child, tuple):
                fields[child[0]] = child[1]
        return tree.Select(c[0].start_pos, **fields)

    def only_star(self, c: list[Any]) -> tuple[str, Any]:
        return "items", (tree.Star(0),)

    def list_star(self, c: list[Any]) -> tree.Star:
        return tree.Star(0)

    def select_list(self, c: list[Any]) -> tuple[str, Any]:
        return "items", tuple(c)

    def item(self, c: list[Any]) -> tree.Item:
        value = value_of(c[0])
        nodes = _nodes(c)
        return tree.Item(value.at, value, nodes[1] if len(nodes) > 1 else None)

    def table_star(self, c: list[Any]) -> tree.Star:
        return tree.Star(c[0].at, tuple(_nodes(c)))

    def from_list(self, c: list[Any]) -> tuple[str, Any]:
        return "sources", tuple(c)

    def where(self, c: list[Any]) -> tuple[str, Any]:
        return "where", condition_of(c[1])

    def group_by(self, c: list[Any]) -> tuple[str, Any]:
        return "group_by", tuple(value_of(node) for node in _nodes(c))

    def having(self, c: list[Any]) -> tuple[str, Any]:
        return "having", condition_of(c[1])

    def order_by(self, c: list[Any]) -> tuple[tree.SortKey, ...]:
        return tuple(_nodes(c))

    def sort_key(self, c: list[Any]) -> tree.SortKey:
        value = value_of(c[0])
        return tree.SortKey(value.at, value, _has(c, "DESC"))

    def offset(self, c: list[Any]) -> int:
        return _integer(c[-1])

    # Tables

    def table_name(self, c: list[Any]) -> tuple[Any, ...]:
        return tuple(c)

    def table(self, c: list[Any]) -> tree.TableName:
        nodes = _nodes(c)
        return tree.TableName(nodes[0][0].at, nodes[0], nodes[1] if len(nodes) > 1 else None)

    def derived_table(self, c: list[Any]) -> tree.DerivedTable:
        query, alias = _nodes(c)
        return tree.DerivedTable(query.at, query, alias)

    def nested_join(self, c: list[Any]) -> tree.Join:
        return c[0]

    def join_type(self, c: list[Any]) -> str:
        return c[0].type

    def on(self, c: list[Any]) -> tuple[str, Any]:
        return "on", condition_of(c[1])

    def using(self, c: list[Any]) -> tuple[str, Any]:
        return "using", tuple(_nodes(c))

    def natural_join(self, c: list[Any]) -> tree.Join:
        kind = next((x for x in c if isinstance(x, str) and not isinstance(x, Token)), "INNER")
        return tree.Join(c[0].at, kind, c[0], c[-1], natural=True)  # type: ignore[arg-type]

    def qualified_join(self, c: list[Any]) -> tree.Join:
        kind = next((x for x in c if isinstance(x, str) and not isinstance(x, Token)), "INNER")
        how, what = c[-1]
        return tree.Join(c[0].at, kind, c[0], c[-2], **{how: what})  # type: ignore[arg-type]

    # Conditions

    def expression(self, c: list[Any]) -> tree.Logic:
        if len(c) > 2 * MAX_CONDITIONS:
            hint = "Use IN (...), or upload a table and join it."
            raise Problem(c[0].at, f"{MAX_CONDITIONS} conditions may be joined at most.", hint)
        operator: Any = c[1].type
        return tree.Logic(c[0].at, operator, tuple(condition_of(node) for node in c[::2]))

    conjunction = expression

    def not_(self, c: list[Any]) -> tree.Not:
        return tree.Not(c[0].start_pos, condition_of(c[1]))

    def comparison(self, c: list[Any]) -> tree.Comparison:
        left, operator, right = c
        text = "<>" if operator == "!=" else str(operator)
        for node in (left, right):
            if isinstance(node, tree.Null):
                test = "IS NULL" if text == "=" else "IS NOT NULL"
                raise Problem(node.at, f"NULL cannot be compared with {text}.", f"Use {test}.")
        return tree.Comparison(operator.start_pos, text, value_of(left), value_of(right))

    def between(self, c: list[Any]) -> tree.Between:
        value, low, high = (value_of(node) for node in _nodes(c))
        return tree.Between(value.at, value, low, high, _has(c, "NOT"))

    def in_query(self, c: list[Any]) -> tree.InQuery:
        value, query = _nodes(c)
        return tree.InQuery(value.at, value_of(value), query, _has(c, "NOT"))

    def in_list(self, c: list[Any]) -> tree.InList:
        value, *items = (value_of(node) for node in _nodes(c))
        return tree.InList(value.at, value, tuple(items), _has(c, "NOT"))

    def like(self, c: list[Any]) -> tree.Like:
        value, pattern = (value_of(node) for node in _nodes(c))
        return tree.Like(value.at, value, pattern, _has(c, "NOT"), _has(c, "ILIKE"))

    def is_null(self, c: list[Any]) -> tree.IsNull:
        if not isinstance(c[0], tree.ColumnName):
            raise Problem(
                c[0].at, "IS NULL takes a column.", "Test the columns that the expression is made of."
            )
        return tree.IsNull(c[0].at, c[0], _has(c, "NOT"))

    def exists(self, c: list[Any]) -> tree.Exists:
        return tree.Exists(c[0].start_pos, c[1])

    # Values

    def sum(self, c: list[Any]) -> tree.Chain:
        operands = tuple(value_of(node) for node in c[::2])
        if len(operands) > MAX_CHAIN:
            raise Problem(c[0].at, f"An expression may have {MAX_CHAIN} operands at most.")
        return tree.Chain(c[0].at, operands, tuple(str(token) for token in c[1::2]))

    product = concatenation = sum

    def bit_or(self, c: list[Any]) -> tree.Chain:
        raise_unless(self, Extension.BITWISE, c[1])
        return self.sum(c)

    bit_xor = bit_and = bit_or

    def signed(self, c: list[Any]) -> tree.Value:
        sign, operand = c[0], value_of(c[1])
        if sign.type == "TILDE":
            raise_unless(self, Extension.BITWISE, sign)
        if isinstance(operand, tree.Number) and sign.type != "TILDE":
            value = -operand.value if sign.type == "MINUS" else operand.value
            return tree.Number(sign.start_pos, value, str(sign) + operand.text)
        return tree.Signed(sign.start_pos, str(sign), operand)

    def integer(self, c: list[Any]) -> tree.Number:
        text = str(c[0])
        value: int | float = int(text) if len(text) < 20 else float(text)
        if value > 2**63 - 1:
            return self.decimal(c)
        return tree.Number(c[0].start_pos, value, text)

    def decimal(self, c: list[Any]) -> tree.Number:
        value = float(c[0])
        if value == float("inf"):
            raise Problem(c[0].start_pos, f"{c[0][:20]} is larger than a double can be.")
        return tree.Number(c[0].start_pos, value, str(c[0]))

    def hexadecimal(self, c: list[Any]) -> tree.Number:
        raise_unless(self, Extension.HEXADECIMAL, c[0])
        value = int(str(c[0]), 16) if len(c[0]) <= 18 else 2**64
        if value > 2**63 - 1:
            raise Problem(c[0].start_pos, f"{c[0]} does not fit into 63 bits.")
        return tree.Number(c[0].start_pos, value, str(c[0]))

    def string(self, c: list[Any]) -> tree.String:
        return tree.String(c[0].start_pos, str(c[0])[1:-1].replace("''", "'"))

    def null(self, c: list[Any]) -> tree.Null:
        return tree.Null(c[0].start_pos)

    def identifier(self, c: list[Any]) -> tree.Identifier:
        token = c[0]
        if token.type == "DELIMITED":
            return tree.Identifier(token.start_pos, str(token)[1:-1].replace('""', '"'), True)
        return tree.Identifier(token.start_pos, str(token), False)

    def column(self, c: list[Any]) -> tree.ColumnName:
        return tree.ColumnName(c[0].at, tuple(c))

    def arguments(self, c: list[Any]) -> list[Any]:
        return [value_of(node) for node in c]

    def call(self, c: list[Any]) -> tree.Call:
        token = c[0]
        name = token.upper() if token.type == "FUNCTION" else token.lower()
        call = tree.Call(token.start_pos, name, tuple(c[1]) if len(c) > 1 else ())
        self.check_call(call)
        return call

    def check_call(self, call: tree.Call) -> None:
        """The forms of reserved functions; set by the parser (tap.adql.forms)."""

    def aggregate(self, c: list[Any]) -> tree.Aggregate:
        distinct = any(x == "DISTINCT" for x in c[1:-1])
        return tree.Aggregate(c[0].start_pos, c[0].upper(), value_of(c[-1]), distinct)

    def count_star(self, c: list[Any]) -> tree.Aggregate:
        return tree.Aggregate(c[0].start_pos, "COUNT", None, False)

    def cast_target(self, c: list[Any]) -> tuple[str, int | None]:
        if c[0].type == "FUNCTION" and c[0].upper() not in ("POINT", "CIRCLE", "POLYGON"):
            raise Problem(c[0].start_pos, f"{c[0]} is not a type.")
        if c[0].type == "DOUBLE":
            return "DOUBLE", None
        return c[0].upper(), _integer(c[1]) if len(c) > 1 else None

    def cast(self, c: list[Any]) -> tree.Cast:
        target, length = c[-1]
        return tree.Cast(c[0].start_pos, value_of(c[1]), target, length)

    def when(self, c: list[Any]) -> tuple[Any, Any]:
        return c[1], value_of(c[3])

    def case(self, c: list[Any]) -> tree.Case:
        raise_unless(self, Extension.CASE, c[0])
        branches = tuple(x for x in c if isinstance(x, tuple))
        first = c[1]
        subject = None if isinstance(first, tuple) else value_of(first)
        checked = tuple((value_of(x) if subject else condition_of(x), y) for x, y in branches)
        otherwise = value_of(c[-2]) if _has(c, "ELSE") else None
        return tree.Case(c[0].start_pos, subject, checked, otherwise)

    allowed: frozenset[Extension] = frozenset()


def raise_unless(builder: Builder, extension: Extension, token: Token) -> None:
    if extension not in builder.allowed:
        raise Problem(token.start_pos or 0, f"{token} is not ADQL.", SWITCHED_OFF)
