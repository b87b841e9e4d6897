"""Metadata of files that are published: from the file, from a YAML beside it, and what can be found out.

The YAML of `stars.fits` is `stars.fits.yaml` or `stars.yaml`.  All of it is optional:

    table: stars
    description: Bright stars
    position: [ra, dec]        # or none
    region: s_region           # or none
    info: {citation: 2020A&A...1..1A}
    keys: [{from: [source_id], target: other.table, columns: [source_id], description: ...}]
    columns:
      ra: {unit: deg, ucd: pos.eq.ra;meta.main, description: Right ascension, ICRS}
      internal: {skip: true}
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from gateway.vo.columns import DATATYPES, Column, ForeignKey, Table
from gateway.vo.errors import UsageError
from tap.adql.metadata import kind_of
from tap.arrowtypes import is_array, is_string
from tap.sources.base import Source

__all__ = ["Described", "Notes", "describe", "read_notes", "template"]

_COLUMN_KEYS = {
    *("name", "unit", "ucd", "utype", "xtype", "description", "datatype", "arraysize"),
    *("principal", "indexed", "coosys", "timesys", "skip"),
}
_TABLE_KEYS = {"table", "description", "utype", "position", "region", "info", "keys", "columns"}
_KEY_KEYS = {"from", "target", "columns", "description"}
_NUMBERS = ("float", "double", "short", "int", "long")
_NAMES = (
    ("ra", "dec"),
    ("ra_icrs", "de_icrs"),
    ("ra_icrs", "dec_icrs"),
    ("raj2000", "dej2000"),
    ("raj2000", "decj2000"),
    ("ra_j2000", "dec_j2000"),
    ("ra_deg", "dec_deg"),
    ("radeg", "dedeg"),
    ("s_ra", "s_dec"),
    ("alpha_j2000", "delta_j2000"),
    ("right_ascension", "declination"),
)
_DEGREES = {"", "deg", "degree", "degrees"}


@dataclass(frozen=True)
class Notes:
    """What the YAML beside a file says."""

    where: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)
    columns: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Described:
    """A table as it will be published, and which columns of the source it takes."""

    table: Table
    picked: tuple[int, ...]
    remarks: tuple[str, ...] = ()
    """Sentences for the publisher: what was found or changed."""


def _check(given: Mapping[str, Any], allowed: Collection[str], where: str) -> None:
    for key in given:
        if key not in allowed:
            near = difflib.get_close_matches(str(key), allowed, 1)
            hint = f"Did you mean {near[0]}?" if near else f"Possible are {', '.join(sorted(allowed))}."
            raise UsageError(f"{where}: {key} is not known.", hint=hint)


def _mapping(value: object, where: str) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise UsageError(f"{where} must be a mapping (name: value).")
    return value


def read_notes(path: Path, given: Path | None = None) -> Notes:
    """The YAML for a file: `given`, or the one beside it; empty notes where there is none.

    Raises
    ------
    UsageError
        If it is no YAML, or has keys that mean nothing.
    """
    candidates = [given] if given else [path.with_name(f"{path.name}.yaml"), path.with_suffix(".yaml")]
    found = next((item for item in candidates if item is not None and item.is_file()), None)
    if found is None:
        if given is not None:
            raise UsageError(f"There is no file {given}.")
        return Notes()
    try:
        content = yaml.safe_load(found.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UsageError(f"{found.name} is no YAML: {' '.join(str(error).split())[:200]}") from None
    values = _mapping(content, found.name)
    _check(values, _TABLE_KEYS, found.name)
    columns = _mapping(values.get("columns"), f"{found.name}: columns")
    for name, entry in columns.items():
        _check(_mapping(entry, f"{found.name}: column {name}"), _COLUMN_KEYS, f"{found.name}: column {name}")
    return Notes(found.name, values, {str(name): entry or {} for name, entry in columns.items()})


def table_name(text: str) -> str:
    """A regular identifier made of a file's name."""
    name = re.sub(r"[^A-Za-z0-9_]+", "_", text).strip("_").lower()
    return name if re.match(r"[a-z]", name) else f"t_{name}" if name else "table_1"


def describe(source: Source, schema: str, name: str, notes: Notes) -> Described:
    """The table that a source becomes.

    Raises
    ------
    UsageError
        If the notes speak of columns that are not there, or say what cannot be.
    """
    remarks: list[str] = []
    named = _named(source.columns, remarks)
    known = {column.name.lower(): number for number, column in enumerate(named)}
    for wanted in notes.columns:
        if wanted.lower() not in known:
            near = difflib.get_close_matches(wanted.lower(), known, 1)
            raise UsageError(
                f"{notes.where}: there is no column {wanted}.",
                hint=f"Did you mean {named[known[near[0]]].name}?" if near else "",
            )
    entries = {known[wanted.lower()]: entry for wanted, entry in notes.columns.items()}
    picked = tuple(n for n in range(len(named)) if not entries.get(n, {}).get("skip"))
    columns = [_noted(named[n], entries.get(n, {}), notes.where) for n in picked]
    if not columns:
        raise UsageError("No column is left to publish.")
    position = _position(columns, notes, remarks)
    if position is not None:
        columns = [_as_position(column, position) for column in columns]
    region = _region(columns, notes, remarks)
    columns = [_as_region(column) if column.name == region else column for column in columns]
    table = Table(
        schema,
        name,
        tuple(columns),
        description=str(notes.values.get("description") or source.description),
        utype=str(notes.values.get("utype") or ""),
        keys=_keys(notes, columns),
        position=position,
        region=region,
        info=tuple((str(k), str(v)) for k, v in _mapping(notes.values.get("info"), "info").items()),
    )
    return Described(table, picked, tuple(remarks))


def _named(columns: Sequence[Column], remarks: list[str]) -> list[Column]:
    """Columns with names that differ in more than case, are not empty, and do not begin with `_`."""
    taken = {column.name.strip().lower() for column in columns}
    used: set[str] = set()
    found = []
    for number, column in enumerate(columns, start=1):
        name = base = column.name.strip()
        if not base or base.startswith("_") or base.lower() in used:
            base = base.lstrip("_") or f"col{number}"
            name, attempt = base, 1
            while name.lower() in taken or name.lower() in used:
                attempt += 1
                name = f"{base}_{attempt}"
            remarks.append(f"column {number} ({column.name or 'without a name'}) is called {name}")
        used.add(name.lower())
        found.append(replace(column, name=name))
    return found


def _noted(column: Column, entry: Mapping[str, Any], where: str) -> Column:
    """A column with what the notes say of it."""
    changes: dict[str, Any] = {
        key: str(value) for key, value in entry.items() if key not in ("skip", "principal", "indexed")
    }
    changes |= {key: bool(entry[key]) for key in ("principal", "indexed") if key in entry}
    if changes.get("datatype", column.datatype) not in DATATYPES:
        raise UsageError(
            f"{where}: column {column.name}: {changes['datatype']} is no datatype.",
            hint=f"There are {', '.join(DATATYPES)}.",
        )
    if "datatype" in changes and "arraysize" not in changes:
        text = changes["datatype"] in ("char", "unicodeChar")
        changes["arraysize"] = (
            "*" if text else ("" if column.datatype in ("char", "unicodeChar") else column.arraysize)
        )
    return replace(column, **changes)


def _find(columns: Sequence[Column], name: str, where: str) -> Column:
    for column in columns:
        if column.name.lower() == name.lower():
            return column
    raise UsageError(f"{where}: there is no column {name}.")


def _position(columns: Sequence[Column], notes: Notes, remarks: list[str]) -> tuple[str, str] | None:
    """The columns of the position, in degrees, as the notes say or as UCDs and names tell."""
    said = notes.values.get("position", "")
    if said in (None, False, "none", "no"):
        return None
    if said:
        if not isinstance(said, list) or len(said) != 2:
            raise UsageError(f"{notes.where}: position must be [ra column, dec column], or none.")
        ra, dec = (_find(columns, str(name), f"{notes.where}: position") for name in said)
        for column in (ra, dec):
            if column.datatype not in _NUMBERS or column.arraysize not in ("", "1"):
                raise UsageError(f"{notes.where}: position: {column.name} is no column of numbers.")
        return ra.name, dec.name
    found = _by_ucd(columns) or _by_name(columns)
    if found is None:
        remarks.append("no positions were found (say `position: [ra, dec]` in the YAML if there are any)")
        return None
    ra, dec = found
    if {ra.unit.lower(), dec.unit.lower()} - _DEGREES:
        remarks.append(f"{ra.name} and {dec.name} are not in degrees, so they are no positions to search by")
        return None
    remarks.append(f"positions: {ra.name}, {dec.name} (degrees, ICRS)")
    return ra.name, dec.name


def _usable(column: Column) -> bool:
    return column.datatype in _NUMBERS and column.arraysize in ("", "1")


def _by_ucd(columns: Sequence[Column]) -> tuple[Column, Column] | None:
    def first(axis: str) -> Column | None:
        for wanted in (f"pos.eq.{axis};meta.main", f"pos_eq_{axis}_main", f"pos.eq.{axis}"):
            for column in columns:
                if _usable(column) and column.ucd.lower().replace(" ", "") == wanted:
                    return column
        return None

    ra, dec = first("ra"), first("dec")
    return None if ra is None or dec is None else (ra, dec)


def _by_name(columns: Sequence[Column]) -> tuple[Column, Column] | None:
    known = {column.name.lower(): column for column in columns if _usable(column)}
    for ra, dec in _NAMES:
        if ra in known and dec in known:
            return known[ra], known[dec]
    return None


def _as_position(column: Column, position: tuple[str, str]) -> Column:
    if column.name not in position:
        return column
    axis = "ra" if column.name == position[0] else "dec"
    return replace(
        column,
        indexed=True,
        unit=column.unit or "deg",
        ucd=column.ucd or f"pos.eq.{axis};meta.main",
        coosys=column.coosys or "ICRS",
    )


def _region(columns: Sequence[Column], notes: Notes, remarks: list[str]) -> str | None:
    said = notes.values.get("region", "")
    if said in (None, False, "none", "no"):
        return None
    if said:
        return _find(columns, str(said), f"{notes.where}: region").name
    for column in columns:
        if column.name.lower() == "s_region" and (is_string(column) or kind_of(column).is_geometry):
            remarks.append(f"regions: {column.name} (say `region: none` in the YAML if these are none)")
            return column.name
    return None


def _as_region(column: Column) -> Column:
    """The column with an xtype by which queries take it for shapes: strings of STC-S or DALI, else coordinates."""
    if kind_of(column).is_geometry:
        return column
    if is_string(column):
        return replace(column, xtype="adql:REGION")
    if not is_array(column) or column.datatype not in ("float", "double"):
        raise UsageError(f"The region {column.name} is neither text nor an array of real numbers.")
    return replace(column, xtype="circle" if column.arraysize == "3" else "polygon")


def _keys(notes: Notes, columns: Sequence[Column]) -> tuple[ForeignKey, ...]:
    found = []
    given = notes.values.get("keys") or []
    if not isinstance(given, list):
        raise UsageError(f"{notes.where}: keys must be a list.")
    for entry in given:
        where = f"{notes.where}: keys"
        values = _mapping(entry, where)
        _check(values, _KEY_KEYS, where)
        target = str(values.get("target", ""))
        if "." not in target:
            raise UsageError(f"{where}: target must be schema.table.")
        sources = [_find(columns, str(name), where).name for name in _listed(values.get("from"))]
        targets = [str(name) for name in _listed(values.get("columns") or values.get("from"))]
        if not sources or len(sources) != len(targets):
            raise UsageError(f"{where}: from and columns must name as many columns.")
        found.append(ForeignKey(target, tuple(sources), tuple(targets), str(values.get("description") or "")))
    return tuple(found)


def _listed(value: object) -> list[object]:
    return value if isinstance(value, list) else [] if value is None else [value]


def template(described: Described) -> str:
    """A YAML to fill in: everything that is known, and blanks where something is missing."""
    table = described.table
    content: dict[str, Any] = {
        "table": table.name,
        "description": table.description,
        "position": list(table.position) if table.position else "none",
        "columns": {
            column.name: {
                "unit": column.unit,
                "ucd": column.ucd,
                "description": column.description,
                **({"xtype": column.xtype} if column.xtype else {}),
            }
            for column in table.columns
        },
    }
    if table.region:
        content["region"] = table.region
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=110)
