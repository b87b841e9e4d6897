"""Records what ran, in the caller's transaction, and gives it back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from provenance.records import ActivityRecord, Document

if TYPE_CHECKING:
    from provenance.models import Activity

__all__ = ["document", "forget", "record"]


def record(activity: ActivityRecord) -> Activity:
    """Write one activity with everything that hangs on it.

    Call it inside the transaction that ends the job.  A second call for the same id and attempt changes
    nothing and returns what was recorded first.
    """
    raise NotImplementedError


def document(activity_id: str) -> Document:
    """The records of one job, its lost attempts included.

    Raises
    ------
    gateway.vo.errors.NotFound
        If nothing was recorded under this id.
    """
    raise NotImplementedError


def forget(activity_id: str) -> None:
    """Leave a tombstone: results become invalid now, their locations go, the lineage stays."""
    raise NotImplementedError
