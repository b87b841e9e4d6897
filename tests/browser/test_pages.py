"""Every page at both sizes: no console error, nothing from another host, nothing serious for axe, no sideways scroll."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.browser.conftest import Visitor
from tests.support.browser import DESKTOP, PHONE, watched_page

pytestmark = [pytest.mark.chromium, pytest.mark.slow, pytest.mark.xdist_group("live")]

PAGES = [
    "home", "search", "results", "observation", "tools", "tool", "jobs",
    "counts_map", "spectrum", "light_curve", "view", "sign-in", "sign-up", "tap", "missing",
]  # fmt: skip


def path_of(name: str, visitor: Visitor) -> str:
    if name in visitor.jobs:
        return visitor.jobs[name]
    return {
        "home": "/",
        "search": "/search/?target=Crab+Nebula&radius=2",
        "results": visitor.results,
        "observation": visitor.observation,
        "tools": "/tools/",
        "tool": "/tools/spectrum/",
        "jobs": "/jobs/",
        "view": visitor.jobs["spectrum"].replace("/jobs/", "/view/") + "spectrum/",
        "sign-in": "/account/login/",
        "sign-up": "/account/signup/",
        "tap": "/tap",
        "missing": "/no/such/page/",
    }[name]


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
@pytest.mark.parametrize("name", PAGES)
def test_page_is_sound(name: str, size: dict[str, int], visitor: Visitor, chromium: object, artifacts: Path):
    with watched_page(chromium, visitor.gateway.url, size, storage_state=visitor.state) as watch:
        response = watch.open(path_of(name, visitor))
        watch.page.wait_for_timeout(800)  # maps and plots draw themselves after the page has loaded
        watch.screenshot(artifacts / f"{name}-{'desktop' if size is DESKTOP else 'phone'}.png")
        expected = 404 if name == "missing" else 200
        assert response.status == expected
        console = [text for text in watch.console if not (expected == 404 and "404" in text)]
        assert console == []
        assert watch.foreign == []
        assert watch.axe() == []
        assert watch.overflow() <= 0
