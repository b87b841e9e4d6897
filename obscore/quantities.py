"""Times, energies and angles as people type them.  Pure: no Django."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.vo.errors import UsageError

__all__ = [
    "HC_EV_M",
    "Moment",
    "energy_to_wavelength",
    "parse_angle",
    "parse_energy",
    "parse_moment",
    "parse_time",
    "parse_wavelength",
]

HC_EV_M = 1.2398419843320026e-06
"""Planck's constant times the speed of light, in eV m (exact in the SI of 2019)."""

MJD_MIN, MJD_MAX = 15020.0, 88069.0
"""1900-01-01 and 2100-01-01: numbers outside are no dates of observations."""

SCALES = ("utc", "tt", "tai", "tdb")
_EPOCH = datetime(1858, 11, 17)

_TIME_HINT = "Write 2004-03-26, 2004-03-26T02:57:46, or an MJD such as 53090.12; add TT if it is not UTC."
_ISO = re.compile(
    r"(\d{4})-(\d{1,2})(?:-(\d{1,2})(?:[T ]+(\d{1,2})(?::(\d{2})(?::(\d{2}(?:\.\d*)?))?)?"
    r"\s*(Z|[+-]\d{2}:?\d{2})?)?)?",
    re.I,
)
_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"


@dataclass(frozen=True)
class Moment:
    """A time as typed: MJD in UTC of its beginning and end (they differ for dates without a time)."""

    start: float
    end: float
    note: str = ""
    """Assumptions, for the page to show."""


def parse_time(text: str, scale: str = "utc") -> float:
    """A date, date and time, MJD or JD as MJD in UTC; a date alone is its first moment.

    Parameters
    ----------
    scale
        Time scale of what is typed, unless the text itself names one: utc, tt, tai or tdb.

    Raises
    ------
    UsageError
        If it cannot be read, or lies outside the years 1900 to 2100.
    """
    return parse_moment(text, scale).start


def parse_moment(text: str, scale: str = "utc") -> Moment:
    """Like `parse_time`, with the end of the day, hour or minute that the text stands for."""
    plain = " ".join(text.translate(_DASHES).split())
    if not plain:
        raise UsageError("There is no time.", hint=_TIME_HINT)
    named = re.search(r"[\s(]*\b(UTC|UT|TT|TAI|TDB|GMT)\)?$|^\(?(UTC|UT|TT|TAI|TDB)\)?\s+", plain, re.I)
    if named:
        word = (named[1] or named[2]).lower()
        scale = "utc" if word in ("ut", "gmt") else word
        plain = (plain[: named.start()] + plain[named.end() :]).strip()
    scale = scale.lower()
    if scale not in SCALES:
        raise UsageError(f"{scale!r} is no time scale known here.", hint="Use UTC, TT, TAI or TDB.")
    start, end, note = _number(plain) or _iso(plain, scale)
    for value in (start, end):
        if not MJD_MIN <= value <= MJD_MAX:
            raise UsageError(
                f"{text.strip()!r} is MJD {value:g}, not in the years 1900 to 2100.", hint=_TIME_HINT
            )
    return Moment(_to_utc(start, scale), _to_utc(end, scale), note)


_DASHES = str.maketrans({**dict.fromkeys("−–—‐‑", "-"), "\u00a0": " ", "\u2009": " ", "：": ":"})


def _number(text: str) -> tuple[float, float, str] | None:
    """MJD or JD; None if the text is no number."""
    match = re.fullmatch(rf"(MJD|JD)?\s*[:=]?\s*({_NUMBER})", text, re.I)
    if not match:
        return None
    word, value = (match[1] or "").lower(), float(match[2])
    if not word and re.fullmatch(r"(?:19|20)\d\d", match[2]):
        raise UsageError(
            f"{text} may be a year or an MJD.",
            hint=f"Write {text}-01-01 for the year, MJD {text} for the other.",
        )
    if word == "jd" or (not word and 2400000.5 + MJD_MIN <= value <= 2400000.5 + MJD_MAX):
        return value - 2400000.5, value - 2400000.5, "" if word else "read as a Julian Date"
    return value, value, ""


def _iso(text: str, scale: str) -> tuple[float, float, str]:
    match = _ISO.fullmatch(text)
    if not match:
        hint = _TIME_HINT
        if re.fullmatch(r"\d{1,2}[./-]\d{1,2}[./-]\d{2,4}.*", text):
            hint = "Begin with the year: 2004-03-26."
        raise UsageError(f"{text[:60]!r} is no time that can be read.", hint=hint)
    year, month, day, hour, minute, second, zone = match.groups()
    try:
        base = datetime(int(year), int(month), int(day or 1), int(hour or 0), int(minute or 0))
    except ValueError as error:
        raise UsageError(f"{text!r}: {error}.", hint=_TIME_HINT) from None
    seconds = float(second or 0)
    leap = seconds >= 60
    if seconds >= 61 or (leap and (scale != "utc" or (base.hour, base.minute) != (23, 59))):
        raise UsageError(f"{text!r} has {seconds:g} seconds.", hint=_TIME_HINT)
    offset = _offset(zone, scale, text)
    start = _mjd(base - offset) + seconds / 86400
    span, note = _span(base, day, hour, minute, second)
    return start, start + span, note


def _offset(zone: str | None, scale: str, text: str) -> timedelta:
    if not zone:
        return timedelta()
    if scale != "utc":
        raise UsageError(f"{text!r} has a time zone, which only UTC can have.", hint="Choose UTC.")
    if zone.upper() == "Z":
        return timedelta()
    sign = -1 if zone[0] == "-" else 1
    return sign * timedelta(hours=int(zone[1:3]), minutes=int(zone[-2:]))


def _span(base: datetime, *parts: str | None) -> tuple[float, str]:
    """Days that the text leaves open, and a word about it."""
    day, hour, minute, second = parts
    if day is None:
        following = datetime(base.year + base.month // 12, base.month % 12 + 1, 1)
        return (following - base).total_seconds() / 86400, "the whole month"
    if hour is None:
        return 1.0, "the whole day"
    if minute is None:
        return 1 / 24, "the whole hour"
    return (1 / 1440, "") if second is None else (0.0, "")


def _mjd(moment: datetime) -> float:
    return (moment - _EPOCH) / timedelta(days=1)


def _to_utc(mjd: float, scale: str) -> float:
    if scale == "utc":
        return mjd
    from astropy.time import Time  # knows the leap seconds; slow to import

    # Two parts keep the microseconds that one double of MJD would lose.
    day, fraction = divmod(mjd, 1.0)
    return float(Time(day, fraction, format="mjd", scale=scale).utc.mjd)


# --- energies ---------------------------------------------------------------------------------------

_ENERGY = {"uev": 1e-6, "mev": 1e6, "ev": 1.0, "kev": 1e3, "gev": 1e9, "tev": 1e12, "pev": 1e15}
_LENGTH = {"m": 1.0, "cm": 1e-2, "mm": 1e-3, "um": 1e-6, "micron": 1e-6, "nm": 1e-9, "pm": 1e-12, "fm": 1e-15}
_LENGTH |= {"angstrom": 1e-10, "a": 1e-10, "å": 1e-10}
_FREQUENCY = {"hz": 1.0, "khz": 1e3, "mhz": 1e6, "ghz": 1e9, "thz": 1e12}
_LIGHT = 299792458.0
_ENERGY_HINT = "Write a number with a unit, e.g. 0.5 TeV, 500 GeV or 2 keV."


def parse_energy(text: str, unit: str = "TeV") -> float:
    """An energy in eV; wavelengths and frequencies are understood as those of photons.

    Parameters
    ----------
    unit
        Unit of a number that has none.

    Raises
    ------
    UsageError
        If it is no number, has an unknown unit, or is not above zero.
    """
    plain = text.translate(_DASHES).replace("µ", "u").replace("μ", "u").strip()
    match = re.fullmatch(rf"({_NUMBER})\s*([A-Za-zåÅ]*)", plain)
    if not match:
        hint = _ENERGY_HINT
        if re.fullmatch(r"[+-]?\d+,\d+\s*[A-Za-z]*", plain):
            hint = f"The decimal point is a point: {plain.replace(',', '.')}."
        raise UsageError(f"{text.strip()[:60]!r} is no energy.", hint=hint)
    value, word = float(match[1]), match[2] or unit
    if not (math.isfinite(value) and value > 0):
        raise UsageError(f"An energy is above zero, not {match[1]}.", hint=_ENERGY_HINT)
    name = word.lower()
    if word == "meV":  # the one place where the case of the prefix matters among these units
        return value * 1e-3
    if name in _ENERGY:
        return value * _ENERGY[name]
    if name in _FREQUENCY:
        return HC_EV_M / (_LIGHT / (value * _FREQUENCY[name]))
    if name in _LENGTH:
        return HC_EV_M / (value * _LENGTH[name])
    if name == "erg":
        return value * 624150907446.0763
    raise UsageError(f"{word!r} is no unit of energy known here.", hint="Use eV, keV, MeV, GeV, TeV or PeV.")


def energy_to_wavelength(energy: float) -> float:
    """Wavelength in vacuum, in metres, of photons with an energy in eV."""
    return HC_EV_M / energy


def parse_wavelength(text: str, unit: str = "TeV") -> float:
    """Like `parse_energy`, as wavelength in metres: what em_min and em_max hold."""
    return energy_to_wavelength(parse_energy(text, unit))


# --- angles -----------------------------------------------------------------------------------------

_ANGLE = {
    **dict.fromkeys(("deg", "degree", "degrees", "d", "°", "º"), 1.0),
    **dict.fromkeys(("arcmin", "arcmins", "arcminute", "arcminutes", "amin", "'", "′", "’", "m"), 1 / 60),
    **dict.fromkeys(
        ("arcsec", "arcsecs", "arcsecond", "arcseconds", "asec", '"', "″", "”", "''", "s"), 1 / 3600
    ),
    **dict.fromkeys(("mas",), 1 / 3.6e6),
    **dict.fromkeys(("rad", "radian", "radians"), math.degrees(1.0)),
}


def parse_angle(text: str, unit: str = "deg") -> float:
    """An angle (a radius, a width) in degrees.

    Parameters
    ----------
    unit
        Unit of a number that has none: deg, arcmin, arcsec, mas or rad.

    Raises
    ------
    UsageError
        If it is no number or has an unknown unit.
    """
    plain = text.translate(_DASHES).strip()
    match = re.fullmatch(rf"({_NUMBER})\s*(\D*)", plain)
    if not match:
        hint = "Write a number, with a unit if you like: 0.5, 30 arcmin, 30', 2 deg."
        if re.fullmatch(r"\d+,\d+\s*\D*", plain):
            hint = f"The decimal point is a point: {plain.replace(',', '.')}."
        raise UsageError(f"{text.strip()[:60]!r} is no angle.", hint=hint)
    factor = _ANGLE.get((match[2].strip() or unit).lower())
    if factor is None:
        raise UsageError(
            f"{match[2].strip()!r} is no unit of angle known here.", hint="Use deg, arcmin or arcsec."
        )
    value = float(match[1]) * factor
    if not math.isfinite(value):
        raise UsageError(f"{text.strip()[:60]!r} is too large.")
    return value
