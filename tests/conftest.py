"""Fixtures that several rooms' tests use: a live gateway and a browser."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.live import Gateway
from tests.support.samp import SampDesk, hub_ends
from tests.support.settled import settled
from tests.support.shared import REPOSITORY

REAL = Path(os.environ.get("VOGATE_SHARED", REPOSITORY.parent / "shared")) / "data" / "hess-dl3-dr1"
OTHER_HUB_SECONDS = 300


def require(name: str, *programs: str) -> None:
    """Skip without the programs, but fail where VOGATE_REQUIRE names them (`name`)."""
    missing = [program for program in programs if shutil.which(program) is None]
    if not missing:
        return
    unavailable(name, f"{', '.join(missing)} is not installed")


def unavailable(name: str, message: str) -> None:
    """Skip, but fail where VOGATE_REQUIRE has the name."""
    if name in os.environ.get("VOGATE_REQUIRE", "").split(","):
        pytest.fail(message)
    pytest.skip(message)


@pytest.fixture(scope="session", autouse=True)
def quick_passwords() -> Iterator[None]:
    """Accounts of tests need no hash that withstands guessing (0.3 s each); served gateways have the real one."""
    from django.test import override_settings

    with override_settings(PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"]):
        yield


@pytest.fixture(scope="session")
def archive_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real observations where they are, else a small simulated archive."""
    if REAL.is_dir():
        return REAL
    if os.environ.get("CI"):
        pytest.fail(f"{REAL} is not there; set VOGATE_SHARED")
    folder = tmp_path_factory.mktemp("simulated")
    gateway = Gateway(tmp_path_factory.mktemp("simulating"))
    done = gateway.vogate("simulate", "--to", str(folder), "--quiet")
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="session")
def filled_home(tmp_path_factory: pytest.TempPathFactory, archive_folder: Path) -> Path:
    """The home of a gateway that has its observations and has never served; to be copied."""
    gateway = Gateway(tmp_path_factory.mktemp("filled"))
    done = gateway.vogate("up", "--no-serve", "--data", str(archive_folder))
    assert done.returncode == 0, done.stdout + done.stderr
    return gateway.home


@pytest.fixture(scope="session")
def live_gateway(tmp_path_factory: pytest.TempPathFactory, filled_home: Path) -> Iterator[Gateway]:
    """A served gateway with a worker; one for all tests of this process, so leave it as you found it."""
    home = tmp_path_factory.mktemp("home")
    shutil.copytree(filled_home, home, dirs_exist_ok=True)
    with Gateway(home) as gateway:
        yield gateway.start()


@pytest.fixture
def own_gateway(tmp_path: Path, filled_home: Path) -> Iterator[Gateway]:
    """A gateway for one test, which may kill it."""
    shutil.copytree(filled_home, tmp_path / "home")
    with Gateway(tmp_path / "home") as gateway:
        yield gateway


@pytest.fixture(scope="session")
def chromium() -> Iterator[object]:
    """Debian's Chromium, headless, driven by Playwright."""
    require("chromium", "chromium")
    from playwright.sync_api import sync_playwright

    from tests.support.browser import CHROMIUM_OPTIONS

    # Playwright keeps an event loop in this thread, where Django would refuse every test its database.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=CHROMIUM_OPTIONS)
        yield browser
        browser.close()


@pytest.fixture
def pages_server(live_server: Any, transactional_db: None) -> Iterator[str]:
    """The address of this process's own pages on the test's database."""
    with settled(live_server) as url:
        yield url


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SampDesk]:
    """A SAMP hub for web pages, with a client that prints every message."""
    require("samp", "jsamp")
    # The web profile has one port, so a machine has one such hub at a time: another process of the tests may have it now.
    if not hub_ends(OTHER_HUB_SECONDS):
        unavailable("samp", "another SAMP hub holds the web profile's port 21012")
    found = SampDesk(tmp_path_factory.mktemp("samp"))
    try:
        found.start_hub()
        found.start_snooper()
        yield found
    finally:
        found.stop()
