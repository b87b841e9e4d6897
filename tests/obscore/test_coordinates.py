"""Coordinates in every notation, against astropy where it reads the same notation."""

from __future__ import annotations

import pytest
from astropy.coordinates import SkyCoord
from hypothesis import given
from hypothesis import strategies as st

from gateway.vo.errors import UsageError
from obscore.coordinates import Frame, NotCoordinates, from_designation, parse

CRAB = (83.632917, 22.014444)


@pytest.mark.parametrize(
    "text",
    [
        "05:34:31.9 +22:00:52",
        "05:34:31.9 22:00:52",
        "05:34:31.9+22:00:52",
        "05:34:31.9, +22:00:52",
        "05 34 31.9 +22 00 52",
        "05 34 31.9 22 00 52",
        "5h34m31.9s +22d00m52s",
        "5h34m31.9s 22d00m52s",
        "5h34m31.9s+22d00m52s",
        "5h 34m 31.9s, 22° 00′ 52″",
        "05ʰ34ᵐ31.9ˢ +22°00′52″",
        "5h34m31.9s +22d00'52\"",
        "83d37m58.5s 22d00m52s",
        "RA 05:34:31.9 Dec +22:00:52",
        "ra=83.632917, dec=22.014444",
        "83.632917 22.014444",
        "83.632917,22.014444",
        "83.632917; 22.014444",
        "83.632917+22.014444",
        "83.632917° +22.014444°",
        "83.632917deg 22.014444deg",
        "83.632917 degrees, 22.014444 degrees",
        "(83.632917 22.014444)",
        "05:34:31.9 22.014444",
        "5.57552778h +22.014444d",
        "053431.9+220052",
        "05 34 31.9 +22 00 52 (J2000)",
        "J2000 05 34 31.9 +22 00 52",
        "icrs 83.632917 22.014444",
    ],
)
def test_all_notations_of_one_position(text: str) -> None:
    found = parse(text)
    assert (found.ra, found.dec) == pytest.approx(CRAB, abs=2e-6)


@pytest.mark.parametrize("minus", ["-", "−", "–", "‐", "- "])
def test_minus_signs_of_all_kinds(minus: str) -> None:
    assert parse(f"329.717 {minus}30.226").dec == -30.226
    assert parse(f"21 58 52.1 {minus}30 13 32").dec == pytest.approx(-30.225556, abs=1e-6)


def test_the_sign_of_minus_zero_degrees() -> None:
    assert parse("10:00:00 -00:30:00").dec == -0.5


@pytest.mark.parametrize(
    "text",
    ["gal 184.5575 -5.7844", "galactic 184.5575, -5.7844", "l=184.5575 b=-5.7844", "184.5575 -5.7844 gal"],
)
def test_galactic_coordinates(text: str) -> None:
    found = parse(text)
    expected = SkyCoord(184.5575, -5.7844, unit="deg", frame="galactic").icrs
    assert found.frame is Frame.GALACTIC
    assert (found.ra, found.dec) == pytest.approx((expected.ra.deg, expected.dec.deg), abs=1e-9)


def test_b1950_is_precessed() -> None:
    found = parse("B1950 05 31 31 +21 58 54")
    assert (found.ra, found.dec) == pytest.approx((83.631425, 22.014366), abs=1e-5)


@given(st.floats(0, 359.9999), st.floats(-89.9999, 89.9999))
def test_what_astropy_writes_is_read_back(ra: float, dec: float) -> None:
    place = SkyCoord(ra, dec, unit="deg")
    for style in ("hmsdms", "decimal"):
        found = parse(place.to_string(style, precision=8))
        assert SkyCoord(found.ra, found.dec, unit="deg").separation(place).arcsec < 1e-3
    for sep in (":", " "):
        lon = place.ra.to_string("hour", sep=sep, precision=6)
        lat = place.dec.to_string(sep=sep, alwayssign=True, precision=6)
        found = parse(f"{lon} {lat}")
        assert SkyCoord(found.ra, found.dec, unit="deg").separation(place).arcsec < 1e-3


@given(st.text(max_size=40))
def test_no_text_is_answered_with_anything_but_a_position_or_an_explanation(text: str) -> None:
    try:
        found = parse(text)
    except UsageError:
        return  # any other exception would be a fault
    assert 0 <= found.ra < 360
    assert -90 <= found.dec <= 90


def test_numbers_without_units_are_degrees_and_say_so() -> None:
    found = parse("5.5 22")
    assert (found.ra, found.dec) == (5.5, 22)
    assert "5.5h" in found.note


def test_longitudes_wrap() -> None:
    assert parse("-10 20").ra == 350


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("83.633", "only one number"),
        ("83:37:59 22:00:52", "read as hours"),
        ("22.014 183.633", "are the two exchanged"),
        ("25:00:00 10:00:00", "hours, which end at 24"),
        ("05:61:00 +10:00:00", "61 minutes"),
        ("05:00:75 +10:00:00", "75 seconds"),
        ("1 2 3", "not clear where the first coordinate ends"),
        ("05 34 31.9", "not clear"),
        ("83,63 22,01", "Write 83.63 22.01"),
        ("5.5 34 12 +22 00 00", "only the last number"),
        ("361 10", "not between 0 and 360"),
        ("5h 22h", "must be in degrees"),
        ("gal 5h 3", "degrees, not in hours"),
        ("10 -20 -30", "too many signs"),
        ("1, 2, 3", "more than two"),
        ("J2534+2200", "does not exist"),
    ],
)
def test_what_is_wrong_or_ambiguous_is_explained(text: str, part: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(text)
    assert not isinstance(caught.value, NotCoordinates)
    assert part in str(caught.value)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "Crab",
        "M 31",
        "M31",
        "PKS 2155-304",
        "3C 273",
        "47 Tuc",
        "1ES 0414+009",
        "SN 1006",
        "RX J1713.7-3946",
    ],
)
def test_names_are_no_coordinates(name: str) -> None:
    with pytest.raises(NotCoordinates):
        parse(name)


@pytest.mark.parametrize(
    ("name", "ra", "dec", "accuracy"),
    [
        ("J053431.9+220052", "05h34m31.95s", "+22d00m52.5s", 1.0 / 3600),
        ("J0534+2200", "05h34m30s", "+22d00m30s", 7.5 / 60),
        ("RX J1713.7-3946", "17h13m45s", "-39d46m30s", 0.75 / 60),
        ("HESS J1731-347", "17h31m30s", "-34d45m00s", 7.5 / 60),
        ("SDSS J153432.12+220052.1", "15h34m32.125s", "+22d00m52.15s", 0.1 / 3600),
    ],
)
def test_designations(name: str, ra: str, dec: str, accuracy: float) -> None:
    found = from_designation(name)
    expected = SkyCoord(ra, dec)
    assert SkyCoord(found.ra, found.dec, unit="deg").separation(expected).arcsec < 0.01
    assert found.accuracy <= accuracy
    assert "designation" in found.note
