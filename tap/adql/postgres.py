"""PostgreSQL's SQL for a resolved query: what differs from DuckDB's (duckdb.py), nothing more.

Positions, cones, and points in constant shapes of any kind are computed exactly; for what needs a region of every row
the emitter says that this database has it not.  `postgres_functions.INSTALL` makes the functions that the SQL calls.
"""

from __future__ import annotations

from collections.abc import Callable

from gateway.vo.errors import QueryError
from tap.adql import duckdb, geometry, ir, moc_duckdb, postgres_moc, spatial_duckdb
from tap.adql.catalogue import UPLOAD_SCHEMA
from tap.adql.ir import Expr, Kind

TYPES = duckdb.TYPES | {"unsignedByte": "SMALLINT", "float": "REAL", "double": "DOUBLE PRECISION"}

_D = "CAST({0} AS DOUBLE PRECISION)"
_WORDS = "ARRAY(SELECT m[1] FROM regexp_matches(lower({0}), '([[:alnum:]]+)', 'g') AS m)"
_NEEDS_UDF = "vg_"
_OWN = {
    "acos": f"vg_acos({_D})",
    "authority": "substring({0} FROM '^[A-Za-z][-A-Za-z0-9+.]*://([^/?#]+)')",
    "asin": f"vg_asin({_D})",
    "exp": f"vg_exp({_D})",
    "from_mjd": "(CASE WHEN {0} BETWEEN -678575 AND 2973483 THEN TIMESTAMP '1970-01-01' + make_interval(secs => "
    f"round(({_D} - 40587.0) * 86400000000.0) / 1000000.0) END)",
    "hashlist_has": "CAST(strpos({1}, '#') = 0 AND lower({1}) = ANY(string_to_array(lower({0}), '#')) AS INTEGER)",
    "hasword": "(CASE WHEN {0} IS NOT NULL AND {1} IS NOT NULL THEN CAST("
    + _WORDS
    + " @> "
    + _WORDS.replace("{0}", "{1}")
    + " AS INTEGER) END)",
    "healpix_ancestor": "(CASE WHEN {2} BETWEEN 0 AND {0} AND {0} <= 29 AND {1} BETWEEN 0 AND "
    "(CAST(12 AS BIGINT) << CAST(2 * {0} AS INTEGER)) - 1 THEN CAST({1} AS BIGINT) >> CAST(2 * ({0} - {2}) AS INTEGER) END)",
    "ln": f"vg_ln({_D})",
    "log10": f"(vg_ln({_D}) / 2.302585092994045684)",
    "mod": "vg_mod({0}, {1})",
    "nocasematch": "CAST({0} ILIKE {1} ESCAPE '' AS INTEGER)",
    "power": "vg_pow({0}, {1})",
    "regex_match": "CAST({1} ~ {0} AS INTEGER)",
    "round": "vg_round({0}, {extra})",
    "sqrt": f"vg_sqrt({_D})",
    "to_jd": "(CAST(extract(epoch FROM {0}) AS DOUBLE PRECISION) / 86400.0 + 2440587.5)",
    "to_mjd": "(CAST(extract(epoch FROM {0}) AS DOUBLE PRECISION) / 86400.0 + 40587.0)",
    "truncate": "vg_trunc({0}, {extra})",
}
TEMPLATES = (
    {
        op: text.replace("AS DOUBLE)", "AS DOUBLE PRECISION)")
        for op, text in duckdb.TEMPLATES.items()
        if _NEEDS_UDF not in text
    }
    | postgres_moc.TEMPLATES
    | _OWN
)


def _unsupported(*_: object) -> str:
    raise QueryError(
        "This function or geometry is not computed by this service's database.",
        hint="Geometries of literals, cones, and DISTANCE between positions are.",
    )


def array(values: tuple[float, ...] | list[float]) -> str:
    return f"CAST(ARRAY[{', '.join(spatial_duckdb.number(value) for value in values)}] AS DOUBLE PRECISION[])"


def _fixed(emitter: duckdb.Emitter, expr: ir.Fixed) -> str:
    return duckdb.literal(expr.text) if expr.text else array(expr.values)


def _point(emitter: duckdb.Emitter, expr: ir.Point) -> str:
    lon, lat = (spatial_duckdb.double(emitter, part) for part in expr.children())
    return f"vg_point({lon}, {lat})"


def _circle(emitter: duckdb.Emitter, expr: ir.Circle) -> str:
    return f"vg_circle({', '.join(spatial_duckdb.double(emitter, part) for part in expr.children())})"


def _spatial(emitter: duckdb.Emitter, expr: ir.Spatial) -> str:
    """A position in a constant shape: ranges of the index, then the exact test."""
    a, b = expr.a, expr.b
    if Kind.MOC in (a.kind, b.kind):
        return postgres_moc.test(emitter, expr.op, a, b)
    if a.kind is not Kind.POINT or not isinstance(b, ir.Fixed):
        return _unsupported()
    place = geometry.as_point(a)
    lon, lat = spatial_duckdb.double(emitter, place.lon), spatial_duckdb.double(emitter, place.lat)
    exact = f"vg_point_in({lon}, {lat}, {array(b.shape.encode())})"
    index = spatial_duckdb._index(emitter, place.lon, place.lat)
    filtered = spatial_duckdb.ranges(index, b.shape) if index is not None else ""
    return f"({filtered} AND CASE WHEN {filtered} THEN {exact} END)" if filtered else exact


def _in_moc(emitter: duckdb.Emitter, expr: ir.InMoc) -> str:
    if spatial_duckdb._index(emitter, expr.point.lon, expr.point.lat) is None:
        return _unsupported()
    text = spatial_duckdb.in_moc(emitter, expr)
    return _unsupported() if _NEEDS_UDF in text else text


def _healpix_index(emitter: duckdb.Emitter, expr: ir.Call) -> str:
    text = spatial_duckdb.healpix_index(emitter, expr)
    return _unsupported() if _NEEDS_UDF in text else text


class PostgresEmitter(duckdb.Emitter):
    """SQL for PostgreSQL 12 and later."""

    types = TYPES
    templates = TEMPLATES
    spreads = False
    calls: dict[str, Callable[..., str]] = dict.fromkeys(spatial_duckdb.CALLS, _unsupported) | {
        "distance": spatial_duckdb.distance,
        "element": spatial_duckdb.element,
        "healpix_index": _healpix_index,
    }
    emitters: dict[type, Callable[..., str]] = duckdb.Emitter.emitters | {
        ir.Point: _point,
        ir.Circle: _circle,
        ir.Polygon: _unsupported,
        ir.Box: _unsupported,
        ir.Fixed: _fixed,
        ir.FixedMoc: moc_duckdb.fixed,
        ir.InMoc: _in_moc,
        ir.Spatial: _spatial,
    }

    def table(self, source: ir.TableSource) -> str:
        if source.schema.lower() == UPLOAD_SCHEMA:
            return f"pg_temp.{duckdb.quoted(source.table)}"
        return f"{duckdb.quoted('s_' + source.schema.lower())}.{duckdb.quoted(source.table)}"

    def literal(self, value: int | float | str | None) -> str:
        text = duckdb.literal(value)
        if isinstance(value, float):
            return f"CAST({text} AS DOUBLE PRECISION)"
        # Text is cast, since PostgreSQL guesses the types of bare strings; backslashes are nothing special in it.
        return f"CAST({text} AS TEXT)" if isinstance(value, str) else text

    def quotient(self, a: str, b: str) -> str:
        return f"({a} / nullif({b}, 0))"

    def exclusive_or(self, a: str, b: str) -> str:
        return f"({a} # {b})"

    def like(self, value: str, operator: str, pattern: str) -> str:
        return f"({value} {operator} {pattern} ESCAPE '')"

    def real_quotient(self, a: str, b: str) -> str:
        return f"vg_divide({a}, {b})"

    def value(self, expr: Expr) -> str:
        if isinstance(expr, ir.Call) and not (
            expr.op in self.templates or expr.op in self.calls or expr.op in ("cast", "coalesce", "to_text")
        ):
            return _unsupported()
        if isinstance(expr, ir.Aggregate) and expr.op in ("HISTOGRAM", "MOC"):
            return _unsupported()
        return super().value(expr)
