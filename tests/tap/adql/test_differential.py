"""The same answers from DuckDB, PostgreSQL and SQLite to queries made at random.

150 queries here; VOGATE_LONG=1 makes 2,000.
"""

from __future__ import annotations

import math
import os
import re
import sqlite3

import pytest

from tap.adql import udf
from tests.tap.adql.generated import Generator

QUERIES = 2000 if os.environ.get("VOGATE_LONG") else 150


@pytest.fixture
def archive(duckdb_archive):
    """The one that the others are compared with."""
    return duckdb_archive


@pytest.fixture
def elephant(postgres_archive):
    return postgres_archive


@pytest.fixture(scope="module")
def lite(duckdb_archive):
    archive = duckdb_archive
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


def in_postgres(elephant, archive, text):
    return elephant.run(archive.compile(text).written_by(elephant.emitter()))


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


EXAMPLES = {item.example: item for item in udf.DECLARED if not re.search("random|simbad", item.name)}
"""Those of random numbers have no one value, names are asked for when a query is compiled."""


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_example_of_every_function(archive, elephant, example):
    text = f"SELECT {example} AS x FROM survey.extra WHERE id = 3"
    ours = archive.run(text)
    assert ours[0][0] is not None
    assert alike(in_postgres(elephant, archive, text), ours)


WIDE = [
    "POLYGON(id, 0, id + 119, 1, id + 240, 2)",
    "POLYGON(id, 0.6, id + 120, 0.7, id + 240, 0.5)",
    "POLYGON(id, 0, id + 90, 1, id + 179, 0, id + 270, 89)",
    "POLYGON(id, 1, id + 100, 1, id + 200, 1, id + 300, 1)",
    "POLYGON(id, 0, id + 120, 0, id + 240, 0)",
    "POLYGON(id, 5, id + 120, -5, id + 240, -5)",
]


@pytest.mark.parametrize("polygon", WIDE)
def test_polygons_nearly_a_hemisphere_wide(archive, elephant, polygon):
    """Some are, by a hair, and the others are none: no area."""
    text = f"SELECT AREA({polygon}) AS a, CENTROID({polygon}) AS c FROM survey.extra WHERE id < 30"
    ours = archive.run(text)
    assert alike(in_postgres(elephant, archive, text), ours)
    assert all((row[0] is None) == (ours[0][0] is None) for row in ours)


MOC_CONDITIONS = [
    "1 = INTERSECTS(s_region, MOC('1/3-10'))",
    "1 = CONTAINS(s_region, MOC('1/3-10 3/0-60'))",
    "1 = CONTAINS(MOC(3, s_region), REGION('Not (Circle 10 20 60)'))",
    "1 = INTERSECTS(MOC(3, s_region), MOC('2/20-90'))",
    "1 = CONTAINS(POINT(s_ra, s_dec), MOC('2/20-90 5/3000-4000'))",
    "1 = CONTAINS(POINT(s_ra + 0, s_dec), MOC('2/20-90' || ''))",
    "1 = INTERSECTS(outline, MOC('2/20-90 5/3000-4000'))",
    "1 = CONTAINS(outline, MOC(4, outline))",
    "0 = CONTAINS(MOC(4, outline), outline)",
]


@pytest.mark.parametrize("condition", MOC_CONDITIONS)
def test_regions_and_mocs(archive, elephant, condition):
    few = "obs_id LIKE 'obs 1%'"
    text = f"SELECT obs_id FROM ivoa.obscore WHERE {few} AND {condition} ORDER BY obs_id"
    rows = archive.run(text)
    assert 3 < len(rows) < 112
    assert in_postgres(elephant, archive, text) == rows


def test_mocs_of_regions_and_of_groups(archive, elephant):
    text = "SELECT obs_id, MOC(4, s_region), AREA(MOC(5, outline)) FROM ivoa.obscore WHERE obs_id LIKE 'obs 2_' ORDER BY 1"
    rows = archive.run(text)
    assert len(rows) == 10
    assert alike(in_postgres(elephant, archive, text), rows)
    text = 'SELECT "Kind", vogate_moc_agg(6, ra, dec) FROM survey.stars WHERE id < 300 GROUP BY "Kind" ORDER BY 1'
    assert in_postgres(elephant, archive, text) == archive.run(text)


def test_limits_are_written(archive, elephant):
    compiled = archive.compile("SELECT id FROM survey.stars ORDER BY id").written_by(
        elephant.emitter(), maxrec=9
    )
    assert [row[0] for row in elephant.run(compiled)] == list(range(10))


PLANS = [
    ("survey.stars WHERE 1 = CONTAINS(POINT(ra, dec), CIRCLE(180, 35, 1))", "hpx29_idx"),
    ("ivoa.obscore WHERE 1 = INTERSECTS(s_region, CIRCLE(180, 35, 1))", "vg_cap_box_idx"),
    ("ivoa.obscore WHERE 1 = CONTAINS(POINT(10, 20), s_region)", "vg_cap_box_idx"),
]


@pytest.mark.parametrize(("rest", "index"), PLANS)
def test_regions_of_the_sky_use_an_index(elephant, rest, index):
    rows = elephant.connection.execute(
        "EXPLAIN " + elephant.compile(f"SELECT 1 AS one FROM {rest}").sql
    ).fetchall()
    assert index in "".join(row[0] for row in rows)


def test_functions_run_in_parallel_plans(archive, elephant):
    """A large table makes PostgreSQL choose such plans by itself; here it is made to."""
    settings = {"parallel_setup_cost": "0", "parallel_tuple_cost": "0", "min_parallel_table_scan_size": "0"}
    text = (
        "SELECT COUNT(*) FROM survey.stars WHERE POWER(ABS(dec), 1.5) > 9 AND SQRT(ABS(ra)) / (dec + 1) < 90"
    )
    expected = archive.run(text)
    try:
        for name, value in settings.items():
            elephant._command(f"SET {name} = {value}")
        assert in_postgres(elephant, archive, text) == expected
    finally:
        for name in settings:
            elephant._command(f"RESET {name}")
