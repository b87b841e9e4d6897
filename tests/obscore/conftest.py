"""A collection of three observations, ingested into an archive of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from obscore import ingest
from obscore.report import Report
from tests.obscore.builders import LittleCollection

Ingest = Callable[[], Report]


@pytest.fixture
def little(tmp_path: Path) -> LittleCollection:
    collection = LittleCollection(tmp_path / "little")
    for obs_id in (101, 102, 103):
        collection.add(obs_id)
    return collection


@pytest.fixture
def ingest_little(little: LittleCollection, tmp_path: Path, settings, db) -> Ingest:
    """Ingests the collection as it is at the time of the call."""
    settings.VOGATE_ARCHIVE = tmp_path / "archive"

    def run() -> Report:
        return ingest.run(little.profile, little.folder, Report())

    return run
