"""What names mean at a place in a query: the sources of FROM, their columns, and the queries around."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

from gateway.vo.columns import Column, Table
from tap.adql.build import Problem
from tap.adql.catalogue import matches, suggestion
from tap.adql.ir import Expr, Kind, PositionIndex, Query, Ref, RegionIndex
from tap.adql.metadata import as_result, kind_of
from tap.adql.tree import ColumnName, Identifier

HEALPIX_COLUMN = "_hpx29"
REGION_COLUMNS = ("_rgn_shape", "_rgn_x", "_rgn_y", "_rgn_z", "_rgn_cos", "_rgn_sin")
"""Index columns of `Table.region`: encoded shape, centre of its bounding cap, cosine and sine of the cap's radius."""


@dataclass(slots=True)
class Entry:
    """A column that a name can mean."""

    name: str
    expr: Expr


@dataclass(slots=True)
class Source:
    """One table of FROM: how it can be called, and its columns."""

    alias: str
    """Its name in SQL."""
    names: tuple[str, ...]
    """(schema, table) or (alias,)"""
    entries: list[Entry]

    def called(self, qualifier: tuple[Identifier, ...]) -> bool:
        if len(qualifier) > len(self.names):
            return False
        tail = self.names[len(self.names) - len(qualifier) :]
        return all(matches(part, name) for part, name in zip(qualifier, tail))

    @property
    def shown(self) -> str:
        return ".".join(self.names)


@dataclass(slots=True)
class Scope:
    """The sources of one SELECT; `visible` are the columns as `*` lists them, join columns merged."""

    parent: Scope | None = None
    sources: list[Source] = field(default_factory=list)
    visible: list[Entry] = field(default_factory=list)

    def source(self, qualifier: tuple[Identifier, ...], at: int) -> Source:
        """The source that a qualifier names.

        Raises
        ------
        Problem
        """
        scope: Scope | None = self
        while scope is not None:
            found = [source for source in scope.sources if source.called(qualifier)]
            if len(found) > 1:
                shown = ".".join(part.shown() for part in qualifier)
                raise Problem(at, f"{shown} is ambiguous.", "Give the tables different aliases.")
            if found:
                return found[0]
            scope = scope.parent
        shown = ".".join(part.shown() for part in qualifier)
        known = [source.shown for source in self.sources]
        hint = f"The tables here are {', '.join(known)}." if known else ""
        raise Problem(at, f"There is no table {shown} in FROM.", hint)

    def find(self, column: ColumnName) -> Expr:
        """The expression that a column name means, here or in a query around.

        Raises
        ------
        Problem
            If there is none or it is ambiguous.
        """
        name, qualifier = column.parts[-1], column.parts[:-1]
        if qualifier:
            source = self.source(qualifier[-2:], column.at)
            entries = _matching(name, source.entries)
            if not entries:
                hint = suggestion(name.name, [entry.name for entry in source.entries])
                raise Problem(column.at, f"{source.shown} has no column {name.shown()}.", hint)
            return _only(entries, column, [source])
        scope: Scope | None = self
        while scope is not None:
            entries = _matching(name, scope.visible)
            if entries:
                return _only(entries, column, scope.sources)
            scope = scope.parent
        raise Problem(column.at, f"There is no column {name.shown()}.", self._hint(name))

    def _hint(self, name: Identifier) -> str:
        if name.delimited:
            for entry in self.visible:
                if entry.name.lower() == name.name.lower():
                    return f'Names in double quotes are case-sensitive; the column is "{entry.name}".'
            near = suggestion(name.name, [entry.name for entry in self.visible])
            return near or "Strings stand between single quotes."
        near = suggestion(name.name, [entry.name for entry in self.visible])
        return near or f"If it is a string, write '{name.name}'."


def _matching(name: Identifier, entries: list[Entry]) -> list[Entry]:
    return [entry for entry in entries if matches(name, entry.name)]


def _only(entries: list[Entry], column: ColumnName, sources: list[Source]) -> Expr:
    if len(entries) == 1:
        return entries[0].expr
    homes = [
        source.shown for source in sources for entry in source.entries if any(entry is x for x in entries)
    ]
    hint = (
        f"Put the table before it: {' or '.join(f'{home}.{column.parts[-1].shown()}' for home in homes[:4])}."
    )
    if len(set(homes)) < len(homes):
        hint = "Give the columns different aliases."
    raise Problem(column.at, f"The column {column.shown()} is ambiguous.", hint)


@lru_cache(maxsize=256)
def _described(columns: tuple[Column, ...]) -> tuple[tuple[Column, Kind, Column], ...]:
    """The columns that queries see, each with what it is and as it appears in a result."""
    return tuple(
        (column, kind_of(column), as_result(column, column.name))
        for column in columns
        if not column.name.startswith("_rgn_") and column.name != HEALPIX_COLUMN
    )


def table_entries(table: Table, alias: str, base_url: str) -> list[Entry]:
    """The columns of a stored or uploaded table."""
    position = region = None
    if table.position:
        position = PositionIndex(alias, *table.position, HEALPIX_COLUMN)
    if table.region:
        region = RegionIndex(alias, REGION_COLUMNS, table.region_reach)
    entries = []
    for column, kind, described in _described(table.columns):
        ref = Ref(
            kind,
            described,
            alias,
            column.name,
            prefix=base_url if column.base_url else "",
            position=position if table.position and column.name in table.position else None,
            region=region if column.name == table.region else None,
        )
        entries.append(Entry(column.name, ref))
    return entries


def query_entries(query: Query, alias: str) -> list[Entry]:
    """The columns of a derived table or a named query."""
    positions = {}
    for index in query.positions:
        here = PositionIndex(alias, index.lon, index.lat, index.healpix)
        positions[index.lon] = positions[index.lat] = here
    entries = []
    for column, name in zip(query.outputs, query.names):
        region = RegionIndex(alias, query.regions[name]) if name in query.regions else None
        ref = Ref(kind_of(column), column, alias, name, position=positions.get(name), region=region)
        entries.append(Entry(column.name, ref))
    return entries
