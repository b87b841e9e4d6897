"""The files of copies, plans on their way, and scans of files."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from gateway.vo.columns import Column, Schema, Table
from tap import adql
from tap.adql import healpix
from tap.copies import layout, near
from tap.copies import plan as plans
from tap.copies.plan import CELLS, Comparison, Cone, Inside, Item, Known, Match, Plan
from tap.copies.scan import Scan, Stopped
from tests.tap.adql import oracle


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


def test_a_copy_that_was_removed_takes_no_room_once_another_is_opened(tmp_path):
    schema, batch = some_rows(5000)
    opened = layout.Opened()
    for name in ("one", "two"):
        layout.write(tmp_path / name, schema, [batch])
        opened.get(str(tmp_path / name), ("ra",))
    shutil.rmtree(tmp_path / "one")
    held = [
        os.readlink(path) for path in Path("/proc/self/fd").iterdir() if path.exists() or path.is_symlink()
    ]
    assert any("one/rows.arrow (deleted)" in path for path in held)
    opened.get(str(tmp_path / "two"), ("dec",))
    held = [
        os.readlink(path) for path in Path("/proc/self/fd").iterdir() if path.exists() or path.is_symlink()
    ]
    assert not any("one/rows.arrow" in path for path in held)


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
