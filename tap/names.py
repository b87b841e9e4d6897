"""Names as ADQL writes them: what has to be quoted, and how."""

from __future__ import annotations

import re

from tap.adql.words import RESERVED

REGULAR = re.compile(r"[A-Za-z][A-Za-z0-9_]*\Z")


def quoted(name: str) -> str:
    """`name` as a query has to write it: in double quotes where it is no regular identifier."""
    if REGULAR.match(name) and name.upper() not in RESERVED:
        return name
    return '"' + name.replace('"', '""') + '"'


def qualified(schema: str, table: str) -> str:
    """`schema.table` as a query has to write it."""
    return f"{quoted(schema)}.{quoted(table)}"
