"""The tables that a query may name, found by ADQL's rules of case."""

from __future__ import annotations

from difflib import get_close_matches

from gateway.vo.columns import Schema, Table
from tap.adql.build import Problem
from tap.adql.tree import Identifier, TableName

UPLOAD_SCHEMA = "tap_upload"


def matches(identifier: Identifier, name: str) -> bool:
    """Whether an identifier means `name`: delimited ones to the letter, others in any case."""
    return identifier.name == name or (not identifier.delimited and identifier.name.lower() == name.lower())


def suggestion(name: str, known: list[str]) -> str:
    """A hint that names what is close to `name` among `known`."""
    by_lower = {item.lower(): item for item in reversed(known)}
    close = get_close_matches(name.lower(), list(by_lower), 3, 0.6)
    return f"Do you mean {' or '.join(by_lower[item] for item in close)}?" if close else ""


class Catalogue:
    """All tables by name; made once per manifest (see compiler.py)."""

    def __init__(self, schemas: tuple[Schema, ...]) -> None:
        self.tables = tuple(table for schema in schemas for table in schema.tables)
        self._by_name: dict[str, list[Table]] = {}
        for table in self.tables:
            self._by_name.setdefault(table.name.lower(), []).append(table)

    def find(self, name: TableName, uploads: tuple[Table, ...]) -> Table:
        """The table that a query names.

        Raises
        ------
        Problem
            If there is none, or several in different schemas.
        """
        parts = name.parts
        if len(parts) == 3:
            raise Problem(name.at, f"There is no catalogue {parts[0].shown()} here.", "Write schema.table.")
        alike = self._by_name.get(parts[-1].name.lower(), ())
        found = [table for table in (*alike, *uploads) if matches(parts[-1], table.name)]
        if len(parts) == 2:
            found = [table for table in found if matches(parts[0], table.schema)]
        exact = [table for table in found if table.name == parts[-1].name]
        found = exact or found
        if len(found) == 1:
            return found[0]
        if found:
            where = " and ".join(table.qualified_name for table in found)
            raise Problem(name.at, f"The table {name.shown()} is ambiguous.", f"There are {where}.")
        raise Problem(name.at, f"There is no table {name.shown()}.", self._hint(name, uploads))

    def _hint(self, name: TableName, uploads: tuple[Table, ...]) -> str:
        everything = (*self.tables, *uploads)
        if len(name.parts) == 2 and matches(name.parts[0], UPLOAD_SCHEMA):
            names = [table.qualified_name for table in uploads]
            if not names:
                return "No table was uploaded with this query."
            return f"The uploaded tables are {', '.join(names)}."
        same = [table.qualified_name for table in everything if matches(name.parts[-1], table.name)]
        if same:
            return f"Do you mean {' or '.join(same)}?"
        known = [table.qualified_name for table in everything] + [table.name for table in everything]
        hint = suggestion(name.shown().replace('"', ""), known)
        return hint or "TAP_SCHEMA.tables lists the tables."
