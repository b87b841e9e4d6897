"""Fixtures of the TAP room: a published catalogue, in both engines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tap import archive, postgres_manifest, postgres_setup, workers
from tap.archive import Manifest
from tap.publish import publish_schema
from tests.tap import catalogue, postgres

PREPARED = "prepared"


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The address of a private server's superuser."""
    with postgres.server() as url:
        yield url


@pytest.fixture(scope="session")
def prepared_url(postgres_url: str) -> str:
    """The same; the server has a database with our functions, to be copied."""
    with postgres_setup.connected(postgres.database(postgres_url, PREPARED)) as connection:
        postgres_setup.prepare(connection)
    return postgres_url


@pytest.fixture(scope="session", params=["duckdb", "postgres"])
def engine(request: pytest.FixtureRequest) -> str:
    """Where the archive is: what a test says must be true of both."""
    return str(request.param)


@pytest.fixture
def empty_archive(tmp_path: Path, settings, engine: str, request: pytest.FixtureRequest) -> Iterator[Path]:
    """An archive of this test's own, with nothing in it."""
    settings.VOGATE_ARCHIVE = tmp_path / "archive"
    settings.VOGATE_LIVE_SCHEMAS = []  # other rooms' tables
    if engine == "postgres":
        url = request.getfixturevalue("prepared_url")
        settings.VOGATE_TAP_DATABASE = postgres.database(url, "own", PREPARED)
    yield settings.VOGATE_ARCHIVE
    if engine == "postgres":
        workers.reset()
        postgres_manifest.forget()


@dataclass(frozen=True)
class Place:
    """Where the catalogue is published."""

    folder: Path
    database: str


def publish_catalogue(
    name: str,
    live: Sequence[str],
    factory: pytest.TempPathFactory,
    engine: str,
    request: pytest.FixtureRequest,
) -> Place:
    """The catalogue in a new place, with the live tables of some modules."""
    from django.test import override_settings

    url = ""
    if engine == "postgres":
        url = postgres.database(request.getfixturevalue("prepared_url"), name, PREPARED)
    place = Place(factory.mktemp(name), url)
    with override_settings(VOGATE_ARCHIVE=place.folder, VOGATE_TAP_DATABASE=url, VOGATE_LIVE_SCHEMAS=live):
        publish_schema(catalogue.SCHEMA, catalogue.data())
    return place


@pytest.fixture(scope="session")
def published_place(
    tmp_path_factory: pytest.TempPathFactory, engine: str, request: pytest.FixtureRequest
) -> Place:
    """The catalogue, published once for each engine; tests must not publish into it."""
    return publish_catalogue("published", [], tmp_path_factory, engine, request)


def served_here(place: Place, settings: Any, live: Sequence[str] = ()) -> Manifest:
    """Have this process serve what was published in a place."""
    settings.VOGATE_ARCHIVE = place.folder
    settings.VOGATE_TAP_DATABASE = place.database
    settings.VOGATE_RESULT_DECORATORS = []
    settings.VOGATE_LIVE_SCHEMAS = list(live)
    return archive.current()


@pytest.fixture
def published(published_place: Place, settings) -> Manifest:
    """The catalogue of `tests.tap.catalogue`, served by this process."""
    return served_here(published_place, settings)
