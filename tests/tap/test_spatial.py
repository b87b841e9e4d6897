"""Index columns of published tables."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from gateway.vo.columns import Column, Table
from tap import spatial
from tap.adql import healpix, shapes
from tap.adql.scope import HEALPIX_COLUMN, REGION_COLUMNS

TEXT = {"datatype": "char", "arraysize": "*"}
META = Table(
    "ivoa",
    "obscore",
    (Column("s_ra"), Column("s_dec"), Column("s_region", xtype="adql:REGION", **TEXT)),
    position=("s_ra", "s_dec"),
    region="s_region",
)


def rows(**changes):
    columns = {
        "s_ra": [200.0, 10.0, None, 10.00001],
        "s_dec": [-40.0, 20.0, 5.0, 20.0],
        "s_region": ["Circle ICRS 200 -40 2", "Polygon ICRS 9 19 11 19 11 21 9 21", None, " "],
    }
    return pa.table(columns | changes)


def test_rows_are_sorted_by_their_cells_and_keep_together():
    found = spatial.index_columns(rows(), META)
    cells = found[HEALPIX_COLUMN].to_pylist()
    known = [cell for cell in cells if cell is not None]
    assert known == sorted(known)
    assert found[HEALPIX_COLUMN].type == pa.int64()
    assert cells.count(None) == 1
    for row in found.to_pylist():
        if row["s_ra"] is not None:
            expected = healpix.index(29, np.array([row["s_ra"]]), np.array([row["s_dec"]]))[0]
            assert row[HEALPIX_COLUMN] == expected
    assert {(row["s_dec"], row["s_region"]) for row in found.to_pylist()} == {
        (row["s_dec"], row["s_region"]) for row in rows().to_pylist()
    }


def test_regions_have_their_shape_and_cap():
    found = {row["s_region"]: row for row in spatial.index_columns(rows(), META).to_pylist()}
    circle = found["Circle ICRS 200 -40 2"]
    assert shapes.decode(np.array(circle["_rgn_shape"])) == shapes.circle(200, -40, 2)
    assert (circle["_rgn_x"], circle["_rgn_y"], circle["_rgn_z"]) == pytest.approx(
        shapes.unit_vector(200, -40)
    )
    assert circle["_rgn_cos"] == pytest.approx(np.cos(np.radians(2)))
    assert circle["_rgn_sin"] == pytest.approx(np.sin(np.radians(2)))
    for text in (None, " "):
        assert [found[text][name] for name in REGION_COLUMNS] == [None] * 6


def test_indexing_again_changes_nothing():
    once = spatial.index_columns(rows(), META)
    assert spatial.index_columns(once, META).equals(once)


def test_arrays_can_be_regions():
    columns = (Column("outline", arraysize="*", xtype="polygon"),)
    meta = Table("x", "t", columns, region="outline")
    data = pa.table({"outline": [[1.0, 1.0, 5.0, 1.0, 3.0, 4.0], None]})
    found = spatial.index_columns(data, meta)
    assert shapes.decode(np.array(found["_rgn_shape"][0].as_py())) == shapes.polygon([1, 1, 5, 1, 3, 4])
    assert found["_rgn_x"][1].as_py() is None
    assert HEALPIX_COLUMN not in found.column_names


def test_tables_without_positions_stay_as_they_are():
    meta = Table("x", "t", (Column("a"),))
    data = pa.table({"a": [3.0, 1.0, 2.0]})
    assert spatial.index_columns(data, meta).equals(data)


def test_empty_tables_get_their_columns():
    empty = spatial.index_columns(rows().slice(0, 0), META)
    assert set(REGION_COLUMNS) | {HEALPIX_COLUMN} <= set(empty.column_names)
    assert empty.schema.field("_rgn_shape").type == pa.list_(pa.float64())


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"s_dec": [-40.0, 120.0, 5.0, 20.0]}, "row 2: s_dec = 120"),
        ({"s_region": ["Circle 1 2 3", "Blob 1", None, None]}, "row 2: s_region: 'Blob'"),
        ({"s_region": ["Circle 1 2 3", "Circle 1 2", None, None]}, "row 2.*takes 3 numbers"),
    ],
)
def test_faults_name_the_table_the_row_and_the_column(changes, said):
    with pytest.raises(ValueError, match=f"ivoa.obscore, {said}"):
        spatial.index_columns(rows(**changes), META)


def test_a_missing_column_is_named():
    with pytest.raises(ValueError, match="no column s_dec"):
        spatial.index_columns(rows().drop_columns(["s_dec"]), META)
