"""DuckDB's SQL for a resolved query: the one module (with spatial_duckdb.py) that knows the dialect.

Text is put together from the closed vocabulary of ir.py; of the user's text only literals get through, as
constants written anew.  Values have ADQL's types throughout: integers are computed as BIGINT (an overflow is an
error), decimals are DOUBLE, sums of integers BIGINT.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING

from gateway.vo.errors import QueryError
from tap.adql import crossmatch_duckdb, ir, moc_duckdb, spatial_duckdb
from tap.adql.ir import Kind
from tap.adql.metadata import kind_of

if TYPE_CHECKING:
    from tap.adql.crossmatch_postgres import Spread

MAX_SQL = 8_000_000
"""Longest SQL text, in characters: templates repeat their arguments."""

TYPES = {
    "boolean": "BOOLEAN",
    "unsignedByte": "UTINYINT",
    "short": "SMALLINT",
    "int": "INTEGER",
    "long": "BIGINT",
    "float": "FLOAT",
    "double": "DOUBLE",
    "char": "VARCHAR",
    "unicodeChar": "VARCHAR",
}

_D = "CAST({0} AS DOUBLE)"
TEMPLATES = (
    {
        "abs": "abs({0})",
        "acos": f"acos({_D})",
        "asin": f"asin({_D})",
        "atan": f"atan({_D})",
        "atan2": "atan2(CAST({0} AS DOUBLE), CAST({1} AS DOUBLE))",
        "authority": "nullif(regexp_extract({0}, '^[A-Za-z][-A-Za-z0-9+.]*://([^/?#]+)', 1), '')",
        "bitnot": "(~{0})",
        "ceiling": f"ceil({_D})",
        "cos": f"cos({_D})",
        "cot": f"cot({_D})",
        "degrees": f"degrees({_D})",
        "dms_to_degrees": "vg_dms({0})",
        "exp": f"exp({_D})",
        "floor": f"floor({_D})",
        "hashlist_has": "CAST(NOT contains({1}, '#') "
        "AND list_contains(string_split(lower({0}), '#'), lower({1})) AS INTEGER)",
        "hasword": "CAST(list_has_all(regexp_extract_all(lower({0}), '[\\pL\\pN]+'), "
        "regexp_extract_all(lower({1}), '[\\pL\\pN]+')) AS INTEGER)",
        "from_mjd": "(CASE WHEN {0} BETWEEN -678575 AND 2973483 THEN "
        "make_timestamp(CAST(round((CAST({0} AS DOUBLE) - 40587.0e0) * 86400000000.0e0) AS BIGINT)) END)",
        "hms_to_degrees": "vg_hms({0})",
        "interval_overlaps": "CAST({0} <= {1} AND {2} <= {3} AND {0} <= {3} AND {2} <= {1} AS INTEGER)",
        "ln": f"ln({_D})",
        "log10": f"log10({_D})",
        "lower": "lower({0})",
        # DuckDB's % keeps the sign of the dividend for doubles; its fmod does not.
        "mod": "(CAST({0} AS DOUBLE) % CAST({1} AS DOUBLE))",
        "neg": "(-{0})",
        "nocasematch": "CAST({0} ILIKE {1} AS INTEGER)",
        # The second random number is kept off zero, whose logarithm there is not.
        "normal_random": "(CAST({0} AS DOUBLE) + CAST({1} AS DOUBLE) * sqrt(-2.0e0 * ln(1.0e0 - random())) "
        "* cos(6.283185307179586e0 * random()))",
        "pi": "pi()",
        "power": "pow(CAST({0} AS DOUBLE), CAST({1} AS DOUBLE))",
        "radians": f"radians({_D})",
        "rand": "random()",
        "reciprocal": "({extra} / nullif(CAST({0} AS DOUBLE), 0))",
        "regex_match": "CAST(regexp_matches({1}, {0}) AS INTEGER)",
        "scale": "(CAST({0} AS DOUBLE) * {extra})",
        "sin": f"sin({_D})",
        "sqrt": f"sqrt({_D})",
        "tan": f"tan({_D})",
        "to_jd": "(epoch_us({0}) / 86400000000.0e0 + 2440587.5e0)",
        "to_mjd": "(epoch_us({0}) / 86400000000.0e0 + 40587.0e0)",
        "to_timestamp": "CAST(rtrim({0}, 'Zz ') AS TIMESTAMP)",
        "tt_to_utc": f"vg_tt_to_utc({_D})",
        "upper": "upper({0})",
        "utc_to_tt": f"vg_utc_to_tt({_D})",
    }
    | spatial_duckdb.TEMPLATES
    | moc_duckdb.TEMPLATES
)


def literal(value: int | float | str | None) -> str:
    """A constant as DuckDB reads it; decimals always as DOUBLE."""
    if value is None:
        return "NULL"
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    text = repr(value)
    if isinstance(value, float) and "e" not in text:
        text += "e0"
    return f"({text})" if value < 0 else text


def _cut(emitter: Emitter, expr: ir.Call) -> str:
    """ROUND and TRUNCATE; told no number of places, DuckDB is several times faster than when told 0."""
    places = f", {emitter.literal(int(str(expr.extra)))}" if expr.extra else ""
    return (
        f"{'round' if expr.op == 'round' else 'trunc'}(CAST({emitter.value(expr.args[0])} AS DOUBLE){places})"
    )


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def source_name(schema: str, table: str) -> str:
    """Where a table is in the query worker: an attached file per schema, uploads in the worker's own database."""
    if schema.lower() == "tap_upload":
        return f'"tap_upload".{quoted(table)}'
    return f'{quoted("s_" + schema.lower())}."main".{quoted(table)}'


class Emitter:
    """SQL of queries and expressions; a dialect overrides the tables and the few methods that differ."""

    types = TYPES
    templates = TEMPLATES
    calls: dict[str, Callable[..., str]] = {**spatial_duckdb.CALLS, "round": _cut, "truncate": _cut}
    emitters: dict[type, Callable[..., str]]
    binds = True
    """Whether numbers may stand outside of the SQL, as values of placeholders."""
    spreads = True
    """Whether joins by position go over HEALPix cells (crossmatch_duckdb.py)."""
    needed: tuple[Spread, ...] = ()
    """What the SQL written so far needs beside the uploaded tables as they are."""
    mocs: ModuleType = moc_duckdb
    """How MOCs are made and compared: its `gathered`, `of_shape` and `test`."""

    def __init__(self) -> None:
        self.stored: set[str] = set()
        """Aliases of stored tables: their columns have their declared types."""
        self.indexes = True
        """Whether index columns can be named here: not beside aggregates."""
        self.values: list[float] | None = None
        """What the placeholders $1, $2, ... stand for; None where all numbers are written out."""

    # Queries

    def statement(self, query: ir.Query, names: tuple[str, ...] = (), limit: int | None = None) -> str:
        """The whole query.

        Parameters
        ----------
        names
            Result columns' names, by which the outermost SELECT calls them; without, they are c1, c2, ...
        limit
            Most rows, beside the query's own TOP.

        Raises
        ------
        QueryError
            If the SQL would grow beyond bounds.
        """
        named = [f"{quoted(name)} AS ({self.query(part)})" for name, part in query.named]
        head = f"WITH {', '.join(named)} " if named else ""
        text = head + self._final(query, names or query.names, limit)
        return self._bounded(text)

    def _final(self, query: ir.Query, names: tuple[str, ...], limit: int | None) -> str:
        """The outermost query: values in their wire types, ordered and limited here."""
        if query.limit is not None:
            limit = query.limit if limit is None else min(limit, query.limit)
        if isinstance(query.body, ir.Select):
            for source in query.body.sources:
                self._note(source)
            return self._select(query, names, self.output) + self._window(limit, query.offset)
        inner = ir.Query(query.body, query.outputs, query.names)
        columns = []
        for column, old, new in zip(query.outputs, query.names, names):
            ref = ir.Ref(kind_of(column), column, "q", old)
            columns.append(f"{self.output(ref)} AS {quoted(new)}")
        keys = [f"q.{quoted(query.names[key.key - 1])}{_direction(key)}" for key in query.order_by]  # type: ignore
        order = f" ORDER BY {', '.join(keys)}" if keys else ""
        text = f"SELECT {', '.join(columns)} FROM ({self.query(inner)}) AS q"
        return text + order + self._window(limit, query.offset)

    def query(self, query: ir.Query) -> str:
        """A query inside another; its columns are called c1, c2, ..."""
        tail = self._window(query.limit, query.offset)
        body = query.body
        if isinstance(body, ir.Select):
            for source in body.sources:
                self._note(source)
            return self._bounded(
                self._select(query, tuple(name for _, name in body.items), self.value) + tail
            )
        if isinstance(body, ir.SetOperation):
            text = self._set_operation(body, query)
        else:
            text = f"SELECT {', '.join(quoted(name) for name in body.names)} FROM ({self.query(body)}) AS q"
        return self._bounded(text + self._order(query) + tail)

    def _set_operation(self, body: ir.SetOperation, query: ir.Query) -> str:
        keep = " ALL" if body.keep_duplicates else ""
        sides = []
        for side in (body.left, body.right):
            columns = []
            for column, old, new in zip(query.outputs, side.names, query.names):
                inner = f"q.{quoted(old)}"
                kind = kind_of(column)
                if kind in (Kind.INTEGER, Kind.REAL):
                    inner = f"CAST({inner} AS {self.types[column.datatype]})"
                columns.append(f"{inner} AS {quoted(new)}")
            sides.append(f"(SELECT {', '.join(columns)} FROM ({self.query(side)}) AS q)")
        names = ", ".join(quoted(name) for name in query.names)
        return f"SELECT {names} FROM ({sides[0]} {body.op}{keep} {sides[1]}) AS u"

    def _select(self, query: ir.Query, names: tuple[str, ...], write: Callable[[ir.Expr], str]) -> str:
        """SELECT to ORDER BY; `write` makes the text of an item."""
        body = query.body
        assert isinstance(body, ir.Select)
        outside, self.indexes = self.indexes, True
        sources, where = self.from_where(body.sources, body.where)
        self.indexes = not body.grouped
        columns = ", ".join(f"{write(expr)} AS {quoted(name)}" for (expr, _), name in zip(body.items, names))
        keys = ", ".join(self._group_key(key) for key in body.group_by)
        group = f" GROUP BY {keys}" if keys else ""
        having = f" HAVING {self.value(body.having)}" if body.having is not None else ""
        order = self._order(query)
        self.indexes = outside
        distinct = "DISTINCT " if body.distinct else ""
        return f"SELECT {distinct}{columns} FROM {sources}{where}{group}{having}{order}"

    def from_where(self, sources: list[ir.Source], where: ir.Expr | None) -> tuple[str, str]:
        """The list after FROM, and the WHERE clause."""
        match = crossmatch_duckdb.of_list(sources, where) if self.spreads else None
        listed = ", ".join(self.source(source, match) for source in sources)
        return listed, f" WHERE {self._condition(where, match)}" if where is not None else ""

    def _group_key(self, key: ir.Expr) -> str:
        # A bare integer would be the number of a column; timestamps are grouped as stored, since they come out so.
        if isinstance(key, ir.Ref) and key.kind is Kind.TIMESTAMP:
            return self._name(key)
        text = self.value(key)
        return f"CAST({text} AS {self.types[key.meta.datatype]})" if isinstance(key, ir.Const) else text

    def _order(self, query: ir.Query) -> str:
        if not query.order_by:
            return ""
        keys = []
        for key in query.order_by:
            if isinstance(key.key, int):
                keys.append(f"{key.key}{_direction(key)}")
            else:
                text = self.value(key.key)
                text = f"({text} || '')" if isinstance(key.key, ir.Const) else text
                keys.append(text + _direction(key))
        return f" ORDER BY {', '.join(keys)}"

    def _window(self, limit: int | None, offset: int | None) -> str:
        text = f" LIMIT {limit}" if limit is not None else ""
        return text + (f" OFFSET {offset}" if offset else "")

    def _note(self, source: ir.Source) -> None:
        if isinstance(source, ir.TableSource):
            self.stored.add(source.alias)
        elif isinstance(source, ir.JoinSource):
            self._note(source.left)
            self._note(source.right)

    def source(self, source: ir.Source, match: crossmatch_duckdb.Match | None = None) -> str:
        """One item of FROM; one that `match` spreads has a row for each cell that it reaches."""
        if isinstance(source, ir.JoinSource):
            match = crossmatch_duckdb.of_join(source) if self.spreads else None
            kind = {"INNER": "JOIN"}.get(source.kind, f"{source.kind} JOIN")
            left, right = self.source(source.left, match), self.source(source.right, match)
            return f"({left} {kind} {right} ON {self._condition(source.on, match)})"
        if isinstance(source, ir.TableSource):
            text = self.table(source)
        elif isinstance(source, ir.NamedSource):
            text = quoted(source.name)
        else:
            text = f"({self.query(source.query)})"
        if match is not None and match.spread == source.alias:
            text = crossmatch_duckdb.spread(self, match, text)
        return f"{text} AS {source.alias}"

    def table(self, source: ir.TableSource) -> str:
        """A stored or uploaded table."""
        return source_name(source.schema, source.table)

    def literal(self, value: int | float | str | None) -> str:
        return literal(value)

    def placed(self, value: float) -> str:
        """A number that differs between queries of one shape: a placeholder, or the number itself."""
        if self.values is None:
            return spatial_duckdb.number(value) if isinstance(value, float) else str(value)
        self.values.append(value)
        return f"${len(self.values)}"

    def _condition(self, condition: ir.Expr, match: crossmatch_duckdb.Match | None) -> str:
        text = self.value(condition)
        return text if match is None else f"({crossmatch_duckdb.same_cell(self, match)} AND {text})"

    # Expressions

    def output(self, expr: ir.Expr) -> str:
        """A result column, in the type that its metadata say."""
        text = self.value(expr)
        if expr.kind is Kind.TIMESTAMP:
            if isinstance(expr, ir.Ref):
                text = self._name(expr)
            return f"replace(CAST({text} AS VARCHAR), ' ', 'T')"
        stored = isinstance(expr, ir.Ref) and expr.source in self.stored
        if stored or expr.kind.is_geometry or expr.kind is Kind.OTHER:
            return text
        return f"CAST({text} AS {self.types[expr.meta.datatype]})"

    def value(self, expr: ir.Expr) -> str:
        """An expression in parentheses or otherwise safe to stand in another."""
        text = self.emitters[type(expr)](self, expr)
        return self._bounded(text)

    def _bounded(self, text: str) -> str:
        if len(text) > MAX_SQL:
            raise QueryError("The query is too complex.", hint="Split its longest expressions.")
        return text

    def _const(self, expr: ir.Const) -> str:
        return self.literal(expr.value)

    def _name(self, expr: ir.Ref) -> str:
        return f"{expr.source}.{quoted(expr.name)}"

    def _ref(self, expr: ir.Ref) -> str:
        text = self._name(expr)
        if expr.prefix:
            return f"({self.literal(expr.prefix)} || {text})"
        return f"CAST({text} AS TIMESTAMP)" if expr.kind is Kind.TIMESTAMP else text

    def _call(self, expr: ir.Call) -> str:
        if expr.op == "cast":
            return f"CAST({self.value(expr.args[0])} AS {self.types[str(expr.extra)]})"
        if expr.op == "coalesce":
            return f"coalesce({', '.join(self.value(arg) for arg in expr.args)})"
        if expr.op == "to_text":
            return self._to_text(expr)
        special = self.calls.get(expr.op)
        if special is not None:
            return special(self, expr)
        extra = self.literal(expr.extra) if isinstance(expr.extra, int | float) else ""
        return self.templates[expr.op].format(*(self.value(arg) for arg in expr.args), extra=extra)

    def _to_text(self, expr: ir.Call) -> str:
        text = f"CAST({self.value(expr.args[0])} AS VARCHAR)"
        if expr.args[0].kind is Kind.TIMESTAMP:
            text = f"replace({text}, ' ', 'T')"
        return f"left({text}, {int(str(expr.extra))})" if expr.extra is not None else text

    def _arithmetic(self, expr: ir.Arithmetic) -> str:
        values = [self.value(arg) for arg in expr.args]
        exact = expr.args[0].kind is Kind.INTEGER
        total = f"CAST({values[0]} AS BIGINT)" if exact else values[0]
        for op, arg, value in zip(expr.ops, expr.args[1:], values[1:]):
            exact = exact and arg.kind is Kind.INTEGER
            if op == "/" and exact:
                total = self.quotient(total, value)
            elif op == "/":
                total = self.real_quotient(total, value)
            elif op == "^":
                total = self.exclusive_or(total, value)
            else:
                total = f"({total} {op} {value})"
        return total

    def quotient(self, a: str, b: str) -> str:
        """Integers divided: truncated toward zero, NULL for a division by zero."""
        return f"({a} // nullif({b}, 0))"

    def real_quotient(self, a: str, b: str) -> str:
        """Numbers divided: infinite or NaN for a division by zero."""
        return f"({a} / {b})"

    def between(self, column: str, found: tuple[tuple[int, int], ...]) -> str:
        """That a column of integers is in one of some ranges, both ends included."""
        return spatial_duckdb.between(column, found)

    def exclusive_or(self, a: str, b: str) -> str:
        return f"xor({a}, {b})"

    def _aggregate(self, expr: ir.Aggregate) -> str:
        if not expr.args:
            return "count(*)"
        distinct = "DISTINCT " if expr.distinct else ""
        value = self.value(expr.args[0])
        if expr.op == "STRING_AGG":
            order = "" if isinstance(expr.args[0], ir.Const) else f" ORDER BY {value}"
            return f"string_agg({value}, {self.value(expr.args[1])}{order})"
        if expr.op == "HISTOGRAM":
            return self.histogram(*self._bins(value, expr.args[1:]))
        if expr.op == "MOC":
            return self.mocs.gathered(self, expr)
        text = f"{expr.op.lower()}({distinct}{value})"
        if expr.op == "SUM":
            return f"CAST({text} AS {self.types[expr.meta.datatype]})"
        return text

    def _bins(self, value: str, args: tuple[ir.Expr, ...]) -> tuple[str, int]:
        """The number of a value's bin (what is below and above has one of its own), and how many there are."""
        low, high, bins = (arg.value for arg in args if isinstance(arg, ir.Const))
        assert isinstance(low, float)
        assert isinstance(high, float)
        assert isinstance(bins, int)
        width = self.literal((high - low) / bins)
        bin_ = (
            f"CASE WHEN {value} < {self.literal(low)} THEN 0 WHEN {value} >= {self.literal(high)} THEN {bins + 1} "
            f"ELSE least({bins}, 1 + CAST(floor(({value} - {self.literal(low)}) / {width}) AS INTEGER)) END"
        )
        return f"CASE WHEN {value} IS NOT NULL THEN {bin_} END", bins + 2

    def histogram(self, number: str, bins: int) -> str:
        """Counts by bin as a map, spread out over all bins."""
        counts = f"histogram({number})"
        return f"list_transform(range(0, {bins}), lambda i: coalesce(CAST(({counts})[CAST(i AS INTEGER)] AS BIGINT), 0))"

    def _case(self, expr: ir.Case) -> str:
        branches = [f"WHEN {self.value(test)} THEN {self.value(result)}" for test, result in expr.branches]
        otherwise = f" ELSE {self.value(expr.otherwise)}" if expr.otherwise is not None else ""
        return f"(CASE {' '.join(branches)}{otherwise} END)"

    def _logic(self, expr: ir.Logic) -> str:
        parts = [self.value(arg) for arg in expr.args]
        if expr.op == "NOT":
            return f"(NOT {parts[0]})"
        return f"({f' {expr.op} '.join(parts)})" if parts else "true"

    def _compare(self, expr: ir.Compare) -> str:
        return f"({self.value(expr.left)} {expr.op} {self.value(expr.right)})"

    def _test(self, expr: ir.Test) -> str:
        negated = "NOT " if expr.negated else ""
        if expr.op == "ISNULL":
            arg = expr.args[0]
            text = self._name(arg) if isinstance(arg, ir.Ref) else self.value(arg)
            return f"({text} IS {negated}NULL)"
        value, *rest = (self.value(arg) for arg in expr.args)
        if expr.op == "BETWEEN":
            return f"({value} {negated}BETWEEN {rest[0]} AND {rest[1]})"
        if expr.op == "IN":
            return f"({value} {negated}IN ({', '.join(rest)}))"
        return self.like(value, f"{negated}{expr.op}", rest[0])

    def like(self, value: str, operator: str, pattern: str) -> str:
        return f"({value} {operator} {pattern})"

    def _query_test(self, expr: ir.QueryTest) -> str:
        if expr.value is None:
            return f"EXISTS ({self.query(expr.query)})"
        return f"({self.value(expr.value)} {'NOT ' if expr.negated else ''}IN ({self.query(expr.query)}))"


def _direction(key: ir.SortKey) -> str:
    return " DESC NULLS LAST" if key.descending else " ASC NULLS LAST"


Emitter.emitters = {
    **spatial_duckdb.EMIT,
    ir.Const: Emitter._const,
    ir.Ref: Emitter._ref,
    ir.Call: Emitter._call,
    ir.Arithmetic: Emitter._arithmetic,
    ir.Aggregate: Emitter._aggregate,
    ir.Case: Emitter._case,
    ir.Logic: Emitter._logic,
    ir.Compare: Emitter._compare,
    ir.Test: Emitter._test,
    ir.QueryTest: Emitter._query_test,
}
