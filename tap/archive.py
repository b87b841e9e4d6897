"""The published tables: which files are current, and what is in them.

`$VOGATE_HOME/archive/` holds one DuckDB file per schema and version, and `manifest.json`, which is
replaced atomically and names the current files.  A reader that holds a `Manifest` keeps a consistent
view: files are never rewritten, and those of the version before stay until the next publication.

With PostgreSQL (`VOGATE_TAP_DATABASE`) there are versioned tables in place of files, and the manifest is in the database.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from django.conf import settings

from gateway.vo.columns import Column, ForeignKey, Schema, Table

FORMAT = 1
"""Stamp of the layout of the files; a manifest of another format has to be published anew."""

__all__ = ["FORMAT", "Manifest", "alias", "current", "folder", "manifest_path", "parse", "ready", "serialise"]


@dataclass(frozen=True)
class Manifest:
    """One version of the archive."""

    version: int = 0
    """Grows by one with every publication; 0 where nothing was published."""
    schemas: tuple[Schema, ...] = ()
    files: Mapping[str, Path] = field(default_factory=dict)
    """Schema name -> DuckDB file."""
    relations: Mapping[str, str] = field(default_factory=dict)
    """`schema.table` -> name of the table in PostgreSQL's schema `s_<schema>`."""
    origin: str = ""
    """Which database the relations are in: made at random when that was set up."""

    @property
    def stored(self) -> set[str]:
        """Names of the schemas that have rows here, rather than elsewhere (`tap.live`)."""
        return {*self.files, *(name.partition(".")[0] for name in self.relations)}

    def edition(self, table: Table) -> str:
        """What tells the rows that a table has now from those that it had or will have; '' for rows kept elsewhere."""
        if relation := self.relations.get(table.qualified_name):
            return f"{relation}-{self.origin[:8]}"
        path = self.files.get(table.schema)
        return path.stem if path is not None and not table.live else ""

    def schema(self, name: str) -> Schema | None:
        """The schema of that name, without regard to case."""
        wanted = name.lower()
        return next((item for item in self.schemas if item.name.lower() == wanted), None)

    def table(self, schema: str, name: str) -> Table:
        """A table by its names, without regard to case.

        Raises
        ------
        KeyError
            If there is no such table.
        """
        found = self.schema(schema)
        wanted = name.lower()
        for table in found.tables if found else ():
            if table.name.lower() == wanted:
                return table
        raise KeyError(f"{schema}.{name}")


def alias(schema: str) -> str:
    """Name under which a query worker attaches the file of `schema`."""
    return f"s_{schema}"


def folder() -> Path:
    return Path(settings.VOGATE_ARCHIVE)


def manifest_path() -> Path:
    """The file that says what is published; with PostgreSQL a copy of what the database says."""
    return folder() / ("manifest-postgres.json" if settings.VOGATE_TAP_DATABASE else "manifest.json")


def _plain(value: Any) -> Any:
    """A dataclass as JSON, without what has its default."""
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if not isinstance(value, Column | ForeignKey | Table | Schema):
        return value
    return {
        item.name: _plain(getattr(value, item.name))
        for item in fields(value)
        if getattr(value, item.name) != item.default
    }


def serialise(manifest: Manifest) -> str:
    """The text of `manifest.json`; paths are relative to its folder."""
    placed = {"relations": dict(manifest.relations), "origin": manifest.origin} if manifest.relations else {}
    return json.dumps(
        {
            "format": FORMAT,
            "version": manifest.version,
            **placed,
            "files": {schema: path.name for schema, path in manifest.files.items()},
            "schemas": _plain(manifest.schemas),
        },
        indent=1,
        ensure_ascii=False,
    )


def _table(raw: dict[str, Any]) -> Table:
    raw = dict(raw)
    raw["columns"] = tuple(Column(**column) for column in raw["columns"])
    raw["keys"] = tuple(
        ForeignKey(
            **{
                **key,
                "from_columns": tuple(key["from_columns"]),
                "target_columns": tuple(key["target_columns"]),
            }
        )
        for key in raw.get("keys", ())
    )
    raw["info"] = tuple((name, value) for name, value in raw.get("info", ()))
    if raw.get("position"):
        raw["position"] = tuple(raw["position"])
    return Table(**raw)


def parse(text: str, where: Path) -> Manifest:
    """Inverse of `serialise`; `where` is the folder of the files.

    A manifest of another `FORMAT` counts as an empty archive: its tables have to be published again.
    """
    raw = json.loads(text)
    if raw.get("format") != FORMAT:
        return Manifest(version=int(raw.get("version", 0)), origin=raw.get("origin", ""))
    schemas = tuple(
        Schema(**{**schema, "tables": tuple(_table(table) for table in schema["tables"])})
        for schema in raw["schemas"]
    )
    files = {name: where / file for name, file in raw["files"].items()}
    return Manifest(raw["version"], schemas, files, raw.get("relations", {}), raw.get("origin", ""))


def write(manifest: Manifest) -> None:
    """Replace the manifest's file."""
    target = manifest_path()
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_suffix(f".draft-{os.getpid()}-{threading.get_ident()}")
    try:
        with open(draft, "w", encoding="utf-8") as file:
            file.write(serialise(manifest))
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, target)
    except OSError:  # a full disk keeps nothing half written
        draft.unlink(missing_ok=True)
        raise


_lock = threading.Lock()
_cached: tuple[tuple[Any, ...], Manifest] = ((), Manifest())


def current() -> Manifest:
    """The manifest as it is now; read again only when the file was replaced.

    An archive without a manifest is the empty `Manifest` with version 0.
    """
    global _cached
    if settings.VOGATE_TAP_DATABASE:
        from tap import postgres_manifest  # which imports this module

        postgres_manifest.refresh()
    path = manifest_path()
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return Manifest()
    # The inode tells replacements within one tick of the clock apart.
    stamp = (str(path), status.st_ino, status.st_mtime_ns, status.st_size)
    key, manifest = _cached
    if key == stamp:
        return manifest
    with _lock:
        with open(path, encoding="utf-8") as file:
            status = os.fstat(file.fileno())
            manifest = parse(file.read(), path.parent)
        _cached = ((str(path), status.st_ino, status.st_mtime_ns, status.st_size), manifest)
    return manifest


def complete(manifest: Manifest) -> bool:
    """Whether TAP_SCHEMA and the live tables are in it as this version of the gateway describes them."""
    from tap import live  # Arrow and the other rooms' modules are not needed otherwise

    return bool(manifest.schemas) and all(manifest.schema(item.name) == item for item in live.schemas())


_complete: Manifest | None = None


def ready() -> Manifest:
    """The current manifest; an archive that holds nothing yet gets its TAP_SCHEMA first."""
    global _complete
    manifest = current()
    if manifest is _complete or complete(manifest):
        _complete = manifest
        return manifest
    from tap.publish import ensure_archive  # DuckDB and astropy are not needed otherwise

    return ensure_archive()
