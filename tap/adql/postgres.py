"""PostgreSQL's SQL for a resolved query: what differs from DuckDB's (duckdb.py), nothing more.

Geometry is in spatial_postgres.py.  `postgres_functions.INSTALL` makes the functions that the SQL calls.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tap.adql import (
    crossmatch_duckdb,
    crossmatch_postgres,
    duckdb,
    ir,
    postgres_moc,
    spatial_duckdb,
    spatial_postgres,
)
from tap.adql.catalogue import UPLOAD_SCHEMA
from tap.adql.crossmatch_postgres import Spread

TYPES = duckdb.TYPES | {"unsignedByte": "SMALLINT", "float": "REAL", "double": "DOUBLE PRECISION"}

_D = "CAST({0} AS DOUBLE PRECISION)"
_OWN = {
    "acos": f"vg_acos({_D})",
    "authority": "substring({0} FROM '^[A-Za-z][-A-Za-z0-9+.]*://([^/?#]+)')",
    "asin": f"vg_asin({_D})",
    "degrees": f"({_D} * 57.29577951308232)",  # its own divides, which rounds otherwise
    "exp": f"vg_exp({_D})",
    "from_mjd": "(CASE WHEN {0} BETWEEN -678575 AND 2973483 THEN TIMESTAMP '1970-01-01' + make_interval(secs => "
    f"round(({_D} - 40587.0) * 86400000000.0) / 1000000.0) END)",
    "hashlist_has": "CAST(strpos({1}, '#') = 0 AND vg_lower({1}) = ANY(string_to_array(vg_lower({0}), '#')) AS INTEGER)",
    "hasword": "CAST(vg_words({0}) @> vg_words({1}) AS INTEGER)",
    "healpix_ancestor": "(CASE WHEN {2} BETWEEN 0 AND {0} AND {0} <= 29 AND {1} BETWEEN 0 AND "
    "(CAST(12 AS BIGINT) << CAST(2 * {0} AS INTEGER)) - 1 THEN CAST({1} AS BIGINT) >> CAST(2 * ({0} - {2}) AS INTEGER) END)",
    "ln": f"vg_ln({_D})",
    "log10": f"vg_log10({_D})",
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


def _has_equality(condition: ir.Expr) -> bool:
    terms = condition.args if isinstance(condition, ir.Logic) and condition.op == "AND" else (condition,)
    return any(isinstance(term, ir.Compare) and term.op == "=" for term in terms)


class PostgresEmitter(duckdb.Emitter):
    """SQL for PostgreSQL 12 and later."""

    def __init__(self, relations: Mapping[str, str] | None = None) -> None:
        super().__init__()
        self.relations = relations or {}
        """`schema.table` -> the table's name in the database, where it differs."""
        self.spreads_needed: list[Spread] = []
        self.condition: ir.Expr | None = None
        """WHERE of the query whose sources are being written."""

    @property
    def needed(self) -> tuple[Spread, ...]:  # type: ignore[override]
        return tuple(self.spreads_needed)

    types = TYPES
    templates = TEMPLATES
    binds = False
    mocs = postgres_moc
    calls: dict[str, Callable[..., str]] = spatial_duckdb.CALLS | spatial_postgres.CALLS
    emitters: dict[type, Callable[..., str]] = duckdb.Emitter.emitters | spatial_postgres.EMIT

    def table(self, source: ir.TableSource) -> str:
        if source.schema.lower() == UPLOAD_SCHEMA:
            return f"pg_temp.{duckdb.quoted(source.table)}"
        name = self.relations.get(f"{source.schema}.{source.table}", source.table)
        return f"{duckdb.quoted('s_' + source.schema.lower())}.{duckdb.quoted(name)}"

    def source(self, source: ir.Source, match: crossmatch_duckdb.Match | None = None) -> str:
        if not isinstance(source, ir.JoinSource):
            return super().source(source, match)
        if source.kind == "FULL" and not _has_equality(source.on):
            return self._full_join(source)
        found = crossmatch_postgres.of_join(source)
        if found is None:
            return super().source(source, match)
        near, asking, kind = found
        left = self.source(asking)
        right = crossmatch_postgres.lateral(self, near, [asking], [source.on, self.condition])
        return f"({left} {kind} {right} ON {self.value(source.on)})"

    def _full_join(self, join: ir.JoinSource) -> str:
        """FULL JOIN on what is no equality, which PostgreSQL has not: by way of the pairs of rows that match."""
        left, right = join.left, join.right
        if not isinstance(left, ir.TableSource) or not isinstance(right, ir.TableSource):
            return super().source(join)  # the database says that it has it not
        a, b = left.alias, right.alias
        inner = self.source(ir.JoinSource("INNER", left, right, join.on))
        pairs = f"(SELECT {a}.ctid AS a, {b}.ctid AS b FROM {inner}) AS {a}_{b}"
        kept = f"({self.source(left)} LEFT JOIN {pairs} ON {a}_{b}.a = {a}.ctid)"
        return f"({kept} FULL JOIN {self.source(right)} ON {b}.ctid = {a}_{b}.b)"

    def from_where(self, sources: list[ir.Source], where: ir.Expr | None) -> tuple[str, str]:
        outer, self.condition = self.condition, where
        try:
            near = crossmatch_postgres.of_list(sources, where)
            if near is None or where is None:
                return super().from_where(sources, where)
            asking = [source for source in sources if source is not near.indexed]
            listed = [self.source(source) for source in asking]
            listed.append(crossmatch_postgres.lateral(self, near, asking, [where]))
            return ", ".join(listed), f" WHERE {self.value(where)}"
        finally:
            self.condition = outer

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
