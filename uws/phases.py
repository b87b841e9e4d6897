"""The phases of a UWS job and the steps between them (UWS 1.1, section 2.1.3).  No Django here."""

from __future__ import annotations

from enum import Enum

__all__ = ["ACTIVE", "FINAL", "REMOVABLE", "WAITABLE", "Phase", "may_follow", "sources"]


class Phase(str, Enum):
    """ExecutionPhase of the UWS schema."""

    PENDING = "PENDING"
    """Made, and waiting for PHASE=RUN."""
    QUEUED = "QUEUED"
    EXECUTING = "EXECUTING"
    COMPLETED = "COMPLETED"
    ERROR = "ERROR"
    UNKNOWN = "UNKNOWN"
    HELD = "HELD"
    """Asked to run, but kept back by an operator or a limit until somebody asks again."""
    SUSPENDED = "SUSPENDED"
    """Stopped by the system during execution, to go on later."""
    ABORTED = "ABORTED"
    """Ended by its owner, by an operator, or for using more than its limits."""
    ARCHIVED = "ARCHIVED"
    """Its destruction time has passed: the description stays, the results are gone."""

    def __str__(self) -> str:
        return self.value


_NEXT: dict[Phase, frozenset[Phase]] = {
    Phase.PENDING: frozenset({Phase.QUEUED, Phase.HELD, Phase.ABORTED, Phase.ERROR, Phase.ARCHIVED}),
    Phase.HELD: frozenset({Phase.QUEUED, Phase.ABORTED, Phase.ERROR, Phase.ARCHIVED}),
    Phase.QUEUED: frozenset({Phase.EXECUTING, Phase.HELD, Phase.ABORTED, Phase.ERROR}),
    # Back to QUEUED: a lost attempt, or one ended by the gateway's own stop, is tried again.
    Phase.EXECUTING: frozenset(
        {Phase.COMPLETED, Phase.ERROR, Phase.ABORTED, Phase.SUSPENDED, Phase.QUEUED, Phase.UNKNOWN}
    ),
    Phase.SUSPENDED: frozenset({Phase.EXECUTING, Phase.QUEUED, Phase.ABORTED, Phase.ERROR}),
    Phase.UNKNOWN: frozenset(
        {Phase.EXECUTING, Phase.COMPLETED, Phase.ERROR, Phase.ABORTED, Phase.QUEUED, Phase.ARCHIVED}
    ),
    Phase.COMPLETED: frozenset({Phase.ARCHIVED}),
    Phase.ERROR: frozenset({Phase.ARCHIVED}),
    Phase.ABORTED: frozenset({Phase.ARCHIVED}),
    Phase.ARCHIVED: frozenset(),
}

FINAL = frozenset({Phase.COMPLETED, Phase.ERROR, Phase.ABORTED, Phase.ARCHIVED})
"""Nothing more happens to the work of such a job."""

ACTIVE = frozenset({Phase.QUEUED, Phase.EXECUTING, Phase.SUSPENDED})
"""The gateway is at work, or will be without being asked again; these count against a user's limit."""

WAITABLE = frozenset({Phase.PENDING, Phase.QUEUED, Phase.EXECUTING})
"""WAIT blocks only here (UWS 1.1, section 2.2.1.1)."""

REMOVABLE = frozenset({Phase.PENDING, Phase.HELD, *(FINAL - {Phase.ARCHIVED})})
"""From here a job becomes ARCHIVED at its destruction time without having to be aborted first."""


def may_follow(new: Phase, old: Phase) -> bool:
    """True if a job may go from `old` to `new`."""
    return new in _NEXT[old]


def sources(new: Phase) -> frozenset[Phase]:
    """The phases from which a job may go to `new`."""
    return frozenset(old for old, following in _NEXT.items() if new in following)
