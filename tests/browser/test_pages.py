"""Every page at both sizes: no console error, nothing from another host, nothing serious for axe, no sideways scroll."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.browser.conftest import Visitor
from tests.support.browser import DESKTOP, PHONE, watched_page

pytestmark = [pytest.mark.chromium, pytest.mark.slow, pytest.mark.xdist_group("live")]

PAGES = [
    "home", "search", "results", "observation", "tools", "tool", "jobs",
    "counts_map", "spectrum", "light_curve", "view", "sign-in", "sign-up", "tap", "missing",
    "tables", "table", "rows",
    "tap-examples", "activity", "replay", "reset",
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
        "tables": "/tap/tables",
        "table": "/tap/tables/ivoa.obscore",
        "rows": "/tap/sync?LANG=ADQL&QUERY=SELECT+TOP+5+*+FROM+ivoa.obscore&RESPONSEFORMAT=html",
        "missing": "/no/such/page/",
        "tap-examples": "/tap/examples",
        "activity": visitor.jobs["spectrum"].replace("/jobs/", "/provenance/activity/"),
        "replay": visitor.jobs["spectrum"] + "replay/",
        "reset": "/account/password/reset/",
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


@pytest.mark.real_data
def test_the_page_shows_the_spectrum_of_the_crab_nebula(
    visitor: Visitor, chromium: object, archive_folder: Path
):
    """Four runs, the form's defaults: index 2.63 +- 0.06 and 4.26e-11 +- 0.22e-11 cm-2 s-1 TeV-1 at 1 TeV."""
    if "hess" not in archive_folder.name:
        pytest.skip("the H.E.S.S. observations are not there")
    with watched_page(chromium, visitor.gateway.url, DESKTOP, storage_state=visitor.state) as watch:
        watch.open(visitor.jobs["spectrum"])
        text = " ".join(watch.page.inner_text("main").split())
    index = re.search(r"index (\d\.\d+) ± (\d\.\d+)", text)
    amplitude = re.search(r"amplitude \((\d\.\d+) ± (\d\.\d+)\) × 10⁻¹¹", text)
    assert index is not None
    assert amplitude is not None
    assert float(index[1]) == pytest.approx(2.63, abs=0.01)
    assert float(index[2]) == pytest.approx(0.06, abs=0.01)
    assert float(amplitude[1]) == pytest.approx(4.26, abs=0.05)
    assert float(amplitude[2]) == pytest.approx(0.22, abs=0.02)
