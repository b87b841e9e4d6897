"""One product file and its profile become one row of ivoa.obscore."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from gateway.vo.columns import Column
from obscore import definition, sources
from obscore.expressions import Expression, ExpressionError, Missing
from obscore.profile import Profile
from obscore.sources import IndexTable, Unreadable

MJD_LIMITS = (15020.0, 88069.0)
"""1900 to 2100: times outside are a mistake in MJDREF or its unit."""


class Skipped(ValueError):
    """A file gives no row; the message says why."""


@dataclass
class Row:
    """An ObsCore row, and what was odd about it."""

    values: dict[str, Any]
    warnings: list[str] = field(default_factory=list)


def publisher_did(authority: str, collection: str, obs_id: str) -> str:
    """`ivo://authority/collection?obs_id`, with what IVOIDs do not allow escaped."""
    return f"ivo://{authority}/{collection}?{quote(obs_id, safe='-._~')}"


def access_path(did: str) -> str:
    """The path of the DataLink answer for a dataset; queries put the service's URL in front."""
    return f"/datalink/links?ID={quote(did, safe='')}"


class RowMaker:
    """Makes the rows of one collection.

    Parameters
    ----------
    profile
        The collection's profile.
    folder
        The collection's folder; index tables are read from it at once.
    authority
        Authority of the publisher DIDs.

    Raises
    ------
    ProfileError
        If an index table cannot be read; with the line of the profile that names it.
    """

    def __init__(self, profile: Profile, folder: Path, authority: str) -> None:
        from obscore.yamlfile import load

        self.profile, self.authority = profile, authority
        self._tables: dict[str, IndexTable] = {}
        for spec in profile.tables:
            try:
                self._tables[spec.name] = IndexTable(spec.name, folder / spec.file, spec.hdu, spec.key)
            except Unreadable as error:
                raise load(profile.path).error(("tables", spec.name), f"{spec.file}: {error}") from None

    def row(self, path: Path) -> Row:
        """The row of one product file.

        Raises
        ------
        Skipped
            If the file is unreadable, or a required column would be null or wrong.
        """
        try:
            with sources.open_fits(path) as hdus:
                return self._row(path, sources.hdu_sources(hdus))
        except Unreadable as error:
            raise Skipped(str(error)) from None

    def _row(self, path: Path, hdus: dict[str, sources.HduSource]) -> Row:
        scope: dict[str, Any] = {
            **hdus,
            "file": sources.FileSource(path),
            "collection": self.profile.collection,
        }
        self._add_tables(scope)
        row = Row({})
        for name, source in self.profile.columns.items():
            value = self._column(name, source, scope, row)
            scope[name] = row.values[name] = value
        self._complete(row, path)
        check(row, self.profile.required)
        return row

    def _add_tables(self, scope: dict[str, Any]) -> None:
        for spec in self.profile.tables:
            try:
                key = spec.value(scope)
            except (Missing, ExpressionError) as error:
                raise Skipped(f"no key for the table {spec.name}: {error}") from None
            found = self._tables[spec.name].row(key)
            if found is None:
                raise Skipped(f"{spec.key} {key} is not in {spec.file}")
            scope[spec.name] = found

    def _column(self, name: str, source: Any, scope: dict[str, Any], row: Row) -> Any:
        if not isinstance(source, Expression):
            return _typed(_COLUMNS[name], source)
        try:
            return _typed(_COLUMNS[name], source(scope))
        except (Missing, ExpressionError, ValueError, TypeError) as error:
            place = f"{self.profile.path.name}:{self.profile.lines[name]}"
            message = f"{name}: {error} ({place})"
            if name in self.profile.required or name in definition.REQUIRED:
                raise Skipped(message) from None
            row.warnings.append(message)
            return None

    def _complete(self, row: Row, path: Path) -> None:
        """The columns that follow from the collection and obs_id."""
        values = row.values
        if not values.get("obs_id"):
            raise Skipped("obs_id is empty")
        did = publisher_did(self.authority, self.profile.collection, values["obs_id"])
        values.setdefault("obs_collection", self.profile.collection)
        values.setdefault("access_estsize", math.ceil(path.stat().st_size / 1000))
        values["obs_publisher_did"] = did
        values["access_url"] = access_path(did)
        values["access_format"] = definition.DATALINK_FORMAT


_COLUMNS = {column.name: column for column in definition.COLUMNS}


def _typed(column: Column, value: Any) -> Any:
    """A value in the type of its column: JSON can hold it, Arrow takes it."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, np.ndarray | list | tuple):
        raise ValueError("is a list; reduce it with min() or max()")
    if column.datatype == "double":
        number = float(value)
        if not math.isfinite(number):
            raise ValueError(f"is {number}")
        return number
    if column.datatype in ("int", "long"):
        if float(value) != int(value):
            raise ValueError(f"{value} is no whole number")
        return int(value)
    if isinstance(value, bool):
        raise ValueError("must be text; put it in quotes")
    return str(value).strip() or None


def check(row: Row, required: tuple[str, ...]) -> None:
    """Refuse rows that would mislead: nulls where values are required, impossible values.

    Raises
    ------
    Skipped
        With every reason.
    """
    values = row.values
    wrong = [
        f"{name} has no value"
        for name in dict.fromkeys((*definition.REQUIRED, *required))
        if values.get(name) is None
    ]

    def between(name: str, low: float, high: float) -> None:
        value = values.get(name)
        if value is not None and not low <= value <= high:
            wrong.append(f"{name} is {value}, outside {low:g} to {high:g}")

    between("s_ra", 0.0, 360.0)
    between("s_dec", -90.0, 90.0)
    between("s_fov", 0.0, 360.0)
    between("calib_level", 0, 4)
    between("t_min", *MJD_LIMITS)
    between("t_max", *MJD_LIMITS)
    for low, high in (("t_min", "t_max"), ("em_min", "em_max")):
        if values.get(low) is not None and values.get(high) is not None and values[low] > values[high]:
            wrong.append(f"{low} ({values[low]:.9g}) is above {high} ({values[high]:.9g})")
    kind = values.get("dataproduct_type")
    if kind is not None and kind not in definition.PRODUCT_TYPES:
        wrong.append(f"dataproduct_type {kind!r} is none of ObsCore's")
    if wrong:
        raise Skipped("; ".join(wrong))
