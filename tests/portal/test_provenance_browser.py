"""The lineage graph in Chromium: opened, closed and followed by mouse and keys; quick with 1,000 nodes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.sessions.backends.db import SessionStore

from provenance import models, recorder
from provenance.records import GeneratedRecord, UsedRecord
from tests.portal.html import parse
from tests.provenance.builders import activity, observation, result
from tests.support.browser import DESKTOP, PHONE, Watch, watched_page
from uws import withdrawing
from uws.models import Job, Rights
from uws.phases import Phase

pytestmark = [pytest.mark.chromium, pytest.mark.slow]

WAIT_MS = 10_000
LETTERS = "abcdefghijklmnopqrstuvwxyz234567"
BOX = "#pg-view [data-id='{}']"


def job_id(number: int) -> str:
    return "".join(LETTERS[number // 32**place % 32] for place in range(26))


@pytest.fixture
def session(transactional_db: None) -> str:
    """The key of ada's session."""
    user = get_user_model().objects.create_user("ada")
    store = SessionStore()
    store["_auth_user_id"] = str(user.pk)
    store["_auth_user_backend"] = "django.contrib.auth.backends.ModelBackend"
    store["_auth_user_hash"] = user.get_session_auth_hash()
    store.create()
    return str(store.session_key)


@pytest.fixture
def open_page(pages_server: str, chromium: Any, session: str) -> Iterator[Any]:
    """`open_page(path, size, **options) -> Watch`, signed in as ada."""
    contexts = []

    def opener(path: str, size: dict[str, int] = DESKTOP, **options: Any) -> Watch:
        context = watched_page(chromium, pages_server, size, **options)
        watch = context.__enter__()
        contexts.append(context)
        watch.page.context.add_cookies([{"name": "sessionid", "value": session, "url": pages_server}])
        watch.open(path)
        return watch

    yield opener
    for context in contexts:
        context.__exit__(None, None, None)


def make_chain(length: int, observations: int = 2) -> list[str]:
    """Jobs of ada, each of which used the product of the one before and some observations."""
    owner = get_user_model().objects.get(username="ada")
    jobs = [job_id(number + 1) for number in range(length)]
    given = observation(0)
    for number, job in enumerate(jobs):
        Job.objects.create(
            id=job,
            tool_name="spectrum",
            owner=owner,
            rights=Rights.ACCOUNT,
            phase=Phase.COMPLETED,
            destruction="2030-01-01T00:00Z",
        )
        made = result(job, f"product{number}")
        more = [observation(1000 + observations * number + n) for n in range(observations)]
        recorder.record(
            activity(
                job,
                name=f"step {number}",
                used=(UsedRecord(given, role="table"), *(UsedRecord(one, role="events") for one in more)),
                generated=(GeneratedRecord(made, role="table"),),
            )
        )
        given = made
    return jobs


def boxes(page: Any) -> int:
    """Boxes of the picture that are not groups, in sight or not."""
    return int(
        page.evaluate(
            "document.getElementById('pg-app').graph.picture.nodes.filter(n => n.kind !== 'group').length"
        )
    )


def selected(page: Any) -> str:
    return str(page.locator("#pg-panel a, #pg-panel em, #pg-panel p span:nth-child(2)").first.inner_text())


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_pages_are_accessible_and_fit_the_window(open_page: Any, size: dict[str, int]) -> None:
    jobs = make_chain(3)
    withdrawal = withdrawing.withdraw("spectrum@1.2", "The livetime was counted twice.")
    watch = open_page(f"/provenance/entity/{jobs[1]}/product1/", size)
    for path in (
        f"/provenance/entity/{jobs[1]}/product1/",
        f"/provenance/activity/{jobs[1]}/?depth=all",
        "/provenance/agent/user:7/",
        "/provenance/search/?tool=spectrum@1.2",
        "/provenance/search/",
        f"/provenance/withdrawal/{withdrawal.pk}/",
        f"/jobs/{jobs[1]}/replay/",
        f"/jobs/{jobs[1]}/compare/?with={jobs[2]}",
    ):
        assert watch.open(path).status == 200, path
        assert (path, watch.axe(), watch.overflow() <= 0) == (path, [], True)
    assert (watch.console, watch.foreign) == ([], [])


def test_the_graph_is_opened_and_closed_step_by_step(open_page: Any) -> None:
    jobs = make_chain(4)
    page = open_page(f"/provenance/entity/{jobs[1]}/product1/?depth=1").page
    assert boxes(page) == 3  # the product, the job that made it and the one that used it
    page.get_by_role("button", name="Collapse all").click()
    assert boxes(page) == 1
    page.get_by_role("button", name="Show what it was made from (+1)").click()
    page.locator(BOX.format(f"a:{jobs[1]}")).wait_for(timeout=WAIT_MS)
    assert boxes(page) == 2
    page.locator(BOX.format(f"a:{jobs[1]}")).locator("[data-knob='back']").click()
    page.locator("#pg-count", has_text="5 of").wait_for(timeout=WAIT_MS)
    assert page.locator("#pg-tbody tr").count() == 5
    page.get_by_role("button", name="Hide what it was made from").click()
    page.locator("#pg-count", has_text="2 of").wait_for(timeout=WAIT_MS)


def test_the_graph_is_worked_by_keys_alone(open_page: Any) -> None:
    jobs = make_chain(3)
    page = open_page(f"/provenance/entity/{jobs[1]}/product1/?depth=1").page
    page.locator("#pg-view").focus()
    page.keyboard.press("ArrowLeft")
    assert selected(page) == "step 1"
    page.keyboard.press("Shift+ArrowLeft")
    page.locator("#pg-said", has_text="3 boxes added").wait_for(timeout=WAIT_MS)
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    first = selected(page)
    page.keyboard.press("ArrowDown")
    assert selected(page) != first
    page.keyboard.press("Home")
    assert selected(page) == "product1.ecsv"
    page.keyboard.press("b")
    page.locator("#pg-said", has_text="8 boxes are what it was made from").wait_for(timeout=WAIT_MS)
    assert page.locator("#pg-view .pg-node.pg-faded").count() == 1  # the job that used it
    page.keyboard.press("Escape")
    assert page.locator("#pg-view .pg-node.pg-faded").count() == 0
    page.keyboard.press("Home")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/provenance/activity/{jobs[1]}/")


def test_many_neighbours_of_one_kind_are_a_group_until_they_are_asked_for(open_page: Any) -> None:
    jobs = make_chain(1, observations=40)
    page = open_page(f"/provenance/activity/{jobs[0]}/").page
    group = page.locator("#pg-view .pg-group")
    assert group.locator("text").first.text_content() == "33 more"
    assert page.locator("#pg-tbody tr").count() == 43  # the table has them all
    group.click()
    page.locator("#pg-count", has_text="43 of 43").wait_for(timeout=WAIT_MS)
    assert page.locator("#pg-view .pg-group").count() == 0


def test_without_scripts_there_are_the_drawing_and_the_table(open_page: Any) -> None:
    jobs = make_chain(2)
    watch = open_page(f"/provenance/entity/{jobs[1]}/product1/", java_script_enabled=False)
    picture = watch.page.locator("noscript img, img[alt^='The lineage']").first
    assert picture.evaluate("image => image.naturalWidth") > 400
    assert watch.page.locator("#pg-view").is_hidden()
    watch.page.select_option("#depth", "all")
    watch.page.get_by_role("button", name="Show").click()
    assert "depth=all" in watch.page.url
    assert watch.page.locator("#pg-tbody tr").count() == 9


def test_a_thousand_nodes_are_drawn_only_where_one_looks(open_page: Any, client: Any) -> None:
    jobs = make_chain(250)
    client.force_login(get_user_model().objects.get(username="ada"))
    url = f"/provenance/entity/{jobs[-1]}/product249/?depth=all&direction=back"
    page = open_page(url).page
    assert boxes(page) == 250 + 250 + 500 + 1
    drawn = page.locator("#pg-view .pg-node").count()
    assert 5 < drawn < 200
    rows = parse(client.get(url)).xpath("//tbody[@id='pg-tbody']/tr")
    assert len(rows) == models.Activity.objects.count() + models.Entity.objects.count() - 1
    page.locator("#pg-view").focus()
    for _ in range(6):
        page.keyboard.press("ArrowLeft")
    assert selected(page) == "product246.ecsv"
    page.get_by_role("button", name="Fit").click()
    page.get_by_role("button", name="Collapse all").click()
    assert boxes(page) == 1
