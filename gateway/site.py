"""The site: what one operator serves, read from `deploy/sites/<name>/site.toml`.

A site is a folder with `site.toml`, `collections/*.yaml` and `tools/*.yaml`; the code never names
an observatory.  This module imports no Django, so that settings and tools can both read it.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gateway import site_check
from gateway.site_check import SiteError
from gateway.vo import vosi

__all__ = ["Downtime", "JobLimits", "Site", "SiteError", "load_site", "resolve_site_folder"]


@dataclass(frozen=True)
class JobLimits:
    """What a class of users may ask of the job controller."""

    execution_duration: int = 600
    """Longest executionDuration of a job, in seconds."""
    lifetime: int = 7 * 86400
    """Seconds from creation to the destruction of a job's results."""
    active_jobs: int = 4
    """Jobs of one owner that may be queued or executing at once."""
    inputs: int = 30
    """Input observations of one job."""
    batch: int = 1000
    """Inputs of one request that makes a job of each."""


@dataclass(frozen=True, order=True)
class Downtime:
    """When the operators mean to switch the services off (`[[downtimes]]` of site.toml); times in UTC."""

    start: datetime
    end: datetime
    note: str = ""


@dataclass(frozen=True)
class Site:
    """One `site.toml`, with the defaults filled in."""

    folder: Path
    name: str
    title: str
    tagline: str
    authority: str
    """Authority part of the IVOIDs and publisher DIDs that this site gives out."""
    publisher: str
    contact: str
    notice: str
    """A sentence shown on every page and written into every header (e.g. that the data are simulated)."""
    anonymous: JobLimits
    signed_in: JobLimits
    query: dict[str, Any] = field(default_factory=dict)
    raw: dict[str, Any] = field(default_factory=dict)
    downtimes: tuple[Downtime, ...] = ()
    """In order of their times."""

    def availability(
        self, available: bool = True, *, up_since: datetime | None = None, notes: Sequence[str] = ()
    ) -> str:
        """The VOSI document of one of the site's services, with the downtime that is under way or comes next."""
        now = datetime.now(UTC)
        coming = next((item for item in self.downtimes if item.end > now), None)
        if coming is None:
            return vosi.availability(available, up_since=up_since, notes=notes)
        return vosi.availability(
            available and now < coming.start,
            up_since=up_since,
            down_at=coming.start,
            back_at=coming.end,
            notes=[*notes, coming.note],
        )

    @property
    def collections_folder(self) -> Path:
        return self.folder / "collections"

    @property
    def tools_folder(self) -> Path:
        return self.folder / "tools"


def load_site(folder: Path) -> Site:
    """Read `folder/site.toml`.

    Raises
    ------
    SiteError
        If the file is missing, is not TOML, or has a key that is not known or a value of the wrong kind.
    """
    path = folder / "site.toml"
    try:
        text = path.read_text(encoding="utf-8")
        raw = tomllib.loads(text)
    except FileNotFoundError:
        raise SiteError(f"{path} does not exist; SITE must name a folder with a site.toml") from None
    except tomllib.TOMLDecodeError as error:
        raise SiteError(f"{path}: {error}") from None
    except UnicodeDecodeError as error:
        raise SiteError(f"{path} is not UTF-8, as TOML has to be ({error.reason} {error.start})") from None
    except OSError as error:
        raise SiteError(f"{path} cannot be read: {error.strerror}") from None
    site_check.check(raw, text, path)
    site = raw.get("site", {})
    limits = raw.get("limits", {})
    return Site(
        folder=folder,
        name=str(site.get("name", folder.name)),
        title=str(site.get("title", "vogate")),
        tagline=str(site.get("tagline", "")),
        authority=str(site.get("authority", "vogate.invalid")),
        publisher=str(site.get("publisher", site.get("title", "vogate"))),
        contact=str(site.get("contact", "")),
        notice=os.environ.get("VOGATE_NOTICE", str(site.get("notice", ""))),
        anonymous=JobLimits(**limits.get("anonymous", {})),
        signed_in=JobLimits(**limits.get("signed_in", {})),
        query=dict(raw.get("query", {})),
        raw=raw,
        downtimes=_downtimes(raw.get("downtimes", []), path),
    )


def _downtimes(given: Any, path: Path) -> tuple[Downtime, ...]:
    """The `[[downtimes]]`, each with `from` and `to` as TOML date-times (UTC without an offset) and `note`."""
    found = []
    for item in given if isinstance(given, list) else [given]:
        start, end = (_moment(item, key, path) for key in ("from", "to"))
        if start >= end:
            raise SiteError(f"{path}: a downtime ends before it begins: {start} to {end}")
        found.append(Downtime(start, end, str(item.get("note", ""))))
    return tuple(sorted(found))


def _moment(item: Any, key: str, path: Path) -> datetime:
    value = item.get(key) if isinstance(item, dict) else None
    if not isinstance(value, datetime):
        raise SiteError(f"{path}: a table of [[downtimes]] has from and to, like 2026-12-01T08:00:00Z")
    return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)


def resolve_site_folder(value: str, base: Path) -> Path:
    """A site by name (`deploy/sites/<name>`) or by the path of its folder."""
    for candidate in (Path(value), base / "deploy" / "sites" / value):
        if (candidate / "site.toml").is_file():
            return candidate.resolve()
    raise SiteError(f"SITE={value}: neither {value}/site.toml nor deploy/sites/{value}/site.toml exists")
