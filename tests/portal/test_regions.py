"""Regions as the sky map draws them."""

from __future__ import annotations

import pytest

from gateway.portal.regions import parse_region, searched_circle


def test_a_circle() -> None:
    expected = [{"shape": "circle", "ra": 83.6, "dec": -22.0, "radius": 2.5}]
    assert parse_region("Circle ICRS 83.6 -22.0 2.5") == expected
    assert parse_region([83.6, -22.0, 2.5], "circle") == expected
    assert parse_region("83.6 -22.0 2.5", "circle") == expected


def test_a_polygon() -> None:
    points = [[10.0, 10.0], [12.0, 10.0], [11.0, 12.0]]
    expected = [{"shape": "polygon", "points": points}]
    assert parse_region("POLYGON ICRS GEOCENTER 10 10 12 10 11 12") == expected
    assert parse_region([10, 10, 12, 10, 11, 12], "polygon") == expected


def test_a_union_has_all_its_outlines() -> None:
    found = parse_region("UNION ICRS (CIRCLE 1 2 3 POLYGON 10 10 12 10 11 12)")
    assert [outline["shape"] for outline in found] == ["circle", "polygon"]


@pytest.mark.parametrize(
    "value",
    [None, "", "CIRCLE GALACTIC 1 2 3", "CIRCLE ICRS 1 2", "CIRCLE ICRS 1 2 nan", "nonsense", "BOX 1 2 3 4"],
)
def test_what_cannot_be_drawn_is_left_out(value) -> None:
    assert parse_region(value) == []


@pytest.mark.parametrize(
    "circle",
    ["CIRCLE('ICRS', 83.6, -22, 1e-3)", "circle(83.6,-22.0 , .001)", "CIRCLE( '' ,83.6, -22.0, 0.001 )"],
)
def test_the_circle_that_was_searched(circle: str) -> None:
    adql = f"SELECT * FROM t WHERE 1 = CONTAINS(POINT(ra, dec), {circle})"
    assert searched_circle(adql) == {"shape": "circle", "ra": 83.6, "dec": -22.0, "radius": 0.001}


def test_a_circle_of_columns_is_no_place() -> None:
    assert searched_circle("SELECT * FROM t WHERE 1 = INTERSECTS(r, CIRCLE(ra, dec, 1))") is None
