"""All metadata of one row of `ivoa.obscore`, in groups, for its page.  Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.portal.presentation import cell, is_missing, mjd_text, raw_text, sexagesimal, spectral_range
from gateway.vo.columns import Column

# The first part of the utype (without "obscore:") that decides the group, in the page's order.
_GROUPS = (
    ("Target", ("target.",)),
    ("Position", ("char.spatialaxis",)),
    ("Time", ("char.timeaxis",)),
    ("Energy", ("char.spectralaxis",)),
    ("Observable and polarisation", ("char.observableaxis", "char.polarizationaxis")),
    ("Instrument", ("provenance.",)),
    ("Data product", ("obsdataset.", "access.")),
    ("Identity and curation", ("dataid.", "curation.")),
)
_OTHER = "Other"


@dataclass(frozen=True)
class Entry:
    """One column and its value."""

    name: str
    text: str
    unit: str = ""
    readable: str = ""
    """The value in other words, where the stored one needs them (a date for an MJD)."""
    help: str = ""


@dataclass(frozen=True)
class Group:
    title: str
    entries: tuple[Entry, ...]
    empty: tuple[str, ...] = ()
    """Names of columns that this row leaves empty."""


def group_of(column: Column) -> str:
    utype = column.utype.lower().removeprefix("obscore:")
    for title, prefixes in _GROUPS:
        if utype.startswith(prefixes):
            return title
    return _OTHER


def groups(columns: Sequence[Column], row: Mapping[str, Any]) -> list[Group]:
    """Every column with a value, by group; columns without one are named at the group's end."""
    found: dict[str, tuple[list[Entry], list[str]]] = {title: ([], []) for title, _ in _GROUPS}
    found[_OTHER] = ([], [])
    for column in columns:
        entries, empty = found[group_of(column)]
        value = row.get(column.name.lower())
        if is_missing(value):
            empty.append(column.name)
        else:
            entries.append(_entry(column, value, row))
    return [
        Group(title, tuple(entries), tuple(empty))
        for title, (entries, empty) in found.items()
        if entries or empty
    ]


def _entry(column: Column, value: Any, row: Mapping[str, Any]) -> Entry:
    name = column.name.lower()
    text = raw_text(value)
    readable = ""
    if name in ("t_min", "t_max") and isinstance(value, float):
        readable = f"{mjd_text(value, seconds=True)} UTC"
    elif name in ("em_min", "em_max"):
        readable = spectral_range(value, value).split(" – ")[-1]
    elif name == "s_ra" and isinstance(row.get("s_dec"), float):
        readable = sexagesimal(value, row["s_dec"])
    elif name in ("t_exptime", "access_estsize"):
        readable = cell(name, value, row).text
    if readable in (text, f"{text} kB"):
        readable = ""
    return Entry(column.name, text, column.unit, readable, column.description)


def headline(row: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What stands at the top of the page: (label, text)."""
    found: list[tuple[str, str]] = []
    start, end = row.get("t_min"), row.get("t_max")
    if isinstance(start, float) and not is_missing(start):
        begin = mjd_text(start)
        last = mjd_text(end) if isinstance(end, float) and not is_missing(end) else ""
        until = f" to {last[11:] if last[:10] == begin[:10] else last}" if last else ""
        found.append(("Observed", f"{begin}{until} UTC"))
    if not is_missing(row.get("t_exptime")):
        found.append(("Exposure", cell("t_exptime", row["t_exptime"], row).text))
    energies = spectral_range(row.get("em_min"), row.get("em_max"))
    if energies:
        found.append(("Energy", energies))
    if not is_missing(row.get("s_ra")) and not is_missing(row.get("s_dec")):
        ra, dec = row["s_ra"], row["s_dec"]
        found.append(("Centre", f"{ra:.4f}, {dec:+.4f} ({sexagesimal(ra, dec)})"))
    if not is_missing(row.get("s_fov")):
        found.append(("Field of view", f"{raw_text(row['s_fov'])} deg"))
    facility, name = (str(row.get(key) or "") for key in ("facility_name", "instrument_name"))
    instrument = name if name.startswith(facility) else f"{facility} {name}".strip()
    if instrument:
        found.append(("Instrument", instrument))
    return found
