"""What the archive holds, for the home page and the search form: asked once per version of the archive."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from gateway.portal.presentation import is_missing, mjd_text, significant, spectral_range
from gateway.vo.caller import ANONYMOUS
from gateway.vo.columns import Column, Table
from obscore import definition
from obscore.models import Collection, Target
from tap import archive
from tap import service as tap_service

_GROUPED = """\
SELECT obs_collection, dataproduct_type, instrument_name, COUNT(*) AS n,
  MIN(t_min) AS first_time, MAX(t_max) AS last_time, MIN(em_min) AS shortest, MAX(em_max) AS longest,
  SUM(t_exptime) AS exposure
FROM ivoa.obscore
GROUP BY obs_collection, dataproduct_type, instrument_name"""

_TARGETS = """\
SELECT obs_collection, target_name, COUNT(*) AS n
FROM ivoa.obscore
WHERE target_name IS NOT NULL
GROUP BY obs_collection, target_name"""


@dataclass(frozen=True)
class Option:
    """One value of a facet and how many rows have it."""

    value: str
    count: int
    simulated: bool = False


@dataclass(frozen=True)
class CollectionFacts:
    """A collection as the home page shows it."""

    name: str
    title: str = ""
    description: str = ""
    simulated: bool = False
    terms_path: str = ""
    rights: str = ""
    citation: str = ""
    reference: str = ""
    count: int = 0
    hours: str = ""
    times: str = ""
    energies: str = ""
    product_types: tuple[str, ...] = ()
    targets: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True)
class Facts:
    """The archive in figures."""

    total: int = 0
    collections: tuple[CollectionFacts, ...] = ()
    product_types: tuple[Option, ...] = ()
    instruments: tuple[Option, ...] = ()
    time_span: str = ""
    energy_span: str = ""
    examples: tuple[str, ...] = ()
    """The most observed targets with a known position, for "try ..." links."""


def obscore_table() -> Table:
    """`ivoa.obscore` as published, or as it will be while nothing is published yet."""
    try:
        return archive.ready().table("ivoa", "obscore")
    except KeyError:
        return definition.obscore_table()


def obscore_columns() -> dict[str, Column]:
    return {column.name: column for column in obscore_table().columns}


def tables() -> tuple[Table, ...]:
    """Every table that can be queried."""
    return tuple(table for schema in archive.ready().schemas for table in schema.tables)


def facts() -> Facts:
    """The current archive's figures; an empty `Facts` where nothing is published."""
    manifest = archive.ready()
    newest = Collection.objects.order_by("-ingested_at").values_list("ingested_at", flat=True).first()
    return _facts(manifest.version, str(newest))


@lru_cache(maxsize=2)
def _facts(version: int, ingested: str) -> Facts:
    try:
        archive.ready().table("ivoa", "obscore")
    except KeyError:
        return Facts()
    groups = _rows(_GROUPED)
    targets = _rows(_TARGETS)
    described = {collection.name: collection for collection in Collection.objects.all()}
    names = sorted({str(row["obs_collection"]) for row in groups})
    return Facts(
        total=sum(int(row["n"]) for row in groups),
        collections=tuple(_collection(name, described.get(name), groups, targets) for name in names),
        product_types=_options(groups, "dataproduct_type"),
        instruments=_options(groups, "instrument_name"),
        time_span=_time_span(groups),
        energy_span=_energy_span(groups),
        examples=_examples(targets),
    )


def _rows(adql: str) -> list[dict[str, Any]]:
    columns, table = tap_service.fetch(adql, ANONYMOUS)
    names = [column.name.lower() for column in columns]
    return [dict(zip(names, row.values())) for row in table.to_pylist()]


def _examples(targets: list[dict[str, Any]], most: int = 5) -> tuple[str, ...]:
    placed = set(Target.objects.filter(ra__isnull=False).values_list("name", flat=True))
    counted = sorted(targets, key=lambda row: -int(row["n"]))
    names = dict.fromkeys(str(row["target_name"]) for row in counted)
    return tuple(name for name in names if name in placed)[:most]


def _options(groups: list[dict[str, Any]], column: str) -> tuple[Option, ...]:
    counts: dict[str, int] = {}
    for row in groups:
        if not is_missing(row[column]):
            counts[row[column]] = counts.get(row[column], 0) + int(row["n"])
    return tuple(Option(value, count) for value, count in sorted(counts.items()))


def _known(groups: list[dict[str, Any]], name: str) -> list[float]:
    return [float(row[name]) for row in groups if not is_missing(row[name])]


def _time_span(groups: list[dict[str, Any]]) -> str:
    first, last = _known(groups, "first_time"), _known(groups, "last_time")
    if not first or not last:
        return ""
    return f"{mjd_text(min(first))[:10]} to {mjd_text(max(last))[:10]}"


def _energy_span(groups: list[dict[str, Any]]) -> str:
    shortest, longest = _known(groups, "shortest"), _known(groups, "longest")
    return spectral_range(min(shortest, default=None), max(longest, default=None))


def _collection(
    name: str,
    described: Collection | None,
    groups: list[dict[str, Any]],
    targets: list[dict[str, Any]],
) -> CollectionFacts:
    mine = [row for row in groups if row["obs_collection"] == name]
    seconds = sum(_known(mine, "exposure"))
    known = [(str(row["target_name"]), int(row["n"])) for row in targets if row["obs_collection"] == name]
    about: Mapping[str, Any] = (
        {
            "title": described.title,
            "description": described.description,
            "simulated": described.simulated,
            "terms_path": described.terms_path,
            "rights": described.rights,
            "citation": described.citation,
            "reference": described.reference,
        }
        if described
        else {}
    )
    return CollectionFacts(
        name=name,
        count=sum(int(row["n"]) for row in mine),
        hours=f"{significant(seconds / 3600)} h" if seconds else "",
        times=_time_span(mine),
        energies=_energy_span(mine),
        product_types=tuple(sorted({str(row["dataproduct_type"]) for row in mine})),
        targets=tuple(sorted(known, key=lambda pair: (-pair[1], pair[0]))),
        **about,
    )


__all__ = ["CollectionFacts", "Facts", "Option", "facts", "obscore_columns", "obscore_table", "tables"]
