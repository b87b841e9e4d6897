"""The language of profiles: what it computes, and all that it refuses."""

from __future__ import annotations

import pytest
from astropy.time import Time

from obscore.expressions import Expression, ExpressionError, Missing
from obscore.functions import FUNCTIONS, icrs_dec, icrs_ra, mjd_utc, wavelength

NAMES = {"file", "obs"}


def evaluate(text: str, **values: object) -> object:
    return Expression(text, FUNCTIONS, NAMES)(values)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2 * max(AEFF.THETA_HI)", 5.0),
        ("-EVENTS.RA + 1", -9),
        ("first(EVENTS.NOTHING, EVENTS.RA)", 10),
        ("EVENTS['DATE-OBS']", "2004-03-26"),
        ("say('run {} at {:.1f}', EVENTS.RA, 2)", "run 10 at 2.0"),
        ("text(20136.0)", "20136"),
        ("1 if EVENTS.RA > 5 else 2", 1),
        ("file.EMPTY * 2", None),
        ("number(' 3.5 ')", 3.5),
    ],
)
def test_values(text: str, expected: object) -> None:
    events = Source(RA=10, **{"DATE-OBS": "2004-03-26"})
    assert evaluate(text, EVENTS=events, AEFF={"THETA_HI": [0.5, 2.5]}, file={"EMPTY": None}) == expected


class Source(dict[str, object]):
    def __missing__(self, key: str) -> object:
        raise Missing(f"no {key}")


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('true')",
        "().__class__",
        "EVENTS.__class__.__mro__",
        "[x for x in (1,)]",
        "lambda: 1",
        "9 ** 9 ** 9",
        "EVENTS[0]",
        "open('/etc/passwd')",
        "nonsense + 1",
        "max(EVENTS.A, key=1)",
        "1 +",
        "f'{file}'",
        "True and False",
    ],
)
def test_what_is_not_of_the_language_is_refused_before_it_runs(text: str) -> None:
    with pytest.raises(ExpressionError):
        Expression(text, FUNCTIONS, NAMES)


def test_a_misspelt_function_is_answered_with_the_nearest() -> None:
    with pytest.raises(ExpressionError, match="did you mean 'wavelength'"):
        Expression("wavelenght(1, 'TeV')", FUNCTIONS, NAMES)


def test_a_missing_hdu_is_told_apart_from_a_mistake() -> None:
    with pytest.raises(Missing, match="AEFF"):
        evaluate("AEFF.THETA_HI")


@pytest.mark.parametrize("scale", ["TT", "UTC", "TAI", "TDB"])
def test_mission_time_agrees_with_astropy(scale: str) -> None:
    header = {"MJDREFI": 51910, "MJDREFF": 0.000742870370370241, "TIMESYS": scale, "TIMEUNIT": "s"}
    # Independent of the code: the epoch as JD, the seconds as days of 86400 SI seconds in TAI.
    epoch = Time(2400000.5 + 51910, 0.000742870370370241, format="jd", scale=scale.lower()).tai
    expected = Time(epoch.jd1, epoch.jd2 + 101962602.0 / 86400, format="jd", scale="tai").utc
    # TDB differs from TT by up to 2 ms, and seconds of TDB from those of TAI by less.
    assert abs(mjd_utc(header, 101962602.0) - expected.mjd) * 86400 < 5e-3


def test_seconds_of_utc_run_on_through_leap_seconds() -> None:
    header = {"MJDREF": 57753.0, "TIMESYS": "UTC"}
    assert mjd_utc(header, 86401.0) == 57754.0  # 2016-12-31 had 86401 seconds


def test_an_unknown_time_scale_is_refused() -> None:
    with pytest.raises(ExpressionError, match="LOCAL"):
        mjd_utc({"MJDREF": 51910.0, "TIMESYS": "LOCAL"}, 1.0)


def test_energies_become_wavelengths() -> None:
    assert wavelength(1.0, "TeV") == pytest.approx(1.23984198e-18, rel=1e-8)
    assert wavelength(1.42040575, "GHz") == pytest.approx(0.2110611, rel=1e-6)
    with pytest.raises(ExpressionError):
        wavelength(0.0, "TeV")


def test_fk5_positions_become_icrs() -> None:
    header = {"RADECSYS": "FK5", "EQUINOX": 2000}
    ra, dec = icrs_ra(header, 228.6125, -58.771667), icrs_dec(header, 228.6125, -58.771667)
    assert ra != 228.6125
    assert ra == pytest.approx(228.6125, abs=3e-5)  # the frames differ by some 20 mas
    assert dec == pytest.approx(-58.771667, abs=1e-5)
    assert icrs_ra({"RADESYS": "ICRS"}, 10.0, 0.0) == pytest.approx(10.0, abs=1e-12)
