"""PostgreSQL's SQL for a resolved query: what differs from DuckDB's (duckdb.py), nothing more.

Geometry is in spatial_postgres.py.  `postgres_functions.INSTALL` makes the functions that the SQL calls.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tap.adql import duckdb, ir, postgres_moc, spatial_duckdb, spatial_postgres
from tap.adql.catalogue import UPLOAD_SCHEMA

TYPES = duckdb.TYPES | {"unsignedByte": "SMALLINT", "float": "REAL", "double": "DOUBLE PRECISION"}

_D = "CAST({0} AS DOUBLE PRECISION)"
_OWN = {
    "acos": f"vg_acos({_D})",
    "authority": "substring({0} FROM '^[A-Za-z][-A-Za-z0-9+.]*://([^/?#]+)')",
    "asin": f"vg_asin({_D})",
    "exp": f"vg_exp({_D})",
    "from_mjd": "(CASE WHEN {0} BETWEEN -678575 AND 2973483 THEN TIMESTAMP '1970-01-01' + make_interval(secs => "
    f"round(({_D} - 40587.0) * 86400000000.0) / 1000000.0) END)",
    "hashlist_has": "CAST(strpos({1}, '#') = 0 AND vg_lower({1}) = ANY(string_to_array(vg_lower({0}), '#')) AS INTEGER)",
    "hasword": "CAST(vg_words({0}) @> vg_words({1}) AS INTEGER)",
    "healpix_ancestor": "(CASE WHEN {2} BETWEEN 0 AND {0} AND {0} <= 29 AND {1} BETWEEN 0 AND "
    "(CAST(12 AS BIGINT) << CAST(2 * {0} AS INTEGER)) - 1 THEN CAST({1} AS BIGINT) >> CAST(2 * ({0} - {2}) AS INTEGER) END)",
    "ln": f"vg_ln({_D})",
    "log10": f"(vg_ln({_D}) / 2.302585092994045684)",
    "mod": "vg_mod({0}, {1})",
    "lower": "vg_lower({0})",
    "upper": "vg_upper({0})",
    "nocasematch": "CAST(vg_lower({0}) LIKE vg_lower({1}) ESCAPE '' AS INTEGER)",
    "power": "vg_pow({0}, {1})",
    "regex_match": "CAST(vg_matches({1}, {0}) AS INTEGER)",
    "round": "vg_round({0}, {extra})",
    "sqrt": f"vg_sqrt({_D})",
    "to_jd": "(CAST(extract(epoch FROM {0}) AS DOUBLE PRECISION) / 86400.0 + 2440587.5)",
    "to_mjd": "(CAST(extract(epoch FROM {0}) AS DOUBLE PRECISION) / 86400.0 + 40587.0)",
    "truncate": "vg_trunc({0}, {extra})",
}
TEMPLATES = {op: text.replace("AS DOUBLE)", "AS DOUBLE PRECISION)") for op, text in duckdb.TEMPLATES.items()}
TEMPLATES |= postgres_moc.TEMPLATES | _OWN


class PostgresEmitter(duckdb.Emitter):
    """SQL for PostgreSQL 12 and later."""

    def __init__(self, relations: Mapping[str, str] | None = None) -> None:
        super().__init__()
        self.relations = relations or {}
        """`schema.table` -> the table's name in the database, where it differs."""

    types = TYPES
    templates = TEMPLATES
    spreads = False
    mocs = postgres_moc
    calls: dict[str, Callable[..., str]] = spatial_duckdb.CALLS | spatial_postgres.CALLS
    emitters: dict[type, Callable[..., str]] = duckdb.Emitter.emitters | spatial_postgres.EMIT

    def table(self, source: ir.TableSource) -> str:
        if source.schema.lower() == UPLOAD_SCHEMA:
            return f"pg_temp.{duckdb.quoted(source.table)}"
        name = self.relations.get(f"{source.schema}.{source.table}", source.table)
        return f"{duckdb.quoted('s_' + source.schema.lower())}.{duckdb.quoted(name)}"

    def literal(self, value: int | float | str | None) -> str:
        text = duckdb.literal(value)
        if isinstance(value, float):
            return f"CAST({text} AS DOUBLE PRECISION)"
        # Text is cast, since PostgreSQL guesses the types of bare strings; backslashes are nothing special in it.
        return f'(CAST({text} AS TEXT) COLLATE "C")' if isinstance(value, str) else text

    def quotient(self, a: str, b: str) -> str:
        return f"({a} / nullif({b}, 0))"

    def exclusive_or(self, a: str, b: str) -> str:
        return f"({a} # {b})"

    def like(self, value: str, operator: str, pattern: str) -> str:
        if "ILIKE" in operator:
            # ILIKE itself knows ASCII's letters alone where text is compared byte by byte.
            operator, value, pattern = (
                operator.replace("ILIKE", "LIKE"),
                f"vg_lower({value})",
                f"vg_lower({pattern})",
            )
        return f"({value} {operator} {pattern} ESCAPE '')"

    def real_quotient(self, a: str, b: str) -> str:
        return f"vg_divide({a}, {b})"

    def between(self, column: str, found: tuple[tuple[int, int], ...]) -> str:
        """A b-tree is asked for each range."""
        if not found:
            return f"{column} < 0"
        parts = [f"{column} BETWEEN {low} AND {high}" for low, high in found]
        return parts[0] if len(parts) == 1 else f"({' OR '.join(parts)})"

    def histogram(self, number: str, bins: int) -> str:
        none = f"array_fill(CAST(0 AS BIGINT), ARRAY[{bins}])"
        return f"coalesce(vg_histogram({number}, {bins}), {none})"
