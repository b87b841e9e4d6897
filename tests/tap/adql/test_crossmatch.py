"""Joins by position: the pairs that brute force finds, for every kind and spelling of join."""

from __future__ import annotations

import numpy as np
import pytest

from tests.tap.adql import oracle

RADIUS = 0.4


@pytest.fixture(scope="module")
def pairs(archive):
    """(star, observation) closer than RADIUS."""
    stars, fields = archive.tables["stars"], archive.tables["obscore"]
    p = oracle.vectors(stars["ra"].to_numpy(), stars["dec"].to_numpy())
    found = []
    for name, x, y in zip(
        fields["obs_id"].to_pylist(), fields["s_ra"].to_pylist(), fields["s_dec"].to_pylist()
    ):
        near = oracle.angle(p, oracle.vectors(x, y)) < RADIUS
        found += [(int(i), name) for i in stars["id"].to_numpy()[near]]
    assert len(found) > 30
    return sorted(found)


CONDITIONS = [
    "DISTANCE(ra, dec, s_ra, s_dec) < {r}",
    "DISTANCE(s_ra, s_dec, ra, dec) < {r}",
    "{r} > DISTANCE(POINT(s_ra, s_dec), POINT(ra, dec))",
    "1 = CONTAINS(POINT(ra, dec), CIRCLE(s_ra, s_dec, {r}))",
    "1 = CONTAINS(POINT(s_ra, s_dec), CIRCLE(POINT(ra, dec), {r}))",
    "DISTANCE(ra + 0.0, dec, s_ra, s_dec) < {r}",
    "DISTANCE(centre, POINT(ra, dec)) < {r} AND id >= 0",
]


@pytest.mark.parametrize("condition", CONDITIONS)
def test_inner_joins(archive, pairs, condition):
    condition = condition.format(r=RADIUS)
    for rest in (
        f"survey.stars JOIN ivoa.obscore ON {condition}",
        f"ivoa.obscore JOIN survey.stars ON {condition}",
        f"survey.stars, ivoa.obscore WHERE {condition}",
        f"ivoa.obscore, survey.stars WHERE {condition}",
        f"(SELECT * FROM survey.stars) AS a JOIN (SELECT * FROM ivoa.obscore) AS b ON {condition}",
        f"survey.stars JOIN survey.extra USING (id) RIGHT JOIN (survey.stars AS t JOIN ivoa.obscore ON "
        f"{condition.replace('ra, dec', 't.ra, t.dec').replace('ra + 0.0, dec', 't.ra, t.dec').replace('id', 't.id')}) "
        "ON stars.id = t.id",
    ):
        alias = "t.id" if " t " in rest else "id"
        compiled = archive.compile(f"SELECT {alias}, obs_id FROM {rest}")
        assert archive.matches_by_cells(compiled), rest
        assert sorted(archive.run(compiled)) == pairs, rest


def test_outer_joins_keep_the_rows_that_match_nothing(archive, pairs):
    condition = f"DISTANCE(ra, dec, s_ra, s_dec) < {RADIUS}"
    stars, fields = archive.tables["stars"], archive.tables["obscore"]
    lonely_stars = [(i, None) for i in stars["id"].to_pylist() if i not in {pair[0] for pair in pairs}]
    lonely_fields = [
        (None, name) for name in fields["obs_id"].to_pylist() if name not in {pair[1] for pair in pairs}
    ]

    def found(join):
        rows = archive.run(f"SELECT id, obs_id FROM survey.stars {join} ivoa.obscore ON {condition}")
        return sorted(rows, key=str)

    assert found("LEFT JOIN") == sorted(pairs + lonely_stars, key=str)
    assert found("RIGHT OUTER JOIN") == sorted(pairs + lonely_fields, key=str)
    assert found("FULL JOIN") == sorted(pairs + lonely_stars + lonely_fields, key=str)


def test_a_table_matches_itself(archive):
    stars = archive.tables["stars"]
    p = np.asarray(oracle.vectors(stars["ra"].to_numpy(), stars["dec"].to_numpy()), float)
    apart = np.degrees(2 * np.arcsin(np.minimum(1, np.sqrt(((p[:, None] - p[None]) ** 2).sum(-1)) / 2)))
    expected = int((apart < 0.1).sum())
    text = "SELECT COUNT(*) FROM survey.stars AS a JOIN survey.stars AS b ON DISTANCE(a.ra, a.dec, b.ra, b.dec) < 0.1"
    assert archive.run(text) == [(expected,)]
    assert expected > len(stars)


def test_the_radius_of_an_integer_division_is_zero_and_not_slow(archive):
    """`5/3600`, which many a beginner writes, is 0: what is at the same place, by way of cells like any other radius."""
    count = len(archive.tables["stars"])
    for operator, expected in (("<=", count), ("<", 0)):
        condition = f"DISTANCE(a.ra, a.dec, b.ra, b.dec) {operator} 5/3600"
        compiled = archive.compile(
            f"SELECT a.id, b.id FROM survey.stars AS a JOIN survey.stars AS b ON {condition}"
        )
        assert archive.matches_by_cells(compiled)
        rows = archive.run(compiled)
        assert len(rows) == expected
        assert all(a == b for a, b in rows)


@pytest.mark.parametrize(
    "joined",
    [
        "survey.stars AS a JOIN survey.stars AS b ON DISTANCE(a.ra, a.dec, b.ra, b.dec) < 0.1 AND a.id < b.id",
        "survey.stars AS a JOIN survey.stars AS b ON DISTANCE(a.ra, a.dec, b.ra, b.dec) < 0.1 WHERE a.id < b.id",
        "survey.stars AS a, survey.stars AS b WHERE DISTANCE(a.ra, a.dec, b.ra, b.dec) < 0.1 AND a.id < b.id",
    ],
)
def test_pairs_of_a_table_are_asked_by_their_cells_not_by_their_order(archive, joined):
    """PostgreSQL would ask the index of `id` for half the table, row by row, but for the fence."""
    stars = archive.tables["stars"]
    ids, p = (
        stars["id"].to_numpy(),
        np.asarray(oracle.vectors(stars["ra"].to_numpy(), stars["dec"].to_numpy()), float),
    )
    apart = np.degrees(2 * np.arcsin(np.minimum(1, np.sqrt(((p[:, None] - p[None]) ** 2).sum(-1)) / 2)))
    expected = sorted((int(ids[i]), int(ids[j])) for i, j in np.argwhere(apart < 0.1) if ids[i] < ids[j])
    compiled = archive.compile(f"SELECT a.id, b.id FROM {joined}")
    assert archive.matches_by_cells(compiled)
    assert ("LATERAL" in compiled.sql) == ("OFFSET 0" in compiled.sql)
    assert sorted(archive.run(compiled)) == expected
    assert len(expected) > 10


def test_conditions_that_are_not_certain_are_left_alone(archive):
    for condition in (
        "DISTANCE(ra, dec, s_ra, s_dec) < 0.1 OR id = 3",
        "NOT DISTANCE(ra, dec, s_ra, s_dec) < 0.1",
        "DISTANCE(ra, dec, s_ra, s_dec) < parallax",
        "DISTANCE(ra, dec, s_ra, s_dec) < 50",
    ):
        compiled = archive.compile(f"SELECT id FROM survey.stars, ivoa.obscore WHERE {condition}")
        assert not archive.matches_by_cells(compiled)


def test_columns_of_a_match_are_those_of_its_tables(archive):
    text = (
        "SELECT * FROM survey.extra AS e, survey.stars AS s "
        "JOIN TAP_UPLOAD.mine AS m ON DISTANCE(s.ra, s.dec, m.ra, m.dec) < 1"
    )
    names = [column.name for column in archive.compile(text).columns]
    assert "_cell" not in names
    assert len(archive.arrow(text).column_names) == len(names)


def test_outer_joins_of_uploads_read_only_the_cells_that_they_reach(archive):
    """The same rows with the upload kept on either side, matched or not, and with a filter on the other one."""
    distances = {
        (label, int(i))
        for label, x, y in (("here", 40.0, 20.0), ("pole", 0.0, 90.0))
        for i, d in zip(
            archive.tables["stars"]["id"].to_pylist(),
            oracle.angle(
                oracle.vectors(
                    archive.tables["stars"]["ra"].to_numpy(), archive.tables["stars"]["dec"].to_numpy()
                ),
                oracle.vectors(x, y),
            ),
        )
        if d < 1
    }
    near = "DISTANCE(s.ra, s.dec, m.ra, m.dec) < 1"
    for join in (
        f"TAP_UPLOAD.mine AS m LEFT JOIN survey.stars AS s ON {near}",
        f"survey.stars AS s RIGHT JOIN TAP_UPLOAD.mine AS m ON {near}",
        f"TAP_UPLOAD.mine AS m LEFT JOIN (SELECT ra, dec, id FROM survey.stars) AS s ON {near}",
    ):
        compiled = archive.compile(f"SELECT label, id FROM {join}")
        wanted = {"duckdb": " IN (SELECT unnest(vg_cells(", "postgres": "LEFT JOIN LATERAL"}
        assert wanted[archive.engine] in compiled.sql
        assert set(archive.run(compiled)) == distances
    alone = f"SELECT label, id FROM TAP_UPLOAD.mine AS m LEFT JOIN survey.stars AS s ON {near} AND s.id < 0"
    assert sorted(archive.run(alone)) == [("here", None), ("pole", None)]
