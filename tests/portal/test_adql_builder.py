"""The ADQL that the search form writes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.portal.adql_builder import (
    Cone,
    Constraint,
    Interval,
    Match,
    Operator,
    SearchTerms,
    build,
    constraint_condition,
    degrees_literal,
    energy_as_wavelengths,
    number_literal,
    observations_query,
    text_literal,
)


def test_an_empty_search_asks_for_everything() -> None:
    assert build(SearchTerms()) == "SELECT *\nFROM ivoa.obscore"
    assert not SearchTerms()


def test_a_cone_intersects_the_region() -> None:
    adql = build(SearchTerms(cone=Cone(329.717, -30.226, 0.001)))
    assert adql == (
        "SELECT *\nFROM ivoa.obscore\nWHERE 1 = INTERSECTS(s_region, CIRCLE('ICRS', 329.717, -30.226, 0.001))"
    )


def test_centres_are_asked_for_by_contains() -> None:
    adql = build(SearchTerms(cone=Cone(10, 20, 1, Match.CENTRE)))
    assert adql.endswith("1 = CONTAINS(POINT('ICRS', s_ra, s_dec), CIRCLE('ICRS', 10, 20, 1))")


def test_intervals_overlap() -> None:
    adql = build(SearchTerms(time=Interval(53000, 53010.5)))
    assert "t_max >= 53000" in adql
    assert "t_min <= 53010.5" in adql
    assert "t_min" not in build(SearchTerms(time=Interval(low=53000)))


def test_the_highest_energy_is_the_shortest_wavelength() -> None:
    waves = energy_as_wavelengths(Interval(1e12, 1e13))
    assert waves.high == pytest.approx(1.239841984e-18)
    assert waves.low == pytest.approx(1.239841984e-19)
    adql = build(SearchTerms(energy=Interval(low=1e12)))
    assert adql.endswith("WHERE em_min <= 1.23984198433e-18")


def test_one_value_is_compared_and_several_are_listed() -> None:
    adql = build(SearchTerms(collections=("a",), product_types=("event", "image")))
    assert "obs_collection = 'a'\n  AND dataproduct_type IN ('event', 'image')" in adql


@pytest.mark.parametrize(
    ("constraint", "expected"),
    [
        (Constraint("obs_id", Operator.EQUAL, ("O'Neill",)), "obs_id = 'O''Neill'"),
        (Constraint("t_exptime", Operator.BETWEEN, (10, 20.5)), "t_exptime BETWEEN 10 AND 20.5"),
        (Constraint("target_name", Operator.CONTAINS, ("PKS",)), "LOWER(target_name) LIKE '%pks%'"),
        (Constraint("target_name", Operator.STARTS, ("PKS",)), "LOWER(target_name) LIKE 'pks%'"),
        (Constraint("o_ucd", Operator.NULL), "o_ucd IS NULL"),
        (Constraint("o_ucd", Operator.NOT_NULL), "o_ucd IS NOT NULL"),
        (Constraint("calib_level", Operator.ANY_OF, (1, 2)), "calib_level IN (1, 2)"),
        (Constraint("Odd name", Operator.NOT_EQUAL, (1,)), '"Odd name" <> 1'),
    ],
)
def test_constraints(constraint: Constraint, expected: str) -> None:
    assert constraint_condition(constraint) == expected


def test_an_operator_without_its_values_is_refused() -> None:
    with pytest.raises(ValueError, match="two values"):
        constraint_condition(Constraint("t_min", Operator.BETWEEN, (1,)))
    with pytest.raises(ValueError, match="takes a value"):
        constraint_condition(Constraint("t_min", Operator.LESS))


@given(st.text())
def test_a_text_literal_has_no_lonely_quote(value: str) -> None:
    literal = text_literal(value)
    assert literal[0] == literal[-1] == "'"
    assert "'" not in literal[1:-1].replace("''", "")
    assert literal[1:-1].replace("''", "'") == value


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_reads_back_as_itself(value: float) -> None:
    assert float(number_literal(value)) == value


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_adql_cannot_write_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="not a number"):
        number_literal(value)


@given(st.floats(-360, 360))
def test_degrees_have_no_exponent(value: float) -> None:
    literal = degrees_literal(value)
    assert "e" not in literal
    assert abs(float(literal) - value) <= 1e-8


def test_observations_are_asked_for_by_identifier() -> None:
    assert observations_query(("ivo://a/b?1",)).endswith("WHERE obs_publisher_did = 'ivo://a/b?1'")
