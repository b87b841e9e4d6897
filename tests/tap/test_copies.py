"""Copies of tables answer as the database does, and only what they can."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pytest

from gateway.vo.caller import ANONYMOUS
from gateway.vo.columns import Column, Schema, Table
from tap import adql, archive, service, workers
from tap.archive import Manifest
from tap.copies import keeper, near
from tap.copies.plan import Plan
from tap.engines.base import QueryCancelled
from tap.publish import publish_schema
from tests.tap import catalogue
from tests.tap.conftest import Place, publish_catalogue, served_here

POINT = "POINT('ICRS', ra, dec)"


@pytest.fixture(scope="module")
def copied_place(tmp_path_factory: pytest.TempPathFactory, engine: str, request) -> Place:
    return publish_catalogue("copied", [], tmp_path_factory, engine, request)


@pytest.fixture
def copied(copied_place: Place, settings) -> Manifest:
    """The catalogue with the copy that it has been given."""
    manifest = served_here(copied_place, settings)
    keeper.refresh()
    return manifest


def plan_of(manifest: Manifest, text: str, uploads: Sequence[service.UploadedTable] = ()) -> Plan | None:
    copies = keeper.known(manifest)
    assert ("syn", "cat") in copies
    tables = tuple(upload.table for upload in uploads)
    return adql.compile_query(text, manifest.schemas, maxrec=100_000, uploads=tables, copies=copies).plan


def answers(
    text: str, monkeypatch, uploads: Sequence[service.UploadedTable] = ()
) -> tuple[list[dict[str, object]], list[dict[str, object]]]:
    """What the copy says and what the database says, in one order; the columns are described alike."""
    found = []
    for _ in range(2):
        columns, rows = service.fetch(text, ANONYMOUS, maxrec=100_000, uploads=uploads)
        found.append((columns, rows.sort_by([(name, "ascending") for name in rows.column_names])))
        monkeypatch.setattr(keeper, "known", lambda manifest: {})
    (columns, rows), (others, expected) = found
    assert columns == others
    assert rows.schema == expected.schema
    return rows.to_pylist(), expected.to_pylist()


def circle(ra: float, dec: float, radius: float) -> str:
    return f"1 = CONTAINS({POINT}, CIRCLE('ICRS', {ra}, {dec}, {radius}))"


CONDITIONS = [
    circle(10, 10, 3),
    circle(0.001, 0.5, 1),
    circle(200, 89.9, 2.5),
    circle(83, -89.99, 20),
    circle(150, 2, 120),
    circle(150, 2, 180),
    circle(10, 10, 0),
    "DISTANCE(ra, dec, 359.9, -1) < 2",
    "5 >= DISTANCE(POINT(40, 20), POINT(ra, dec))",
    f"1 = INTERSECTS({POINT}, BOX('ICRS', 0, 85, 30, 6))",
    f"1 = CONTAINS({POINT}, POLYGON('ICRS', 355, 80, 90, 80, 200, 87, 270, 82))",
    f"1 = CONTAINS({POINT}, POLYGON('ICRS', 38, 18, 42, 18, 40, 20, 42, 22, 38, 22))",
    f"1 = CONTAINS({POINT}, REGION('Intersection (Circle 40 20 9 Not (Circle 40 20 4))'))",
    f"1 = CONTAINS({POINT}, MOC('2/3-9 4/600'))",
    f"{circle(40, 20, 9)} AND {circle(42, 20, 9)}",
    f"{circle(40, 20, 30)} AND 1 = CONTAINS({POINT}, MOC('2/3-60'))",
    f"{circle(40, 20, 30)} AND mag < 15",
    f"{circle(40, 20, 30)} AND 15.5 <= mag AND n_obs <> 7",
    f"mag IS NULL AND {circle(40, 20, 30)}",
    f"mag IS NOT NULL AND n_obs = 21 AND {circle(40, 20, 50)}",
]


@pytest.mark.parametrize("condition", CONDITIONS)
def test_a_region_has_the_rows_that_the_database_gives(copied, condition, monkeypatch):
    text = f"SELECT name, dec, ra, mag, n_obs, source_id FROM syn.cat WHERE {condition}"
    assert plan_of(copied, text) is not None
    rows, expected = answers(text, monkeypatch)
    assert rows == expected
    assert rows or condition == circle(10, 10, 0)


def some_query(random: np.random.Generator) -> str:
    """A region or two, a few comparisons, some columns."""

    def shape() -> str:
        ra, dec = random.uniform(0, 360), np.degrees(np.arcsin(random.uniform(-1, 1)))
        if random.random() < 0.2:
            dec = np.copysign(90 - 10 ** random.uniform(-3, 1), dec)
        size = 10 ** random.uniform(-0.5, 2)
        corners = [
            f"{ra + size * x:.6f}, {dec * 0.9 + min(size, 5) * y:.6f}" for x, y in ((0, 0), (1, 0), (0, 1))
        ]
        return random.choice(
            [
                circle(ra, dec, min(size * 2, 180)),
                f"DISTANCE(ra, dec, {ra}, {dec}) < {size}",
                f"1 = CONTAINS({POINT}, BOX('ICRS', {ra}, {dec}, {min(size, 170)}, {min(size, 80)}))",
                f"1 = CONTAINS({POINT}, POLYGON('ICRS', {', '.join(corners)}))",
                f"1 = CONTAINS({POINT}, MOC('2/{random.integers(0, 90)}-{random.integers(90, 192)}'))",
            ]
        )

    def comparison() -> str:
        column, number = random.choice(
            [
                ("mag", round(random.normal(15, 2), 2)),
                ("n_obs", random.integers(0, 50)),
                ("ra", random.uniform(0, 360)),
            ]
        )
        op = random.choice(["<", "<=", ">", ">=", "=", "<>"])
        return random.choice(
            [
                f"{column} {op} {number}",
                f"{number} {op} {column}",
                f"{column} IS NOT NULL",
                f"{column} IS NULL",
            ]
        )

    conditions = [shape() for _ in range(random.integers(1, 3))] + [
        comparison() for _ in range(random.integers(0, 3))
    ]
    random.shuffle(conditions)
    columns = random.permutation(["source_id", "ra", "dec", "mag", "n_obs", "name", '"size"'])[
        : random.integers(1, 7)
    ]
    return f"SELECT {', '.join(columns)} FROM syn.cat WHERE {' AND '.join(conditions)}"


def test_random_regions_and_comparisons(copied, monkeypatch):
    random = np.random.default_rng(5)
    asked = 0
    for _ in range(2000 if os.environ.get("VOGATE_LONG") else 120):
        text = some_query(random)
        assert plan_of(copied, text) is not None, text
        with monkeypatch.context() as patch:
            rows, expected = answers(text, patch)
        assert rows == expected, text
        asked += bool(rows)
    assert asked > 40


def test_a_table_as_a_whole(copied, monkeypatch):
    text = 'SELECT "size" AS s, source_id, mag, name, n_obs FROM syn.cat AS c'
    assert plan_of(copied, text) is not None
    rows, expected = answers(text, monkeypatch)
    assert rows == expected
    assert len(rows) == catalogue.ROWS


@pytest.mark.parametrize(
    "text",
    [
        "SELECT ra FROM syn.cat WHERE mag < 3",
        "SELECT ra FROM syn.notes",
        "SELECT ra FROM syn.cat ORDER BY ra",
        "SELECT DISTINCT n_obs FROM syn.cat",
        "SELECT COUNT(*) FROM syn.cat",
        "SELECT ra + 1 AS x FROM syn.cat",
        "SELECT ra FROM syn.cat OFFSET 5",
        "SELECT a.ra FROM syn.cat AS a JOIN syn.cat AS b ON a.source_id = b.source_id",
        "SELECT ra FROM (SELECT ra FROM syn.cat) AS q",
        "WITH q AS (SELECT ra FROM syn.cat) SELECT ra FROM q",
        f"SELECT ra FROM syn.cat WHERE NOT {circle(1, 2, 3)}",
        f"SELECT ra FROM syn.cat WHERE 0 = CONTAINS({POINT}, CIRCLE('ICRS', 1, 2, 3))",
        f"SELECT ra FROM syn.cat WHERE {circle(1, 2, 3)} OR mag < 3",
        f"SELECT ra FROM syn.cat WHERE {circle(1, 2, 3)} AND name LIKE 'S%'",
        f"SELECT ra FROM syn.cat WHERE {circle(1, 2, 3)} AND source_id > 4000000000000000007",
        f"SELECT ra FROM syn.cat WHERE {circle(1, 2, 3)} AND mag < n_obs",
        "SELECT ra FROM syn.cat WHERE 1 = CONTAINS(POINT(ra + 0, dec), CIRCLE(1, 2, 3))",
        "SELECT ra FROM syn.cat WHERE 1 = CONTAINS(POINT(dec, ra), CIRCLE(1, 2, 3))",
        "SELECT ra FROM syn.cat WHERE 1 = CONTAINS(POINT(ra, dec), CIRCLE(1, 2, mag))",
    ],
)
def test_what_is_not_that_simple_goes_to_the_database(copied, text):
    if "syn.notes" in text:
        text = 'SELECT "Note Text" FROM syn.notes'  # too small for a copy
    assert plan_of(copied, text) is None


def test_paths_get_the_address_in_front(copied):
    text = "SELECT TOP 3 link, source_id FROM syn.cat"
    _, rows = service.fetch(text, ANONYMOUS, base_url="https://here")
    assert plan_of(copied, text) is not None
    for row in rows.to_pylist():
        number = row["source_id"] - 4_000_000_000_000_000_000
        assert row["link"] == f"https://here/data/{number}"


def test_operators_see_which_queries_need_no_database(copied):
    assert "The table's copy" in service.plan(f"SELECT ra FROM syn.cat WHERE {circle(1, 2, 3)}", ANONYMOUS)
    assert "The table's copy" not in service.plan("SELECT COUNT(*) AS n FROM syn.cat", ANONYMOUS)


def test_limits(copied):
    for text, maxrec, count, overflow in [
        ("SELECT TOP 7 ra FROM syn.cat", 100, 7, False),
        ("SELECT ra FROM syn.cat", 20_000, 20_000, True),
        ("SELECT ra FROM syn.cat", 0, 0, True),
        (f"SELECT ra FROM syn.cat WHERE {circle(1, 2, 9)}", 5, 5, True),
        (f"SELECT TOP 5 ra FROM syn.cat WHERE {circle(1, 2, 9)}", 5, 5, False),
        (f"SELECT TOP 0 ra FROM syn.cat WHERE {circle(1, 2, 9)}", 5, 0, False),
    ]:
        with service.open_query(text, ANONYMOUS, maxrec=maxrec) as result:
            assert sum(batch.num_rows for batch in result.batches()) == count, text
            assert result.overflow is overflow, text


def test_a_small_region_needs_no_worker(copied, monkeypatch):
    workers.reset()
    _, rows = service.fetch(f"SELECT * FROM syn.cat WHERE {circle(40, 20, 1)}".replace("*", "ra"), ANONYMOUS)
    assert rows.num_rows
    assert workers.engine().processes() == []
    monkeypatch.setattr(near, "MOST_BLOCKS", 3)
    service.fetch(f"SELECT ra FROM syn.cat WHERE {circle(40, 20, 90)}", ANONYMOUS)
    assert workers.engine().processes() != []


def test_a_few_whole_tables_need_no_worker(copied):
    """As many as there are places; a place is given back whether a result is read or left."""
    workers.reset()
    text = "SELECT ra, dec FROM syn.cat"
    for _ in range(2 * near.WHOLE_TABLES):
        with service.open_query(text, ANONYMOUS, maxrec=30_000) as left:
            assert next(left.batches()).num_rows
        with service.open_query(text, ANONYMOUS, maxrec=30_000) as read:
            assert sum(batch.num_rows for batch in read.batches()) == 30_000
    assert workers.engine().processes() == []
    held = [service.open_query(text, ANONYMOUS, maxrec=30_000) for _ in range(near.WHOLE_TABLES)]
    assert workers.engine().processes() == []
    with service.open_query(text, ANONYMOUS, maxrec=30_000) as other:
        assert workers.engine().processes() != []
        assert sum(batch.num_rows for batch in other.batches()) == 30_000
    for result in held:
        result.close()


def test_a_whole_table_can_be_cancelled(copied):
    leave = []
    with service.open_query(
        "SELECT ra, dec FROM syn.cat", ANONYMOUS, maxrec=100_000, on_leave=leave.append
    ) as result:
        rows = result.batches()
        next(rows)
        next(rows)  # both were read ahead
        leave[0]()
        with pytest.raises(QueryCancelled):
            list(rows)


def test_a_reader_who_stalls_gives_up_its_place(copied, monkeypatch):
    text = "SELECT ra, dec FROM syn.cat"
    held = [service.open_query(text, ANONYMOUS, maxrec=100_000) for _ in range(near.WHOLE_TABLES)]
    monkeypatch.setattr(near, "STALL", 0.0)
    time.sleep(0.01)
    with service.open_query(text, ANONYMOUS, maxrec=100_000) as other:
        assert sum(batch.num_rows for batch in other.batches()) == catalogue.ROWS
    with pytest.raises(QueryCancelled):
        list(held[0].batches())
    assert sum(batch.num_rows for batch in held[1].batches()) == catalogue.ROWS


# All types


def many_types(position: tuple[str, str] | None) -> tuple[Schema, dict[str, pa.Table]]:
    count = 1500
    index = np.arange(count)
    columns = (
        Column("ra", unit="deg"),
        Column("dec", unit="deg"),
        Column("b", "boolean"),
        Column("u", "unsignedByte"),
        Column("s", "short"),
        Column("i", "int"),
        Column("l", "long"),
        Column("f", "float"),
        Column("d", "double"),
        Column("t", "char", "*"),
        Column("w", "unicodeChar", "*"),
        Column("seen", "char", "*", xtype="timestamp"),
        Column("v", "double", "*"),
        Column("n", "int", "2"),
    )
    gaps = index % 5 == 0
    rows = pa.table(
        {
            "ra": pa.array(index * 360 / count, mask=gaps),
            "dec": pa.array(np.degrees(np.arcsin(2 * (index + 0.5) / count - 1)), mask=gaps),
            "b": pa.array(index % 2 == 0, mask=gaps),
            "u": pa.array((index % 256).astype(np.uint8), mask=gaps),
            "s": pa.array((index - 700).astype(np.int16), mask=gaps),
            "i": pa.array((index * 1_000_000).astype(np.int32), mask=gaps),
            "l": pa.array(index + 2**62, mask=gaps),
            "f": pa.array((index / 7).astype(np.float32), mask=gaps),
            "d": pa.array(np.where(index % 7 == 1, np.inf, index / 3), mask=gaps),
            "t": pa.array([None if gap else f"a,{n}<\n" for n, gap in enumerate(gaps)]),
            "w": pa.array([None if gap else "größer" * (n % 3) for n, gap in enumerate(gaps)]),
            "seen": pa.array(
                [None if gap else f"2026-11-{n % 28 + 1:02d}T01:02:03.5" for n, gap in enumerate(gaps)]
            ),
            "v": pa.array(
                [None if gap else [n / 3] * (n % 4) for n, gap in enumerate(gaps)], pa.list_(pa.float64())
            ),
            "n": pa.array([None if gap else [n, -n] for n, gap in enumerate(gaps)], pa.list_(pa.int32())),
        }
    )
    return Schema("demo", (Table("demo", "kinds", columns, position=position),)), {"kinds": rows}


@pytest.mark.parametrize("position", [None, ("ra", "dec")])
def test_values_of_all_types_and_rows_without_a_position(empty_archive, position, monkeypatch):
    publish_schema(*many_types(position))
    keeper.refresh()
    monkeypatch.setattr(keeper, "_known", keeper._Known(Manifest()))
    manifest = archive.current()
    texts = ["SELECT t.* FROM demo.kinds AS t"]
    if position:
        texts.append(
            f"SELECT t.* FROM demo.kinds AS t WHERE {circle(200, 0, 60)} AND u < 200 AND s IS NOT NULL"
        )
    for text in texts:
        found = adql.compile_query(text, manifest.schemas, maxrec=9000, copies=keeper.known(manifest))
        assert found.plan is not None
        with monkeypatch.context() as patch:
            rows, expected = by_text(text, patch)
        assert rows == expected
        assert len(rows) == (1500 if "WHERE" not in text else len(expected)) > 50


def by_text(text: str, monkeypatch) -> tuple[list[str], list[str]]:
    """`answers` for rows whose arrays cannot be sorted by."""
    found = []
    for _ in range(2):
        columns, rows = service.fetch(text, ANONYMOUS, maxrec=100_000)
        found.append((columns, rows.schema, sorted(map(str, rows.to_pylist()))))
        monkeypatch.setattr(keeper, "known", lambda manifest: {})
    assert found[0][:2] == found[1][:2]
    return found[0][2], found[1][2]


# Cross-matches


def positions() -> service.UploadedTable:
    """Places near sources, far from them, at the poles and the seam, and some that are none."""
    random = np.random.default_rng(3)
    known = catalogue.sources()
    pick = random.choice(catalogue.ROWS, 300, replace=False)
    ra = np.concatenate([known["ra"].to_numpy()[pick], [0.0, 359.9999, 12.0, 12.0, 400.0, -5.0, np.nan, 5.0]])
    dec = np.concatenate([known["dec"].to_numpy()[pick], [0.0, 0.0, 90.0, -90.0, 10.0, 3.0, 4.0, 95.0]])
    ra[5:] += random.normal(0, 0.1, len(ra) - 5)
    rows = pa.table(
        {
            "n": pa.array(range(len(ra)), pa.int32()),
            "ra": pa.array(ra, from_pandas=True),
            "dec": pa.array(np.minimum(dec, 95)),
        }
    )
    columns = (Column("n", "int"), Column("ra", unit="deg"), Column("dec", unit="deg"))
    return service.UploadedTable(Table("tap_upload", "mine", columns, nrows=len(rows)), rows)


@pytest.mark.parametrize("radius", [0, 1e-4, 0.05, 0.7, 10])
@pytest.mark.parametrize(
    "joined",
    [
        "tap_upload.mine AS u JOIN syn.cat AS c ON 1 = CONTAINS(POINT(c.ra, c.dec), CIRCLE(u.ra, u.dec, {r}))",
        "syn.cat AS c JOIN tap_upload.mine AS u ON DISTANCE(u.ra, u.dec, c.ra, c.dec) < {r}",
        "syn.cat AS c, tap_upload.mine AS u WHERE DISTANCE(POINT(c.ra, c.dec), POINT(u.ra, u.dec)) <= {r}",
    ],
)
def test_cross_matches(copied, joined, radius, monkeypatch):
    uploads = [positions()]
    text = f"SELECT u.n, c.source_id, c.mag, u.ra AS r FROM {joined.format(r=radius)}"
    found = plan_of(copied, text, uploads)
    assert found is not None
    assert found.match is not None
    rows, expected = answers(text, monkeypatch, uploads)
    assert rows == expected
    assert len(rows) >= 100 * (radius > 0.1) + 5 * (radius > 0 or "< {r}" not in joined)


@pytest.mark.parametrize(
    "joined",
    [
        "tap_upload.mine AS u LEFT JOIN syn.cat AS c ON DISTANCE(c.ra, c.dec, u.ra, u.dec) < 1",
        "tap_upload.mine AS u JOIN syn.cat AS c ON DISTANCE(c.ra, c.dec, u.ra, u.dec) < 1 AND c.mag < 15",
        "tap_upload.mine AS u JOIN syn.cat AS c ON DISTANCE(c.ra, c.dec, u.ra, u.dec) < u.n",
        "tap_upload.mine AS u, syn.cat AS c",
        "tap_upload.mine AS u JOIN syn.cat AS c ON u.n = c.n_obs",
    ],
)
def test_other_joins_go_to_the_database(copied, joined):
    assert plan_of(copied, f"SELECT u.n, c.ra FROM {joined}", [positions()]) is None


def test_an_upload_without_rows(copied):
    empty = positions()
    empty = service.UploadedTable(empty.table, empty.rows.slice(0, 0))
    text = "SELECT u.n, c.ra FROM tap_upload.mine AS u JOIN syn.cat AS c ON DISTANCE(c.ra, c.dec, u.ra, u.dec) < 1"
    _, rows = service.fetch(text, ANONYMOUS, uploads=[empty])
    assert rows.num_rows == 0
