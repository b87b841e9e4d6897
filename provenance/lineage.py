"""Lineage: what something was made from, and what was made from it.

One recursive query in the database finds the nodes; Python only reads them.  Relations lead back from
effect to cause: an entity to the activity that generated it and to what it was derived from, an activity
to what it used and to what informed it, a collection to its members.  FORWARD is the way against them.  An
itemised activity (an ingest) does not lead from one of its products to the inputs of the others.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from django.conf import settings
from django.db import connection

from gateway.vo.caller import Caller
from provenance import access, reader
from provenance.records import Document

__all__ = ["Direction", "Node", "lineage", "node_limit", "reach"]


class Direction(StrEnum):
    """Against time, to the causes, or with it."""

    BACK = "BACK"
    FORWARD = "FORWARD"


@dataclass(frozen=True, order=True)
class Node:
    """An activity (`a`) or an entity (`e`)."""

    kind: str
    id: str

    @property
    def job(self) -> str:
        """The job that the identifier speaks of; other identifiers give what is no job."""
        return self.id.partition("/" if self.kind == "e" else ".")[0]


# (table, kind and column of the effect, kind and column of the cause)
_RELATIONS = (
    ("provenance_wasgeneratedby", "e", "entity_id", "a", "activity_id"),
    ("provenance_used", "a", "activity_id", "e", "entity_id"),
    ("provenance_wasderivedfrom", "e", '"generatedEntity_id"', "e", '"usedEntity_id"'),
    ("provenance_wasinformedby", "a", "informed_id", "a", "informant_id"),
)
_MEMBERS = ("provenance_hadmember", "e", "collection_id", "e", "entity_id")


def node_limit() -> int:
    """Most nodes of one answer: `[provenance] nodes` of site.toml, 10000 without."""
    return int(settings.SITE.raw.get("provenance", {}).get("nodes", 10_000))


def reach(
    starts: Sequence[Node],
    direction: Direction,
    *,
    depth: int | None = None,
    members: bool = False,
    limit: int | None = None,
) -> tuple[dict[Node, int], bool]:
    """The nodes that are reached, in one query.

    Parameters
    ----------
    depth
        Most relations to follow; None for all.
    members
        Whether collections lead to their members (and members to collections).
    limit
        Most nodes; None for the site's limit.

    Returns
    -------
    nodes
        Each with the number of relations from the nearest start (0 for all where `depth` is None).
    truncated
        True if there are more than `limit`.
    """
    if not starts:
        return {}, False
    limit = limit or node_limit()
    sql, values = _query(starts, direction, depth, members, limit)
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        rows = cursor.fetchall()
    found = {Node(kind, key): int(steps) for kind, key, steps in rows}
    if len(found) <= limit:
        return found, False
    nearest = sorted(found.items(), key=lambda item: (item[1], item[0]))[:limit]
    return dict(nearest) | dict.fromkeys(starts, 0), True


def _query(
    starts: Sequence[Node], direction: Direction, depth: int | None, members: bool, limit: int
) -> tuple[str, list[str]]:
    """The SQL and its values.  Names in it are ours; everything from outside is a value."""
    asked = [node.id for node in starts if node.kind == "a"]
    apart = (
        "NOT EXISTS (SELECT 1 FROM provenance_activity i WHERE i.id = reach.id AND i.itemised"
        + (f" AND i.id NOT IN ({', '.join(['%s'] * len(asked))})" if asked else "")
        + ")"
    )
    steps = []
    for table, effect, effect_column, cause, cause_column in (*_RELATIONS, *([_MEMBERS] if members else [])):
        source, column, target, result = effect, effect_column, cause, cause_column
        if direction is Direction.FORWARD:
            source, column, target, result = cause, cause_column, effect, effect_column
        # What did many things at once leads from none of them to the others, unless it was asked for itself.
        leaves = source == "a" and target == "e"
        steps.append((table, source, column, target, result, f" AND {apart}" if leaves else ""))
    begin = " UNION ALL ".join("SELECT CAST(%s AS TEXT), CAST(%s AS TEXT), 0" for _ in starts)
    values: list[str] = [text for node in starts for text in (node.kind, node.id)]
    deeper = "reach.steps" if depth is None else "reach.steps + 1"
    within = "" if depth is None else f" AND reach.steps < {int(depth)}"
    if connection.vendor == "sqlite":
        # One recursive term per relation: SQLite would copy a UNION of tables before it joins it.
        again = " UNION ".join(
            f"SELECT '{target}', x.{result}, {deeper} FROM reach JOIN {table} x ON x.{column} = reach.id"
            f" WHERE reach.kind = '{source}'{within}{limited}"
            for table, source, column, target, result, limited in steps
        )
    else:
        # PostgreSQL allows one recursive term.
        union = " UNION ALL ".join(
            f"SELECT '{target}'::text AS kind, x.{result}::text AS id FROM {table} x"
            f" WHERE reach.kind = '{source}' AND x.{column} = reach.id{within}{limited}"
            for table, source, column, target, result, limited in steps
        )
        again = f"SELECT e.kind, e.id, {deeper} FROM reach CROSS JOIN LATERAL ({union}) e"
    values += asked  # for the one relation that leads from activities to entities
    # With steps counted a node comes once for each way's length; without, once.
    most = limit + len(starts) + 1 if depth is None else 50 * (limit + len(starts) + 1)
    sql = (
        f"WITH RECURSIVE reach(kind, id, steps) AS ({_grouped(begin)} UNION {again})"
        f" SELECT kind, id, MIN(steps) FROM (SELECT kind, id, steps FROM reach LIMIT {most}) found"
        " GROUP BY kind, id"
    )
    return sql, values


def _grouped(begin: str) -> str:
    """The start as one term, so that what follows is the recursive part."""
    return f"SELECT * FROM ({begin}) start"


def lineage(
    starts: Sequence[Node],
    caller: Caller,
    *,
    directions: Iterable[Direction] = (Direction.BACK,),
    depth: int | None = None,
    members: bool = False,
) -> Document:
    """The part of the graph around some nodes, as this caller may see it.

    What the caller may not see is there under a pseudonym, with its relations and nothing else.
    """
    found: dict[Node, int] = {}
    truncated = False
    for direction in directions:
        more, cut = reach(starts, direction, depth=depth, members=members)
        found |= more
        truncated |= cut
    named = {node.job for node in starts}
    activities = {node.id for node in found if node.kind == "a"}
    entities = {node.id for node in found if node.kind == "e"}
    view = reader.View(
        activities=activities,
        entities=entities,
        open_activities=access.visible_activities(activities, caller, named),
        open_entities=access.visible_entities(entities, caller, named),
        members=members,
    )
    return reader.read_part(view, truncated=truncated)
