"""What queries mean, run in DuckDB against the test archive."""

from __future__ import annotations

import math

import pyarrow as pa
import pytest

from gateway.vo.errors import QueryError


def scalar(archive, expression):
    """The value of an expression, on one row."""
    ((value,),) = archive.run(f"SELECT {expression} FROM survey.extra WHERE id = 3")
    return value


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("7 / 2", 3),
        ("-7 / 2", -3),
        ("(0 - 7) / 2", -3),
        ("id / 2", 1),
        ("1 + 2 - 6 / 2", 0),
        ("7 / 2.", 3.5),
        ("7 / 2 * 1.5", 4.5),
        ("id / 0", None),
        ("2 - 3 - 4", -5),
        ("2 * (3 - 4) * 5", -10),
        ("100000 * 100000", 10**10),
        ("LOG(EXP(1))", 1.0),
        ("LOG10(1000)", 3.0),
        ("MOD(7.5, 2)", 1.5),
        ("MOD(-7.5, 2)", -1.5),
        ("MOD(7, -4)", 3.0),
        ("ROUND(2.345, 2)", 2.35),
        ("ROUND(-378.9, -2)", -400.0),
        ("ROUND(2.5)", 3.0),
        ("TRUNCATE(3.789, 2)", 3.78),
        ("TRUNCATE(-378.9, -2)", -300.0),
        ("CEILING(2.1)", 3.0),
        ("FLOOR(-2.1)", -3.0),
        ("ABS(-3)", 3),
        ("POWER(2, 10)", 1024.0),
        ("SQRT(16)", 4.0),
        ("DEGREES(PI())", 180.0),
        ("RADIANS(180)", math.pi),
        ("ATAN2(1, 1)", math.pi / 4),
        ("COT(PI() / 4)", 1.0),
        ("'a' || 'b' || 'c'", "abc"),
        ("'it''s' || ' %'", "it's %"),
        ("name || NULL", None),
        ("LOWER('AbC')", "abc"),
        ("UPPER('AbC')", "ABC"),
        ("COALESCE(NULL, 3, 4)", 3),
        ("COALESCE(NULL, 'x')", "x"),
        ("COALESCE(NULL)", None),
        ("CAST('12' AS INTEGER) + 1", 13),
        ("CAST(3.14159 AS VARCHAR(4))", "3.14"),
        ("CAST(1.5 AS REAL)", 1.5),
        ("CAST(NULL AS VARCHAR)", None),
        ("CAST('2021-01-14T11:25:00' AS TIMESTAMP)", "2021-01-14T11:25:00"),
        ("CAST('2021-01-14T11:25:00.5Z' AS TIMESTAMP)", "2021-01-14T11:25:00.5"),
        ("CAST('2021-01-14' AS TIMESTAMP)", "2021-01-14T00:00:00"),
        ("CAST('12.5 45.5' AS POINT)", [12.5, 45.5]),
        ("CAST('12.5 45.5 1' AS CIRCLE)", [12.5, 45.5, 1.0]),
        ("CASE WHEN id > 5 THEN 'big' WHEN id > 2 THEN 'mid' ELSE 'low' END", "mid"),
        ("CASE id WHEN 3 THEN 1 ELSE 2.5 END", 1.0),
        ("0x1F & 6", 6),
        ("6 | 1", 7),
        ("6 ^ 3", 5),
        ("~5", -6),
        ("-5 + 3", -2),
        ("- (2 + 3)", -5),
        ("9223372036854775807", 9223372036854775807),
        ("18446744073709551616", 2.0**64),
    ],
)
def test_expressions(archive, expression, expected):
    value = scalar(archive, expression)
    if isinstance(expected, float):
        assert isinstance(value, float)
        assert value == pytest.approx(expected, rel=1e-14)
    else:
        assert value == expected
        assert type(value) is type(expected)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("ivo_hasword('Miller and Urey have', 'miller')", 1),
        ("ivo_hasword('shown that a primordial', 'soup')", 0),
        ("ivo_hasword('shown that a primordial', 'shown primordial')", 1),
        ("ivo_hasword('shown that a primordial', 'shown soup')", 0),
        ("ivo_hashlist_has('Red#green#blue', 'red')", 1),
        ("ivo_hashlist_has('red#green#blue', 're')", 0),
        ("ivo_hashlist_has('red#green#blue', 'red#green')", 0),
        ("ivo_nocasematch('ABcabc', 'ab__bc')", 1),
        ("ivo_nocasematch('abcabc', 'abcab')", 0),
        ("ivo_interval_overlaps(-3, -2, 2, 3)", 0),
        ("ivo_interval_overlaps(-2, 55.3, 2, 3)", 1),
        ("ivo_interval_overlaps(2, 3, -2, 55.3)", 1),
        ("ivo_interval_overlaps(-2, 55.3, 3, 2)", 0),
        ("ivo_interval_overlaps(-2, 2, 2, 3)", 1),
        ("ivo_healpix_index(0, 1, 1)", 4),
        ("ivo_healpix_index(17, 1, 1)", 81609757711),
        ("ivo_healpix_index(17, 359, -1)", 73009064944),
        ("ivo_healpix_index(17, CENTROID(CIRCLE(359, -1, 3)))", 73009064944),
        ("ivo_to_jd(CAST('2000-01-02T12:00:00' AS TIMESTAMP))", 2451546.0),
        ("ivo_to_jd('1910-12-31T06:00:00')", 2419036.75),
        ("ivo_to_mjd(CAST('2000-01-02T12:00:00' AS TIMESTAMP))", 51545.5),
        ("ivo_to_mjd('1910-12-31T06:00:00')", 19036.25),
        ("ivo_to_mjd(NULL)", None),
        ("ivo_hms_to_degrees('3:34:45.4')", 53.68916666666667),
        ("ivo_hms_to_degrees('3H34M45.4S')", 53.68916666666667),
        ("ivo_hms_to_degrees('033445.4')", 53.68916666666667),
        ("ivo_hms_to_degrees('nonsense')", None),
        ("ivo_dms_to_degrees('42:9:6.768')", 42.15188),
        ("ivo_dms_to_degrees('-0d15m0s')", -0.25),
        ("ivo_dms_to_degrees('-001500')", -0.25),
        ("gavo_match('^NGC *[0-9]+$', 'NGC 4261')", 1),
        ("gavo_match('^[0-9]+$', 'NGC 4261')", 0),
    ],
)
def test_catalogue_functions_give_the_catalogue_s_examples(archive, expression, expected):
    value = scalar(archive, expression)
    assert value == (pytest.approx(expected, rel=1e-13) if isinstance(expected, float) else expected)


def test_declared_examples_run(archive, monkeypatch):
    from tap.adql import objects, udf

    monkeypatch.setattr(objects, "_resolver", {"Crab Nebula": (83.6333, 22.0145)}.__getitem__)

    for function in udf.DECLARED:
        assert scalar_or_group(archive, function.example) is not None, function.name
        assert function.form.lower().startswith(function.name + "(")
        assert "->" in function.form


def scalar_or_group(archive, expression):
    ((value,),) = archive.run(f"SELECT TOP 1 {expression} FROM survey.extra")
    return value


def test_healpix_centres(archive):
    value = scalar(archive, "ivo_healpix_center(17, ivo_healpix_index(17, 23.4, 56.7))")
    assert value == pytest.approx([23.399843462947466, 56.70016214363192], abs=1e-12)
    assert scalar(archive, "ivo_healpix_center(2, 192)") is None


def test_string_aggregate_sorts_and_skips_null(archive):
    text = 'SELECT "Kind", ivo_string_agg(name, \';\') FROM survey.stars WHERE id < 10 GROUP BY "Kind" ORDER BY 1'
    names = {
        kind: [f"Star {i:04d}" for i in range(10) if i % 3 == k and i != 5] for k, kind in enumerate("AbC")
    }
    assert archive.run(text) == [(kind, ";".join(names[kind])) for kind in ("A", "C", "b")]


def test_conditions(archive):
    assert archive.ids("id BETWEEN 3 AND 5") == [3, 4, 5]
    assert archive.ids("id < 5 AND NOT (id = 2 OR id IN (0, 4))") == [1, 3]
    assert archive.ids("name LIKE 'Star 000_'") == [0, 1, 2, 3, 4, 6, 7, 8, 9]
    assert archive.ids("name LIKE 'STAR%'") == []
    assert archive.ids("name ILIKE 'STAR 000%'") == [0, 1, 2, 3, 4, 6, 7, 8, 9]
    assert archive.ids("name IS NULL AND id < 20") == [5, 18]
    assert archive.ids("id < 8 AND name NOT LIKE '%1'") == [0, 2, 3, 4, 6, 7]
    assert archive.ids("id NOT IN (SELECT id FROM survey.extra) AND id < 5") == [1, 2, 4]
    assert archive.ids("EXISTS (SELECT * FROM survey.extra AS e WHERE e.id = stars.id AND e.mag < 1)") == [
        0,
        3,
        6,
        9,
    ]
    assert archive.ids("good = 'T' AND id < 6") == [0, 2, 4]
    assert archive.ids("good = 0 AND id < 6") == [1, 5]
    assert archive.ids("seen < '2020-02-01' AND id < 30") == [0, 12, 24]
    assert archive.ids(
        "seen BETWEEN '2020-01-01T00:00:00' AND CAST('2020-01-02' AS TIMESTAMP) AND id < 90"
    ) == [0, 84]


def test_order_top_offset_distinct(archive):
    text = "SELECT DISTINCT TOP 3 flag FROM survey.stars WHERE flag IS NOT NULL ORDER BY flag DESC OFFSET 1"
    assert archive.run(text) == [(2,), (1,), (0,)]
    assert archive.run("SELECT TOP 0 * FROM survey.extra") == []
    assert archive.run("SELECT TOP 2 id FROM survey.extra ORDER BY 1 OFFSET 5") == [(15,), (18,)]
    assert archive.run("SELECT TOP 2 id AS x FROM survey.extra ORDER BY x DESC") == [(297,), (294,)]
    assert archive.run("SELECT TOP 2 id FROM survey.extra ORDER BY -1 * mag") == [(297,), (294,)]
    assert archive.run("SELECT TOP 1 flag FROM survey.stars ORDER BY flag DESC") == [(3,)]


def test_joins(archive):
    joined = "SELECT COUNT(*), COUNT(mag), COUNT(id) FROM survey.stars"
    assert archive.run(f"{joined} JOIN survey.extra USING (id)") == [(100, 100, 100)]
    assert archive.run(f"{joined} LEFT JOIN survey.extra USING (id)") == [(4000, 100, 4000)]
    shifted = "(SELECT id + 3900 AS id, mag FROM survey.extra) AS e"
    assert archive.run(f"{joined} RIGHT OUTER JOIN {shifted} USING (id)") == [(100, 100, 100)]
    assert archive.run(f"{joined} FULL JOIN {shifted} USING (id)") == [(4066, 100, 4066)]
    assert archive.run(f"{joined} NATURAL JOIN {shifted}") == [(34, 34, 34)]
    assert archive.run(f"{joined}, {shifted}".replace("COUNT(id)", "COUNT(stars.id)")) == [
        (400000, 400000, 400000)
    ]
    text = (
        "SELECT s.id FROM (survey.stars AS s JOIN survey.extra AS e ON s.id = e.id), survey.extra AS f "
        "WHERE f.id = e.id AND mag2 < 1"
    )
    with pytest.raises(QueryError, match="mag2"):
        archive.compile(text)
    assert len(archive.run(text.replace("mag2", "f.mag"))) == 4


def test_star_lists_join_columns_once(archive):
    names = [
        column.name
        for column in archive.compile(
            "SELECT * FROM survey.extra AS a JOIN survey.extra AS b USING (id)"
        ).columns
    ]
    assert names == ["id", "name", "mag", "name_2", "mag_2"]
    qualified = archive.compile(
        "SELECT b.*, a.id FROM survey.extra AS a NATURAL JOIN survey.extra AS b"
    ).columns
    assert [column.name for column in qualified] == ["id", "name", "mag", "id_2"]
    assert [column.name for column in archive.compile("SELECT mag, * FROM survey.extra").columns] == [
        "mag",
        "id",
        "name",
        "mag_2",
    ]


def test_index_columns_are_not_shown(archive):
    names = [column.name for column in archive.compile("SELECT * FROM ivoa.obscore").columns]
    assert names == ["obs_id", "s_ra", "s_dec", "s_region", "access_url", "outline", "centre"]
    for text in (
        'SELECT "_hpx29" FROM survey.stars',
        'SELECT id FROM (SELECT * FROM survey.stars) q WHERE "h1" > 0',
    ):
        with pytest.raises(QueryError):
            archive.compile(text)


def test_groups(archive):
    text = (
        'SELECT "Kind", COUNT(*) AS n, SUM(flag), AVG(flag), MIN(name), MAX(big) FROM survey.stars '
        'GROUP BY "Kind" HAVING COUNT(*) > 1333 ORDER BY n'
    )
    ((kind, count, total, mean, name, big),) = archive.run(text)
    assert (kind, count, name, big) == ("A", 1334, "Star 0000", 3999 * 10**14)
    assert isinstance(total, int)
    assert mean == pytest.approx(
        total / archive.run("SELECT COUNT(flag) FROM survey.stars WHERE \"Kind\" = 'A'")[0][0]
    )
    assert archive.run("SELECT COUNT(DISTINCT flag), COUNT(flag) FROM survey.stars") == [(7, 3636)]
    assert archive.run(
        "SELECT ROUND(ra / 180) AS half, COUNT(*) FROM survey.stars GROUP BY ROUND(ra / 180) ORDER BY 1"
    )
    assert archive.run("SELECT id / 50 AS b, COUNT(*) FROM survey.extra GROUP BY b ORDER BY b")[0] == (0, 17)


def test_sets(archive):
    low, high = (
        "SELECT id FROM survey.extra WHERE id < 9",
        "SELECT id FROM survey.extra WHERE id > 3 AND id < 13",
    )
    assert sorted(archive.run(f"{low} UNION {high}")) == [(0,), (3,), (6,), (9,), (12,)]
    assert len(archive.run(f"{low} UNION ALL {high}")) == 6
    assert sorted(archive.run(f"{low} EXCEPT {high}")) == [(0,), (3,)]
    assert archive.run(f"{low} INTERSECT {high}") == [(6,)]
    one = "SELECT id FROM survey.extra WHERE id = 99"
    # INTERSECT first: low UNION (high INTERSECT one)
    assert sorted(archive.run(f"{low} UNION {high} INTERSECT {one}")) == [(0,), (3,), (6,)]
    assert archive.run(f"({low} UNION {high}) INTERSECT {one}") == []
    top = "SELECT TOP 1 id FROM survey.extra ORDER BY id"
    tops = f"({top}) UNION ({top} DESC) ORDER BY id DESC"
    assert archive.run(tops) == [(297,), (0,)]
    assert archive.run(f"{low} UNION {high} ORDER BY 1 OFFSET 4") == [(12,)]
    mixed = archive.arrow("SELECT id FROM survey.extra WHERE id < 6 UNION SELECT 1.5 FROM survey.extra")
    assert sorted(mixed.column(0).to_pylist()) == [0.0, 1.5, 3.0]
    assert archive.run(f"SELECT COUNT(*) FROM ({low} UNION {high}) AS q") == [(5,)]


def test_named_queries(archive):
    text = (
        "WITH a AS (SELECT id, mag FROM survey.extra WHERE id < 10), b AS (SELECT TOP 2 id FROM a ORDER BY id DESC) "
        "SELECT a.id, mag FROM a JOIN b ON a.id = b.id ORDER BY 1"
    )
    assert [row[0] for row in archive.run(text)] == [6, 9]


def test_names_and_their_case(archive):
    assert len(archive.run("SELECT ID, stars.Name, SURVEY.Stars.Flag FROM Survey.STARS WHERE iD = 1")) == 1
    assert len(archive.run('SELECT kind, "Kind" FROM stars WHERE id = 1')) == 1
    assert archive.run('SELECT "size" FROM survey.stars AS "S t" WHERE "S t".id = 1')
    for text in (
        'SELECT "kind" FROM survey.stars',
        'SELECT "ID" FROM survey.stars',
        'SELECT id FROM "Survey".stars',
    ):
        with pytest.raises(QueryError):
            archive.compile(text)
    with pytest.raises(QueryError, match='"Kind"'):
        archive.compile('SELECT "kind" FROM survey.stars')
    assert archive.run(
        'SELECT q."A", q."a" FROM (SELECT id AS "A", id + 1 AS "a" FROM survey.extra) AS q WHERE "A" = 3'
    ) == [(3, 4)]


def test_paths_come_out_as_urls_everywhere(archive):
    text = "SELECT access_url FROM ivoa.obscore WHERE access_url LIKE 'https://example.org/datalink%' AND obs_id = 'obs 3'"
    assert archive.run(text) == [("https://example.org/datalink/links?ID=3",)]
    nested = "SELECT u FROM (SELECT access_url AS u, obs_id FROM ivoa.obscore) AS q WHERE obs_id = 'obs 3'"
    assert archive.run(nested) == [("https://example.org/datalink/links?ID=3",)]
    grouped = "SELECT access_url, COUNT(*) FROM ivoa.obscore WHERE obs_id = 'obs 3' GROUP BY access_url ORDER BY access_url"
    assert archive.run(grouped) == [("https://example.org/datalink/links?ID=3", 1)]
    distinct = "SELECT DISTINCT access_url FROM ivoa.obscore WHERE obs_id = 'obs 3' ORDER BY access_url"
    assert archive.run(distinct) == [("https://example.org/datalink/links?ID=3",)]


def test_uploads(archive):
    assert archive.run("SELECT TAP_UPLOAD.mine.label FROM TAP_UPLOAD.mine ORDER BY 1") == [
        ("here",),
        ("pole",),
    ]
    assert archive.compile("SELECT * FROM tap_upload.mine").tables == {("tap_upload", "mine")}
    with pytest.raises(QueryError, match="tap_upload.mine"):
        archive.compile("SELECT * FROM tap_upload.other")


def test_results_have_the_types_that_their_columns_say(archive):
    text = (
        "SELECT id, ra, pm_ra, flag, big, name, seen, good, id + flag AS a, pm_ra + pm_dec AS b, COALESCE(flag, 0) AS c, "
        "CAST(id AS SMALLINT) AS d, NULL AS e, ABS(flag) AS f, 1 AS g, 5000000000 AS h, MIN(flag) AS i, SUM(big) AS j, "
        "SUM(pm_ra) AS k, CAST(ra AS REAL) AS l, 'x' AS m, CONTAINS(POINT(ra, dec), CIRCLE(1, 2, 3)) AS n "
        "FROM survey.stars WHERE id < 3 GROUP BY id, ra, dec, pm_ra, pm_dec, flag, big, name, seen, good"
    )
    compiled = archive.compile(text)
    arrow = {
        "short": pa.int16(),
        "int": pa.int32(),
        "long": pa.int64(),
        "float": pa.float32(),
        "double": pa.float64(),
        "char": pa.string(),
        "boolean": pa.bool_(),
    }
    found = archive.arrow(compiled)
    for column, field in zip(compiled.columns, found.schema):
        assert field.type == arrow[column.datatype], column.name
    assert {c.name: c.datatype for c in compiled.columns}["h"] == "long"


def test_integer_overflow_is_an_error_not_a_wrong_number(archive):
    with pytest.raises(archive.failure):
        scalar(archive, "9223372036854775807 + id")
    with pytest.raises(archive.failure):
        archive.run("SELECT SUM(big * 100000) FROM survey.stars")
    for expression in (
        "CAST(100000 AS SMALLINT)",
        "CAST(1e300 AS REAL)",
        "CAST(1e10 AS INTEGER)",
        "CAST('x' AS BIGINT)",
    ):
        with pytest.raises(archive.failure):
            scalar(archive, expression)


def test_maxrec_and_top(archive):
    assert len(archive.run("SELECT id FROM survey.extra", maxrec=10)) == 11
    assert len(archive.run("SELECT TOP 5 id FROM survey.extra", maxrec=10)) == 5
    assert len(archive.run("SELECT id FROM survey.extra", maxrec=0)) == 1
    assert archive.compile("SELECT TOP 5 id FROM survey.extra", maxrec=10).select_top == 5
    assert archive.compile("SELECT id FROM survey.extra", maxrec=10).select_top is None
    union = "SELECT TOP 3 id FROM survey.extra UNION ALL SELECT id FROM survey.extra"
    assert archive.compile(union).select_top is None
    assert len(archive.run(union, maxrec=50)) == 51


@pytest.mark.parametrize(
    "text",
    [
        "SELECT id, mag FROM survey.extra ORDER BY id DESC",
        "SELECT TOP 40 id, mag FROM survey.extra ORDER BY id DESC OFFSET 3",
        "WITH a AS (SELECT * FROM survey.extra) SELECT id, mag FROM a ORDER BY id DESC",
        "SELECT id, mag FROM survey.extra UNION SELECT id, pm_ra FROM survey.stars WHERE id < 5 ORDER BY id DESC",
    ],
)
def test_pages_and_counts(archive, text):
    compiled = archive.compile(text, maxrec=1000)
    rows = archive.run(compiled)
    assert archive.run(compiled.counted()) == [(len(rows),)]
    assert [column.ucd for column in compiled.counted().columns] == ["meta.number"]
    paged = [
        row
        for offset in range(0, len(rows), 7)
        for row in archive.run(compiled.paged(None, False, offset, 7))
    ]
    assert paged == rows
    ascending = [
        row for offset in range(0, len(rows), 7) for row in archive.run(compiled.paged(0, False, offset, 7))
    ]
    assert ascending == sorted(rows)
    assert compiled.paged(1, True, 0, 5).columns == compiled.columns
    assert archive.run(compiled.paged(1, True, 0, 5)) == sorted(rows, key=lambda row: (-row[1], row[0]))[:5]


def test_pages_with_many_ties_show_every_row_once(archive):
    compiled = archive.compile("SELECT flag, id FROM survey.stars WHERE id < 100")
    rows = [row for offset in range(0, 100, 9) for row in archive.run(compiled.paged(0, True, offset, 9))]
    assert sorted(row[1] for row in rows) == list(range(100))
