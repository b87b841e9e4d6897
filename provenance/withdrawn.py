"""What is still withdrawn, and what is made with it afterwards."""

from __future__ import annotations

from collections.abc import Sequence

from provenance import models
from provenance.known import WITHDRAWN, Known
from provenance.records import ActivityRecord, UsedRecord

__all__ = ["applies", "touching", "version_id"]


def version_id(identifier: str, sha256: str) -> str:
    """The entity that an ingest generates when a file has other bytes under the same identifier."""
    return f"{identifier}#{sha256[:12]}"


def applies(entity: models.Entity, sha256: str) -> bool:
    """Whether these bytes of a withdrawn entity are what was withdrawn, not what replaced it since."""
    withdrawal = entity.withdrawal
    if withdrawal is None:
        return False
    if not sha256 or entity.content_id in (None, sha256):
        return True
    version = models.Entity.objects.filter(pk=version_id(entity.pk, sha256)).first()
    return bool(version and version.generatedAtTime and version.generatedAtTime <= withdrawal.time)


def touching(activity: ActivityRecord, uses: Sequence[UsedRecord], known: Known) -> models.Withdrawal | None:
    """The withdrawal that touches what an activity made, for one that ended after it.

    Of an itemised activity none does: its products do not come from all that it used.
    """
    if activity.itemised:
        return None
    hashes = {use.entity.id: use.entity.sha256 for use in uses}
    if marked := known.found[WITHDRAWN] & set(hashes):
        entities = models.Entity.objects.filter(pk__in=marked).select_related("withdrawal")
        for entity in entities.order_by("withdrawal", "pk"):
            if applies(entity, hashes[entity.pk]):
                return entity.withdrawal
    if known.found.get("withdrawn tool"):
        key = activity.description.key
        rows = models.Withdrawal.objects.filter(subject__in=known.found["withdrawn tool"]).order_by("pk")
        for withdrawal in rows:
            # The tool may have been mended without a new version: then this description is new.
            if models.Activity.objects.filter(activityDescription=key, endTime__lte=withdrawal.time).exists():
                return withdrawal
    return None
