"""Programs on the desk: Aladin, started as without internet, shows what pages send; TOPCAT queries the archive."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from astropy.table import Table

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
    require("aladin", "aladin", "Xvfb")
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
    aladin.displays["aladin"].screenshot(artifacts / "aladin.png")
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
    aladin.displays["aladin"].screenshot(artifacts / "aladin-tables.png")
    assert (watch.console, watch.foreign) == ([], [])


def test_aladin_asks_the_archive_itself(aladin: SampDesk):
    """The dictionary's second server: the observations around a position, as a catalogue."""
    aladin.aladin("get Pointings 83.63 22.01 2deg; sync; status", r"Type +Catalog\b.{0,400}NbObj +\d")


CIRCLE = "SELECT * FROM ivoa.obscore WHERE 1 = INTERSECTS(s_region, CIRCLE('ICRS', 329.717, -30.226, 0.001))"


@pytest.fixture(scope="module")
def topcat(desk: SampDesk) -> SampDesk:
    require("samp", "topcat", "Xvfb", "xdotool")
    desk.start_topcat()
    return desk


def test_topcat_runs_a_query_typed_into_its_window(topcat: SampDesk, live_gateway: Gateway, artifacts: Path):
    """As a person does it, with mouse and keyboard; then TOPCAT sends on what it has got.

    Windows stand where TOPCAT 4.8 puts them on a screen without a window manager.
    """
    screen = topcat.displays["topcat"]
    wait_for(lambda: screen.windows("^TOPCAT$"))

    def opened() -> list[str]:
        screen.settled()
        screen.click(306, 9)  # VO
        screen.settled()
        screen.click(445, 123)  # Table Access Protocol (TAP) Query
        screen.settled()
        return screen.windows("^Table Access Protocol")

    wait_for(opened)  # a window that has just come may not listen yet
    screen.click(349, 494)  # OK: no registry can be reached from here
    screen.settled()
    screen.click(440, 726)  # TAP URL
    screen.type(f"{live_gateway.url}/tap")
    screen.settled()
    screen.click(698, 755)  # Use Service
    screen.settled()
    screen.click(420, 680)  # ADQL Text
    screen.type(CIRCLE)
    screen.settled()
    screen.click(424, 798)  # Run Query

    def received() -> list[dict[str, Any]]:
        screen.settled()
        screen.screenshot(artifacts / "topcat.png")
        screen.click(116, 40)  # Send table to all, in the main window; means nothing until the table is there
        screen.settled()
        return [m for m in topcat.messages("table.load.votable") if "ivoa.obscore" in str(m)]

    sent = wait_for(received)
    expected = live_gateway.vogate("query", CIRCLE, "--url", live_gateway.url, "--format", "csv").stdout
    table = Table.read(sent[0]["url"], format="votable")
    assert len(table) == len(expected.splitlines()) - 1 > 0
    assert len(table.columns) == 36
