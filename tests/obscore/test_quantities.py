"""Times, energies and angles as typed, against astropy."""

from __future__ import annotations

import contextlib
import math

import astropy.units as u
import pytest
from astropy.time import Time
from hypothesis import given
from hypothesis import strategies as st

from gateway.vo.errors import UsageError
from obscore.quantities import parse_angle, parse_energy, parse_moment, parse_time, parse_wavelength


@pytest.mark.parametrize("scale", ["utc", "tt", "tai", "tdb"])
@pytest.mark.parametrize("text", ["2004-03-26T02:57:46.184", "2004-03-26 02:57:46", "2017-01-01T00:00:00"])
def test_dates_agree_with_astropy(text: str, scale: str) -> None:
    expected = Time(text, scale=scale).utc.mjd
    assert abs(parse_time(text, scale) - expected) * 86400 < 1e-3
    assert abs(parse_time(f"{text} {scale.upper()}") - expected) * 86400 < 1e-3


@pytest.mark.parametrize(
    "text", ["53090.12345", "MJD 53090.12345", "mjd=53090.12345", "JD 2453090.62345", "2453090.62345"]
)
def test_julian_dates(text: str) -> None:
    assert parse_time(text) == pytest.approx(53090.12345, abs=1e-6)


def test_an_mjd_in_tt_is_converted() -> None:
    assert (53090.5 - parse_time("53090.5", "tt")) * 86400 == pytest.approx(64.184, abs=1e-3)


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("2004-03-26", 1),
        ("2004-02", 29),
        ("2004-12", 31),
        ("2004-03-26T02:57", 1 / 1440),
        ("2004-03-26T02:57:46", 0),
    ],
)
def test_dates_stand_for_as_long_as_they_leave_open(text: str, days: float) -> None:
    moment = parse_moment(text)
    assert moment.end - moment.start == pytest.approx(days, abs=1e-9)


def test_time_zones_and_leap_seconds() -> None:
    assert parse_time("2004-03-26T04:57+02:00") == parse_time("2004-03-26T02:57Z")
    assert parse_time("2016-12-31T23:59:60") == parse_time("2017-01-01T00:00:00")


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "no time"),
        ("2004", "a year or an MJD"),
        ("26.03.2004", "Begin with the year"),
        ("2004-02-30", "day is out of range"),
        ("2004-03-26T25:00", "hour must be"),
        ("2004-03-26T10:00:61", "61 seconds"),
        ("123", "not in the years"),
        ("1e400", "not in the years"),
        ("yesterday", "no time that can be read"),
        ("2004-03-26T04:57+02:00 TT", "only UTC"),
    ],
)
def test_times_that_cannot_be_read(text: str, part: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_time(text)
    assert part in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "0.5 TeV",
        "500GeV",
        "2 keV",
        "1 MeV",
        "1 meV",
        "3.2 eV",
        "1e-3 PeV",
        "500 nm",
        "1.4 GHz",
        "5 angstrom",
        "1 erg",
    ],
)
def test_energies_agree_with_astropy(text: str) -> None:
    quantity = u.Quantity(text.replace("GeV", " GeV"))
    assert parse_energy(text) == pytest.approx(quantity.to_value("eV", u.spectral()), rel=1e-9)
    assert parse_wavelength(text) == pytest.approx(quantity.to_value("m", u.spectral()), rel=1e-9)


def test_a_number_alone_has_the_unit_of_the_form() -> None:
    assert parse_energy("0.5", "GeV") == 0.5e9
    assert parse_angle("30", "arcmin") == 0.5


@pytest.mark.parametrize("text", ["", "x", "-1", "0", "0,5 TeV", "3 furlong", "1 2", "nan", "inf"])
def test_energies_that_cannot_be_read(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_energy(text)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("text", "degrees"),
    [
        ("0.5", 0.5),
        ("30'", 0.5),
        ("30 arcmin", 0.5),
        ("1800 arcsec", 0.5),
        ('1800"', 0.5),
        ("0.5°", 0.5),
        ("1e-3", 0.001),
        ("1 rad", 57.29577951308232),
    ],
)
def test_angles(text: str, degrees: float) -> None:
    assert parse_angle(text) == pytest.approx(degrees, rel=1e-12)


@given(st.text(max_size=30))
def test_any_text_is_read_or_explained(text: str) -> None:
    for read in (parse_time, parse_energy, parse_angle):
        with contextlib.suppress(UsageError):  # any other exception is a fault
            assert math.isfinite(read(text))
