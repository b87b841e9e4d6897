"""Positions as people type them.

`parse` reads decimal degrees, sexagesimal with colons, spaces or units, galactic coordinates and names
made of coordinates (J053431.9+220052).  It never guesses silently: what could mean two things is an error
that says how to write either, and every assumption is in the note of the answer.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from gateway.vo.errors import UsageError

__all__ = ["Coordinates", "Frame", "NotCoordinates", "from_designation", "parse"]

FORMS = (
    "Forms that work: 83.633 22.014 (degrees), 05:34:31.9 +22:00:52, 05 34 31.9 +22 00 52, "
    "5h34m31.9s +22d00m52s, gal 184.55 -5.78, J053431.9+220052."
)


class NotCoordinates(UsageError):
    """The text is no attempt at coordinates; it may be the name of an object."""


class Frame(Enum):
    """Reference frames that can be named before the numbers."""

    ICRS = "ICRS"
    FK4 = "FK4 (B1950)"
    GALACTIC = "galactic"


@dataclass(frozen=True)
class Coordinates:
    """A position in degrees ICRS, and how it was read."""

    ra: float
    dec: float
    frame: Frame = Frame.ICRS
    note: str = ""
    """Assumptions, for the page to show; '' where there were none."""
    accuracy: float = 0.0
    """Half of the last digit, in degrees, where the text is a designation; 0 elsewhere."""


def parse(text: str) -> Coordinates:
    """Read a position.

    Raises
    ------
    NotCoordinates
        If the text does not look like coordinates.
    UsageError
        If it does, but is incomplete, ambiguous or out of range; the hint says what forms work.
    """
    plain = _normalise(text)
    if not plain:
        raise NotCoordinates("There is no position.", hint=FORMS)
    if re.match(r"[Jj]\s?\d{4}[\d.]*\s?[+-]", plain):
        return from_designation(plain)
    frame, body = _frame(plain)
    if not _is_numeric(body):
        raise NotCoordinates(f"{text.strip()[:80]!r} is not written as coordinates.", hint=FORMS)
    first, second = _halves(body)
    notes: list[str] = []
    lon = _longitude(first, frame, notes)
    lat = _latitude(second, frame, lon)
    if not 0 <= lon < 360:
        notes.append(f"{lon:g} degrees is the same direction as {lon % 360:g}")
        lon %= 360
    ra, dec = _to_icrs(frame, lon, lat)
    return Coordinates(ra, dec, frame, "; ".join(notes))


# --- text -------------------------------------------------------------------------------------------

_REPLACEMENTS = {
    **dict.fromkeys("−–—‐‑‒﹣－", "-"),
    "＋": "+",
    **dict.fromkeys("°º˚", "d"),
    **dict.fromkeys("′’ʹ´`", "'"),
    **dict.fromkeys("″”ʺ", '"'),
    "ʰ": "h",
    "ᵐ": "m",
    "ˢ": "s",
    "ᵈ": "d",
    **dict.fromkeys("\u00a0\u2009\u202f\u2007\t\n\r", " "),
    "，": ",",
    "：": ":",
}
_TABLE = str.maketrans(_REPLACEMENTS)
_WORDS = [
    (re.compile(r"\b(?:degrees?|degs?)\b|(?<=\d)(?:degrees?|degs?)", re.I), "d"),
    (re.compile(r"\b(?:hours?|hrs?)\b|(?<=\d)(?:hours?|hrs?)", re.I), "h"),
    (re.compile(r"(?:arcmin(?:utes?)?|minutes?|mins?)\b", re.I), "m"),
    (re.compile(r"(?:arcsec(?:onds?)?|seconds?|secs?)\b", re.I), "s"),
]


def _normalise(text: str) -> str:
    plain = text.translate(_TABLE).strip().replace("''", '"')
    while len(plain) > 1 and (plain[0] + plain[-1] in {"()", "[]", "{}"}):
        plain = plain[1:-1].strip()
    return re.sub(r"\s+", " ", plain)


_NAMES = {
    **dict.fromkeys(("gal", "galactic"), Frame.GALACTIC),
    **dict.fromkeys(("fk4", "b1950", "b1950.0"), Frame.FK4),
    **dict.fromkeys(("icrs", "fk5", "j2000", "j2000.0", "eq", "equatorial", "radec"), Frame.ICRS),
}
_BEFORE = re.compile(r"^([a-z][a-z0-9]*(?:\.0)?)(?![a-z0-9.])[\s:=]*", re.I)
_AFTER = re.compile(r"[\s(]+([a-z][a-z0-9]*(?:\.0)?)\)?$", re.I)
_VALUE = r"\s*[:=]?\s*(?=[+-]?\s*[\d.])"
_LABELS = [
    (rf"(?:glon|l){_VALUE}(.*?)[\s,;]*\b(?:glat|b){_VALUE}(.*)", Frame.GALACTIC),
    (rf"(?:ra|alpha){_VALUE}(.*?)[\s,;]*\b(?:declination|decl|dec|de|delta){_VALUE}(.*)", Frame.ICRS),
]


def _frame(text: str) -> tuple[Frame, str]:
    """The frame that the text names before or after the numbers (ICRS without one), and the rest."""
    frame, body = Frame.ICRS, text
    before, after = _BEFORE.match(text), _AFTER.search(text)
    if before and before[1].lower() in _NAMES:
        frame, body = _NAMES[before[1].lower()], text[before.end() :]
    elif after and after[1].lower() in _NAMES:
        frame, body = _NAMES[after[1].lower()], text[: after.start()]
    for pattern, labelled in _LABELS:
        match = re.fullmatch(pattern, body, re.I)
        if match:
            return (labelled if frame is Frame.ICRS else frame), f"{match[1].strip()} , {match[2].strip()}"
    return frame, body.strip()


def _is_numeric(text: str) -> bool:
    """Whether the text begins with a number and is made of numbers, units and separators only."""
    return bool(re.match(r"[+-]?\s*\.?\d", text)) and not re.search(
        r"[^\d\s.,;:/+\-hmsd'\"HMSD]", _units(text)
    )


def _units(text: str) -> str:
    for pattern, letter in _WORDS:
        text = pattern.sub(letter, text)
    return text


# --- two halves -------------------------------------------------------------------------------------


def _halves(body: str) -> tuple[str, str]:
    """Split into longitude and latitude: at a comma, at a sign, where units begin again, or by count."""
    body = _units(body).lower()
    if re.fullmatch(r"[+-]?\d+,\d+\s+[+-]?\d+,\d+", body):
        raise UsageError(
            "A comma divides the two coordinates here and cannot be the decimal point.",
            hint=f"Write {body.replace(',', '.')}.",
        )
    parts = [part.strip() for part in re.split(r"[,;/]", body) if part.strip()]
    if len(parts) == 2:
        return parts[0], parts[1]
    if len(parts) > 2:
        raise UsageError("There are more than two coordinates between the commas.", hint=FORMS)
    signs = [match.start() for match in re.finditer(r"[+-]", body) if body[: match.start()].strip()]
    if len(signs) == 1:
        return body[: signs[0]].strip(), body[signs[0] :].strip()
    if len(signs) > 1:
        raise UsageError("There are too many signs for two coordinates.", hint=FORMS)
    return _split_unsigned(body)


def _split_unsigned(body: str) -> tuple[str, str]:
    degrees = re.match(r"^(.*\d\s*(?:h|d)[^hd]*?)\s*(\d[\d.]*\s*d.*)$", body)
    if degrees:
        return degrees[1].strip(), degrees[2].strip()
    words = body.split()
    if len(words) == 2:
        return words[0], words[1]
    if not re.search(r"[hmsd:'\"]", body) and len(words) in (4, 6):
        middle = len(words) // 2
        return " ".join(words[:middle]), " ".join(words[middle:])
    if len(words) == 1:
        raise UsageError(
            "There is only one number; a position has two.",
            hint="Write right ascension and declination, e.g. 83.633 22.014.",
        )
    raise UsageError(
        "It is not clear where the first coordinate ends.",
        hint="Put a comma or the sign of the declination between them, e.g. 05 34 31.9 +22 00 52.",
    )


# --- one coordinate ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Angle:
    """A sexagesimal or decimal number with its unit ('h', 'd' or '' where none is written)."""

    value: float
    unit: str
    fields: int


_SEXAGESIMAL = re.compile(
    r"""(?P<sign>[+-]?)\s*
    (?P<a>\d+\.?\d*|\.\d+)\s*(?P<u>[hd:]|\s|$)\s*
    (?:(?P<b>\d+\.?\d*)\s*(?P<v>[m':]|\s|$)\s*
    (?:(?P<c>\d+\.?\d*|\.\d+)\s*(?:s|"|$)?)?)?\s*""",
    re.X,
)


def _angle(text: str, what: str) -> _Angle:
    match = _SEXAGESIMAL.fullmatch(text.strip())
    if match is None:
        raise UsageError(f"The {what} {text!r} cannot be read.", hint=FORMS)
    fields = [match[name] for name in "abc" if match[name] is not None]
    unit = match["u"].strip(": ") if match["u"] else ""
    if any("." in field for field in fields[:-1]):
        raise UsageError(
            f"In the {what} {text!r} only the last number can have decimals.",
            hint="Write whole degrees or hours and minutes before seconds, or one decimal number.",
        )
    values = [float(field) for field in fields]
    for value, name in zip(values[1:], ("minutes", "seconds")):
        if value >= 60:
            raise UsageError(f"The {what} {text!r} has {value:g} {name}; there are 60 at most.", hint=FORMS)
    total = sum(value / 60**power for power, value in enumerate(values))
    return _Angle(-total if match["sign"] == "-" else total, unit, len(fields))


_COMPACT = re.compile(r"([+-]?)(\d{2})(\d{2})(\d{2}(?:\.\d*)?)")


def _longitude(text: str, frame: Frame, notes: list[str]) -> float:
    """Degrees; sexagesimal right ascensions are hours unless they say degrees."""
    what = "galactic longitude" if frame is Frame.GALACTIC else "right ascension"
    compact = _COMPACT.fullmatch(text)
    if compact and frame is not Frame.GALACTIC:
        text = f"{compact[1]}{compact[2]} {compact[3]} {compact[4]}"
    angle = _angle(text, what)
    hours = angle.unit == "h" or (angle.unit == "" and angle.fields > 1 and frame is not Frame.GALACTIC)
    if frame is Frame.GALACTIC and angle.unit == "h":
        raise UsageError("Galactic longitude is in degrees, not in hours.", hint="Write gal 184.55 -5.78.")
    if hours:
        if not 0 <= angle.value < 24:
            raise UsageError(
                f"The right ascension {text!r} was read as hours, which end at 24.",
                hint="For degrees, minutes and seconds write the unit: 83d37m59s.",
            )
        return angle.value * 15
    if not -180 <= angle.value < 360:
        raise UsageError(f"The {what} {angle.value:g} is not between 0 and 360 degrees.", hint=FORMS)
    if frame is not Frame.GALACTIC and angle.unit == "" and 0 < angle.value < 24:
        notes.append(f"right ascension read as {angle.value:g} degrees; for hours write {angle.value:g}h")
    return angle.value


def _latitude(text: str, frame: Frame, lon: float) -> float:
    what = "galactic latitude" if frame is Frame.GALACTIC else "declination"
    compact = _COMPACT.fullmatch(text)
    if compact:
        text = f"{compact[1]}{compact[2]} {compact[3]} {compact[4]}"
    angle = _angle(text, what)
    if angle.unit == "h":
        raise UsageError(f"The {what} {text!r} is in hours; it must be in degrees.", hint=FORMS)
    if abs(angle.value) > 90:
        hint = "It is between -90 and +90 degrees."
        if abs(lon) <= 90:
            hint += " Right ascension comes first; are the two exchanged?"
        raise UsageError(f"The {what} {angle.value:g} does not exist.", hint=hint)
    return angle.value


def _to_icrs(frame: Frame, lon: float, lat: float) -> tuple[float, float]:
    if frame is Frame.ICRS:
        return lon, lat
    from astropy.coordinates import SkyCoord  # slow to import, and rarely needed

    if frame is Frame.FK4:
        position = SkyCoord(lon, lat, unit="deg", frame="fk4", equinox="B1950").icrs
    else:
        position = SkyCoord(lon, lat, unit="deg", frame="galactic").icrs
    return float(position.ra.deg), float(position.dec.deg)


# --- designations -----------------------------------------------------------------------------------

_DESIGNATION = re.compile(
    r"(?:^|.*[\s_])J\s?(?P<h>\d{2})(?P<m>\d{2})(?P<s>\d{2})?(?P<f>\.\d+)?\s?"
    r"(?P<sign>[+-])(?P<d>\d{2})(?P<dm>\d{2})?(?P<ds>\d{2})?(?P<tenth>\d)?(?P<df>\.\d+)?[a-z]?$",
    re.I,
)


def from_designation(text: str) -> Coordinates:
    """The position that a name with J2000 coordinates spells, e.g. `HESS J1731-347`.

    Designations are cut off, not rounded (IAU recommendations for nomenclature): the position is put in
    the middle of what is left open, and `accuracy` is half of that.

    Raises
    ------
    NotCoordinates
        If the name holds no coordinates.
    UsageError
        If they are impossible.
    """
    match = _DESIGNATION.match(_normalise(text))
    if match is None:
        raise NotCoordinates(f"{text.strip()[:80]!r} does not spell a position.", hint=FORMS)
    part = match.groupdict()
    fraction, dec_fraction = part["f"] or "", part["df"] or ""
    if int(part["h"]) >= 24 or int(part["m"]) >= 60 or int(part["s"] or 0) >= 60:
        raise UsageError(f"The right ascension in {text.strip()!r} does not exist.", hint=FORMS)
    # Seconds of time and of arc, and the size of the last place.
    ra_step = (1.0 if part["s"] else 60.0) * 10.0 ** -max(len(fraction) - 1, 0)
    ra = float(int(part["h"]) * 3600 + int(part["m"]) * 60 + int(part["s"] or 0))
    ra += float(fraction or 0) * (1.0 if part["s"] else 60.0)
    if part["tenth"] and not part["dm"]:  # -347 is -34.7 degrees
        dec, dec_step = int(part["d"]) * 3600.0 + int(part["tenth"]) * 360, 360.0
    elif part["tenth"]:  # a fifth digit is a tenth of an arcminute
        dec, dec_step = int(part["d"]) * 3600 + int(part["dm"]) * 60 + int(part["tenth"]) * 6, 6.0
    else:
        dec = float(int(part["d"]) * 3600 + int(part["dm"] or 0) * 60 + int(part["ds"] or 0))
        dec_step = 1.0 if part["ds"] else 60.0 if part["dm"] else 3600.0
        dec += float(dec_fraction or 0) * dec_step
        dec_step *= 10.0 ** -max(len(dec_fraction) - 1, 0)
    if int(part["dm"] or 0) >= 60 or int(part["ds"] or 0) >= 60 or dec > 90 * 3600:
        raise UsageError(f"The declination in {text.strip()!r} does not exist.", hint=FORMS)
    dec_degrees = min((dec + dec_step / 2) / 3600, 90.0)
    accuracy = max(ra_step * 15, dec_step) / 2 / 3600
    return Coordinates(
        ra=(ra + ra_step / 2) / 240 % 360,
        dec=-dec_degrees if part["sign"] == "-" else dec_degrees,
        note=f"position read from the designation, good to about {_size(accuracy)}",
        accuracy=accuracy,
    )


def _size(degrees: float) -> str:
    if degrees >= 0.5:
        return f"{degrees:.1g} degrees"
    if degrees * 60 >= 0.5:
        return f"{degrees * 60:.2g} arcmin"
    return f"{degrees * 3600:.2g} arcsec"
