"""DuckDB's SQL of MOCs, which are strings in it: calls of moc_functions.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap.adql import ir, spatial_duckdb
from tap.adql.ir import Expr, Kind

if TYPE_CHECKING:
    from tap.adql.duckdb import Emitter

TEMPLATES = {
    "moc": "vg_moc({0})",
    "moc_area": "vg_moc_area({0})",
    "moc_complement": "vg_moc_complement({0})",
    "moc_degrade": "vg_moc_degrade({extra}, {0})",
    "moc_difference": "vg_moc_difference({0}, {1})",
    "moc_intersection": "vg_moc_intersection({0}, {1})",
    "moc_union": "vg_moc_union({0}, {1})",
}


def fixed(emitter: Emitter, expr: ir.FixedMoc) -> str:
    return emitter.literal(expr.text)


def of_shape(emitter: Emitter, expr: ir.Call) -> str:
    return f"vg_moc_of({int(str(expr.extra))}, {spatial_duckdb.encoded(emitter, expr.args[0])})"


def gathered(emitter: Emitter, expr: ir.Aggregate) -> str:
    """The MOC of the cells of all positions of a group."""
    order, lon, lat = expr.args
    level = emitter.value(order)
    where = f"{spatial_duckdb.double(emitter, lon)}, {spatial_duckdb.double(emitter, lat)}"
    cells = f"list(DISTINCT vg_healpix(CAST({level} AS BIGINT), {where}))"
    return f"vg_moc_of_cells(CAST({level} AS INTEGER), coalesce({cells}, []))"


def test(emitter: Emitter, op: str, a: Expr, b: Expr) -> str:
    """CONTAINS (`a` in `b`) or INTERSECTS where one or both are MOCs."""
    if a.kind is b.kind is Kind.MOC:
        name = "vg_moc_within" if op == "CONTAINS" else "vg_moc_overlaps"
        return f"{name}({emitter.value(a)}, {emitter.value(b)})"
    if a.kind is Kind.MOC and op == "CONTAINS":
        return f"vg_moc_in_shape({spatial_duckdb.encoded(emitter, b)}, {emitter.value(a)})"
    if a.kind is Kind.MOC:
        a, b = b, a
    name = "vg_shape_in_moc" if op == "CONTAINS" else "vg_shape_meets_moc"
    return f"{name}({spatial_duckdb.encoded(emitter, a)}, {emitter.value(b)})"
