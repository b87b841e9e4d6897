"""Copies of tables answer as the database does, and only what they can; without them, the database answers."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from gateway.vo.caller import ANONYMOUS
from gateway.vo.columns import Column, Schema, Table
from tap import adql, archive, service, workers
from tap.adql import healpix
from tap.archive import Manifest
from tap.copies import keeper, layout, near
from tap.copies import plan as plans
from tap.copies.plan import CELLS, Comparison, Cone, Inside, Item, Known, Match, Plan
from tap.copies.scan import Scan, Stopped
from tap.engines.base import QueryCancelled
from tap.publish import publish_schema
from tests.tap import catalogue
from tests.tap.adql import oracle
from tests.tap.conftest import Place, publish_catalogue

POINT = "POINT('ICRS', ra, dec)"


@pytest.fixture(scope="module")
def copied_place(tmp_path_factory: pytest.TempPathFactory, engine: str, request) -> Place:
    return publish_catalogue("copied", [], tmp_path_factory, engine, request)


@pytest.fixture
def copied(copied_place: Place, settings) -> Manifest:
    """The catalogue with the copy that it has been given."""
    settings.VOGATE_ARCHIVE = copied_place.folder
    settings.VOGATE_TAP_DATABASE = copied_place.database
    settings.VOGATE_RESULT_DECORATORS = []
    settings.VOGATE_LIVE_SCHEMAS = []
    manifest = archive.current()
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


# Cross-matches


def positions() -> service.UploadedTable:
    """Places near sources, far from them, at the poles and the seam, and some that are none."""
    random = np.random.default_rng(3)
    known = catalogue.sources()
    pick = random.choice(catalogue.ROWS, 300, replace=False)
    ra = np.concatenate([known["ra"].to_numpy()[pick], [0.0, 359.9999, 12.0, 12.0, 400.0, -5.0, np.nan, 5.0]])
    dec = np.concatenate([known["dec"].to_numpy()[pick], [0.0, 0.0, 90.0, -90.0, 10.0, 3.0, 4.0, 95.0]])
    ra += random.normal(0, 0.1, len(ra))
    rows = pa.table(
        {
            "n": pa.array(range(len(ra)), pa.int32()),
            "ra": pa.array(ra, from_pandas=True),
            "dec": pa.array(np.minimum(dec, 95)),
        }
    )
    columns = (Column("n", "int"), Column("ra", unit="deg"), Column("dec", unit="deg"))
    return service.UploadedTable(Table("tap_upload", "mine", columns, nrows=len(rows)), rows)


@pytest.mark.parametrize("radius", [1e-4, 0.05, 0.7, 10])
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
    assert len(rows) >= 100 * (radius > 0.1)


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


# Making and losing them


@pytest.fixture
def small(empty_archive: Path) -> Manifest:
    """An archive of the test's own with a catalogue that has no copy yet."""
    publish_schema(catalogue.SCHEMA, catalogue.data(2000))
    return archive.current()


CONE = f"SELECT source_id FROM syn.cat WHERE {circle(40, 20, 9)}"


def rows_of(text: str) -> int:
    return service.fetch(text, ANONYMOUS)[1].num_rows


def test_a_table_published_anew_has_a_copy_of_its_new_rows(small):
    keeper.refresh()
    (old,) = (Path(path) for path in keeper.known(small).values())
    before = rows_of(CONE)
    manifest = publish_schema(catalogue.SCHEMA, catalogue.data(4000))
    assert rows_of(CONE) > before  # the database's, while there is no copy
    assert not keeper.known(manifest)
    keeper.refresh()
    keeper._known.looked = 0.0
    (new,) = (Path(path) for path in keeper.known(manifest).values())
    assert new != old
    assert new.is_dir()
    assert not old.exists()
    assert rows_of(CONE) > before
    publish_schema(catalogue.SCHEMA, catalogue.data(10))
    keeper.refresh()
    assert [path.name for path in keeper.folder().iterdir()] == [".lock"]


def test_an_archive_that_was_begun_anew_has_no_copies_of_the_old_one(small, settings):
    keeper.refresh()
    before = rows_of(CONE)
    if settings.VOGATE_TAP_DATABASE:
        assert small.origin[:8] in keeper._place(small, small.table("syn", "cat")).name
        return
    for path in (*archive.folder().glob("*.duckdb"), archive.manifest_path()):
        path.unlink()
    workers.reset()
    again = publish_schema(catalogue.SCHEMA, catalogue.data(4000))
    assert again.version == small.version
    assert rows_of(CONE) > before


def test_a_server_makes_what_is_missing(small, monkeypatch):
    monkeypatch.setattr(keeper, "_keeping", False)
    monkeypatch.setattr(keeper, "LOOK_SECONDS", 0.0)
    monkeypatch.setattr(keeper, "_known", keeper._Known(Manifest()))
    assert not keeper.known(small)
    time.sleep(0.3)
    assert not keeper.folder().exists()
    keeper.folder().mkdir(parents=True)
    with keeper._alone() as alone:
        assert alone
        assert keeper.refresh() is False  # a server tries again later
        keeper.keep()
        time.sleep(0.3)
        assert not keeper.known(small)
    until = time.monotonic() + 30
    while not keeper.known(small) and time.monotonic() < until:
        time.sleep(0.05)
    assert keeper.known(small)


def test_a_copy_that_is_gone_or_broken_is_not_missed(small):
    keeper.refresh()
    keeper._known.looked = 0.0
    (path,) = (Path(found) for found in keeper.known(small).values())
    expected = rows_of(CONE)
    os.truncate(path / layout.ROWS, 1000)
    for text in (CONE.replace("source_id", "mag"), 'SELECT "size" FROM syn.cat'):
        assert plan_of_small(small, text) is not None
        assert rows_of(text) == (expected if "WHERE" in text else 2000)
    shutil.rmtree(path)
    for text in (CONE.replace("source_id", "name"), "SELECT n_obs FROM syn.cat"):
        assert plan_of_small(small, text) is not None
        assert rows_of(text) == (expected if "WHERE" in text else 2000)


def plan_of_small(manifest: Manifest, text: str) -> Plan | None:
    return adql.compile_query(text, manifest.schemas, maxrec=10, copies=keeper.known(manifest)).plan


def test_a_disk_without_room_has_no_copies(small, monkeypatch, caplog):
    full = shutil.disk_usage("/")._replace(free=1000)
    monkeypatch.setattr(keeper.shutil, "disk_usage", lambda path: full)
    keeper.refresh()
    keeper._known.looked = 0.0
    assert not keeper.known(small)
    assert "no room" in caplog.text
    assert rows_of(CONE)


def test_a_copy_that_cannot_be_written_leaves_nothing_behind(small, monkeypatch, caplog):
    def fails(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(layout.os, "fsync", fails)
    keeper.refresh()
    assert "No space left" in caplog.text
    assert [path.name for path in keeper.folder().iterdir()] == [".lock"]


def test_what_a_killed_process_left_is_removed(small):
    left = keeper.folder() / ".draft-left"
    left.mkdir(parents=True)
    keeper.refresh()
    assert not left.exists()


def test_an_operator_can_do_without(small, settings, monkeypatch):
    monkeypatch.setitem(settings.SITE.query, "copies", False)
    keeper.refresh()
    assert not keeper.folder().exists()
    assert not keeper.known(small)


# Files and scans


def some_rows(count: int) -> tuple[pa.Schema, pa.RecordBatch]:
    random = np.random.default_rng(count)
    ra, dec = random.uniform(0, 360, count), np.degrees(np.arcsin(random.uniform(-1, 1, count)))
    cells = healpix.index(healpix.MAX_ORDER, ra, dec)
    order = np.argsort(cells)
    batch = pa.RecordBatch.from_pydict(
        {"n": np.arange(count), "ra": ra[order], "dec": dec[order], CELLS: cells[order]}
    )
    return batch.schema, batch


def test_blocks_are_read_back(tmp_path):
    schema, batch = some_rows(30_000)
    batches = [batch.slice(start, 700) for start in range(0, 30_000, 700)]
    assert layout.write(tmp_path / "copy", schema, batches) == 30_000
    copy = layout.Copy(str(tmp_path / "copy"), ["dec", CELLS])
    assert copy.schema.names == ["dec", CELLS]
    read = pa.Table.from_batches([copy.block(number) for number in range(len(copy))])
    assert read.column("dec").to_pylist() == batch.column("dec").to_pylist()
    assert {copy.block(number).num_rows for number in range(len(copy) - 1)} == {layout.MOST_ROWS}
    assert copy.first.tolist() == [copy.block(n).column(CELLS)[0].as_py() for n in range(len(copy))]


def test_wide_rows_stand_in_small_blocks(tmp_path):
    rows = pa.RecordBatch.from_pydict({"text": ["x" * 2000] * 3000, CELLS: np.arange(3000)})
    layout.write(tmp_path / "copy", rows.schema, [rows])
    copy = layout.Copy(str(tmp_path / "copy"), ["text"])
    assert copy.block(0).num_rows == layout.FEWEST_ROWS


def test_rows_out_of_order_are_refused(tmp_path):
    rows = pa.RecordBatch.from_pydict({CELLS: pa.array([3, 5, 4])})
    with pytest.raises(layout.Unsorted):
        layout.write(tmp_path / "copy", rows.schema, [rows])


def test_a_plan_is_the_same_after_its_way_to_a_worker():
    items = (Item("a", "b"), Item("c", "d", uploaded=True))
    tests = (Cone(1.5, 2, 0.1, True), Inside((1.0, 2.0)), Comparison("m", "<", 3.0), Known("k", True))
    match = Match("mine", "x", "y", 0.5, 7, True)
    for plan in (
        Plan("/p", "ra", "dec", items, ((1, 2), (4, 1 << 60)), tests, None, 5),
        Plan("/p", "ra", "dec", items, None, (), match, None),
        Plan("/p", "", "", items, ()),
    ):
        assert plans.loads(plans.dumps(plan)) == plan


def test_an_interrupted_scan_stops(tmp_path):
    schema, batch = some_rows(60_000)
    layout.write(tmp_path / "copy", schema, [batch])
    scan = Scan().open(Plan(str(tmp_path / "copy"), "", "", (Item("n", "n"),)), {})
    rows = scan.batches()
    assert next(rows).num_rows
    scan.interrupt()
    with pytest.raises(Stopped):
        list(rows)


def test_cones_have_what_brute_force_finds(tmp_path):
    schema, batch = some_rows(50_000)
    layout.write(tmp_path / "copy", schema, [batch])
    columns = (Column("n", "long"), Column("ra", unit="deg"), Column("dec", unit="deg"))
    table = Table("demo", "stars", columns, position=("ra", "dec"), nrows=50_000)
    schemas = (Schema("demo", (table,)),)
    stars = oracle.vectors(batch.column("ra").to_numpy(), batch.column("dec").to_numpy())
    random = np.random.default_rng(11)
    asked = 0
    for _ in range(400):
        ra, dec = random.uniform(0, 360), np.degrees(np.arcsin(random.uniform(-1, 1)))
        if random.random() < 0.2:
            dec = np.copysign(90 - 10 ** random.uniform(-4, 1), dec)
        radius = 10 ** random.uniform(-1.5, 2.25)
        away = oracle.angle(stars, oracle.vectors(ra, dec))
        if radius > 180 or (np.abs(away - radius) < 1e-8).any():
            continue
        text = f"SELECT n FROM demo.stars WHERE 1 = CONTAINS(POINT(ra, dec), CIRCLE({ra}, {dec}, {radius}))"
        copies = {("demo", "stars"): str(tmp_path / "copy")}
        plan = adql.compile_query(text, schemas, copies=copies).plan
        assert plan is not None
        found = [n for rows in Scan().open(plan, {}).batches() for n in rows.column("n").to_pylist()]
        assert sorted(found) == np.flatnonzero(away <= radius).tolist(), text
        asked += bool(found)
        assert (near.run(plan) is None) == (Scan().open(plan, {}).reads() > near.MOST_BLOCKS)
    assert asked > 200
