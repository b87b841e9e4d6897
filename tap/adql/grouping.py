"""GROUP BY: what may be selected beside aggregates."""

from __future__ import annotations

from collections.abc import Iterator

from tap.adql import ir
from tap.adql.build import Problem


def check_grouped(expr: ir.Expr, keys: set[tuple[object, ...]], here: set[str], at: int) -> None:
    """Refuse an expression that has no single value per group.

    Parameters
    ----------
    keys
        Keys of the grouped expressions.
    here
        Aliases of this query's own sources; columns of queries around it are constant here.

    Raises
    ------
    Problem
    """
    if isinstance(expr, ir.Aggregate) or expr.key() in keys:
        return
    if isinstance(expr, ir.Ref):
        if expr.source in here:
            name = expr.meta.name
            hint = f"Add {name} to GROUP BY, or use MIN({name})."
            raise Problem(at, f"The column {name} is neither aggregated nor in GROUP BY.", hint)
        return
    for child in expr.children():
        check_grouped(child, keys, here, at)
    if isinstance(expr, ir.QueryTest):
        for part in _expressions(expr.query):
            check_grouped(part, keys, here, at)


def _expressions(query: ir.Query) -> Iterator[ir.Expr]:
    """All expressions of a query (but for those inside them), where columns of queries around it may stand."""
    body = query.body
    yield from (key.key for key in query.order_by if isinstance(key.key, ir.Expr))
    if isinstance(body, ir.SetOperation):
        yield from _expressions(body.left)
        yield from _expressions(body.right)
    elif isinstance(body, ir.Query):
        yield from _expressions(body)
    else:
        yield from (expr for expr, _ in body.items)
        yield from (expr for expr in (body.where, body.having, *body.group_by) if expr is not None)
        for source in body.sources:
            yield from _conditions(source)


def _conditions(source: ir.Source) -> Iterator[ir.Expr]:
    if isinstance(source, ir.JoinSource):
        yield source.on
        yield from _conditions(source.left)
        yield from _conditions(source.right)
