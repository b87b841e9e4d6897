"""MOCs as values: made, combined and compared exactly; shapes and MOCs by points of each in the other."""

from __future__ import annotations

import numpy as np
import pytest

from gateway.vo.errors import QueryError
from tap.adql import healpix, moc, moc_shapes, regions, shapes
from tap.adql.predicates import Ragged
from tests.tap.adql import oracle
from tests.tap.adql.test_shapes import centre, inside, outline, random_shape


def scalar(archive, expression):
    ((value,),) = archive.run(f"SELECT {expression} FROM survey.extra WHERE id = 3")
    return value


def holds(ranges, p):
    """Whether vectors are in a MOC."""
    lon, lat = oracle.degrees(p)
    return moc.inside(healpix.index(29, lon, lat), ranges)


def random_moc(rng, lon, lat, size):
    """Cells of several orders around a place."""
    x, y = oracle.around(rng, lon, lat, size, 12)
    parts = []
    for a, b in zip(x, y):
        order = int(rng.integers(3, 8))
        cell = int(healpix.index(order, np.array([a]), np.array([b]))[0])
        parts.append(f"{order}/{cell}")
    return moc.parse(" ".join(parts))


def sampled(rng, ranges, count=4000):
    """Points within the cells of a MOC."""
    widths = (ranges[:, 1] - ranges[:, 0]).astype(float)
    rows = rng.choice(len(ranges), count, p=widths / widths.sum())
    cells = ranges[rows, 0] + (rng.random(count) * widths[rows]).astype(np.int64)
    return healpix.centres(29, np.minimum(cells, ranges[rows, 1] - 1)).astype(oracle.Long)


def within(rng, shape, vertices, count=2000):
    """Points in a shape."""
    lon, lat = shapes.lon_lat(shape.centre)
    p = oracle.vectors(*oracle.around(rng, lon, lat, np.degrees(shape.radius), count))
    return p[inside(p, shape, vertices)]


@pytest.mark.parametrize("size", [0.3, 4.0, 30.0])
def test_shapes_and_mocs_meet_where_their_points_say(size):
    rng = np.random.default_rng(int(size * 10))
    undecided = 0
    found = []
    for i in range(60):
        lon, lat = centre(rng, i)
        shape, vertices = random_shape(rng, lon, lat, size * rng.uniform(0.2, 1.2))
        ranges = random_moc(rng, *(float(v[1]) for v in oracle.around(rng, lon, lat, size * 1.5, 2)), size)
        edge = outline(shape, vertices, 60)
        ours, theirs = np.concatenate([edge, within(rng, shape, vertices)]), sampled(rng, ranges)
        in_moc, in_shape = holds(ranges, ours), inside(theirs, shape, vertices)
        meets = moc_shapes.meets(shape, ranges)
        if in_moc.any() or in_shape.any():
            assert meets
        undecided += meets and not (in_moc.any() or in_shape.any())
        held = moc_shapes.inside_moc(shape, ranges)
        assert not (held and not in_moc.all())
        undecided += in_moc.all() and not held
        covered = moc_shapes.inside_shape(ranges, shape)
        assert not (covered and not in_shape.all())
        undecided += in_shape.all() and not covered
        found.append(meets)
    assert undecided < 15, "points sampled at random miss small overlaps, but not many"
    assert 10 < sum(found) < (61 if size < 1 else 59)


def test_many_at_once_are_tested_like_one():
    rng = np.random.default_rng(3)
    made = [random_shape(rng, *centre(rng, i), 10.0)[0] for i in range(60)]
    made.append(regions.parse("Union (Circle 10 20 5 Not (Circle 10 20 30))"))
    made.append(shapes.point(10, 20))
    ranges = random_moc(rng, 10.0, 20.0, 20.0)
    rows = Ragged.of(made)
    assert moc_shapes.all_meet(rows, [ranges] * len(made)) == [moc_shapes.meets(s, ranges) for s in made]
    assert moc_shapes.all_inside_moc(rows, [ranges] * len(made)) == [
        moc_shapes.inside_moc(s, ranges) for s in made
    ]
    assert moc_shapes.all_meet(rows, [None, ranges] * (len(made) // 2))[::2] == [None] * (len(made) // 2)


@pytest.mark.parametrize("order", [3, 6])
def test_the_moc_of_a_shape_has_its_cells_and_hardly_more(order):
    rng = np.random.default_rng(order)
    touched: list[bool] = []
    for i in range(75 // order**2):
        lon, lat = centre(rng, i)
        shape, vertices = random_shape(rng, lon, lat, 8.0)
        ranges = moc.of_shape(shape, order)
        assert holds(ranges, within(rng, shape, vertices)).all()
        assert (ranges % (1 << 2 * (29 - order)) == 0).all()
        shift = 2 * (29 - order)
        cells = np.concatenate([np.arange(low, high) for low, high in (ranges >> shift).tolist()])
        touched += [
            moc_shapes.meets(shape, np.array([[cell << shift, (cell + 1) << shift]])) for cell in cells[:60]
        ]
    assert len(touched) > 30
    assert sum(touched) >= 0.97 * len(touched)


def test_points_are_one_cell_of_any_order(archive):
    text = "SELECT MOC(29, POINT(ra, dec)), ivo_healpix_index(29, ra, dec) FROM survey.stars WHERE id < 50"
    for found, cell in archive.run(text):
        assert moc.parse(found).tolist() == [[cell, cell + 1]]


def test_mocs_have_their_xtype_and_shortest_form(archive):
    compiled = archive.compile("SELECT MOC('3/4-7 2/3') AS m, MOC(5, s_region) FROM ivoa.obscore")
    assert [(c.name, c.datatype, c.arraysize, c.xtype) for c in compiled.columns] == [
        ("m", "char", "*", "moc"),
        ("moc", "char", "*", "moc"),
    ]
    assert scalar(archive, "MOC('3/4-7 2/3')") == "2/1,3"
    assert scalar(archive, "MOC(1, MOC('3/4 2/60'))") == "1/0,15"
    assert scalar(archive, "MOC(name || '')") is None
    assert scalar(archive, "CAST(MOC('3/4') AS VARCHAR) || '!'") == "3/4!"
    assert scalar(archive, "AREA(MOC('0/0-11'))") == pytest.approx(4 * np.pi * np.degrees(1) ** 2)


def test_conditions_with_mocs(archive):
    text = "'2/30-60 4/100 5/4000-6000'"
    stars = "1 = CONTAINS(POINT(ra, dec), {0})"
    by_index = archive.ids(stars.format(f"MOC({text})"))
    assert 10 < len(by_index) < 3900
    assert by_index == archive.ids(f"1 = vogate_in_moc({text}, ra, dec)")
    assert by_index == archive.ids(stars.format(f"MOC({text} || '')"))
    assert by_index == archive.ids(f"1 = INTERSECTS(MOC({text}), POINT(ra, dec))")
    assert by_index == archive.ids(stars.format("vogate_moc_union(MOC('5/4000-6000'), '2/30-60 4/100')"))
    assert (
        "_hpx29" in archive.compile(f"SELECT id FROM survey.stars WHERE {stars.format(f'MOC({text})')}").sql
    )
    rest = archive.ids(stars.format(f"vogate_moc_complement({text})"))
    assert sorted(by_index + rest) == archive.ids("1 = 1")


def test_regions_and_their_own_mocs(archive):
    count = "SELECT COUNT(*) FROM ivoa.obscore WHERE "
    known = archive.run(count + "s_region IS NOT NULL AND AREA(s_region) > 0")
    for condition in (
        "1 = CONTAINS(s_region, MOC(3, s_region))",
        "1 = INTERSECTS(MOC(3, s_region), s_region)",
        "0 = CONTAINS(MOC(3, s_region), s_region)",
        "1 = CONTAINS(MOC(4, s_region), MOC(3, s_region))",
        "1 = INTERSECTS(MOC(4, s_region), MOC(3, s_region))",
    ):
        assert archive.run(count + condition) == known, condition


def test_constants_are_decided_when_compiled(archive):
    for condition, truth in {
        "CONTAINS(MOC('3/10'), MOC('2/2'))": 1,
        "CONTAINS(MOC('2/2'), MOC('3/10'))": 0,
        "INTERSECTS(MOC('2/2'), MOC('3/10'))": 1,
        "CONTAINS(MOC('0/0'), CIRCLE(45, 40, 80))": 1,
        "CONTAINS(CIRCLE(45, 40, 1), MOC('0/0'))": 1,
        "INTERSECTS(CIRCLE(200, -40, 1), MOC('0/0'))": 0,
        "CONTAINS(POINT(45, 40), MOC('0/0'))": 1,
        "CONTAINS(MOC('0/'), CIRCLE(45, 40, 1))": 1,
    }.items():
        assert scalar(archive, condition) == truth, condition
        assert "vg_" not in archive.compile(f"SELECT {condition} FROM survey.extra").sql


def test_coverage_of_groups(archive):
    text = (
        'SELECT "Kind", vogate_moc_agg(5, ra, dec), MIN(id) FROM survey.stars WHERE dec > 80 GROUP BY "Kind"'
    )
    stars = archive.tables["stars"].to_pylist()
    rows = archive.run(text)
    assert len(rows) == 3
    for kind, found, _ in rows:
        part = [row for row in stars if row["Kind"] == kind and row["dec"] > 80]
        cells = healpix.index(5, *(np.array([row[name] for row in part]) for name in ("ra", "dec")))
        ranges = moc.parse(found)
        assert len(ranges)
        assert np.array_equal(np.unique(cells), np.concatenate([np.arange(a, b) for a, b in ranges >> 48]))
    assert scalar(archive, "vogate_moc_agg(5, NULL, NULL)") == "0/"


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("MOC('hello')", "no place in a MOC"),
        ("MOC('3/768')", "no cells"),
        ("MOC(13, s_region)", "order"),
        ("MOC(3.5, s_region)", "order"),
        ("MOC(3, s_ra)", "a geometry"),
        ("MOC(s_ra)", "a MOC"),
        ("MOC()", "1 or 2 arguments"),
        ("MOC(1, 2, 3)", "1 or 2 arguments"),
        ("CENTROID(MOC('3/3'))", "does not take a MOC"),
        ("COORD1(MOC('3/3'))", "does not take a MOC"),
        ("MIN(MOC('3/3'))", "MIN takes"),
        ("MOC('3/3') || 'x'", "a string"),
        ("CAST(MOC('3/3') AS INTEGER)", "cannot be cast"),
        ("vogate_moc_union('3/3')", "takes 2 arguments"),
        ("vogate_moc_agg(13, s_ra, s_dec)", "order"),
        ("gavo_mocunion(MOC('3/3'), s_ra)", "a MOC"),
    ],
)
def test_wrong_calls(archive, expression, message):
    with pytest.raises(QueryError, match=message) as failure:
        archive.compile(f"SELECT {expression} FROM ivoa.obscore")
    assert failure.value.column > 7
