"""Fixtures of the tests of search, results and observation pages; test files import them by name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from obscore import resolver
from obscore.models import Collection
from tests.portal import archive_builders


@pytest.fixture(scope="module")
def published() -> Iterator[None]:
    """The tiny archive, published once per test file."""
    from tap import workers

    archive_builders.publish()
    yield
    workers.reset()


@pytest.fixture
def archive(published: None, db: None, tmp_path: Path) -> Collection:
    """The tiny archive with its records."""
    return archive_builders.fill_database(str(tmp_path))


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """No name service can be reached."""

    def refuse(name: str) -> None:
        raise OSError("the network is unplugged")

    monkeypatch.setattr(resolver._sesame, "ask", refuse)
