"""ObsCore values as people read them."""

from __future__ import annotations

import pytest
from astropy import units as u
from astropy.coordinates import Angle
from astropy.time import Time
from hypothesis import given
from hypothesis import strategies as st

from gateway.portal import presentation as p


def _metres(value: float, unit: str) -> float:
    return float((value * u.Unit(unit)).to_value(u.m, equivalencies=u.spectral()))


@pytest.mark.parametrize(
    ("shortest", "longest", "text"),
    [
        (_metres(100, "TeV"), _metres(0.31, "TeV"), "0.31 – 100 TeV"),
        (_metres(10, "keV"), _metres(0.5, "keV"), "0.5 – 10 keV"),
        (4.0e-7, 7.0e-7, "400 – 700 nm"),
        (_metres(5, "GHz"), _metres(1.4, "GHz"), "1.4 – 5 GHz"),
        (_metres(100, "TeV"), None, "≤ 100 TeV"),
        (None, None, ""),
        (float("nan"), 0.0, ""),
    ],
)
def test_spectral_ranges_are_in_the_unit_of_their_observers(shortest, longest, text) -> None:
    assert p.spectral_range(shortest, longest) == text


@given(st.floats(15020, 88069))
def test_dates_agree_with_astropy(mjd: float) -> None:
    told = Time(p.mjd_text(mjd, seconds=True), format="iso", scale="tai").mjd
    assert abs(told - mjd) * 86400 < 0.51


@given(st.floats(0, 359.999), st.floats(-90, 90))
def test_sexagesimal_positions_read_back(ra: float, dec: float) -> None:
    hours, degrees = p.sexagesimal(ra, dec).replace("′", "m").replace("″", "s").replace("°", "d").split()
    away = abs(Angle(hours).wrap_at(360 * u.deg).deg - ra)
    assert min(away, 360 - away) * 3600 <= 0.76
    assert abs(Angle(degrees).deg - dec) * 3600 <= 0.51


def test_a_cell_keeps_the_stored_value_beside_the_readable_one() -> None:
    cell = p.cell("t_min", 53090.123456, {})
    assert cell.text == "2004-03-26 02:57"
    assert cell.raw == "53090.123456"
    assert p.cell("t_min", 53090.123456, {}, raw=True).text == "53090.123456"


def test_a_column_of_a_known_name_in_another_meaning_is_shown_as_it_is() -> None:
    assert p.cell("t_min", "yesterday", {}).text == "yesterday"


@pytest.mark.parametrize("value", [None, float("nan"), ""])
def test_missing_values_are_empty(value) -> None:
    assert p.cell("s_ra", value, {}).text == ""


def test_rights_are_a_badge() -> None:
    assert p.cell("data_rights", "public", {}).badge == "public"
    assert p.cell("data_rights", "secure", {}).badge == "proprietary"
