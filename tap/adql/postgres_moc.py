"""PostgreSQL's SQL of MOCs: text outside, multiranges of order-29 cells inside (functions of postgres_sql/mocs.sql)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap.adql import ir, moc, spatial_duckdb
from tap.adql.ir import Expr, Kind

if TYPE_CHECKING:
    from tap.adql.duckdb import Emitter

TEMPLATES = {
    "moc": "vg_moc_text(vg_moc({0}))",
    "moc_area": "vg_moc_area(vg_moc({0}))",
    "moc_complement": "vg_moc_text(vg_moc_all() - vg_moc({0}))",
    "moc_degrade": "vg_moc_text(vg_moc_degrade({extra}, vg_moc({0})))",
    "moc_difference": "vg_moc_text(vg_moc({0}) - vg_moc({1}))",
    "moc_intersection": "vg_moc_text(vg_moc({0}) * vg_moc({1}))",
    "moc_union": "vg_moc_text(vg_moc({0}) + vg_moc({1}))",
}


def fixed(emitter: Emitter, expr: ir.FixedMoc) -> str:
    return emitter.literal(expr.text)


def of_shape(emitter: Emitter, expr: ir.Call) -> str:
    from tap.adql import spatial_postgres  # it imports this module

    return (
        f"vg_moc_text(vg_moc_of({int(str(expr.extra))}, {spatial_postgres.encoded(emitter, expr.args[0])}))"
    )


def gathered(emitter: Emitter, expr: ir.Aggregate) -> str:
    """The MOC of the cells of all positions of a group."""
    order, lon, lat = expr.args
    level = emitter.value(order)
    where = f"{spatial_duckdb.double(emitter, lon)}, {spatial_duckdb.double(emitter, lat)}"
    return f"vg_moc_text(vg_moc_of_cells({level}, array_agg(DISTINCT vg_healpix({level}, {where}))))"


def literal(ranges: moc.Ranges) -> str:
    """A MOC's cells as a constant."""
    return f"CAST('{{{','.join(f'[{low},{high})' for low, high in ranges.tolist())}}}' AS INT8MULTIRANGE)"


def cells(emitter: Emitter, expr: Expr) -> str:
    """A MOC as a multirange."""
    if isinstance(expr, ir.FixedMoc):
        return literal(moc.parse(expr.text))
    return f"vg_moc({emitter.value(expr)})"


def test(emitter: Emitter, op: str, a: Expr, b: Expr) -> str:
    """CONTAINS (`a` in `b`) or INTERSECTS, where one or both are MOCs."""
    from tap.adql import spatial_postgres

    if a.kind is b.kind is Kind.MOC:
        return f"({cells(emitter, a)} {'<@' if op == 'CONTAINS' else '&&'} {cells(emitter, b)})"
    if a.kind is Kind.MOC and op == "CONTAINS":
        return f"vg_moc_in_shape({spatial_postgres.encoded(emitter, b)}, {cells(emitter, a)})"
    if a.kind is Kind.MOC:
        a, b = b, a
    name = "vg_shape_in_moc" if op == "CONTAINS" else "vg_shape_meets_moc"
    return f"{name}({spatial_postgres.encoded(emitter, a)}, {cells(emitter, b)})"
