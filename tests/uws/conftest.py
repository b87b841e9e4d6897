"""Fixtures of the job controller's tests: tools of their own, an account, a client."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.contrib.auth import get_user_model

from gateway.vo.caller import Caller
from tests.uws.builders import make_tools
from uws.tools import registry


@pytest.fixture(scope="session")
def tools_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tools(tmp_path_factory.mktemp("tools"))


@pytest.fixture(autouse=True)
def tools(tools_folder: Path, tmp_path: Path, settings) -> Iterator[None]:
    """The tools of these tests instead of the site's; a jobs folder of each test's own."""
    settings.VOGATE_JOBS = tmp_path / "jobs"
    with registry.using(tools_folder):
        yield


@pytest.fixture
def user(db):
    return get_user_model().objects.create_user("vera", "vera@example.org", "a quiet galaxy 7")


@pytest.fixture
def account(user) -> Caller:
    return Caller(user_id=user.pk, username=user.username, method="cookie")


@pytest.fixture
def other_account(db) -> Caller:
    user = get_user_model().objects.create_user("max", "max@example.org", "a loud galaxy 8")
    return Caller(user_id=user.pk, username=user.username, method="cookie")
