"""What of the archive has been withdrawn: it stays where it was, and says so."""

from __future__ import annotations

from obscore.links import Link
from obscore.models import Observation
from provenance import models

__all__ = ["link", "of", "reasons", "sentence"]


def reasons() -> dict[str, str]:
    """Why, by publisher DID."""
    rows = models.Entity.objects.filter(withdrawal__isnull=False, pk__startswith="ivo://")
    return dict(rows.values_list("pk", "withdrawal__reason"))


def of(observation: Observation) -> models.Withdrawal | None:
    """The withdrawal that touches an observation."""
    return models.Withdrawal.objects.filter(entity=observation.did).first()


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
