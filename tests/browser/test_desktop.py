"""Programs on the desk get what the pages send: Aladin, started as where there is no internet, shows it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.browser.conftest import run_tool, wait_for_end
from tests.conftest import require
from tests.support.browser import DESKTOP, Watch, watched_page
from tests.support.live import Gateway
from tests.support.samp import SampDesk, send, wait_for

pytestmark = [pytest.mark.chromium, pytest.mark.slow, pytest.mark.xdist_group("samp")]

EVERYONE = "Send to all"


@pytest.fixture(scope="module")
def aladin(desk: SampDesk, live_gateway: Gateway) -> SampDesk:
    """Aladin with the dictionary that the gateway serves."""
    require("aladin", "aladin", "xvfb-run")
    desk.start_aladin(f"{live_gateway.url}/aladin.dic")
    return desk


@pytest.fixture(scope="module")
def watch(live_gateway: Gateway, chromium: object) -> Iterator[Watch]:
    with watched_page(chromium, live_gateway.url, DESKTOP) as found:
        yield found


def search(watch: Watch) -> str:
    watch.open("/search/?target=Crab+Nebula&radius=2&run=1")
    watch.page.wait_for_url("**/results/**")
    return str(watch.page.url).removeprefix(watch.base)


def test_aladin_shows_the_image_and_tables_of_private_jobs_and_a_result_table(
    aladin: SampDesk, watch: Watch, artifacts: Path
):
    """What Aladin says of its planes is looked at: its answers by SAMP get lost (see samp-hub.js)."""
    results = search(watch)
    job = run_tool(watch, results, "counts_map", rows=1)
    assert wait_for_end(watch, job) == "COMPLETED"
    assert send(watch, "[data-samp^='image.load.fits'] >> nth=0", EVERYONE).startswith("Sent Counts map")
    wait_for(lambda: "load&build" in aladin.text("aladin"))
    aladin.aladin("status", r'PlaneID "Counts map.{0,40}Type +Image\b.{0,400}Width +\d')
    view = aladin.aladin_view("zoom 1x")
    aladin.screenshot(artifacts / "aladin.png")
    assert view.std() > 5, "the view is empty"

    watch.open(results)
    send(watch, "[data-samp='table.load.votable']", EVERYONE)
    wait_for(partial(aladin.has_tables, 1))
    aladin.aladin("status", r'PlaneID "Search around Crab Nebula".{0,40}Type +Catalog\b.{0,400}NbObj +\d')

    job = run_tool(watch, results, "filter_table", rows=1)
    assert wait_for_end(watch, job) == "COMPLETED"
    for loaded, name in enumerate(("filtered.vot", "filtered.fits"), start=2):
        watch.page.get_by_label(f"Tick {name} to send it").check()
        send(watch, "[data-samp-selected]", EVERYONE)
        watch.page.get_by_label(f"Tick {name} to send it").uncheck()
        wait_for(partial(aladin.has_tables, loaded))
    aladin.screenshot(artifacts / "aladin-tables.png")
    assert (watch.console, watch.foreign) == ([], [])


def test_aladin_asks_the_archive_itself(aladin: SampDesk):
    """The dictionary's second server: the observations around a position, as a catalogue."""
    aladin.aladin("get Pointings 83.63 22.01 2deg; sync; status", r"Type +Catalog\b.{0,400}NbObj +\d")
