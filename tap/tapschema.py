"""TAP_SCHEMA 1.1 (TAP 1.1, section 4): its own description, and its rows for a set of schemas."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import pyarrow as pa

from gateway.vo.columns import Column, ForeignKey, Schema, Table
from tap.arrowtypes import arrow_type
from tap.names import qualified, quoted

NAME = "tap_schema"


def _text(name: str, description: str, utype: str = "", *, principal: bool = True) -> Column:
    return Column(
        name, "char", "*", description=description, utype=utype, std=True, principal=principal, ucd="meta"
    )


def _whole(name: str, description: str, *, principal: bool = False) -> Column:
    return Column(name, "int", description=description, std=True, principal=principal, ucd="meta.code")


SCHEMAS = (
    _text("schema_name", "schema name for reference to tap_schema.schemas"),
    _text("utype", "lists the utypes of schemas in the tableset", principal=False),
    _text("description", "describes schemas in the tableset"),
    _whole("schema_index", "recommended sort order when listing schemas"),
)
TABLES = (
    _text("schema_name", "the schema this table belongs to"),
    _text("table_name", "the fully qualified table name"),
    _text("table_type", "one of: table view"),
    _text("utype", "lists the utype of tables in the tableset", principal=False),
    _text("description", "describes tables in the tableset"),
    _whole("table_index", "recommended sort order when listing tables"),
)
COLUMNS = (
    _text("table_name", "the table this column belongs to"),
    _text("column_name", "the column name"),
    _text("datatype", "datatype, as in VOTable"),
    _text("arraysize", "arraysize, as in VOTable"),
    _text("xtype", "extended type (DALI)"),
    _whole("size", "deprecated: use arraysize"),
    _text("description", "describes the columns in the tableset"),
    _text("utype", "lists the utypes of columns in the tableset", principal=False),
    _text("unit", "lists the unit used for column values in the tableset"),
    _text("ucd", "lists the UCDs of columns in the tableset"),
    _whole("indexed", "an indexed column; 1 means 1, 0 means 0"),
    _whole("principal", "a principal column; 1 means 1, 0 means 0"),
    _whole("std", "a standard column; 1 means 1, 0 means 0"),
    _whole("column_index", "recommended sort order when listing columns of a table"),
)
KEYS = (
    _text("key_id", "unique key to join to tap_schema.key_columns"),
    _text("from_table", "the table with the foreign key"),
    _text("target_table", "the table with the primary key"),
    _text("description", "describes keys in the tableset", principal=False),
    _text("utype", "lists the utype of keys in the tableset", principal=False),
)
KEY_COLUMNS = (
    _text("key_id", "key to join to tap_schema.keys"),
    _text("from_column", "column in the from_table"),
    _text("target_column", "column in the target_table"),
)


def _key(target: str, column: str, target_column: str = "") -> ForeignKey:
    return ForeignKey(f"{NAME}.{target}", (column,), (target_column or column,))


SCHEMA = Schema(
    NAME,
    (
        Table(NAME, "schemas", SCHEMAS, "Description of schemas of this service", table_index=1),
        Table(
            NAME,
            "tables",
            TABLES,
            "Description of tables of this service",
            table_index=2,
            keys=(_key("schemas", "schema_name"),),
        ),
        Table(
            NAME,
            "columns",
            COLUMNS,
            "Description of columns of this service",
            table_index=3,
            keys=(_key("tables", "table_name"),),
        ),
        Table(
            NAME,
            "keys",
            KEYS,
            "Description of foreign keys of this service",
            table_index=4,
            keys=(_key("tables", "from_table", "table_name"), _key("tables", "target_table", "table_name")),
        ),
        Table(
            NAME,
            "key_columns",
            KEY_COLUMNS,
            "Description of foreign key columns of this service",
            table_index=5,
            keys=(_key("keys", "key_id"),),
        ),
    ),
    description="Tables that describe the tables, columns and keys that can be queried here",
    schema_index=1000,
)


def foreign_keys(schemas: Iterable[Schema]) -> Iterator[tuple[str, Table, ForeignKey]]:
    """(key_id, owning table, key) of every foreign key, in a stable order; VOSI tables lists the same."""
    number = 0
    for schema in schemas:
        for table in schema.tables:
            for key in table.keys:
                number += 1
                yield f"key{number}", table, key


def quoted_table(name: str) -> str:
    """`schema.table` of a foreign key's target as queries write it."""
    schema, _, table = name.partition(".")
    return qualified(schema, table)


def _size(column: Column) -> int | None:
    return int(column.arraysize) if column.arraysize.isdigit() else None


def rows(schemas: Sequence[Schema]) -> dict[str, list[tuple[Any, ...]]]:
    """The rows of the five tables; names that queries have to quote are quoted (TAP 1.1, section 4)."""
    content: dict[str, list[tuple[Any, ...]]] = {table.name: [] for table in SCHEMA.tables}
    for schema in schemas:
        content["schemas"].append(
            (quoted(schema.name), schema.utype or None, schema.description or None, schema.schema_index)
        )
        for table in schema.tables:
            name = qualified(table.schema, table.name)
            content["tables"].append(
                (
                    quoted(schema.name),
                    name,
                    table.table_type,
                    table.utype or None,
                    table.description or None,
                    table.table_index,
                )
            )
            content["columns"].extend(
                (
                    name,
                    quoted(column.name),
                    column.datatype,
                    column.arraysize or None,
                    column.xtype or None,
                    _size(column),
                    column.description or None,
                    column.utype or None,
                    column.unit or None,
                    column.ucd or None,
                    int(column.indexed),
                    int(column.principal),
                    int(column.std),
                    column.column_index if column.column_index is not None else number,
                )
                for number, column in enumerate(table.columns, start=1)
            )
    for key_id, table, key in foreign_keys(schemas):
        name = qualified(table.schema, table.name)
        content["keys"].append((key_id, name, quoted_table(key.target_table), key.description or None, None))
        content["key_columns"].extend(
            (key_id, quoted(source), quoted(target))
            for source, target in zip(key.from_columns, key.target_columns, strict=True)
        )
    return content


def data(schemas: Sequence[Schema]) -> dict[str, pa.Table]:
    """TAP_SCHEMA's tables as Arrow, ready to be published; `schemas` includes TAP_SCHEMA itself."""
    content = rows(schemas)
    tables = {}
    for table in SCHEMA.tables:
        schema = pa.schema([(column.name, arrow_type(column)) for column in table.columns])
        values = list(zip(*content[table.name], strict=True)) or [()] * len(table.columns)
        arrays = [pa.array(column, item.type) for column, item in zip(values, schema, strict=True)]
        tables[table.name] = pa.Table.from_arrays(arrays, schema=schema)
    return tables
