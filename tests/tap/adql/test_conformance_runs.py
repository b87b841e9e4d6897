"""The legal queries of the IVOA's validation suite, run on both engines; those that cannot be are listed with the reason.

The suite says nothing of its tables: they are made here, with the columns that its queries use.
"""

from __future__ import annotations

import duckdb
import pyarrow as pa
import pytest
from adbc_driver_postgresql import dbapi

from gateway.vo.columns import Column, Schema, Table
from gateway.vo.errors import QueryError
from obscore import definition
from tap import postgres_setup, tapschema
from tap.adql import compile_query, functions
from tap.adql.postgres import PostgresEmitter
from tap.arrowtypes import arrow_type
from tap.postgres_types import columns_of
from tests.tap import postgres
from tests.tap.adql.test_conformance import queries
from tests.tap.adql.test_differential import alike, ordered

ROWS = 6
WORDS = {
    "name",
    "type",
    "version",
    "object",
    "x_name",
    "des",
    "star_name",
    "favorite_name",
    "_weird_name",
    "flag",
}
TABLES = {
    "stars": "id name ra dec mag type radius long des ra_error distance _weird_name star_name favorite_name pm_ra pm_dec",
    "t1": "oid id name x y z something",
    "t2": "oid id name x y",
    "t3": "oid id x",
    "atable": "id ra dec",
    "table1": "id ra dec",
    "table2": "id ra dec",
    "table3": "id ra dec",
    "foo": "x foo y",
    "y": "x",
    "z": "a x",
    "x": "a",
    "u": "a",
    "t": "ra dec",
    "spatial": "dist width height ra1 ra2",
    "spatial2": "ra1 ra2 dist",
    "misc": "mass mag speed",
    "crazy": "ct version flag",
    "bar": "foo",
}
REASONS = {
    "There is no table": "a table that the suite only mentions",
    "There is no function": "a function of one archive alone",
    "There is no column": "a column of one archive alone",
    "is ambiguous": "a name that two of its tables have",
    "GROUP BY": "a column that is not grouped by",
    "has no column": "a column of one archive alone",
    "does not compare": "a comparison of geometries, which ADQL 2.1 has not",
    "cannot compare": "a comparison of a number with a text",
    "are not supported": "a coordinate system that is not supported",
    "cannot be declared galactic": "a coordinate system that is not supported",
    "takes a point here": "a distance from a region, which ADQL 2.1 has not",
    "takes a geometry here": "a column that the suite takes for a geometry",
    "three different vertices": "a box without a width",
}
"""Why a query of the suite does not resolve here."""


def column(name: str) -> Column:
    if name in WORDS:
        return Column(name, "char", "*")
    unit = {"ra": "deg", "dec": "deg", "pm_ra": "mas/yr", "pm_dec": "mas/yr"}.get(name, "")
    return Column(name, "int" if name in ("id", "oid", "ct") else "double", unit=unit)


def suite_schemas() -> tuple[Schema, ...]:
    tables = tuple(
        Table("suite", name, tuple(column(item) for item in columns.split()))
        for name, columns in TABLES.items()
    )
    ivoa = definition.ivoa_schema((), ROWS)
    plain = tuple(Table("ivoa", table.name, table.columns) for table in ivoa.tables)
    return Schema("suite", tables), Schema("ivoa", plain), tapschema.SCHEMA


def rows(table: Table) -> pa.Table:
    arrays = []
    for number, item in enumerate(table.columns):
        kind = arrow_type(item)
        if pa.types.is_string(kind):
            values = [f"{item.name} {i}" for i in range(ROWS)]
            if item.name == "s_region":
                values = [f"CIRCLE ICRS {40 * i} {10 * i} 3" for i in range(ROWS)]
        elif pa.types.is_list(kind):
            values = [None] * ROWS
        else:
            values = [(number + i) % 5 for i in range(ROWS)]
        arrays.append(pa.array(values, kind))
    return pa.Table.from_arrays(arrays, names=[item.name for item in table.columns])


@pytest.fixture(scope="module")
def duck():
    connection = duckdb.connect()
    for schema in suite_schemas():
        connection.execute(f"ATTACH ':memory:' AS \"s_{schema.name}\"")
        for table in schema.tables:
            connection.register("incoming", rows(table))
            connection.execute(
                f'CREATE TABLE "s_{schema.name}".main."{table.name}" AS SELECT * FROM incoming'
            )
    functions.register(connection)
    yield lambda query: connection.execute(query.sql).fetchall()
    connection.close()


@pytest.fixture(scope="module")
def elephant(prepared_url):
    url = postgres.database(prepared_url, "suite", "prepared")
    with postgres_setup.connected(url) as plain, plain.cursor() as cursor:
        for schema in suite_schemas():
            cursor.execute(f"CREATE SCHEMA s_{schema.name}")
            for table in schema.tables:
                cursor.execute(
                    f'CREATE TABLE s_{schema.name}."{table.name}" ({columns_of(rows(table).schema)})'
                )
    with dbapi.connect(url, autocommit=True) as connection:
        for schema in suite_schemas():
            for table in schema.tables:
                with connection.cursor() as cursor:
                    cursor.adbc_ingest(
                        table.name, rows(table), mode="append", db_schema_name=f"s_{schema.name}"
                    )

        def run(query):
            with connection.cursor() as cursor:
                cursor.execute("SET search_path = vogate")
                cursor.execute(query.written_by(PostgresEmitter()).sql)
                found = cursor.fetch_arrow_table()
            return [tuple(row) for row in zip(*(part.to_pylist() for part in found.columns))]

        yield run


def test_legal_queries_give_the_same_rows_on_both_engines(duck, elephant):
    schemas = suite_schemas()
    ran, left, differing = 0, {}, []
    for name, text, legal, _ in queries():
        if not legal:
            continue
        try:
            query = compile_query(text, schemas)
        except QueryError as error:
            reason = next((why for part, why in REASONS.items() if part in error.message), error.message)
            left.setdefault(reason, []).append(f"{name}: {' '.join(text.split())[:100]} -- {error.message}")
            continue
        ours, theirs = duck(query), elephant(query)
        if "rand(" not in text.lower() and not alike(ordered(ours), ordered(theirs)):
            differing += [(text, pair) for row in zip(ours, theirs) for pair in zip(*row) if not alike(*pair)]
        ran += 1
    for reason, texts in left.items():
        print(f"not run, {reason}:", *texts, sep="\n  ")
    assert differing == []
    assert set(left) <= set(REASONS.values()), left.keys()
    assert ran >= 100
    assert ran + sum(map(len, left.values())) == 172
