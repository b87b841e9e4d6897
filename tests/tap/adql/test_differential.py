"""The same answers from DuckDB, PostgreSQL and SQLite to queries made at random.

150 queries here; VOGATE_LONG=1 makes 2,000.
"""

from __future__ import annotations

import math
import os
import sqlite3

import psycopg2
import pyarrow as pa
import pytest
from psycopg2.extras import execute_values

from gateway.vo.errors import QueryError
from tap.adql.postgres import PostgresEmitter
from tap.adql.postgres_functions import INSTALL
from tests.tap.adql.generated import Generator

QUERIES = 2000 if os.environ.get("VOGATE_LONG") else 150
_TYPES = {
    pa.int16(): "SMALLINT",
    pa.int32(): "INTEGER",
    pa.int64(): "BIGINT",
    pa.float32(): "REAL",
    pa.float64(): "DOUBLE PRECISION",
    pa.bool_(): "BOOLEAN",
    pa.string(): 'TEXT COLLATE "C"',
    pa.list_(pa.float64()): "DOUBLE PRECISION[]",
}


@pytest.fixture(scope="module")
def elephant(postgres_url, archive):
    """A cursor of a server that has the archive's tables and our functions."""
    connection = psycopg2.connect(postgres_url)
    connection.autocommit = True
    cursor = connection.cursor()
    cursor.execute(INSTALL)
    cursor.execute(INSTALL)  # again changes nothing
    for schema, names in {"s_survey": ("stars", "extra"), "s_ivoa": ("obscore",)}.items():
        cursor.execute(f"CREATE SCHEMA {schema}")
        for name in names:
            table = archive.tables[name]
            columns = ", ".join(f'"{field.name}" {_TYPES[field.type]}' for field in table.schema)
            cursor.execute(f'CREATE TABLE {schema}."{name}" ({columns})')
            rows = list(zip(*(table[field.name].to_pylist() for field in table.schema)))
            execute_values(cursor, f'INSERT INTO {schema}."{name}" VALUES %s', rows, page_size=1000)
    cursor.execute("SET search_path = vogate")
    cursor.execute("SET default_transaction_read_only = on")
    yield cursor
    connection.close()


@pytest.fixture(scope="module")
def lite(archive):
    connection = sqlite3.connect(":memory:")
    connection.execute("PRAGMA case_sensitive_like = ON")
    for name in ("stars", "extra"):
        table = archive.tables[name]
        columns = ", ".join(f'"{field.name}"' for field in table.schema)
        connection.execute(f"CREATE TABLE {name} ({columns})")
        marks = ", ".join("?" * table.num_columns)
        rows = zip(*(table[field.name].to_pylist() for field in table.schema))
        connection.executemany(f"INSERT INTO {name} VALUES ({marks})", rows)
    yield connection
    connection.close()


def alike(a, b):
    """Equal but for the last digits of numbers; missing is not the same as not a number."""
    if a is None or b is None or isinstance(a, str) or isinstance(b, str):
        return a == b
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(alike, a, b))
    a, b = float(a), float(b)
    if math.isnan(a) or math.isnan(b):
        return math.isnan(a) and math.isnan(b)
    return a == b or math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-9)


def in_postgres(cursor, archive, text):
    cursor.execute(archive.compile(text).written_by(PostgresEmitter()).sql)
    return cursor.fetchall()


def ordered(rows):
    return sorted(rows, key=lambda row: [str(value) for value in row])


def test_generated_queries_have_one_answer(archive, elephant, lite):
    generator = Generator(2026)
    asked = {"sqlite": 0, "rows": 0}
    for number in range(QUERIES):
        text, plain = generator.query()
        ours = archive.run(text)
        theirs = in_postgres(elephant, archive, text)
        assert alike(ours, theirs) or alike(ordered(ours), ordered(theirs)), (number, text)
        asked["rows"] += bool(ours)
        if plain:
            third = lite.execute(plain).fetchall()
            assert alike(ours, third) or alike(ordered(ours), ordered(third)), (number, text, plain)
            asked["sqlite"] += 1
    assert asked["rows"] > 0.5 * QUERIES
    assert asked["sqlite"] > 0.15 * QUERIES


SHAPES = [
    "CIRCLE(40, 20, 2)",
    "CIRCLE(0, 90, 5)",
    "CIRCLE(10, -89, 170)",
    "BOX(0, 0, 4, 3)",
    "POLYGON(355, 85, 90, 80, 200, 87, 270, 82)",
    "POLYGON(38, 18, 42, 18, 40, 20, 42, 22, 38, 22)",
    "REGION('Union (Circle 40 20 1 Polygon 350 -5 5 -5 0 5)')",
    "REGION('Intersection (Circle 40 20 3 Not (Circle 40 20 1))')",
]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("place", ["POINT(ra, dec)", "POINT(ra + 0, dec)"])
def test_points_in_shapes(archive, elephant, shape, place):
    text = f"SELECT id FROM survey.stars WHERE 1 = CONTAINS({place}, {shape}) ORDER BY id"
    rows = archive.run(text)
    assert 10 < len(rows) < 4000
    assert in_postgres(elephant, archive, text) == rows


EXPRESSIONS = [
    "MOD(-7.5, 2)",
    "MOD(id, 0)",
    "ROUND(2.345, 2)",
    "ROUND(-378.9, -2)",
    "TRUNCATE(-378.9, -2)",
    "1 / (id - 3.0)",
    "-1 / (id - 3.0)",
    "LOG(-1)",
    "SQRT(-1)",
    "POWER(10, 400)",
    "ACOS(2)",
    "id / 0",
    "6 ^ 3",
    "~5",
    "CAST('2021-01-14T11:25:00.5Z' AS TIMESTAMP)",
    "ivo_to_mjd('1910-12-31T06:00:00')",
    "ivo_to_jd('2000-01-02T12:00:00')",
    "vogate_mjd_to_timestamp(51544.25)",
    "ivo_hasword('shown that a primordial', 'Shown primordial')",
    "ivo_hasword('shown that a primordial', 'soup')",
    "ivo_hashlist_has('Red#green#blue', 'red')",
    "ivo_nocasematch('ABcabc', 'ab__bc')",
    "ivo_interval_overlaps(-2, 55.3, 2, 3)",
    "gavo_match('^NGC *[0-9]+$', 'NGC 4261')",
    "vogate_convert(12.4, 'keV', 'Angstrom')",
    "vogate_healpix_ancestor(12, 4000, 3)",
    "vogate_healpix_area(4)",
    "DISTANCE(POINT(id, 2), POINT(3, 4))",
    "POINT(id - 10, 20)",
    "CIRCLE(id, 20, 5)",
    "COORD1(POINT(370, 2))",
    "'a\\b' || 'it''s'",
    "MOC('3/4-7 2/3')",
    "MOC('3/1,2 , 5-6 29/7')",
    "MOC('no' || name)",
    "MOC('30/1' || '')",
    "MOC('3/768' || '')",
    "MOC('3/9-8' || '')",
    "MOC(' 3/' || '')",
    "MOC('0/0-11' || '')",
    "MOC('29/3458764513820540927' || '')",
    "MOC(2, MOC('29/17 4/500-503' || ''))",
    "vogate_moc_union('3/1-2', '3/0,3' || '')",
    "vogate_moc_intersection('3/1-9' || '', '2/2')",
    "vogate_moc_difference('2/2', '3/9' || '')",
    "vogate_moc_complement('0/0-10 3/760' || '')",
    "AREA(MOC('4/17 9/3' || ''))",
    "CONTAINS(MOC('3/10' || ''), MOC('2/2'))",
    "CONTAINS(MOC('2/2'), MOC('3/10' || ''))",
    "INTERSECTS(MOC('2/2'), MOC('3/10' || ''))",
    "INTERSECTS(MOC('2/2'), MOC('3/16' || ''))",
    "gavo_mocunion(MOC('3/1'), MOC('3/2' || ''))",
    "gavo_getauthority('ivo://org.gavo.dc/foo/bar#baz')",
    "gavo_getauthority('not one')",
    "gavo_to_mjd('1910-12-31T06:00:00')",
    "gavo_specconv(656.3, 'nm', 'eV')",
]


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_expressions(archive, elephant, expression):
    text = f"SELECT {expression} AS x FROM survey.extra WHERE id = 3"
    assert alike(in_postgres(elephant, archive, text), archive.run(text))


@pytest.mark.parametrize(
    "expression",
    ["MOC(5, s_region)", "CONTAINS(s_region, MOC('3/4-7'))"],
)
def test_what_postgres_does_not_compute_is_refused(archive, expression):
    compiled = archive.compile(f"SELECT {expression} AS x FROM ivoa.obscore")
    with pytest.raises(QueryError, match="This service's database does not"):
        compiled.written_by(PostgresEmitter())


def test_limits_are_written(archive, elephant):
    compiled = archive.compile("SELECT id FROM survey.stars ORDER BY id").written_by(
        PostgresEmitter(), maxrec=9
    )
    elephant.execute(compiled.sql)
    assert [row[0] for row in elephant.fetchall()] == list(range(10))


def test_cones_use_the_index_column(archive, elephant):
    elephant.execute("SET default_transaction_read_only = off")
    elephant.execute("CREATE INDEX stars_hpx29 ON s_survey.stars (_hpx29)")
    elephant.execute("ANALYZE s_survey.stars")
    text = "SELECT id FROM survey.stars WHERE 1 = CONTAINS(POINT(ra, dec), CIRCLE(180, 35, 1))"
    elephant.execute("EXPLAIN " + archive.compile(text).written_by(PostgresEmitter()).sql)
    assert "stars_hpx29" in "".join(row[0] for row in elephant.fetchall())


def test_functions_run_in_parallel_plans(archive, elephant):
    """A large table makes PostgreSQL choose such plans by itself; here it is made to."""
    settings = {"parallel_setup_cost": "0", "parallel_tuple_cost": "0", "min_parallel_table_scan_size": "0"}
    text = (
        "SELECT COUNT(*) FROM survey.stars WHERE POWER(ABS(dec), 1.5) > 9 AND SQRT(ABS(ra)) / (dec + 1) < 90"
    )
    expected = archive.run(text)
    try:
        for name, value in settings.items():
            elephant.execute(f"SET {name} = {value}")
        assert in_postgres(elephant, archive, text) == expected
    finally:
        for name in settings:
            elephant.execute(f"RESET {name}")
