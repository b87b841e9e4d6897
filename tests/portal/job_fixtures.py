"""Fixtures of the tests of tools, jobs and results; test files import them by name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.test import Client

from tests.portal import job_builders
from tests.portal.job_builders import write_tools
from uws.tools import registry


@pytest.fixture
def tools(tmp_path: Path) -> Iterator[registry.Registry]:
    """The two tools of `job_builders` instead of the site's."""
    with registry.using(write_tools(tmp_path / "tools")) as found:
        yield found


@pytest.fixture
def visitor(db: None, client: Client) -> Client:
    """A browser with a session of its own."""
    session = client.session
    session["visited"] = True
    session.save()
    return client


@pytest.fixture
def archive(settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Observations for the inputs of tools, without an archive."""
    settings.VOGATE_INPUT_RESOLVERS = ["tests.portal.job_builders.resolve"]
    monkeypatch.setattr("gateway.portal.inputs.obscore_rows", job_builders.rows)
