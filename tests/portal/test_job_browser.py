"""The job page and the viewers in Chromium: what scripts add, and that everything is there without them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.sessions.backends.db import SessionStore

from tests.portal.job_builders import add_result, full_job, make_job, picture, write_log
from tests.portal.job_fixtures import tools  # noqa: F401
from tests.support.browser import DESKTOP, PHONE, Watch, watched_page
from uws.models import Job
from uws.phases import Phase

pytestmark = [pytest.mark.chromium, pytest.mark.slow, pytest.mark.usefixtures("tools")]

WAIT_MS = 15_000
VIEWER_MS = 30_000


@pytest.fixture
def session_key(transactional_db: None) -> str:
    session = SessionStore()
    session.create()
    return str(session.session_key)


@pytest.fixture
def open_page(pages_server: str, chromium: Any, session_key: str) -> Iterator[Any]:
    """Open a path as the browser that owns the jobs: `open_page(path, size, **options) -> Watch`."""
    contexts = []

    def opener(path: str, size: dict[str, int] = DESKTOP, **options: Any) -> Watch:
        context = watched_page(chromium, pages_server, size, **options)
        watch = context.__enter__()
        contexts.append(context)
        watch.page.context.add_cookies([{"name": "sessionid", "value": session_key, "url": pages_server}])
        watch.open(path)
        return watch

    yield opener
    for context in contexts:
        context.__exit__(None, None, None)


def test_the_page_follows_a_job_to_its_end(open_page: Any, session_key: str) -> None:
    job = make_job(session_key, Phase.QUEUED)
    watch = open_page(job.page_url)
    page = watch.page
    Job.objects.filter(pk=job.pk).update(phase="EXECUTING", progress=0.4, stage="Fitting the model")
    page.locator("#phase", has_text="EXECUTING").wait_for(timeout=WAIT_MS)
    page.get_by_text("Fitting the model …").wait_for(timeout=WAIT_MS)
    assert page.get_attribute("#progress", "aria-valuenow") == "40"
    write_log(job, "one more line\n")
    page.locator("#log", has_text="one more line").wait_for(timeout=WAIT_MS)
    Job.objects.filter(pk=job.pk).update(phase="ERROR", error_message="No event passes the cuts.")
    page.get_by_role("heading", name="The job failed").wait_for(timeout=WAIT_MS)
    assert page.locator("#announce").inner_text() == "The job is error."
    assert (watch.console, watch.foreign) == ([], [])


def test_the_page_says_that_the_connection_is_lost_and_goes_on_when_it_is_back(
    open_page: Any, session_key: str
) -> None:
    watch = open_page(make_job(session_key, Phase.EXECUTING, stage="Working").page_url)
    watch.page.context.set_offline(True)
    watch.page.get_by_text("The connection is interrupted").wait_for(timeout=WAIT_MS)
    watch.page.context.set_offline(False)
    watch.page.get_by_text("The connection is interrupted").wait_for(state="hidden", timeout=WAIT_MS)


def test_cancel_is_one_click_and_back_does_not_undo_it(open_page: Any, session_key: str) -> None:
    job = make_job(session_key, Phase.EXECUTING)
    page = open_page(job.page_url).page
    page.get_by_role("button", name="Cancel").click()
    page.locator("#phase", has_text="ABORTED").wait_for(timeout=WAIT_MS)
    page.go_back()
    page.locator("#phase", has_text="ABORTED").wait_for(timeout=WAIT_MS)


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_plots_have_axes_points_and_limits_and_change_with_the_toggles(
    open_page: Any, session_key: str, size: dict[str, int]
) -> None:
    watch = open_page(f"/view/{full_job(session_key).id}/spectrum.json/", size)
    page = watch.page
    page.locator(".vg-plot .ytitle", has_text="dN/dE (cm−2 s−1 TeV−1)").wait_for(timeout=VIEWER_MS)
    names = page.locator(".vg-plot .legendtext").all_text_contents()
    assert names == ["model, 1 σ", "model: Power law", "flux points", "upper limits"]
    page.get_by_label("E² dN/dE").check()
    page.locator(".vg-plot .ytitle", has_text="E2 dN/dE (TeV cm−2 s−1)").wait_for(timeout=VIEWER_MS)
    page.get_by_label("residuals").check()
    page.locator(".vg-plot .y2title", has_text="Δ / σ").wait_for(timeout=VIEWER_MS)
    assert watch.axe() == []
    assert watch.overflow() <= 0
    assert (watch.console, watch.foreign) == ([], [])


def test_a_light_curve_is_plotted_over_its_own_time_scale(open_page: Any, session_key: str) -> None:
    watch = open_page(f"/view/{full_job(session_key).id}/lightcurve.json/")
    watch.page.locator(".vg-plot .xtitle", has_text="Time (MJD TT)").wait_for(timeout=VIEWER_MS)
    assert (watch.axe(), watch.console, watch.foreign) == ([], [], [])


def test_a_fits_image_opens_on_aladin_lite_without_asking_other_hosts(
    open_page: Any, session_key: str
) -> None:
    watch = open_page(full_job(session_key).page_url)
    page = watch.page
    page.get_by_role("button", name="Explore on the sky").click()
    page.get_by_label("Stretch").wait_for(timeout=VIEWER_MS)
    page.wait_for_timeout(1500)
    centre = page.locator("[data-skyimage]").evaluate("node => node.aladin.getRaDec()")
    assert centre == pytest.approx([83.633, 22.014], abs=1e-3)
    layer = page.locator("[data-skyimage]").evaluate(
        "node => node.aladin.getOverlayImageLayer('base')?.added"
    )
    assert layer is True
    assert (watch.axe(), watch.console, watch.foreign) == ([], [], [])


def test_everything_is_there_without_scripts(open_page: Any, session_key: str) -> None:
    job = full_job(session_key)
    add_result(job, "spectrum.png", picture(), "image/png", preview="image", role="preview")
    watch = open_page(job.page_url, PHONE, java_script_enabled=False)
    page = watch.page
    assert page.get_by_role("link", name="Download all (zip)").is_visible()
    assert page.get_by_role("cell", name="2.628 ± 0.061").is_visible()
    assert page.locator("#result-counts-fits img").is_visible()
    assert page.locator("#result-spectrum-json img").is_visible()
    assert page.get_by_role("link", name="Tools").first.is_visible()  # no button to open the menu with
    assert not page.locator("[data-samp]").first.is_visible()
    assert not page.locator(".vg-plot").first.is_visible()


def test_the_list_follows_its_jobs(open_page: Any, session_key: str) -> None:
    job = make_job(session_key, Phase.QUEUED)
    page = open_page("/jobs/").page
    Job.objects.filter(pk=job.pk).update(phase="COMPLETED")
    page.locator("tbody .vg-phase", has_text="COMPLETED").wait_for(timeout=WAIT_MS)


def test_deleting_asks_first(open_page: Any, session_key: str) -> None:
    job = make_job(session_key)
    page = open_page(job.page_url).page
    page.once("dialog", lambda dialog: dialog.dismiss())
    page.get_by_role("button", name="Delete").click()
    assert Job.objects.filter(pk=job.pk, deleted_at=None).exists()
    page.once("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Delete").click()
    page.wait_for_url(re.compile(r"/jobs/$"))
    assert not Job.objects.filter(pk=job.pk, deleted_at=None).exists()


def test_fields_that_do_not_apply_are_hidden_and_scripts_follow_the_form(open_page: Any) -> None:
    watch = open_page("/tools/spectrum/")
    page = watch.page
    assert not page.get_by_label("Curvature").is_visible()
    page.get_by_label("Log-parabola").check()
    assert page.get_by_label("Curvature").is_visible()
    page.get_by_label("Curvature").fill("0.37")
    page.locator("#script-curl", has_text="beta=0.37").wait_for(state="attached", timeout=WAIT_MS)
    page.get_by_role("button", name="Run spectrum").click()
    page.locator("#faults:focus").wait_for(timeout=WAIT_MS)
    assert (watch.axe(), watch.console, watch.foreign) == ([], [], [])


def test_a_reload_keeps_what_was_typed_into_a_form(open_page: Any) -> None:
    page = open_page("/tools/spectrum/").page
    page.get_by_label("Right ascension").fill("12.5")
    page.locator("#run-id").fill("tonight")
    page.wait_for_url("**/tools/spectrum/?ra=12.5&run_id=tonight**", timeout=WAIT_MS)
    page.goto(page.url)
    assert page.get_by_label("Right ascension").input_value() == "12.5"
    assert page.locator("#run-id").input_value() == "tonight"
