"""The demo archive: a simulated collection stands in where there are no observations."""

from __future__ import annotations

from pathlib import Path

from django.conf import settings

from obscore import publication
from obscore.models import SIMULATED_NOTICE, Observation
from obscore.profile import Profile, read_all
from obscore.report import Report

__all__ = ["archive_notice", "simulate", "withdraw_simulated"]


def simulate() -> tuple[Profile, Path]:
    """Make the simulated collection in the home, unless it is there; its profile and folder."""
    from obscore.simulation import archive

    profile = next(
        p for p in read_all(settings.SITE.collections_folder) if p.collection == archive.COLLECTION
    )
    folder = settings.VOGATE_DATA / archive.COLLECTION
    if not (folder.is_dir() and profile.matches(folder)):
        archive.make(folder, report=Report.console())
    return profile, folder


def withdraw_simulated(*, keep: str) -> int:
    """Take simulated observations (but those of collection `keep`) from ivoa.obscore; how many there were.

    They come back when their collection is ingested again.
    """
    count = (
        Observation.objects.filter(collection__simulated=True, missing=False)
        .exclude(collection__name=keep)
        .update(missing=True)
    )
    if count:
        publication.publish_obscore()
    return count


def archive_notice() -> str:
    """What every page says of the data: the site's notice, and whether some of them are simulated."""
    simulated = Observation.objects.filter(collection__simulated=True, missing=False).exists()
    return " ".join(filter(None, [settings.SITE.notice, SIMULATED_NOTICE if simulated else ""]))
