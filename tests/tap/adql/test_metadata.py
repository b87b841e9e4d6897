"""Names, units, UCDs and types of result columns, through expressions and queries."""

from __future__ import annotations

import pytest


def columns(archive, select, rest="FROM survey.stars"):
    return archive.compile(f"SELECT {select} {rest}").columns


def one(archive, select, rest="FROM survey.stars"):
    (column,) = columns(archive, select, rest)
    return column


def test_plain_columns_keep_everything(archive):
    column = one(archive, "ra")
    assert (column.name, column.unit, column.ucd) == ("ra", "deg", "pos.eq.ra;meta.main")
    assert (column.description, column.coosys, column.datatype) == ("Right ascension", "icrs", "double")
    assert one(archive, "flag").null == -1
    renamed = one(archive, 'ra AS "Right Ascension"')
    assert (renamed.name, renamed.unit) == ("Right Ascension", "deg")


@pytest.mark.parametrize(
    ("expression", "unit", "ucd", "datatype"),
    [
        ("SUM(parallax)", "mas", "pos.parallax", "double"),
        ("parallax + parallax", "mas", "pos.parallax", "double"),
        ("parallax + 1", "mas", "pos.parallax", "double"),
        ("parallax - 2 * 3", "mas", "pos.parallax", "double"),
        ("parallax + ra", "", "", "double"),
        ("-parallax", "mas", "pos.parallax", "double"),
        ("AVG(parallax)", "mas", "stat.mean;pos.parallax", "double"),
        ("MIN(parallax)", "mas", "stat.min;pos.parallax", "double"),
        ("MAX(pm_ra)", "mas/yr", "stat.max;pos.pm;pos.eq.ra", "float"),
        ("AVG(flag)", "", "", "double"),
        ("SUM(flag)", "", "", "long"),
        ("COUNT(*)", "", "meta.number", "long"),
        ("COUNT(DISTINCT name)", "", "meta.number", "long"),
        ("3600 * parallax", "", "", "double"),
        ("parallax / parallax", "", "", "double"),
        ("parallax * parallax", "mas**2", "", "double"),
        ("SQRT(POWER(pm_ra, 2) + POWER(pm_dec, 2))", "mas.yr**-1", "", "double"),
        ("IN_UNIT(parallax, 'arcsec')", "arcsec", "pos.parallax", "double"),
        ("IN_UNIT(SQRT(POWER(pm_ra, 2) + POWER(pm_dec, 2)), 'rad/yr')", "rad/yr", "", "double"),
        ("IN_UNIT(ra + 10, 'rad')", "rad", "pos.eq.ra;meta.main", "double"),
        ("ROUND(parallax, 2)", "mas", "pos.parallax", "double"),
        ("ABS(flag)", "", "", "short"),
        ("ABS(parallax)", "mas", "pos.parallax", "double"),
        ("LOG10(parallax)", "", "", "double"),
        ("RADIANS(ra)", "rad", "", "double"),
        ("COALESCE(parallax, 0)", "mas", "pos.parallax", "double"),
        ("CAST(parallax AS REAL)", "mas", "pos.parallax", "float"),
        ("DISTANCE(ra, dec, 1, 2)", "deg", "pos.angDistance", "double"),
        ("AREA(CIRCLE(ra, dec, 1))", "deg**2", "phys.angArea", "double"),
        ("COORD1(POINT(ra, dec))", "deg", "pos.eq.ra;meta.main", "double"),
        ("CONTAINS(POINT(ra, dec), CIRCLE(1, 2, 3))", "", "", "int"),
        ("id / 2", "", "", "long"),
        ("id / 2.0", "", "", "double"),
        ("pm_ra + pm_dec", "mas/yr", "", "double"),
    ],
)
def test_units_ucds_and_types_flow_through_expressions(archive, expression, unit, ucd, datatype):
    column = one(archive, expression)
    assert (column.unit, column.ucd, column.datatype) == (unit, ucd, datatype)


def test_converted_units_are_right(archive):
    rows = archive.run("SELECT ra, IN_UNIT(ra, 'rad'), IN_UNIT(ra, 'arcmin') FROM survey.stars WHERE id = 77")
    degrees, radians, arcminutes = rows[0]
    assert radians == pytest.approx(degrees * 3.141592653589793 / 180, rel=1e-15)
    assert arcminutes == pytest.approx(degrees * 60, rel=1e-15)


@pytest.mark.parametrize(
    ("expression", "datatype", "arraysize", "xtype"),
    [
        ("POINT(ra, dec)", "double", "2", "point"),
        ("CIRCLE(ra, dec, 1)", "double", "3", "circle"),
        ("BOX(ra, dec, 1, 1)", "double", "*", "polygon"),
        ("POLYGON(1, 2, 3, 4, 5, 7)", "double", "*", "polygon"),
        ("REGION('Circle 1 2 3')", "double", "3", "circle"),
        ("REGION('Union (Circle 1 2 3 Circle 2 2 3)')", "char", "*", "adql:REGION"),
        ("CENTROID(CIRCLE(ra, dec, 1))", "double", "2", "point"),
        ("CAST(seen AS TIMESTAMP)", "char", "*", "timestamp"),
        ("seen", "char", "*", "timestamp"),
        ("CAST(name AS VARCHAR(5))", "char", "5*", ""),
        ("CAST(name AS CHAR(5))", "char", "5", ""),
        ("name || 'x'", "char", "*", ""),
        ("NULL", "char", "*", ""),
        ("good", "boolean", "", ""),
    ],
)
def test_types_of_results(archive, expression, datatype, arraysize, xtype):
    column = one(archive, expression)
    assert (column.datatype, column.arraysize, column.xtype) == (datatype, arraysize, xtype)


def test_names_of_results(archive):
    found = columns(
        archive, "ra, ra, ra + 1, COUNT(*), COUNT(id), MAX(ra), RA AS ra_2", "FROM survey.stars GROUP BY ra"
    )
    assert [column.name for column in found] == ["ra", "ra_3", "col3", "count", "count_2", "max", "ra_2"]


def test_metadata_pass_through_queries(archive):
    for rest in (
        "FROM (SELECT parallax AS p FROM survey.stars) AS q",
        "FROM (SELECT SUM(parallax) AS p FROM survey.stars GROUP BY id) AS q",
        "FROM (SELECT parallax AS p FROM survey.stars UNION SELECT ra FROM survey.stars) AS q",
    ):
        column = one(archive, "p", rest)
        assert (column.unit, column.ucd) == ("mas", "pos.parallax")
    (column,) = archive.compile(
        "WITH q AS (SELECT parallax FROM survey.stars) SELECT MAX(parallax) FROM q"
    ).columns
    assert (column.name, column.unit) == ("max", "mas")
    (column,) = archive.compile("SELECT parallax FROM survey.stars UNION SELECT id FROM survey.extra").columns
    assert (column.unit, column.datatype) == ("mas", "double")


def test_tables_that_a_query_reads(archive):
    text = "SELECT id FROM stars WHERE id IN (SELECT id FROM extra) UNION SELECT 1 FROM (SELECT * FROM obscore) AS o"
    assert archive.compile(text).tables == {("survey", "stars"), ("survey", "extra"), ("ivoa", "obscore")}


def test_urls_are_no_paths_any_more(archive):
    (column,) = archive.compile("SELECT access_url FROM ivoa.obscore").columns
    assert not column.base_url
