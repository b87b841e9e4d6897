"""Cones whose numbers are bound to placeholders find what cones written out find."""

from __future__ import annotations

from typing import Any

import pytest

from tap import adql, stores, workers
from tap.archive import Manifest
from tests.tap import catalogue

TABLE = next(table for table in catalogue.SCHEMA.tables if table.position)
POINT = f"POINT('ICRS', t.{TABLE.position[0]}, t.{TABLE.position[1]})"


def cone(ra: float, dec: float, radius: float) -> str:
    return f"1 = CONTAINS({POINT}, CIRCLE('ICRS', {ra}, {dec}, {radius}))"


CONDITIONS = [
    cone(10, 10, 0),
    cone(0.001, 0.5, 1),
    cone(200, 89.9, 2.5),
    cone(83, -89.99, 20),
    cone(150, 2, 89),
    cone(150, 2, 120),
    cone(150, 2, 180),
    f"NOT ({cone(20, -5, 40)})",
    f"{cone(20, -5, 40)} OR {cone(200, 5, 2)} OR {cone(100, 60, 30)}",
    f"DISTANCE({POINT}, POINT('ICRS', 30.5, -20.25)) < 50",
]


def found(manifest: Manifest, condition: str, *, bind: bool) -> tuple[int, list[int]]:
    query = adql.compile_query(
        f"SELECT COUNT(*) AS n FROM {TABLE.qualified_name} AS t WHERE {condition}",
        manifest.schemas,
        maxrec=10,
        emitter=stores.current().emitter(manifest),
        bind=bind,
    )
    answer = workers.engine().run(
        query.sql, manifest.version, workers.attached(manifest), seconds=60, gather=True, values=query.values
    )
    return len(query.values), [row for batch in answer for row in batch.column(0).to_pylist()]


@pytest.mark.parametrize("condition", CONDITIONS)
def test_bound_cones_find_the_same_rows(published: Manifest, condition: str, settings: Any) -> None:
    written, expected = found(published, condition, bind=False)
    assert written == 0
    bound, rows = found(published, condition, bind=True)
    assert rows == expected
    assert bool(bound) == (
        not settings.VOGATE_TAP_DATABASE and "180" not in condition
    )  # PostgreSQL's SQL has none


def test_cones_of_one_size_have_one_text(published: Manifest) -> None:
    texts = {
        adql.compile_query(
            f"SELECT * FROM {TABLE.qualified_name} AS t WHERE {cone(ra, dec, 1)}",
            published.schemas,
            bind=True,
        ).sql
        for ra, dec in ((10, 20), (0, 0), (359.99, -89), (180, 89.9))
    }
    assert len(texts) == 1


def test_text_of_the_user_is_no_placeholder(published: Manifest) -> None:
    query = adql.compile_query(
        f"SELECT TOP 1 '$1 $2 $30' AS dollars FROM {TABLE.qualified_name} AS t WHERE {cone(150, 2, 120)}",
        published.schemas,
        emitter=stores.current().emitter(published),
        bind=True,
    )
    answer = workers.engine().run(
        query.sql,
        published.version,
        workers.attached(published),
        seconds=60,
        gather=True,
        values=query.values,
    )
    assert [row for batch in answer for row in batch.column(0).to_pylist()] == ["$1 $2 $30"]
