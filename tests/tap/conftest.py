"""Fixtures of the TAP room: a published catalogue."""

from __future__ import annotations

from pathlib import Path

import pytest

from tap import archive
from tap.archive import Manifest
from tap.publish import publish_schema
from tests.tap import catalogue


@pytest.fixture
def empty_archive(tmp_path: Path, settings) -> Path:
    """An archive folder of this test's own, with nothing in it."""
    settings.VOGATE_ARCHIVE = tmp_path / "archive"
    settings.VOGATE_LIVE_SCHEMAS = []  # other rooms' tables
    return settings.VOGATE_ARCHIVE


@pytest.fixture(scope="session")
def published_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The catalogue, published once; tests must not publish into it."""
    from django.test import override_settings

    folder = tmp_path_factory.mktemp("published")
    with override_settings(VOGATE_ARCHIVE=folder, VOGATE_LIVE_SCHEMAS=[]):
        publish_schema(catalogue.SCHEMA, catalogue.data())
    return folder


@pytest.fixture
def published(published_folder: Path, settings) -> Manifest:
    """The catalogue of `tests.tap.catalogue`, served by this process."""
    settings.VOGATE_ARCHIVE = published_folder
    settings.VOGATE_RESULT_DECORATORS = []
    settings.VOGATE_LIVE_SCHEMAS = []
    return archive.current()
