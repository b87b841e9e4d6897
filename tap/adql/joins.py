"""NATURAL and USING: which columns join, and what their names mean afterwards."""

from __future__ import annotations

from tap.adql import ir, tree
from tap.adql.build import Problem
from tap.adql.catalogue import matches, suggestion
from tap.adql.ir import Expr, Kind
from tap.adql.metadata import column_of
from tap.adql.scope import Entry

_BOOLEAN = column_of(Kind.BOOLEAN)


def merge(node: tree.Join, left: list[Entry], right: list[Entry]) -> tuple[Expr, list[Entry]]:
    """The condition of a NATURAL or USING join, and the columns that `*` lists: merged ones first.

    Raises
    ------
    Problem
        If a column is missing or ambiguous on one side, or the sides cannot be compared.
    """
    if node.natural:
        pairs = _natural_pairs(node, left, right)
    else:
        pairs = [_using_pair(name, left, right) for name in node.using]
    merged, equalities = [], []
    for a, b in pairs:
        equalities.append(ir.Compare(Kind.BOOLEAN, _BOOLEAN, "=", *_alike(node, a, b)))
        merged.append(Entry(a.name, _merged(node.kind, a.expr, b.expr)))
    used = {id(entry) for pair in pairs for entry in pair}
    rest = [entry for entry in (*left, *right) if id(entry) not in used]
    condition: Expr = ir.Logic(Kind.BOOLEAN, _BOOLEAN, "AND", tuple(equalities))
    return condition, merged + rest


def _natural_pairs(node: tree.Join, left: list[Entry], right: list[Entry]) -> list[tuple[Entry, Entry]]:
    pairs = []
    for a in left:
        found = [b for b in right if b.name.lower() == a.name.lower()]
        if len(found) > 1 or (found and sum(x.name.lower() == a.name.lower() for x in left) > 1):
            raise Problem(
                node.at, f"NATURAL JOIN: the column {a.name} is there twice on one side.", "Use ON."
            )
        if found:
            pairs.append((a, found[0]))
    return pairs


def _using_pair(name: tree.Identifier, left: list[Entry], right: list[Entry]) -> tuple[Entry, Entry]:
    pair = []
    for entries, side in ((left, "left"), (right, "right")):
        found = [entry for entry in entries if matches(name, entry.name)]
        if not found:
            hint = suggestion(name.name, [entry.name for entry in entries])
            raise Problem(name.at, f"USING: the {side} side has no column {name.shown()}.", hint)
        if len(found) > 1:
            raise Problem(name.at, f"USING: {name.shown()} is ambiguous on the {side} side.", "Use ON.")
        pair.append(found[0])
    return pair[0], pair[1]


def _alike(node: tree.Join, a: Entry, b: Entry) -> tuple[Expr, Expr]:
    x, y = a.expr, b.expr
    if (x.kind is not y.kind and not (x.kind.is_number and y.kind.is_number)) or x.kind.is_geometry:
        text = f"The columns {a.name} of the two sides cannot be compared: {x.kind.value} and {y.kind.value}."
        raise Problem(node.at, text, "Use ON with CAST.")
    return x, y


def _merged(kind: str, a: Expr, b: Expr) -> Expr:
    """What the column's bare name means: the side that is never padded with NULL, for FULL whichever is there."""
    if kind in ("INNER", "LEFT"):
        return a
    if kind == "RIGHT":
        return b
    return ir.Call(a.kind, a.meta, "coalesce", (a, b))
