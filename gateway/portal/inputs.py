"""What a page says about the inputs of a tool: titles, links, and the archive rows that fill the form."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from django.conf import settings
from django.urls import NoReverseMatch, reverse

from gateway.vo.caller import Caller
from gateway.vo.errors import GatewayError
from obscore.models import Target
from uws.inputs import resolve

log = logging.getLogger("vogate.portal")

ROW_LIMIT = 2000


@dataclass(frozen=True)
class ChosenInput:
    """One identifier that a user gave, and what is known of it."""

    identifier: str
    title: str
    note: str = ""
    url: str = ""
    """Page about it, if there is one."""
    problem: str = ""
    """Why it cannot be used; empty if it can."""
    row: Mapping[str, Any] | None = None
    """Its row of ivoa.obscore."""


def observation_url(row: Mapping[str, Any]) -> str:
    """The page of an observation."""
    try:
        return reverse("portal:observation", args=[row["obs_collection"], row["obs_id"]])
    except (NoReverseMatch, KeyError):
        return ""


def obscore_rows(identifiers: Sequence[str], caller: Caller) -> dict[str, dict[str, Any]]:
    """Rows of ivoa.obscore by publisher DID; those that are not there are left out."""
    wanted = [one for one in dict.fromkeys(identifiers) if one.startswith("ivo://")][:ROW_LIMIT]
    if not wanted:
        return {}
    from tap.service import fetch  # brings in the query engine, which a form without inputs does not need

    literals = ", ".join("'" + one.replace("'", "''") + "'" for one in wanted)
    query = f"SELECT * FROM ivoa.obscore WHERE obs_publisher_did IN ({literals})"
    try:
        _, table = fetch(query, caller, maxrec=ROW_LIMIT)
    except GatewayError as error:
        # The form works without rows: it is not filled from them, and titles are identifiers.
        log.warning("rows of inputs: %s", error)
        return {}
    rows = table.to_pylist()
    _add_targets(rows)
    return {row["obs_publisher_did"]: row for row in rows}


def _add_targets(rows: list[dict[str, Any]]) -> None:
    """Add the positions of the targets (`target_ra`, `target_dec`), which ObsCore has no columns for."""
    names = {row.get("target_name") for row in rows}
    targets = Target.objects.filter(name__in=names, ra__isnull=False).select_related("collection")
    positions = {(one.collection.name, one.name): (one.ra, one.dec) for one in targets}
    for row in rows:
        found = positions.get((row.get("obs_collection", ""), row.get("target_name", "")))
        if found is not None:
            row["target_ra"], row["target_dec"] = found


def describe(identifiers: Iterable[str], caller: Caller) -> list[ChosenInput]:
    """What is known of each identifier; those that nobody knows say so in `problem`."""
    resolved: dict[str, tuple[str, str, str]] = {}
    for given in dict.fromkeys(identifiers):
        try:
            found = resolve(given, caller)
            resolved[given] = (found.identifier, found.title, "")
        except GatewayError as error:
            resolved[given] = (given, "", str(error))
    rows = obscore_rows([canonical for canonical, _, _ in resolved.values()], caller)
    seen: set[str] = set()
    chosen = []
    for canonical, title, problem in resolved.values():
        if canonical not in seen:
            seen.add(canonical)
            chosen.append(_chosen(canonical, title, problem, rows.get(canonical)))
    return chosen


def _chosen(identifier: str, title: str, problem: str, row: Mapping[str, Any] | None) -> ChosenInput:
    if row is None:
        url = identifier if identifier.startswith(("http://", "https://", "/")) else ""
        return ChosenInput(identifier, title or identifier, url=url, problem=problem)
    collection, obs_id = row.get("obs_collection", ""), row.get("obs_id", "")
    seconds = row.get("t_exptime")
    facts = [collection, row.get("target_name") or "", f"{seconds / 60:.0f} min" if seconds else ""]
    return ChosenInput(
        identifier,
        title or f"{collection} {obs_id}",
        note=" · ".join(fact for fact in facts if fact and fact not in title),
        url=observation_url(row),
        problem=problem,
        row=row,
    )


def input_url(identifier: str) -> str:
    """A link for an input of a job: the page of an observation, the DataLink document of others, or the URL that it is."""
    if identifier.startswith("ivo://"):
        authority, _, path = identifier.removeprefix("ivo://").partition("/")
        collection, _, obs_id = path.partition("?")
        if authority == settings.SITE.authority and obs_id:
            return observation_url({"obs_collection": collection, "obs_id": obs_id})
        return f"/datalink/links?ID={quote(identifier, safe='')}"
    return identifier if identifier.startswith(("http://", "https://", "/")) else ""
