"""Collection profiles: YAML that says how the files of one collection become rows of ivoa.obscore."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from obscore import definition
from obscore.expressions import Expression, ExpressionError
from obscore.functions import FUNCTIONS
from obscore.yamlfile import Document, ProfileError, load

__all__ = ["Download", "IndexTableSpec", "Profile", "ProfileError", "TargetSpec", "find", "read", "read_all"]

AUTOMATIC = ("obs_publisher_did", "access_url", "access_format", "withdrawn")
"""Columns that the gateway fills: they follow from the collection and obs_id, or from what is withdrawn."""

_KEYS = (
    *("collection", "title", "description", "simulated", "terms", "citation", "rights", "reference", "home"),
    *("files", "tables", "targets", "columns", "required", "download"),
)
_DEFAULT_REQUIRED = ("obs_id", "s_ra", "s_dec", "t_min", "t_max")


@dataclass(frozen=True)
class TargetSpec:
    """A target: its name, where it is, and how files and people spell it."""

    name: str
    ra: float | None = None
    dec: float | None = None
    """Degrees ICRS."""
    spellings: tuple[str, ...] = ()
    """As the files have it: these become `name` in target_name."""
    aliases: tuple[str, ...] = ()
    """What people also call it: these resolve to its position."""


@dataclass(frozen=True)
class IndexTableSpec:
    """A table beside the products, and the expression whose value finds the row of a product."""

    name: str
    file: str
    hdu: str | int
    key: str
    value: Expression


@dataclass(frozen=True)
class Download:
    """Where the collection can be had, and what has to come."""

    url: str
    files: int = 0
    """Number of product files in it; 0 if unknown."""
    bytes: int = 0
    """Size of the archive file; 0 if unknown."""
    sha256: str = ""
    terms: str = ""
    """Terms that are shown before anything is fetched."""


@dataclass(frozen=True)
class Profile:
    """One collection, as its operator describes it."""

    path: Path
    collection: str
    title: str
    pattern: str
    """Glob of the product files, relative to the collection's folder."""
    columns: Mapping[str, Any]
    """ObsCore column to constant or `Expression`, in the order of the file."""
    lines: Mapping[str, int]
    description: str = ""
    simulated: bool = False
    terms: str = ""
    """File of the terms of use, relative to the collection's folder."""
    citation: str = ""
    rights: str = ""
    reference: str = ""
    home: str = ""
    media_type: str = "application/fits"
    calibration: tuple[str, ...] = ()
    """Further files of each observation: globs in which {obs_id} stands for the observation."""
    auxiliary: tuple[str, ...] = ()
    """Files of the collection as a whole, such as index tables."""
    tables: tuple[IndexTableSpec, ...] = ()
    targets: tuple[TargetSpec, ...] = ()
    required: tuple[str, ...] = _DEFAULT_REQUIRED
    download: Download | None = None
    digest: str = ""
    spellings: Mapping[str, str] = field(default_factory=dict)

    def matches(self, folder: Path) -> bool:
        """Whether `folder` holds files of this collection."""
        return next(folder.glob(self.pattern), None) is not None

    def clean_target(self, name: Any) -> str | None:
        """The archive's name of a target, however the file spells it."""
        if name is None:
            return None
        plain = " ".join(str(name).split())
        return self.spellings.get(plain.casefold(), plain) or None


def read_all(folder: Path) -> list[Profile]:
    """Every profile of a site's `collections/` folder, by name."""
    profiles: dict[str, Profile] = {}
    for path in sorted(folder.glob("*.y*ml")):
        profile = read(path)
        if profile.collection in profiles:
            other = profiles[profile.collection].path.name
            raise ProfileError(path, 1, f"collection {profile.collection} is already described in {other}")
        profiles[profile.collection] = profile
    return list(profiles.values())


def find(folder: Path, name: str) -> Profile:
    """The profile of a collection, by its name.

    Raises
    ------
    LookupError
        If the site has no such collection; the message names those it has.
    """
    profiles = {profile.collection: profile for profile in read_all(folder)}
    if name not in profiles:
        raise LookupError(f"this site has no collection {name!r}; it has: {', '.join(profiles) or 'none'}")
    return profiles[name]


def read(path: Path) -> Profile:
    """Read and check one profile.

    Raises
    ------
    ProfileError
        With file and line, if a key is unknown, missing or has the wrong kind of value, or if an
        expression is wrong.
    """
    document = load(path)
    document.check_keys((), _KEYS)
    collection = _string(document, ("collection",), required=True)
    if not re.fullmatch(r"[a-z0-9][a-z0-9._-]*", collection) or collection in {"terms"}:
        raise document.error(("collection",), "use lower case letters, digits, '.', '_' and '-' only")
    files = _mapping(document, ("files",), required=True)
    document.check_keys(("files",), ("pattern", "media_type", "calibration", "auxiliary"))
    pattern = _relative(document, ("files", "pattern"), required=True)
    targets = _targets(document)
    spellings = {
        spelling.casefold(): target.name
        for target in targets
        for spelling in (target.name, *target.spellings, *target.aliases)
    }
    table_names = set(_mapping(document, ("tables",)))
    functions = {**FUNCTIONS, "target": lambda name: _clean(spellings, name)}
    columns, lines = _columns(document, functions, table_names)
    required = _strings(document, ("required",)) or list(_DEFAULT_REQUIRED)
    for number, name in enumerate(required):
        if name not in definition.COLUMN_NAMES:
            raise document.error(("required", number), f"{name!r} is no column of ivoa.obscore")
    return Profile(
        path=path,
        collection=collection,
        title=_string(document, ("title",), required=True),
        pattern=pattern,
        columns=columns,
        lines=lines,
        description=_string(document, ("description",)),
        simulated=_boolean(document, ("simulated",)),
        terms=_relative(document, ("terms",)),
        citation=_string(document, ("citation",)),
        rights=_string(document, ("rights",)),
        reference=_string(document, ("reference",)),
        home=_string(document, ("home",)),
        media_type=str(files.get("media_type", "application/fits")),
        calibration=_globs(document, ("files", "calibration")),
        auxiliary=_globs(document, ("files", "auxiliary")),
        tables=_tables(document, functions, table_names),
        targets=tuple(targets),
        required=tuple(required),
        download=_download(document),
        digest=hashlib.sha256(document.text.encode()).hexdigest(),
        spellings=spellings,
    )


def _clean(spellings: Mapping[str, str], name: Any) -> str | None:
    plain = " ".join(str(name).split()) if name is not None else ""
    return spellings.get(plain.casefold(), plain) or None


def _columns(
    document: Document, functions: Mapping[str, Any], tables: set[str]
) -> tuple[dict[str, Any], dict[str, int]]:
    columns: dict[str, Any] = {}
    names = {"file", "collection", *tables}
    for name, value in _mapping(document, ("columns",), required=True).items():
        place = ("columns", name)
        if name in AUTOMATIC:
            raise document.error(place, "the gateway fills this column; leave it out")
        if name not in definition.COLUMN_NAMES:
            raise document.error(place, "is no column of ivoa.obscore that this gateway has")
        columns[name] = _expression(document, place, value, functions, names)
        names.add(name)  # later columns can use it
    if "obs_id" not in columns:
        raise document.error(("columns",), "obs_id is missing: every observation needs an identifier")
    if columns.get("dataproduct_type") is not None and columns["dataproduct_type"] not in (
        *definition.PRODUCT_TYPES,
        *(value for value in columns.values() if isinstance(value, Expression)),
    ):
        listed = ", ".join(definition.PRODUCT_TYPES)
        raise document.error(("columns", "dataproduct_type"), f"ObsCore knows these only: {listed}")
    return columns, {name: document.line(("columns", name)) for name in columns}


def _expression(
    document: Document,
    place: tuple[str | int, ...],
    value: Any,
    functions: Mapping[str, Any],
    names: set[str],
) -> Any:
    """A text that begins with = is an expression; anything else is a constant."""
    if isinstance(value, list | dict):
        raise document.error(place, "must be one value, or an expression that begins with =")
    if hasattr(value, "isoformat"):  # YAML reads unquoted dates as such
        return value.isoformat()
    if not (isinstance(value, str) and value.lstrip().startswith("=")):
        return value
    try:
        return Expression(value.lstrip()[1:], functions, names)
    except ExpressionError as error:
        raise document.error(place, str(error)) from None


def _tables(document: Document, functions: Mapping[str, Any], names: set[str]) -> tuple[IndexTableSpec, ...]:
    tables = []
    for name in _mapping(document, ("tables",)):
        place = ("tables", name)
        if not name.isidentifier() or name.isupper() or name in definition.COLUMN_NAMES:
            raise document.error(place, "name it with a lower-case word that is no ObsCore column")
        spec = _mapping(document, place, required=True)
        document.check_keys(place, ("file", "hdu", "key", "value"))
        value = _expression(document, (*place, "value"), spec.get("value"), functions, {"file"} | names)
        if not isinstance(value, Expression):
            raise document.error((*place, "value"), "must be an expression, e.g. = EVENTS.OBS_ID")
        hdu = spec.get("hdu", 1)
        key = _string(document, (*place, "key"), required=True)
        tables.append(
            IndexTableSpec(name, _relative(document, (*place, "file"), required=True), hdu, key, value)
        )
    return tuple(tables)


def _targets(document: Document) -> list[TargetSpec]:
    targets = []
    for name in _mapping(document, ("targets",)):
        place = ("targets", name)
        spec = _mapping(document, place)
        document.check_keys(place, ("ra", "dec", "spellings", "aliases")) if spec else None
        ra, dec = _degrees(document, (*place, "ra")), _degrees(document, (*place, "dec"))
        if (ra is None) != (dec is None):
            raise document.error(place, "needs both ra and dec, or neither")
        if ra is not None and dec is not None and not (0 <= ra < 360 and -90 <= dec <= 90):
            raise document.error(place, f"ra {ra}, dec {dec} is no position in degrees ICRS")
        spellings = tuple(_strings(document, (*place, "spellings")))
        targets.append(TargetSpec(name, ra, dec, spellings, tuple(_strings(document, (*place, "aliases")))))
    return targets


def _download(document: Document) -> Download | None:
    spec = _mapping(document, ("download",))
    if not spec:
        return None
    document.check_keys(("download",), ("url", "files", "bytes", "sha256", "terms"))
    for key in ("files", "bytes"):
        if not isinstance(spec.get(key, 0), int):
            raise document.error(("download", key), "must be a whole number")
    return Download(
        url=_string(document, ("download", "url"), required=True),
        files=spec.get("files", 0),
        bytes=spec.get("bytes", 0),
        sha256=_string(document, ("download", "sha256")),
        terms=_string(document, ("download", "terms")),
    )


def _at(document: Document, place: tuple[str | int, ...]) -> Any:
    node: Any = document.value
    for part in place:
        if not isinstance(node, dict) or part not in node:
            return None
        node = node[part]
    return node


def _mapping(document: Document, place: tuple[str | int, ...], *, required: bool = False) -> dict[str, Any]:
    value = _at(document, place)
    if value is None and not required:
        return {}
    if not isinstance(value, dict):
        raise document.error(place, "must be a mapping of keys to values" if value else "is missing")
    return value


def _string(document: Document, place: tuple[str | int, ...], *, required: bool = False) -> str:
    value = _at(document, place)
    if value is None or value == "":
        if required:
            raise document.error(place, "is missing")
        return ""
    if not isinstance(value, str):
        raise document.error(place, f"must be text, not {value!r}; put it in quotes")
    return value.strip()


def _strings(document: Document, place: tuple[str | int, ...]) -> list[str]:
    value = _at(document, place)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise document.error(place, "must be a list of texts: [a, b]")
    return value


def _boolean(document: Document, place: tuple[str | int, ...]) -> bool:
    value = _at(document, place)
    if value is not None and not isinstance(value, bool):
        raise document.error(place, f"must be true or false, not {value!r}")
    return bool(value)


def _degrees(document: Document, place: tuple[str | int, ...]) -> float | None:
    value = _at(document, place)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise document.error(place, f"must be decimal degrees, not {value!r}")
    return float(value)


def _relative(document: Document, place: tuple[str | int, ...], *, required: bool = False) -> str:
    """A path or glob inside the collection's folder."""
    value = _string(document, place, required=required)
    if value and (PurePosixPath(value).is_absolute() or ".." in PurePosixPath(value).parts):
        raise document.error(place, f"{value!r} must lie inside the collection's folder")
    return value


def _globs(document: Document, place: tuple[str | int, ...]) -> tuple[str, ...]:
    values = _strings(document, place)
    for number, value in enumerate(values):
        if PurePosixPath(value).is_absolute() or ".." in PurePosixPath(value).parts:
            raise document.error((*place, number), f"{value!r} must lie inside the collection's folder")
    return tuple(values)
