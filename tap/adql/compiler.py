"""The front of the package: `compile_query`, and the compiled query that the service runs."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from threading import Lock

from gateway.vo.columns import Column, Schema, Table
from gateway.vo.errors import QueryError
from tap.adql import direct, ir, templates, udf
from tap.adql.build import Problem
from tap.adql.catalogue import Catalogue
from tap.adql.crossmatch_postgres import Spread
from tap.adql.duckdb import Emitter
from tap.adql.extensions import ALL_EXTENSIONS, Extension
from tap.adql.lexer import error_at
from tap.adql.metadata import column_of, kind_of
from tap.adql.outputs import unique_names
from tap.adql.parser import parse
from tap.adql.resolve import Resolver
from tap.copies.plan import Plan


@dataclass(frozen=True)
class CompiledQuery:
    """A query ready to run; `sql` is made of known tables, columns and functions only."""

    sql: str
    """May have placeholders $1, $2, ... for `values`; '' where there is a `plan`."""
    columns: tuple[Column, ...]
    """Result columns in order, with metadata; their names are unique and are those of the SQL result."""
    tables: frozenset[tuple[str, str]]
    """(schema, table) of every stored or uploaded table that the query reads."""
    select_top: int | None = None
    """The user's TOP of the outermost SELECT: a result this long is complete, not truncated."""
    spreads: tuple[Spread, ...] = ()
    """Columns that uploaded tables need (crossmatch_postgres.py)."""
    _query: ir.Query | None = field(default=None, repr=False, compare=False)
    _emitter: Callable[[], Emitter] = field(default=Emitter, repr=False, compare=False)
    values: tuple[float, ...] = ()
    plan: Plan | None = None
    """How the query is answered without the database."""

    def paged(
        self, sort: int | None = None, descending: bool = False, offset: int = 0, limit: int = 100
    ) -> CompiledQuery:
        """One page of the result.

        Parameters
        ----------
        sort
            Column to sort by, counted from 0; None keeps the query's own order.
        offset, limit
            Rows to leave out, and rows to give.
        """
        assert self._query is not None
        if offset < 0 or limit < 0:
            raise QueryError("A page begins at row 0 or later.")
        query = replace(self._query)
        if sort is None:
            top = query.limit
            query.limit = limit if top is None else max(0, min(limit, top - offset))
            query.offset = (query.offset or 0) + offset
        else:
            if not 0 <= sort < len(self.columns):
                raise QueryError(f"There is no column {sort}.")
            if not _sortable(self.columns[sort]):
                raise QueryError(f"Rows cannot be sorted by {self.columns[sort].name}.")
            keys = [ir.SortKey(sort + 1, descending)]
            # Rows that tie on the sorted column keep one order over all pages.
            others = [i for i, column in enumerate(self.columns) if i != sort and _sortable(column)]
            keys += [ir.SortKey(i + 1, False) for i in others[:4]]
            named, query.named = query.named, []
            query = ir.Query(query, query.outputs, query.names, keys, limit, offset, named)
        return self._again(query, self.columns)

    def counted(self) -> CompiledQuery:
        """The number of rows of the result."""
        assert self._query is not None
        inner = replace(self._query, named=[])
        if inner.limit is None and not inner.offset:
            inner.order_by = []
        alias = "n"
        count = ir.Aggregate(
            ir.Kind.INTEGER, column_of(ir.Kind.INTEGER, "count", ucd="meta.number"), "COUNT", ()
        )
        body = ir.Select(False, [(count, "c1")], [ir.DerivedSource(inner, alias)], grouped=True)
        query = ir.Query(body, (count.meta,), ("c1",), named=self._query.named)
        return self._again(query, (count.meta,))

    def written_by(self, emitter: Emitter, maxrec: int | None = None) -> CompiledQuery:
        """The same query in the SQL of another database.

        Raises
        ------
        QueryError
            If that database does not have what the query needs.
        """
        assert self._query is not None
        limit = None if maxrec is None else maxrec + 1
        names = tuple(column.name for column in self.columns)
        return replace(self, sql=emitter.statement(self._query, names, limit), values=(), plan=None)

    def _again(self, query: ir.Query, columns: tuple[Column, ...]) -> CompiledQuery:
        writer = self._emitter()
        sql = writer.statement(query, tuple(column.name for column in columns))
        return CompiledQuery(sql, columns, self.tables, self.select_top, writer.needed, query, self._emitter)


def _sortable(column: Column) -> bool:
    kind = kind_of(column)
    return not kind.is_geometry and kind is not ir.Kind.OTHER


_catalogues: OrderedDict[int, tuple[tuple[Schema, ...], Catalogue]] = OrderedDict()
_lock = Lock()


def _catalogue(schemas: tuple[Schema, ...]) -> Catalogue:
    """The catalogue of a manifest's schemas, kept for the last few manifests (hashing their columns is slow)."""
    with _lock:
        known = _catalogues.get(id(schemas))
        if known is None or known[0] is not schemas:
            known = _catalogues[id(schemas)] = (schemas, Catalogue(schemas))
            while len(_catalogues) > 8:
                _catalogues.popitem(last=False)
        return known[1]


def compile_query(
    text: str,
    schemas: tuple[Schema, ...],
    *,
    maxrec: int | None = None,
    base_url: str = "",
    uploads: tuple[Table, ...] = (),
    extensions: frozenset[Extension] = ALL_EXTENSIONS,
    emitter: Callable[[], Emitter] = Emitter,
    bind: bool = False,
    copies: direct.Copies | None = None,
) -> CompiledQuery:
    """ADQL 2.1 to the SQL of a database.

    Parameters
    ----------
    text
        The query.
    schemas
        All published schemas; pass the same tuple again and its index is reused.
    maxrec
        Most rows to give; the SQL asks for one more, which says that the result was truncated.
    base_url
        Put before the values of columns that are stored as paths.
    uploads
        Uploaded tables, of the schema `tap_upload`.
    extensions
        What is accepted beyond the standard.
    emitter
        Makes what writes the SQL; DuckDB's where nothing else is said.
    bind
        Whether the numbers of cones become placeholders: DuckDB parses queries of one shape once then, but collects
        all rows of the result before it gives the first.
    copies
        Tables that have copies, from which simple queries are answered; those have a plan and no SQL.

    Raises
    ------
    QueryError
        With line, column and a hint where there is one.
    """
    resolver = Resolver(_catalogue(schemas), tuple(uploads), base_url)
    try:
        with templates.parsed(text, extensions, udf.NAMES) as (statement, placed):
            try:
                query = resolver.statement(statement)
            except Problem:
                if placed:
                    raise
                # The tree of another query with this shape: what is wrong stands elsewhere in this text.
                resolver = Resolver(_catalogue(schemas), tuple(uploads), base_url)
                query = resolver.statement(parse(text, extensions, udf.NAMES))
        columns = unique_names(query.outputs)
        limit = None if maxrec is None else maxrec + 1
        names = tuple(column.name for column in columns)
        plan = direct.plan(query, names, limit, copies or {})
        writer, sql = (emitter(), "") if plan else _written(emitter, query, names, limit, bind)
    except Problem as problem:
        raise error_at(text, problem.at, problem.message, problem.hint) from None
    except RecursionError:
        raise QueryError("The query is too deeply nested.", hint="Simplify it.") from None
    return CompiledQuery(
        sql,
        columns,
        frozenset(resolver.tables),
        query.limit,
        writer.needed,
        query,
        emitter,
        tuple(writer.values or ()),
        plan,
    )


def _written(
    emitter: Callable[[], Emitter], query: ir.Query, names: tuple[str, ...], limit: int | None, bind: bool
) -> tuple[Emitter, str]:
    writer = emitter()
    writer.values = [] if bind and writer.binds else None
    sql = writer.statement(query, names, limit)
    if all(f"${number}" in sql for number in range(1, len(writer.values or ()) + 1)):
        return writer, sql
    # A number was placed in what was then left out.
    writer = emitter()
    return writer, writer.statement(query, names, limit)
