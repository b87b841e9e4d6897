"""What the parser makes of a query: the syntax tree, nothing resolved yet.

Every node knows the offset of its first token in the query text, for messages.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal as OneOf


@dataclass(frozen=True, slots=True)
class Node:
    at: int


@dataclass(frozen=True, slots=True)
class Identifier(Node):
    name: str
    delimited: bool

    def shown(self) -> str:
        """As the user wrote it."""
        return '"' + self.name.replace('"', '""') + '"' if self.delimited else self.name


# Values


@dataclass(frozen=True, slots=True)
class Value(Node):
    """An expression that has a value, not a condition."""


@dataclass(frozen=True, slots=True)
class Number(Value):
    value: int | float
    text: str


@dataclass(frozen=True, slots=True)
class String(Value):
    value: str


@dataclass(frozen=True, slots=True)
class Null(Value):
    pass


@dataclass(frozen=True, slots=True)
class ColumnName(Value):
    parts: tuple[Identifier, ...]

    def shown(self) -> str:
        return ".".join(part.shown() for part in self.parts)


@dataclass(frozen=True, slots=True)
class Signed(Value):
    sign: str
    operand: Value


@dataclass(frozen=True, slots=True)
class Chain(Value):
    """`operands[0] operators[0] operands[1] ...`, evaluated from the left; operators of one precedence."""

    operands: tuple[Value, ...]
    operators: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Call(Value):
    """A function by its name in upper case (reserved) or lower case (user defined)."""

    name: str
    arguments: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Aggregate(Value):
    """COUNT, SUM, AVG, MIN, MAX; `argument` None is COUNT(*)."""

    name: str
    argument: Value | None
    distinct: bool


@dataclass(frozen=True, slots=True)
class Cast(Value):
    operand: Value
    target: str
    length: int | None


@dataclass(frozen=True, slots=True)
class Case(Value):
    """CASE (an extension); `subject` None is the searched form."""

    subject: Value | None
    branches: tuple[tuple[Value | Condition, Value], ...]
    otherwise: Value | None


# Conditions


@dataclass(frozen=True, slots=True)
class Condition(Node):
    """An expression that holds or not."""


@dataclass(frozen=True, slots=True)
class Logic(Condition):
    operator: OneOf["AND", "OR"]
    operands: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Not(Condition):
    operand: Condition


@dataclass(frozen=True, slots=True)
class Comparison(Condition):
    operator: str
    left: Value
    right: Value


@dataclass(frozen=True, slots=True)
class Between(Condition):
    value: Value
    low: Value
    high: Value
    negated: bool


@dataclass(frozen=True, slots=True)
class InList(Condition):
    value: Value
    items: tuple[Value, ...]
    negated: bool


@dataclass(frozen=True, slots=True)
class InQuery(Condition):
    value: Value
    query: Query
    negated: bool


@dataclass(frozen=True, slots=True)
class Like(Condition):
    value: Value
    pattern: Value
    negated: bool
    ignore_case: bool


@dataclass(frozen=True, slots=True)
class IsNull(Condition):
    column: ColumnName
    negated: bool


@dataclass(frozen=True, slots=True)
class Exists(Condition):
    query: Query


# Tables


@dataclass(frozen=True, slots=True)
class TableName(Node):
    parts: tuple[Identifier, ...]
    alias: Identifier | None

    def shown(self) -> str:
        return ".".join(part.shown() for part in self.parts)


@dataclass(frozen=True, slots=True)
class DerivedTable(Node):
    query: Query
    alias: Identifier


@dataclass(frozen=True, slots=True)
class Join(Node):
    kind: OneOf["INNER", "LEFT", "RIGHT", "FULL"]
    left: Source
    right: Source
    natural: bool = False
    on: Condition | None = None
    using: tuple[Identifier, ...] = ()


Source = TableName | DerivedTable | Join


# Queries


@dataclass(frozen=True, slots=True)
class Item(Node):
    value: Value
    alias: Identifier | None
    text: str = ""


@dataclass(frozen=True, slots=True)
class Star(Node):
    """`*`, or `t.*` with the qualifier's parts."""

    qualifier: tuple[Identifier, ...] = ()


@dataclass(frozen=True, slots=True)
class Select(Node):
    distinct: bool
    top: int | None
    items: tuple[Item | Star, ...]
    sources: tuple[Source, ...]
    where: Condition | None
    group_by: tuple[Value, ...]
    having: Condition | None


@dataclass(frozen=True, slots=True)
class SetOperation(Node):
    operator: OneOf["UNION", "EXCEPT", "INTERSECT"]
    keep_duplicates: bool
    left: Body
    right: Body


@dataclass(frozen=True, slots=True)
class SortKey(Node):
    value: Value
    descending: bool


@dataclass(frozen=True, slots=True)
class Query(Node):
    """A select expression: `body` may itself be a query in parentheses."""

    body: Body
    order_by: tuple[SortKey, ...] = ()
    offset: int | None = None


Body = Select | SetOperation | Query


@dataclass(frozen=True, slots=True)
class Statement(Node):
    """The whole text: named queries, then the query."""

    named: tuple[tuple[Identifier, Query], ...]
    query: Query
