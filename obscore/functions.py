"""What an expression of a collection profile can call: times, energies, regions, text."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from obscore.expressions import ExpressionError, Missing

# Astropy is imported where it is used: it takes 0.7 s, and a web process that ingests nothing needs none of it here.

_SCALES = {"tt", "utc", "tai", "tdb", "tcb", "tcg"}
_FRAMES = {"icrs", "fk5", "fk4"}


def mjd_utc(header: Mapping[str, Any], seconds: float | None) -> float | None:
    """Mission time to MJD in UTC, by the header's MJDREF, TIMESYS and TIMEUNIT (FITS 4.0, section 9).

    A header without TIMESYS is in UTC (FITS 4.0, table 30).
    """
    if seconds is None:
        return None
    from astropy import units
    from astropy.time import Time, TimeDelta

    scale = str(_optional(header, "TIMESYS", "UTC")).split("(")[0].strip().lower()
    if scale not in _SCALES:
        raise ExpressionError(f"TIMESYS is {scale.upper()!r}, not one of TT, UTC, TAI, TDB, TCB, TCG")
    whole = _optional(header, "MJDREFI", None)
    if whole is None:
        whole, fraction = header["MJDREF"], 0.0
    else:
        fraction = _optional(header, "MJDREFF", 0.0)
    unit = units.Unit(str(_optional(header, "TIMEUNIT", "s")).strip() or "s")
    zero = _optional(header, "TIMEZERO", 0.0)
    start = Time(float(whole), float(fraction), format="mjd", scale=scale)
    elapsed = TimeDelta((float(seconds) + float(zero)) * unit.to("s"), format="sec")
    return float((start + elapsed).utc.mjd)


def mjd_of_date(text: str | None, scale: str = "UTC") -> float | None:
    """ISO 8601 date and time in a time scale to MJD in UTC."""
    if text is None:
        return None
    if scale.lower() not in _SCALES:
        raise ExpressionError(f"{scale!r} is no time scale; use UTC, TT, TAI or TDB")
    from astropy.time import Time

    return float(Time(str(text).strip().rstrip("Z"), scale=scale.lower()).utc.mjd)


def wavelength(value: float | None, unit: str = "TeV") -> float | None:
    """Energy, frequency or wavelength to the wavelength in vacuum, in metres."""
    if value is None:
        return None
    if not (math.isfinite(value) and value > 0):
        raise ExpressionError(f"{value} {unit} is no energy above zero")
    from astropy import constants, units

    quantity = float(value) * units.Unit(unit)
    if quantity.unit.is_equivalent("eV"):
        return float((constants.h * constants.c).to_value("eV m") / quantity.to_value("eV"))
    return float(quantity.to_value("m", equivalencies=units.spectral()))


def _icrs(header: Mapping[str, Any], ra: float, dec: float) -> tuple[float, float]:
    """Right ascension and declination in ICRS, degrees."""
    frame = str(_optional(header, "RADESYS", None) or _optional(header, "RADECSYS", None) or "ICRS").strip()
    if frame.lower() not in _FRAMES:
        raise ExpressionError(f"RADESYS is {frame!r}, not one of ICRS, FK5, FK4")
    plain = isinstance(ra, float | int) and isinstance(dec, float | int)
    if frame.lower() == "icrs" and plain and 0 <= ra < 360 and -90 <= dec <= 90:
        return float(ra), float(dec)
    from astropy.coordinates import SkyCoord

    if frame.lower() == "icrs":
        place = SkyCoord(ra, dec, unit="deg", frame="icrs")
    else:
        equinox = float(_optional(header, "EQUINOX", 2000.0 if frame.lower() == "fk5" else 1950.0))
        prefix = "J" if frame.lower() == "fk5" else "B"
        place = SkyCoord(ra, dec, unit="deg", frame=frame.lower(), equinox=f"{prefix}{equinox}").icrs
    return float(place.ra.deg), float(place.dec.deg)


def icrs_ra(header: Mapping[str, Any], ra: float | None, dec: float | None) -> float | None:
    """Right ascension in ICRS of a position in the header's own frame (RADESYS, EQUINOX)."""
    return None if ra is None or dec is None else _icrs(header, ra, dec)[0]


def icrs_dec(header: Mapping[str, Any], ra: float | None, dec: float | None) -> float | None:
    """Declination in ICRS of a position in the header's own frame (RADESYS, EQUINOX)."""
    return None if ra is None or dec is None else _icrs(header, ra, dec)[1]


def circle(ra: float | None, dec: float | None, radius: float | None) -> str | None:
    """STC-S of a circle, all in degrees ICRS."""
    if ra is None or dec is None or radius is None:
        return None
    return f"CIRCLE ICRS {float(ra)!r} {float(dec)!r} {float(radius):.9g}"


def polygon(*coordinates: float | None) -> str | None:
    """STC-S of a polygon: ra, dec, ra, dec, ... in degrees ICRS."""
    if any(value is None for value in coordinates):
        return None
    if len(coordinates) < 6 or len(coordinates) % 2:
        raise ExpressionError("a polygon needs three or more pairs of ra and dec")
    return "POLYGON ICRS " + " ".join(repr(float(value)) for value in coordinates if value is not None)


def text(value: Any) -> str | None:
    """A value as text, without blanks around it; whole numbers without a decimal point."""
    if value is None:
        return None
    if isinstance(value, float | np.floating) and float(value).is_integer():
        value = int(value)
    return str(value).strip()


def number(value: Any) -> float | None:
    """Text as a number."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    return float(value)


def say(template: str, *values: Any) -> str:
    """`template` with each {} replaced by the next value; {:.1f} formats it."""
    pieces = re.split(r"\{(?::([^{}]*))?\}", template)
    result, listed = [pieces[0]], list(values)
    for spec, piece in zip(pieces[1::2], pieces[2::2]):
        if not listed:
            raise ExpressionError(f"{template!r} has more {{}} than values")
        value = listed.pop(0)
        result.append("" if value is None else format(value, spec) if spec else str(text(value)))
        result.append(piece)
    return "".join(result)


def _reduce(function: Callable[[Any], Any]) -> Callable[..., Any]:
    def reduced(*values: Any) -> Any:
        flat = [item for value in values for item in np.ravel(value).tolist() if item is not None]
        return function(flat) if flat else None

    return reduced


def _optional(header: Mapping[str, Any], key: str, default: Any) -> Any:
    try:
        value = header[key]
    except (KeyError, Missing):
        return default
    return default if value is None else value


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "abs": lambda value: None if value is None else abs(value),
    "ceil": lambda value: None if value is None else math.ceil(value),
    "circle": circle,
    "first": lambda *values: next((value for value in values if value not in (None, "")), None),
    "icrs_dec": icrs_dec,
    "icrs_ra": icrs_ra,
    "lower": lambda value: None if value is None else str(value).lower(),
    "max": _reduce(max),
    "min": _reduce(min),
    "mjd_of_date": mjd_of_date,
    "mjd_utc": mjd_utc,
    "number": number,
    "polygon": polygon,
    "replace": lambda value, old, new: None if value is None else str(value).replace(old, new),
    "round": lambda value, digits=0: None if value is None else round(value, int(digits)),
    "say": say,
    "text": text,
    "upper": lambda value: None if value is None else str(value).upper(),
    "wavelength": wavelength,
}
"""Functions that every profile has; `target` is added by the profile, for it needs the profile's names."""
