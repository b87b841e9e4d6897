"""Regions in published tables: what lets a query skip most of them never skips one that it should find."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from gateway.vo.caller import ANONYMOUS
from gateway.vo.columns import Column, Schema, Table
from tap import archive, service
from tap.publish import publish_schema

NUMBER = 3000
EMPTY = "Intersection ICRS (Circle 10 20 1 Circle 60 20 1)"


def regions() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Longitudes, latitudes and radii of circles all over the sky, poles and seam among them; degrees."""
    rng = np.random.default_rng(5)
    lon = rng.uniform(0, 360, NUMBER)
    lat = np.degrees(np.arcsin(rng.uniform(-1, 1, NUMBER)))
    lat[:40], lat[40:80] = rng.uniform(88, 90, 40), rng.uniform(-90, -88, 40)
    lon[80:160] = rng.uniform(-1, 1, 80) % 360
    return lon, lat, rng.choice([0.01, 0.5, 3.0], NUMBER)


def separation(lon: np.ndarray, lat: np.ndarray, centre: tuple[float, float]) -> np.ndarray:
    """Degrees from a place, in extended precision."""
    a, b = np.radians(lon.astype(np.longdouble)), np.radians(lat.astype(np.longdouble))
    c, d = (np.radians(np.longdouble(value)) for value in centre)
    half = np.sin((b - d) / 2) ** 2 + np.cos(b) * np.cos(d) * np.sin((a - c) / 2) ** 2
    return np.degrees(2 * np.arcsin(np.sqrt(half)))


def test_all_regions_that_meet_a_circle_are_found(empty_archive: Path) -> None:
    lon, lat, radii = regions()
    texts = [f"Circle ICRS {x!r} {y!r} {r!r}" for x, y, r in zip(lon.tolist(), lat.tolist(), radii.tolist())]
    rows = pa.table(
        {
            "id": pa.array(range(NUMBER + 2), pa.int64()),
            "s_ra": [*lon, 10.0, None],
            "s_dec": [*lat, 20.0, None],
            "s_region": [*texts, EMPTY, None],
        }
    )
    text = {"datatype": "char", "arraysize": "*"}
    columns = (
        Column("id", "long"), Column("s_ra"), Column("s_dec"), Column("s_region", xtype="adql:REGION", **text)
    )  # fmt: skip
    table = Table("test", "fields", columns, position=("s_ra", "s_dec"), region="s_region")
    publish_schema(Schema("test", (table,)), {"fields": rows})
    reach = archive.current().table("test", "fields").region_reach
    assert reach is not None
    assert 3.0 <= reach < 3.001
    centres = [
        (0.0, 90.0),
        (123.0, -89.5),
        (0.0, 0.0),
        (359.9, 10.0),
        (10.0, 20.0),
        (90.0, 1.0),
        (200.0, -60.0),
    ]
    for centre in centres:
        away = separation(lon, lat, centre)
        for radius in (0.2, 5.0, 40.0, 100.0):
            shape = f"CIRCLE({centre[0]}, {centre[1]}, {radius})"
            for condition, wanted in (
                (f"INTERSECTS(s_region, {shape})", away <= radii + radius),
                (f"INTERSECTS({shape}, s_region)", away <= radii + radius),
                (f"CONTAINS(s_region, {shape})", away + radii <= radius),
            ):
                query = f"SELECT id FROM test.fields WHERE 1 = {condition} AND id < {NUMBER}"
                found = service.fetch(query, ANONYMOUS)[1]["id"].to_pylist()
                assert sorted(found) == np.flatnonzero(wanted).tolist(), condition
    # A region without a point meets nothing; what is NULL is neither in nor out.
    for comparison, wanted in ((1, []), (0, [NUMBER])):
        query = (
            f"SELECT id FROM test.fields WHERE {comparison} = INTERSECTS(s_region, CIRCLE(10, 20, 30)) "
            f"AND id >= {NUMBER}"
        )
        assert service.fetch(query, ANONYMOUS)[1]["id"].to_pylist() == wanted
