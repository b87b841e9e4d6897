"""Values of ObsCore as people read them.  Pure: no Django; the raw value is always kept beside the text."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from obscore.quantities import HC_EV_M

MJD_EPOCH = datetime(1858, 11, 17)
LIGHT_M_S = 299_792_458.0

_ENERGY_UNITS = ((1e12, "TeV"), (1e9, "GeV"), (1e6, "MeV"), (1e3, "keV"), (1.0, "eV"))
_LENGTH_UNITS = ((1e-2, "cm"), (1e-3, "mm"), (1e-6, "µm"), (1e-9, "nm"))
_FREQUENCY_UNITS = ((1e9, "GHz"), (1e6, "MHz"), (1e3, "kHz"), (1.0, "Hz"))
# Shorter waves are named by energy, longer ones by frequency, as their observers do.
LONGEST_BY_ENERGY_M = 1.3e-8
SHORTEST_BY_FREQUENCY_M = 1e-3


@dataclass(frozen=True)
class Cell:
    """What one cell of a table shows."""

    text: str
    raw: str = ""
    """The value as stored, for the tooltip; '' where the text says it already."""
    numeric: bool = False
    href: str = ""
    badge: str = ""
    """Kind of a coloured label (public, proprietary, simulated)."""


def is_missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value)) or value == ""


def significant(value: float, digits: int = 3) -> str:
    """A number rounded to `digits` significant digits, without exponents where it reads better so."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    if 1e-3 <= abs(value) < 10 ** max(digits, 6):
        decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
        text = f"{value:.{decimals}f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    return f"{value:.{digits}g}"


def _scaled_range(low: float | None, high: float | None, units: tuple[tuple[float, str], ...]) -> str:
    """`low` to `high` in one unit, that of the geometric middle."""
    ends = [end for end in (low, high) if end is not None]
    middle = math.exp(sum(math.log(end) for end in ends) / len(ends))
    scale, unit = next(((scale, unit) for scale, unit in units if middle >= scale), units[-1])
    if low is None:
        return f"≤ {significant(high / scale)} {unit}"  # type: ignore[operator]
    if high is None:
        return f"≥ {significant(low / scale)} {unit}"
    return f"{significant(low / scale)} – {significant(high / scale)} {unit}"


def spectral_range(em_min: float | None, em_max: float | None) -> str:
    """ObsCore's wavelength interval (metres, vacuum) as energies, wavelengths or frequencies.

    Energies below 13 nm (about 95 eV), frequencies above 1 mm, wavelengths between.
    """
    low = em_min if em_min is not None and not is_missing(em_min) and em_min > 0 else None
    high = em_max if em_max is not None and not is_missing(em_max) and em_max > 0 else None
    if low is None and high is None:
        return ""
    shortest = low if low is not None else high
    assert shortest is not None
    if shortest < LONGEST_BY_ENERGY_M:
        return _scaled_range(HC_EV_M / high if high else None, HC_EV_M / low if low else None, _ENERGY_UNITS)
    if shortest >= SHORTEST_BY_FREQUENCY_M:
        return _scaled_range(
            LIGHT_M_S / high if high else None, LIGHT_M_S / low if low else None, _FREQUENCY_UNITS
        )
    return _scaled_range(low, high, _LENGTH_UNITS)


def mjd_to_datetime(mjd: float) -> datetime:
    """The calendar date of an MJD in its own scale, to the second.

    Raises
    ------
    ValueError, OverflowError
        Outside the years 1 to 9999.
    """
    return MJD_EPOCH + timedelta(seconds=round(mjd * 86400))


def mjd_text(mjd: float, *, seconds: bool = False) -> str:
    """`2004-03-26 02:55`; the MJD itself where there is no such date."""
    try:
        moment = mjd_to_datetime(mjd)
    except (ValueError, OverflowError):
        return f"MJD {mjd:g}"
    return moment.strftime("%Y-%m-%d %H:%M:%S" if seconds else "%Y-%m-%d %H:%M")


def duration_text(seconds: float) -> str:
    if seconds < 120:
        return f"{significant(seconds)} s"
    if seconds < 7200:
        return f"{seconds / 60:.1f} min"
    return f"{seconds / 3600:.1f} h"


def size_text(kilobytes: float) -> str:
    """`access_estsize` (kB) as kB, MB or GB."""
    for scale, unit in ((1e6, "GB"), (1e3, "MB")):
        if kilobytes >= scale:
            return f"{kilobytes / scale:.1f} {unit}"
    return f"{kilobytes:.0f} kB"


def sexagesimal(ra: float, dec: float) -> str:
    """`05h34m31.9s +22d00m52s`, to about 0.1 arcsecond in RA and 1 in Dec (display only)."""
    tenths = round((ra % 360) / 15 * 36000) % (24 * 36000)
    hours, rest = divmod(tenths, 36000)
    minutes, second_tenths = divmod(rest, 600)
    arcseconds = round(abs(dec) * 3600)
    degrees, rest_arc = divmod(arcseconds, 3600)
    arcminutes, seconds = divmod(rest_arc, 60)
    sign = "-" if dec < 0 and arcseconds else "+"
    return (
        f"{hours:02d}h{minutes:02d}m{second_tenths / 10:04.1f}s "
        f"{sign}{degrees:02d}°{arcminutes:02d}′{seconds:02d}″"
    )


def raw_text(value: Any) -> str:
    """A value as it is stored: shortest text that reads back as the same number; '' for null."""
    if is_missing(value):
        return ""
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return " ".join(raw_text(item) for item in value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.hex()
    return str(value)


Row = Mapping[str, Any]


def _degrees(value: float, row: Row) -> str:
    return f"{value:.4f}"


def _release(value: Any, row: Row) -> str:
    return str(value)[:10]


_FORMATS: dict[str, Callable[[Any, Row], str]] = {
    "t_min": lambda value, row: mjd_text(value),
    "t_max": lambda value, row: mjd_text(value),
    "t_exptime": lambda value, row: duration_text(value),
    "t_resolution": lambda value, row: duration_text(value) if value >= 1 else f"{significant(value)} s",
    "em_min": lambda value, row: spectral_range(value, None).lstrip("≤≥ "),
    "em_max": lambda value, row: spectral_range(None, value).lstrip("≤≥ "),
    "s_ra": _degrees,
    "s_dec": _degrees,
    "access_estsize": lambda value, row: size_text(value),
    "obs_release_date": _release,
}


def cell(name: str, value: Any, row: Row, *, raw: bool = False) -> Cell:
    """The cell of column `name`.

    Parameters
    ----------
    name
        Column name, lower case; ObsCore names get their own forms, others the general one.
    value, row
        The value, and the whole row by column name (an energy range needs two columns).
    raw
        Show the value as stored.
    """
    numeric = isinstance(value, int | float) and not isinstance(value, bool)
    if is_missing(value):
        return Cell("", numeric=False)
    stored = raw_text(value)
    if raw:
        return Cell(stored, numeric=numeric)
    if name == "data_rights":
        kind = "public" if stored.lower() == "public" else "proprietary"
        if not is_missing(row.get("withdrawn")):
            return Cell("withdrawn", raw=f"{stored}; withdrawn: {row['withdrawn']}", badge="proprietary")
        return Cell(stored, badge=kind)
    form = _FORMATS.get(name)
    if form is not None:
        try:
            return Cell(form(value, row), raw=stored, numeric=numeric)
        except (TypeError, ValueError):  # a column of that name in another meaning
            return Cell(stored, numeric=numeric)
    if isinstance(value, float):
        text = significant(value, 7)
        return Cell(text, raw="" if text == stored else stored, numeric=True)
    return Cell(stored, numeric=numeric)


def spectral_cell(row: Row) -> Cell:
    """The energy (or wavelength, or frequency) range of a row of ObsCore."""
    low, high = row.get("em_min"), row.get("em_max")
    try:
        text = spectral_range(low, high)
    except TypeError:
        return Cell("")
    return Cell(
        text, raw=f"em_min {raw_text(low)} m, em_max {raw_text(high)} m" if text else "", numeric=True
    )
