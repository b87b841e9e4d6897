"""STC-S and DALI regions as text."""

from __future__ import annotations

import math

import pytest

from tap.adql import regions, shapes
from tap.adql.shapes import ShapeError, ShapeKind


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("CIRCLE ICRS 10 20 1.5", shapes.circle(10, 20, 1.5)),
        ("circle 10 20 1.5", shapes.circle(10, 20, 1.5)),
        ("Circle ICRS GEOCENTER SPHERICAL2 10 20 1.5 unit deg", shapes.circle(10, 20, 1.5)),
        ("Circle J2000 10,20,1.5e0", shapes.circle(10, 20, 1.5)),
        ("10 20 1.5", shapes.circle(10, 20, 1.5)),
        ("10 20", shapes.point(10, 20)),
        ("Position ICRS 10 -20", shapes.point(10, -20)),
        ("POLYGON ICRS 10 10 20 10 20 20", shapes.polygon([10, 10, 20, 10, 20, 20])),
        ("10 10 20 10 20 20", shapes.polygon([10, 10, 20, 10, 20, 20])),
        ("Polygon FK5 10 10 20 20 20 10 10 10", shapes.polygon([10, 10, 20, 20, 20, 10])),
        ("Box ICRS 40 50 2 1", shapes.box(40, 50, 2, 1)),
        ("Not (Circle 10 20 30)", shapes.circle(190, -20, 150)),
        ("AllSky ICRS", shapes.circle(0, 0, 180)),
        ("Union ICRS (Circle 1 2 3)", shapes.circle(1, 2, 3)),
    ],
)
def test_texts_and_their_shapes(text, expected):
    found = regions.parse(text)
    assert found.kind == expected.kind
    assert found.centre == pytest.approx(expected.centre, abs=1e-14)
    assert found.radius == pytest.approx(expected.radius, abs=1e-14)
    assert len(found.vertices) == len(expected.vertices)


def test_combinations_nest():
    shape = regions.parse("Union ICRS (Position 1 2 Intersection (circle  1 2 3 box 1 2 3 4 circle 30 40 2))")
    assert shape.kind is ShapeKind.UNION
    assert [part.kind for part in shape.parts] == [ShapeKind.POINT, ShapeKind.INTERSECTION]
    assert [part.kind for part in shape.parts[1].parts] == [
        ShapeKind.CIRCLE,
        ShapeKind.POLYGON,
        ShapeKind.CIRCLE,
    ]


def test_galactic_positions_are_turned_to_icrs():
    pole = regions.parse("Position GALACTIC 0 90")
    assert shapes.lon_lat(pole.centre) == pytest.approx((192.85948, 27.12825), abs=1e-4)
    middle = regions.parse("Union GALACTIC (Circle 0 0 1 Circle 120 -40 2)").parts[0]
    assert shapes.lon_lat(middle.centre) == pytest.approx((266.40499, -28.93617), abs=1e-4)
    turned = regions.parse("Box GALACTIC 30 40 2 1")
    assert shapes.area(turned) == pytest.approx(shapes.area(shapes.box(30, 40, 2, 1)), rel=1e-12)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "empty"),
        ("Blob 1 2 3", "no shape"),
        ("Circle ICRS 1 2", "takes 3 numbers"),
        ("Circle ICRS 1 2 -3", "radius"),
        ("Circle ICRS 1 95 3", "latitude"),
        ("Polygon ICRS 1 2 3 4", "three"),
        ("Polygon ICRS 1 2 3 4 5", "odd"),
        ("1 2 3 4", "neither"),
        ("Circle ECLIPTIC 1 2 3", "ECLIPTIC"),
        ("Union Circle 1 2 3", "parentheses"),
        ("Union (Circle 1 2 3", "not closed"),
        ("Union ()", "no parts"),
        ("Circle 1 2 3 extra", "extra"),
        ("Circle ICRS 1 2 3 unit arcmin", "degrees"),
        ("Ellipse ICRS 1 2 3 4 5", "no shape"),
        ("Circle ICRS nan 2 3", "takes 3 numbers"),
        ("Union (" * 30 + "Circle 1 2 3" + ")" * 30, "complex"),
    ],
)
def test_what_cannot_be_read_is_said(text, said):
    with pytest.raises(ShapeError, match=said):
        regions.parse(text)


def test_radii_of_half_the_sky_and_more_are_the_whole_sky():
    assert regions.parse("Circle 1 2 400").radius == math.pi
