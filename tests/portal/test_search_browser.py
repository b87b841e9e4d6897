"""The search and results pages in Chromium: what scripts add, and that nothing is lost without them."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.support.browser import DESKTOP, watched_page
from tests.support.live import Gateway

pytestmark = [pytest.mark.chromium, pytest.mark.slow, pytest.mark.xdist_group("live")]

EVERYTHING = "/search/?run=1"
MAP_MS = 20_000


def editor_text(page: Any) -> str:
    return str(page.evaluate("document.getElementById('search-form').editor.text()"))


def wait_for_editor(page: Any, part: str) -> None:
    page.wait_for_function(
        "part => document.getElementById('search-form')?.editor?.text().includes(part)", arg=part
    )


def test_the_adql_follows_the_form_and_so_does_the_url(live_gateway: Gateway, chromium: Any) -> None:
    with watched_page(chromium, live_gateway.url, DESKTOP) as watch:
        watch.open("/search/")
        page = watch.page
        page.get_by_label("Target name or coordinates").fill("83.633 22.014")
        page.get_by_label("Radius", exact=True).fill("2")
        page.get_by_label("Radius", exact=True).blur()
        wait_for_editor(page, "CIRCLE('ICRS', 83.633, 22.014, 2)")
        page.wait_for_url("**/search/?target=83.633+22.014&radius=2")
        page.get_by_role("button", name="Add a field").click()
        row = page.locator(".vs-row").last
        row.locator("select[name=field]").select_option("t_exptime")
        assert "xposure" in row.inner_text()
        row.locator("input[name=value]").fill("20 parsec")
        row.locator("input[name=value]").blur()
        row.get_by_text("cannot be converted").wait_for()
        row.locator("input[name=value]").fill("20 min")
        row.locator("select[name=op]").select_option("ge")
        wait_for_editor(page, "t_exptime >= 1200")
        page.reload()
        wait_for_editor(page, "t_exptime >= 1200")
        assert watch.console == []
        assert watch.foreign == []


def test_edited_text_stays_while_the_form_changes(live_gateway: Gateway, chromium: Any) -> None:
    with watched_page(chromium, live_gateway.url, DESKTOP) as watch:
        watch.open("/search/")
        page = watch.page
        page.locator(".cm-content").click()
        page.keyboard.press("Control+End")
        page.keyboard.type(" WHERE t_exptime > 1600")
        note = page.locator("#edited-note")
        note.wait_for()
        with page.expect_response(re.compile("/search/adql")):
            page.get_by_label("From").first.fill("2004-04-01")
            page.get_by_label("From").first.blur()
        assert "t_exptime > 1600" in editor_text(page)
        assert "no longer follows" in note.inner_text()
        page.get_by_role("button", name="Search", exact=True).last.click()
        page.get_by_text("Nothing was run yet").wait_for()
        assert "t_exptime > 1600" in editor_text(page)
        page.get_by_role("button", name="Run this ADQL").click()
        page.wait_for_url("**/results/**")
        assert "WHERE t_exptime > 1600" in page.locator(".vs-oneline").inner_text()
        page.get_by_role("link", name="Edit the search").click()
        wait_for_editor(page, "t_exptime > 1600")
        page.get_by_role("button", name="Write it anew from the form").click()
        wait_for_editor(page, "t_max >= 53096")


def test_a_selection_is_kept_from_page_to_page(live_gateway: Gateway, chromium: Any) -> None:
    with watched_page(chromium, live_gateway.url, DESKTOP) as watch:
        watch.open(EVERYTHING)
        page = watch.page
        base = page.url
        page.goto(base + "?size=10")
        boxes = page.locator("tbody input[name=obs]")
        total = int(re.search(r"of (\d+) rows", page.locator("#range").inner_text())[1])  # type: ignore[index]
        boxes.nth(0).check()
        boxes.nth(3).check()
        page.get_by_role("link", name="Page 2", exact=True).click()
        page.wait_for_url("**page=2**")
        page.get_by_text("2 selected (2 on other pages)").wait_for()
        boxes.nth(1).check()
        page.get_by_role("button", name="Analyse").click()
        page.locator("[formaction*='/tools/']").first.click()
        page.wait_for_url("**/tools/**")
        assert page.url.count("obs=ivo") == 3
        page.go_back()
        page.get_by_text("3 selected (2 on other pages)").wait_for()
        page.locator("#select-all").click()
        page.get_by_text(f"{total} selected").wait_for()
        # Those of other pages can be sent and submitted, too.
        sent = page.locator("#results-form [data-samp-item]:checked")
        assert sent.count() == total
        assert all(sent.nth(i).get_attribute("data-url").startswith("/data/") for i in (0, total - 1))
        page.get_by_role("button", name="Clear").click()
        page.get_by_text("Tick rows to analyse or send them").wait_for()


def test_who_signs_in_comes_back_to_the_form_as_it_was(live_gateway: Gateway, chromium: Any) -> None:
    with watched_page(chromium, live_gateway.url, DESKTOP) as watch:
        watch.open("/search/")
        page = watch.page
        page.get_by_label("Radius", exact=True).fill("7")
        page.get_by_label("Radius", exact=True).blur()
        page.wait_for_url("**radius=7")
        page.get_by_role("link", name="Sign in").click()
        page.wait_for_url("**/account/login/?next=%2Fsearch%2F%3Fradius%3D7")
        assert page.input_value("input[name=next]") == "/search/?radius=7"


def test_a_menu_of_tools_says_why_it_is_grey(live_gateway: Gateway, chromium: Any) -> None:
    with watched_page(chromium, live_gateway.url, DESKTOP) as watch:
        watch.open(EVERYTHING)
        page, reason = watch.page, watch.page.get_by_text("Tick the rows first")
        page.get_by_role("button", name="Analyse").click()
        reason.wait_for()
        page.keyboard.press("Escape")
        page.locator("tbody input[type=checkbox]").first.check()
        page.get_by_role("button", name="Analyse").click()
        page.locator("#menu-analyse button:enabled").first.wait_for()
        assert not reason.is_visible()


@pytest.mark.parametrize("clipboard", ["kept from pages", "open"])
def test_copying_works_twice_and_without_rights(live_gateway: Gateway, chromium: Any, clipboard: str) -> None:
    """On plain http of another host there is no navigator.clipboard."""
    with watched_page(chromium, live_gateway.url, DESKTOP) as watch:
        page = watch.page
        if clipboard == "open":
            page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        else:
            page.add_init_script("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
        watch.open("/")
        page.evaluate(
            "() => document.addEventListener('copy', () => { window.taken = String(getSelection()); })"
        )
        button = page.locator("button[data-copy]")
        button.click()
        page.get_by_role("button", name="Copied").click()
        page.wait_for_timeout(2500)  # longer than "Copied" stands there
        assert button.inner_text() == "Copy"
        text = page.evaluate("() => window.taken ?? navigator.clipboard.readText()")
        assert text == f"{live_gateway.url}/tap"


def test_rows_and_footprints_light_each_other_up(live_gateway: Gateway, chromium: Any) -> None:
    with watched_page(chromium, live_gateway.url, DESKTOP) as watch:
        watch.open(EVERYTHING)
        page = watch.page
        page.wait_for_function("() => document.getElementById('skymap').aladin", timeout=MAP_MS)
        overlays = "document.getElementById('skymap').aladin.getOverlays().map(o => [o.name, o.overlayItems?.length])"
        rows = page.locator("tbody tr")
        drawn = dict(page.evaluate(overlays))
        assert drawn["footprints"] == rows.count()
        assert drawn["under the pointer"] == 0
        rows.nth(2).hover()
        page.wait_for_function(f"() => Object.fromEntries({overlays})['under the pointer'] === 1")
        # The pointer on the centre of row 1's field lights up a row whose field holds it.
        at = page.evaluate(
            """() => {
              const entry = JSON.parse(document.getElementById('footprints').textContent)[0];
              const map = document.getElementById('skymap');
              const box = map.getBoundingClientRect();
              const [x, y] = map.aladin.world2pix(entry.ra, entry.dec);
              return [box.left + x, box.top + y];
            }"""
        )
        page.mouse.move(at[0] + 1, at[1])
        page.mouse.move(*at)
        page.locator("tr.vs-hovered").wait_for()
        page.mouse.click(*at)
        page.locator("#map-status").get_by_text(re.compile(r"footprints? here")).wait_for()
        rows.nth(0).locator("input").check()
        page.wait_for_function(f"() => Object.fromEntries({overlays})['selected'] === 1")
        assert watch.foreign == []
        assert watch.console == []


def test_without_webgl_the_page_says_so(live_gateway: Gateway, chromium: Any) -> None:
    with watched_page(chromium, live_gateway.url, DESKTOP) as watch:
        watch.page.add_init_script("HTMLCanvasElement.prototype.getContext = () => null")
        watch.open(EVERYTHING)
        watch.page.get_by_text("no WebGL 2").wait_for(timeout=MAP_MS)
        assert watch.console == []


def test_everything_works_without_scripts(live_gateway: Gateway, chromium: Any) -> None:
    with watched_page(chromium, live_gateway.url, DESKTOP, java_script_enabled=False) as watch:
        watch.page.goto(live_gateway.url + "/search/")
        page = watch.page
        page.get_by_label("From").first.fill("2004-01-01")
        page.get_by_role("button", name="Write the ADQL").click()
        assert "t_max >= 53005" in page.locator("#adql").input_value()
        page.locator("#adql").fill("SELECT * FROM ivoa.obscore WHERE t_exptime > 0")
        page.get_by_role("button", name="Run this ADQL").click()
        assert "/results/" in page.url
        page.locator("tbody input[name=obs]").nth(0).check()
        page.get_by_role("button", name="Analyse").click()
        page.locator("[formaction*='/tools/']").first.click()
        assert page.url.count("obs=ivo") == 1
