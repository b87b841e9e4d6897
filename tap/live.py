"""Tables that live in Django's database and join with the published ones in a query (DESIGN, section 4).

`VOGATE_LIVE_SCHEMAS` names modules.  Each has `schema() -> Schema`, whose tables are marked `live`, and
`rows(table, caller) -> pyarrow.Table`: the rows that this caller may see, with the columns of the metadata.
They are in TAP_SCHEMA like all others; a query that names one has its rows copied into the query worker,
for itself alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from importlib import import_module
from types import ModuleType

import pyarrow as pa
from django.conf import settings

from gateway.vo.caller import Caller
from gateway.vo.columns import Schema
from tap.arrowtypes import arrow_type, conform_array

__all__ = ["rows", "schemas", "upload_name"]


@cache
def _modules(paths: tuple[str, ...]) -> dict[str, tuple[Schema, ModuleType]]:
    found = {}
    for path in paths:
        module = import_module(path)
        schema = module.schema()
        tables = tuple(replace(table, live=True) for table in schema.tables)
        found[schema.name] = (replace(schema, tables=tables), module)
    return found


def _configured() -> dict[str, tuple[Schema, ModuleType]]:
    return _modules(tuple(getattr(settings, "VOGATE_LIVE_SCHEMAS", ())))


def schemas() -> tuple[Schema, ...]:
    """The metadata of all live tables."""
    return tuple(schema for schema, _ in _configured().values())


def upload_name(schema: str, table: str) -> str:
    """The name under which the rows travel; no uploaded table can have one with a dot."""
    return f"{schema}.{table}"


def rows(tables: Iterable[tuple[str, str]], caller: Caller) -> dict[str, pa.Table]:
    """The rows of those of these tables that are live, by `upload_name`."""
    configured = _configured()
    found = {}
    for schema_name, name in tables:
        if schema_name not in configured:
            continue
        schema, module = configured[schema_name]
        meta = next(table for table in schema.tables if table.name == name)
        given: pa.Table = module.rows(name, caller)
        arrays = [
            pa.chunked_array(
                [conform_array(chunk, column) for chunk in given.column(column.name).chunks],
                arrow_type(column),
            )
            for column in meta.columns
        ]
        names = [column.name for column in meta.columns]
        found[upload_name(schema_name, name)] = pa.Table.from_arrays(arrays, names=names)
    return found
