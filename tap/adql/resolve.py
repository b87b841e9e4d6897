"""Queries: FROM, joins, select lists, grouping, set operations, sub-queries and named queries."""

from __future__ import annotations

from dataclasses import replace

from gateway.vo.columns import Column, Table
from tap.adql import ir, tree
from tap.adql.build import Problem
from tap.adql.catalogue import UPLOAD_SCHEMA, Catalogue, matches
from tap.adql.expressions import Expressions
from tap.adql.grouping import check_grouped
from tap.adql.ir import Kind
from tap.adql.joins import merge
from tap.adql.metadata import as_result, kind_of, widest
from tap.adql.outputs import companions, output_name, without_companions
from tap.adql.scope import Scope, Source, query_entries, table_entries

MAX_SOURCES = 50
"""Most tables of one FROM; databases plan more of them slowly."""


class Resolver:
    """Resolves one statement; `tables` collects the stored tables that it names."""

    def __init__(self, catalogue: Catalogue, uploads: tuple[Table, ...], base_url: str) -> None:
        self.catalogue = catalogue
        self.uploads = uploads
        self.base_url = base_url
        self.tables: set[tuple[str, str]] = set()
        self.named: list[tuple[tree.Identifier, str, ir.Query]] = []
        self._count = 0

    def statement(self, node: tree.Statement) -> ir.Query:
        """The whole query.

        Raises
        ------
        Problem
        """
        for name, query in node.named:
            if any(matches(name, known.name) for known, _, _ in self.named):
                raise Problem(name.at, f"There are two queries named {name.shown()}.")
            self.named.append((name, f"w{len(self.named) + 1}", self.query(query, None)))
        result = without_companions(self.query(node.query, None))
        result.named = [(alias, query) for _, alias, query in self.named]
        return result

    def _alias(self) -> str:
        self._count += 1
        return f"t{self._count}"

    # Queries

    def query(self, node: tree.Query, parent: Scope | None) -> ir.Query:
        """A select expression, with its ORDER BY and OFFSET."""
        body = node.body
        if isinstance(body, tree.Select):
            return self._select(body, node, parent)
        if isinstance(body, tree.SetOperation):
            result = self._set_operation(body, parent)
        else:
            inner = self.query(body, parent)
            if not node.order_by and node.offset is None:
                return inner
            result = ir.Query(inner, inner.outputs, inner.names)
        result.order_by = [self._output_key(key, result) for key in node.order_by]
        result.offset = node.offset
        return result

    def _set_operation(self, node: tree.SetOperation, parent: Scope | None) -> ir.Query:
        left, right = self._operand(node.left, parent), self._operand(node.right, parent)
        if len(left.outputs) != len(right.outputs):
            counts = f"{len(left.outputs)} and {len(right.outputs)}"
            raise Problem(node.at, f"The queries around {node.operator} have {counts} columns.")
        outputs = []
        for number, (a, b) in enumerate(zip(left.outputs, right.outputs), 1):
            outputs.append(_common_column(node, number, a, b))
        names = tuple(f"c{number}" for number in range(1, len(outputs) + 1))
        body = ir.SetOperation(node.operator, node.keep_duplicates, left, right)
        return ir.Query(body, tuple(outputs), names)

    def _operand(self, node: tree.Body, parent: Scope | None) -> ir.Query:
        if isinstance(node, tree.SetOperation):
            return self._set_operation(node, parent)
        query = node if isinstance(node, tree.Query) else tree.Query(node.at, node)
        return without_companions(self.query(query, parent))

    def _output_key(self, key: tree.SortKey, query: ir.Query) -> ir.SortKey:
        """A sort key of a set operation: an output by number or name."""
        number = _position(key, len(query.outputs))
        value = key.value
        if number is None and isinstance(value, tree.ColumnName) and len(value.parts) == 1:
            found = [i for i, column in enumerate(query.outputs, 1) if matches(value.parts[0], column.name)]
            if not found:
                raise Problem(value.at, f"The result has no column {value.shown()}.")
            number = found[0]
        if number is None:
            raise Problem(key.at, "This result is sorted by its columns, named or numbered.")
        _check_sortable(kind_of(query.outputs[number - 1]), key)
        return ir.SortKey(number, key.descending)

    # SELECT

    def _select(self, node: tree.Select, query: tree.Query, parent: Scope | None) -> ir.Query:
        scope = Scope(parent)
        sources = self._from(node, scope)
        expressions = Expressions(scope, self.query)
        where = None
        if node.where is not None:
            expressions.no_aggregates = "WHERE works on single rows; use HAVING."
            where = expressions.condition(node.where)
            expressions.no_aggregates = ""
        items = self._items(node, scope, expressions)
        outputs, names = self._outputs(items)
        select = ir.Select(
            node.distinct, [(item[0], name) for item, name in zip(items, names)], sources, where
        )
        result = ir.Query(select, tuple(outputs), tuple(names), limit=node.top, offset=query.offset)
        if node.group_by:
            expressions.no_aggregates = "GROUP BY takes columns and expressions of single rows."
            select.group_by = [self._group_key(key, node, items, expressions) for key in node.group_by]
            expressions.no_aggregates = ""
        if node.having is not None:
            select.having = expressions.condition(node.having)
        result.order_by = [self._sort_key(key, result, items, expressions) for key in query.order_by]
        if node.group_by or node.having is not None or expressions.found_aggregate:
            select.grouped = True
            self._check_grouping(node, query, select, result, items, scope)
        elif not node.distinct:
            companions(result, select)
        return result

    def _items(
        self, node: tree.Select, scope: Scope, expressions: Expressions
    ) -> list[tuple[ir.Expr, str, int]]:
        """(expression, name or '', offset) of each selected column, stars expanded."""
        items: list[tuple[ir.Expr, str, int]] = []
        for item in node.items:
            if isinstance(item, tree.Star):
                entries = scope.source(item.qualifier, item.at).entries if item.qualifier else scope.visible
                items += [(entry.expr, entry.name, item.at or node.at) for entry in entries]
            else:
                value = expressions.value(item.value)
                name = item.alias.name if item.alias else output_name(item.value)
                items.append((value, name, item.at))
        return items

    def _outputs(self, items: list[tuple[ir.Expr, str, int]]) -> tuple[list[Column], list[str]]:
        outputs, names = [], []
        for number, (expr, name, _) in enumerate(items, 1):
            column = expr.meta
            outputs.append(as_result(column, name or f"col{number}"))
            names.append(f"c{number}")
        return outputs, names

    def _group_key(
        self,
        key: tree.Value,
        node: tree.Select,
        items: list[tuple[ir.Expr, str, int]],
        expressions: Expressions,
    ) -> ir.Expr:
        if isinstance(key, tree.Number):
            raise Problem(key.at, "GROUP BY takes columns and expressions, not numbers.")
        try:
            value = expressions.value(key)
        except Problem:
            # Not in the standard's text, but every database reads it so: the alias of an item.
            if not isinstance(key, tree.ColumnName) or len(key.parts) > 1:
                raise
            aliased = [i for i, item in enumerate(node.items) if isinstance(item, tree.Item) and item.alias]
            found = [i for i in aliased if matches(key.parts[0], node.items[i].alias.name)]  # type: ignore[union-attr]
            stars = any(isinstance(item, tree.Star) for item in node.items)
            if not found or stars:
                raise
            value = items[found[0]][0]
        if value.kind.is_geometry:
            raise Problem(key.at, "Rows cannot be grouped by a geometry.")
        return value

    def _sort_key(
        self,
        key: tree.SortKey,
        query: ir.Query,
        items: list[tuple[ir.Expr, str, int]],
        expressions: Expressions,
    ) -> ir.SortKey:
        number = _position(key, len(query.outputs))
        value = key.value
        if number is None and isinstance(value, tree.ColumnName) and len(value.parts) == 1:
            found = [i for i, column in enumerate(query.outputs, 1) if matches(value.parts[0], column.name)]
            same = {items[i - 1][0].key() for i in found}
            if len(same) > 1:
                raise Problem(value.at, f"{value.shown()} is ambiguous.", "Sort by the column's number.")
            number = found[0] if found else None
        if number is not None:
            _check_sortable(items[number - 1][0].kind, key)
            return ir.SortKey(number, key.descending)
        expr = expressions.value(value)
        _check_sortable(expr.kind, key)
        wanted = expr.key()
        for i, item in enumerate(items, 1):
            if item[0].key() == wanted:
                return ir.SortKey(i, key.descending)
        select = query.body
        if isinstance(select, ir.Select) and select.distinct:
            raise Problem(key.at, "With DISTINCT, the result is sorted by selected columns only.")
        return ir.SortKey(expr, key.descending)

    def _check_grouping(
        self,
        node: tree.Select,
        query: tree.Query,
        select: ir.Select,
        result: ir.Query,
        items: list[tuple[ir.Expr, str, int]],
        scope: Scope,
    ) -> None:
        keys = {expr.key() for expr in select.group_by}
        here = {source.alias for source in scope.sources}
        for expr, _, at in items:
            check_grouped(expr, keys, here, at)
        if select.having is not None and node.having is not None:
            check_grouped(select.having, keys, here, node.having.at)
        for key, written in zip(result.order_by, query.order_by):
            if isinstance(key.key, ir.Expr):
                check_grouped(key.key, keys, here, written.at)

    # FROM

    def _from(self, node: tree.Select, scope: Scope) -> list[ir.Source]:
        sources = []
        for source in node.sources:
            resolved, visible = self._source(source, scope)
            sources.append(resolved)
            scope.visible += visible
        if len(scope.sources) > MAX_SOURCES:
            raise Problem(node.sources[0].at, f"One query may join {MAX_SOURCES} tables at most.")
        return sources

    def _source(self, node: tree.Source, scope: Scope) -> tuple[ir.Source, list]:
        if isinstance(node, tree.Join):
            left, left_visible = self._source(node.left, scope)
            right, right_visible = self._source(node.right, scope)
            return self._join(node, left, right, left_visible, right_visible, scope)
        alias = self._alias()
        resolved: ir.Source
        names: tuple[str, ...]
        if isinstance(node, tree.DerivedTable):
            query = self.query(node.query, None)
            resolved, names, entries = (
                ir.DerivedSource(query, alias),
                (node.alias.name,),
                query_entries(query, alias),
            )
        else:
            resolved, names, entries = self._table(node, alias)
        if node.alias and any(matches(node.alias, source.names[-1]) for source in scope.sources):
            raise Problem(node.alias.at, f"Two tables are called {node.alias.shown()} here.")
        scope.sources.append(Source(alias, names, entries))
        return resolved, entries

    def _table(self, node: tree.TableName, alias: str) -> tuple[ir.Source, tuple[str, ...], list]:
        if len(node.parts) == 1:
            for name, sql_name, query in self.named:
                if matches(node.parts[0], name.name):
                    called = node.alias.name if node.alias else name.name
                    return ir.NamedSource(sql_name, alias), (called,), query_entries(query, alias)
        table = self.catalogue.find(node, self.uploads)
        self.tables.add((table.schema, table.name))
        names = (node.alias.name,) if node.alias else (table.schema, table.name)
        entries = table_entries(table, alias, self.base_url)
        if table.live:  # its rows are sent along, as those of uploads are (tap.live)
            return ir.TableSource(UPLOAD_SCHEMA, f"{table.schema}.{table.name}", alias), names, entries
        return ir.TableSource(table.schema, table.name, alias), names, entries

    def _join(
        self,
        node: tree.Join,
        left: ir.Source,
        right: ir.Source,
        left_visible: list,
        right_visible: list,
        scope: Scope,
    ) -> tuple[ir.Source, list]:
        if node.on is None:
            condition, visible = merge(node, left_visible, right_visible)
            return ir.JoinSource(node.kind, left, right, condition), visible
        # Names in ON mean the joined tables; what other items of FROM hold is not visible yet.
        visible = left_visible + right_visible
        inside = Scope(scope.parent, scope.sources, visible)
        expressions = Expressions(inside, self.query)
        expressions.no_aggregates = "ON works on single rows."
        return ir.JoinSource(node.kind, left, right, expressions.condition(node.on)), visible


def _position(key: tree.SortKey, count: int) -> int | None:
    """The column that a sort key numbers, None if it is no number."""
    value = key.value
    if not isinstance(value, tree.Number):
        return None
    if not isinstance(value.value, int) or not 1 <= value.value <= count:
        raise Problem(value.at, f"ORDER BY {value.text}: the result has columns 1 to {count}.")
    return value.value


def _check_sortable(kind: Kind, key: tree.SortKey) -> None:
    if kind.is_geometry or kind is Kind.OTHER:
        raise Problem(key.at, f"Rows cannot be sorted by {kind.value}.")


def _common_column(node: tree.SetOperation, number: int, a: Column, b: Column) -> Column:
    """Metadata of the left column, with a type that holds the values of both."""
    left, right = ir.Const(kind_of(a), a, None), ir.Const(kind_of(b), b, None)
    if left.kind is right.kind or (left.kind.is_number and right.kind.is_number):
        if left.kind in (Kind.INTEGER, Kind.REAL):
            return replace(a, datatype=widest([left, right])) if a.datatype != b.datatype else a
        if a.arraysize != b.arraysize and left.kind is Kind.TEXT:
            return replace(a, arraysize="*")
        return a
    text = f"Column {number} is {left.kind.value} on the left and {right.kind.value} on the right of {node.operator}."
    raise Problem(node.at, text, "The types must match; CAST one of them.")
