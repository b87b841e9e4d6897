"""GROUP BY: what may be selected beside aggregates."""

from __future__ import annotations

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
