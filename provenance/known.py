"""What the database has already, asked for in one query: recording writes only the rest."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from django.db import connection

__all__ = ["Known", "look_up"]

MOST = 4000
"""Most identifiers in one query."""

# kind -> (table, column)
_PLACES = {
    "tool": ("provenance_activitydescription", "id"),
    "parameter": ("provenance_parameterdescription", "id"),
    "usage": ("provenance_usagedescription", "id"),
    "generation": ("provenance_generationdescription", "id"),
    "format": ("provenance_entitydescription", "id"),
    "content": ("provenance_content", "sha256"),
    "entity": ("provenance_entity", "id"),
    "origin": ("provenance_wasgeneratedby", "entity_id"),
    "agent": ("provenance_agent", "id"),
    "activity": ("provenance_activity", "id"),
    "withdrawn tool": ("provenance_withdrawal", "subject"),
}
WITHDRAWN = "withdrawn"
"""The kind under which entities are found a second time that are withdrawn."""
_KIND = {"entity": f"CASE WHEN withdrawal_id IS NULL THEN 'entity' ELSE '{WITHDRAWN}' END"}


@dataclass
class Known:
    """The identifiers that are there, by kind."""

    found: dict[str, set[str]] = field(default_factory=dict)

    def has(self, kind: str, identifier: str) -> bool:
        return identifier in self.found.get(kind, ())


def look_up(wanted: Mapping[str, Collection[str]]) -> Known:
    """Which of these identifiers are in the database.

    Parameters
    ----------
    wanted
        Identifiers by kind: tool, parameter, usage, generation, format, content, entity, origin (entities that
        some activity generated), agent, activity, withdrawn tool.  Entities that are
        withdrawn are found as `withdrawn` as well.
    """
    pairs = [(kind, key) for kind, keys in wanted.items() for key in dict.fromkeys(keys)]
    known = Known({kind: set() for kind in (*wanted, WITHDRAWN)})
    for start in range(0, len(pairs), MOST):
        parts: dict[str, list[str]] = {}
        for kind, key in pairs[start : start + MOST]:
            parts.setdefault(kind, []).append(key)
        # Names in it are ours, and kinds in quotes of Python the same in SQL; everything from outside is a value.
        sql = " UNION ALL ".join(
            f"SELECT {_KIND.get(kind, repr(kind))}, {_PLACES[kind][1]} FROM {_PLACES[kind][0]}"
            f" WHERE {_PLACES[kind][1]} IN ({', '.join(['%s'] * len(keys))})"
            for kind, keys in parts.items()
        )
        with connection.cursor() as cursor:
            cursor.execute(sql, [key for keys in parts.values() for key in keys])
            for kind, key in cursor.fetchall():
                known.found[kind].add(key)
                if kind == WITHDRAWN:
                    known.found["entity"].add(key)
    return known
