"""SAMP from the job page: a real hub, jsamp's snooper and TOPCAT as receivers, private results."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.sessions.backends.db import SessionStore

from tests.conftest import require
from tests.portal.job_builders import full_job
from tests.portal.job_fixtures import tools  # noqa: F401
from tests.support.browser import DESKTOP, Watch, watched_page
from tests.support.samp import SampDesk, send, wait_for
from uws.models import Job

# One hub per machine: these tests must not run beside each other.
pytestmark = [
    pytest.mark.chromium,
    pytest.mark.slow,
    pytest.mark.xdist_group("samp"),
    pytest.mark.usefixtures("tools"),
]

WAIT_MS = 20_000


@pytest.fixture
def job(transactional_db: None) -> Job:
    """A job of a browser session: nobody else may read its results."""
    session = SessionStore()
    session.create()
    made = full_job(session.session_key)
    made.browser_session = session.session_key  # type: ignore[attr-defined]
    return made


@pytest.fixture
def watch(pages_server: str, chromium: Any, job: Job) -> Iterator[Watch]:
    """The job's page in the browser that owns it."""
    with watched_page(chromium, pages_server, DESKTOP) as found:
        cookie = {"name": "sessionid", "value": job.browser_session, "url": pages_server}  # type: ignore[attr-defined]
        found.page.context.add_cookies([cookie])
        found.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        found.open(job.page_url)
        yield found


def without_cookies(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=20) as response:
        return bytes(response.read())


def content(job: Job, name: str) -> bytes:
    return bytes(Path(job.results.get(name=name).path).read_bytes())


def test_an_image_reaches_all_applications_and_its_url_needs_no_cookies(
    desk: SampDesk, watch: Watch, job: Job
):
    assert (
        send(watch, "#result-counts-fits [data-samp]", "Send to all") == "Sent Counts map to 1 application."
    )
    (message,) = wait_for(lambda: desk.messages("image.load.fits"))
    assert message["name"] == "Counts map"
    assert without_cookies(message["url"]) == content(job, "counts.fits")
    with pytest.raises(urllib.error.HTTPError, match="403"):
        without_cookies(watch.base + job.results.get(name="counts.fits").url)
    assert (watch.console, watch.foreign) == ([], [])


def test_a_spectrum_is_sent_as_its_table_of_points(desk: SampDesk, watch: Watch, job: Job):
    send(watch, "#result-spectrum-json [data-samp]", "Snooper")
    (message,) = wait_for(lambda: desk.messages("spectrum.load.ssa-generic"))
    assert message["meta"]["Access.Format"] == "application/x-votable+xml"
    assert without_cookies(message["meta"]["Access.Reference"]) == content(job, "flux.vot")


def test_ticked_products_are_sent_together_with_the_right_messages(desk: SampDesk, watch: Watch, job: Job):
    before = len(desk.messages("table.load.fits"))
    watch.page.get_by_label("Tick flux.vot to send it").check()
    watch.page.get_by_label("Tick events.fits to send it").check()
    send(watch, "[data-samp-selected]", "Send to all")
    tables = wait_for(lambda: desk.messages("table.load.fits")[before:])
    assert without_cookies(tables[0]["url"]) == content(job, "events.fits")
    votables = wait_for(lambda: desk.messages("table.load.votable"))
    assert without_cookies(votables[-1]["url"]) == content(job, "flux.vot")


def test_one_registration_serves_several_pages(desk: SampDesk, watch: Watch):
    send(watch, "#result-counts-fits [data-samp]", "Send to all")
    registrations = desk.text("hub").count("Accepted registration")
    watch.page.reload()
    send(watch, "#result-counts-fits [data-samp]", "Send to all")
    assert desk.text("hub").count("Accepted registration") == registrations


def test_titles_beyond_ascii_do_not_upset_the_hub(desk: SampDesk, watch: Watch):
    watch.page.locator("#result-counts-fits [data-samp]").evaluate("b => b.dataset.name = 'Flüsse × 10⁻¹²'")
    send(watch, "#result-counts-fits [data-samp]", "Send to all")
    names = wait_for(
        lambda: [m["name"] for m in desk.messages("image.load.fits") if m["name"].startswith("Fl")]
    )
    assert names[0] == "Flusse x 10-12"


def test_the_menu_is_used_with_the_keyboard(desk: SampDesk, watch: Watch):
    page = watch.page
    page.locator("#result-counts-fits [data-samp]").focus()
    page.keyboard.press("Enter")
    page.locator("[role=menuitem]:focus", has_text="Send to all").wait_for(timeout=WAIT_MS)
    page.keyboard.press("ArrowDown")
    assert "Snooper" in page.evaluate("document.activeElement.textContent")
    assert watch.axe() == []
    page.keyboard.press("Escape")
    page.locator("#result-counts-fits [data-samp][aria-expanded=false]:focus").wait_for(timeout=WAIT_MS)


def test_topcat_takes_the_tables(desk: SampDesk, watch: Watch):
    require("samp", "topcat", "Xvfb")
    desk.start_topcat()
    watch.page.get_by_label("Tick flux.vot to send it").check()
    watch.page.get_by_label("Tick events.fits to send it").check()
    assert send(watch, "[data-samp-selected]", "topcat") == "topcat has loaded 2 products."

    def has_both() -> bool:
        said = send(watch, "[data-samp-selected]", "topcat")
        assert "did not load" not in said  # what TOPCAT has is no failure
        return said == "topcat has 2 products already."

    # TOPCAT answers that it has loaded a table a moment before it knows that it has it.
    wait_for(has_both)


def test_without_a_hub_the_page_says_so_and_offers_the_rest(watch: Watch, job: Job):
    page = watch.page
    page.route("http://localhost:21012/**", lambda route: route.abort())
    page.locator("#result-counts-fits [data-samp]").click()
    page.get_by_role("menu").get_by_text("No SAMP hub is running on this computer.").wait_for(timeout=WAIT_MS)
    page.get_by_role("menuitem", name="Copy URL").click()
    page.locator("#samp-status", has_text="URL copied; valid until").wait_for(timeout=WAIT_MS)
    copied = page.evaluate("navigator.clipboard.readText()")
    assert without_cookies(copied) == content(job, "counts.fits")
    page.locator("#result-counts-fits [data-samp]").click()
    with page.expect_download() as download:
        page.get_by_role("menuitem", name="Download").click()
    assert Path(download.value.path()).read_bytes() == content(job, "counts.fits")
    assert watch.foreign == []
