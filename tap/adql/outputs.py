"""Result columns: their names, and the index columns that travel with them into the query around."""

from __future__ import annotations

from dataclasses import replace

from gateway.vo.columns import Column
from tap.adql import ir, tree
from tap.adql.ir import Kind
from tap.adql.metadata import column_of

_INDEX = column_of(Kind.INTEGER)


def output_name(value: tree.Value) -> str:
    """The name of an item without an alias: its column's, its function's, '' for anything else."""
    if isinstance(value, tree.ColumnName):
        return value.parts[-1].name
    if isinstance(value, tree.Call | tree.Aggregate):
        return value.name.lower()
    if isinstance(value, tree.Cast):
        return output_name(value.operand)
    return ""


def unique_names(columns: tuple[Column, ...]) -> tuple[Column, ...]:
    """Columns of a result with no name twice (in any case): the second `ra` becomes `ra_2`."""
    taken: set[str] = {column.name.lower() for column in columns}
    seen: set[str] = set()
    result = []
    for column in columns:
        name = column.name
        if name.lower() in seen:
            number = 2
            while f"{name}_{number}".lower() in taken:
                number += 1
            name = f"{name}_{number}"
            column = replace(column, name=name)
            taken.add(name.lower())
        seen.add(name.lower())
        result.append(column)
    return tuple(result)


def companions(query: ir.Query, select: ir.Select) -> None:
    """Append the index columns of selected positions and regions to a query's items, for the query around it."""
    refs: dict[tuple[str, str], tuple[ir.Ref, str]] = {}
    for item, name in select.items:
        if isinstance(item, ir.Ref):
            refs.setdefault((item.source, item.name), (item, name))
    number = 0
    for (source, column), (item, name) in list(refs.items()):
        index = item.position
        if index is not None and column == index.lon and (source, index.lat) in refs:
            number += 1
            healpix = f"h{number}"
            select.items.append((ir.Ref(Kind.INTEGER, _INDEX, source, index.healpix), healpix))
            query.positions.append(ir.PositionIndex("", name, refs[(source, index.lat)][1], healpix))
        if item.region is not None:
            names = []
            for part in item.region.names:
                number += 1
                names.append(f"h{number}")
                select.items.append((ir.Ref(Kind.OTHER, _INDEX, source, part), names[-1]))
            query.regions[name] = tuple(names)


def without_companions(query: ir.Query) -> ir.Query:
    """The same query with its outputs alone, for where the number of columns counts."""
    if isinstance(query.body, ir.Select):
        del query.body.items[len(query.outputs) :]
    elif isinstance(query.body, ir.Query):
        without_companions(query.body)
    query.positions, query.regions = [], {}
    return query
