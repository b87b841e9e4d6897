"""What of the archive has been withdrawn: it stays where it was, and says so."""

from __future__ import annotations

from obscore.links import Link
from obscore.models import Observation
from provenance import models
from provenance.access import chunks
from provenance.withdrawn import applies

__all__ = ["link", "of", "reasons", "sentence"]


def reasons() -> dict[str, str]:
    """Why, by publisher DID."""
    rows = models.Entity.objects.filter(withdrawal__isnull=False, pk__startswith="ivo://")
    found: dict[str, str] = {}
    for part in chunks(rows.values_list("pk", flat=True)):
        observations = Observation.objects.filter(did__in=part, missing=False)
        for observation in observations.prefetch_related("files"):
            withdrawal = of(observation)
            if withdrawal is not None:
                found[observation.did] = withdrawal.reason
    return found


def of(observation: Observation) -> models.Withdrawal | None:
    """The withdrawal that touches an observation, unless its file has been replaced since."""
    entity = models.Entity.objects.select_related("withdrawal").filter(pk=observation.did).first()
    product = observation.product
    if entity is None or not applies(entity, product.sha256 if product else ""):
        return None
    return entity.withdrawal


def link(identifier: str, withdrawal: models.Withdrawal, base_url: str) -> Link:
    """The row of a DataLink answer that says it."""
    return Link(
        identifier,
        "#documentation",
        access_url=f"{base_url}/provenance/withdrawal/{withdrawal.pk}/",
        description=sentence(withdrawal),
        content_type="text/html",
        link_auth="false",
        link_authorized=True,
    )


def sentence(withdrawal: models.Withdrawal) -> str:
    """In a sentence."""
    return f"WITHDRAWN {withdrawal.time:%Y-%m-%d}, not to be relied on: {withdrawal.reason}"
