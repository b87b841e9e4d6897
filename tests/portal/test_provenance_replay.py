"""Replay, verification and comparison of jobs from their pages, with jobs that really ran."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from gateway.vo.caller import Caller
from tests.portal.html import parse, text, texts
from tests.uws.builders import make_job, make_tools, work
from uws import controller
from uws.models import Job
from uws.tools import registry

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def folder(tmp_path: Path, settings: Any) -> Iterator[Path]:
    settings.VOGATE_JOBS = tmp_path / "jobs"
    folder = make_tools(tmp_path / "tools")
    with registry.using(folder):
        yield folder


@pytest.fixture
def account(db: None) -> Caller:
    user = get_user_model().objects.create_user("vera")
    return Caller(user_id=user.pk, username="vera", method="cookie")


@pytest.fixture
def browser(account: Caller) -> Client:
    client = Client()
    client.force_login(get_user_model().objects.get(pk=account.user_id))
    return client


@pytest.fixture
def first(folder: Path, account: Caller) -> Job:
    return work(make_job(account, run=True, text="one"))


def act(browser: Client, job: Job, action: str, **more: str) -> Any:
    return browser.post(f"/jobs/{job.pk}/replay/", {"action": action, **more})


def newest() -> Job:
    return Job.objects.order_by("-creation_time").first()  # type: ignore[return-value]


def test_the_job_page_leads_to_replay_and_offers_every_format(browser: Client, first: Job) -> None:
    page = parse(browser.get(first.page_url))
    assert page.xpath(f"//a[@href='/jobs/{first.pk}/replay/']")
    links = {text(link): link.get("href") for link in page.xpath("//section[@id='provenance']//p[last()]/a")}
    assert {"RO-Crate (zip)", "PROV-JSON", "PROV-XML", "PROV-N", "PROV-VOTABLE", "TURTLE", "PDF"} <= set(
        links
    )
    for url in links.values():
        assert browser.get(url).status_code == 200, url


def test_a_job_is_run_again_as_it_was(browser: Client, first: Job) -> None:
    plan = parse(browser.get(f"/jobs/{first.pk}/replay/"))
    assert "it can be repeated exactly as it was" in text(plan)
    response = act(browser, first, "rerun")
    again = newest()
    assert (response.status_code, response["Location"]) == (303, again.page_url)
    assert again.pk != first.pk
    assert (again.tool_version, again.parameters) == (first.tool_version, first.parameters)
    assert (again.phase, again.owner_id) == ("QUEUED", first.owner_id)


def test_verify_waits_for_the_new_run_and_compares_the_products(browser: Client, first: Job) -> None:
    response = act(browser, first, "verify")
    url = response["Location"]
    waiting = parse(browser.get(url))
    assert "is queued" in text(waiting.xpath("//main")[0])
    assert waiting.xpath("//meta[@http-equiv='refresh']")
    work(newest())
    page = parse(browser.get(url))
    assert "The products agree." in text(page.get_element_by_id("verdict"))
    assert "Both were asked for the same." in text(page.get_element_by_id("verdict"))
    assert not page.xpath("//meta[@http-equiv='refresh']")


def test_two_jobs_are_compared_by_what_was_asked_for_and_what_came_out(
    browser: Client, account: Caller, first: Job
) -> None:
    second = work(make_job(account, run=True, text="two"))
    page = parse(browser.get(f"/jobs/{first.pk}/compare/", {"with": f"http://testserver{second.page_url}"}))
    assert "The products differ." in text(page.get_element_by_id("verdict"))
    (row,) = page.xpath("//section[@aria-label='Parameters']//tbody/tr")
    assert texts(row, "./*") == ["text", "one", "two"]
    assert "+two" in text(page.xpath("//pre")[0])


def test_the_earlier_job_stands_first_whichever_was_asked(
    browser: Client, account: Caller, first: Job
) -> None:
    second = work(make_job(account, run=True, text="two"))
    for job, other in ((first, second), (second, first)):
        page = parse(browser.get(f"/jobs/{job.pk}/compare/", {"with": other.pk}))
        assert page.xpath("//main/p[starts-with(., 'Earlier')]/a/@href") == [first.page_url, second.page_url]
        (row,) = page.xpath("//section[@aria-label='Parameters']//tbody/tr")
        assert texts(row, "./*") == ["text", "one", "two"]


def test_what_differs_is_drawn_once(browser: Client, account: Caller, first: Job) -> None:
    second = work(make_job(account, run=True, text="two"))
    for job, flux in ((first, 1.0), (second, 1.5)):
        row = job.results.get()
        row.path.write_text(
            f"# %ECSV 1.0\n# ---\n# datatype:\n# - {{name: flux, datatype: float64}}\nflux\n{flux}\n"
        )
        path = row.path.rename(row.path.with_suffix(".ecsv"))
        row.file_name, row.preview, row.sha256 = path.name, "table", f"{flux}"
        row.save()
        (row.path.parent / "again.ecsv").write_bytes(path.read_bytes())
        row.pk, row.name, row.position, row.file_name = None, "again", 1, "again.ecsv"
        row._state.adding = True
        row.save()
    page = parse(browser.get(f"/jobs/{first.pk}/compare/", {"with": second.pk}))
    (drawing,) = page.xpath("//section[@aria-labelledby='outputs-title']//svg")
    assert drawing.get("aria-label") == "These columns differ: flux (1 of 1 rows)."
    assert "As text." in text(page.xpath("//section[@aria-labelledby='outputs-title']")[0])


def test_a_changed_tool_is_named_and_run_only_if_that_is_accepted(
    browser: Client, first: Job, folder: Path
) -> None:
    probe = folder / "probe.py"
    probe.write_text(probe.read_text().replace("write(text + contents)", "write(text.upper() + contents)"))
    with registry.using(folder):
        plan = parse(browser.get(f"/jobs/{first.pk}/replay/"))
        assert "changed since" in texts(plan, "//*[@role='alert']//li")[0]
        act(browser, first, "rerun")
        assert newest().pk == first.pk
        refused = parse(browser.get(f"/jobs/{first.pk}/replay/"))
        assert "changed since" in texts(refused, "//*[@role='status']")[0]
        url = act(browser, first, "verify", accept_changes="1")["Location"]
        work(newest())
        page = parse(browser.get(url))
    assert "The products differ." in text(page.get_element_by_id("verdict"))
    assert "digest" in texts(page, "//section[@aria-label='Tool']//tbody/tr/th")


def test_a_deleted_job_can_still_be_repeated_from_its_record(browser: Client, first: Job) -> None:
    controller.destroy(Job.objects.get(pk=first.pk))
    assert browser.get(f"/provenance/activity/{first.pk}/").status_code == 200
    act(browser, first, "rerun")
    assert newest().parameters["text"] == "one"


def test_nobody_else_repeats_or_compares_somebodys_job(first: Job) -> None:
    get_user_model().objects.create_user("mallory")
    other = Client()
    other.force_login(get_user_model().objects.get(username="mallory"))
    assert other.get(f"/jobs/{first.pk}/replay/").status_code == 403
    assert other.get(f"/jobs/{first.pk}/compare/").status_code == 403
    act(other, first, "rerun")
    assert Job.objects.count() == 1
    mine = work(make_job(Caller(user_id=get_user_model().objects.get(username="mallory").pk), run=True))
    page = parse(other.get(f"/jobs/{mine.pk}/compare/", {"with": first.pk}))
    assert "another user" in texts(page, "//*[@role='alert']")[0]
    assert "one" not in texts(page, "//td")


def test_nonsense_is_refused(browser: Client, first: Job) -> None:
    assert act(browser, first, "explode").status_code == 400
    assert browser.get(f"/jobs/{'z' * 26}/replay/").status_code == 404
    assert browser.get(f"/jobs/{first.pk}/compare/", {"with": first.pk, "rtol": "-1"}).status_code == 400
    assert browser.get(f"/jobs/{first.pk}/compare/", {"with": "z" * 26}).status_code == 404


def test_searches_list_what_was_made(browser: Client, account: Caller, first: Job) -> None:
    second = work(
        controller.create("probe", {}, account, inputs={"files": [f"job:{first.pk}/text"]}, run=True)
    )
    made = parse(browser.get("/provenance/search/", {"from": first.page_url}))
    found = texts(made, "//section//tbody/tr/td[1]")
    assert len(found) == made.xpath("count(//section//tbody/tr)") >= 2
    products = parse(browser.get("/provenance/search/", {"tool": f"probe@{first.tool_version}"}))
    hrefs = set(products.xpath("//section//tbody/tr/th/a/@href"))
    assert {f"/provenance/entity/{job.pk}/text/" for job in (first, second)} <= hrefs
    nobody = parse(Client().get("/provenance/search/", {"tool": "probe"}))
    assert "Nothing that you may see." in text(nobody)
    assert "probe@1.0" in nobody.xpath("//datalist/option/@value")
    went = browser.get("/provenance/search/", {"q": first.pk})
    assert (went.status_code, went["Location"]) == (302, f"/provenance/activity/{first.pk}/")
    missing = browser.get("/provenance/search/", {"q": "no such thing"})
    assert missing.status_code == 404
    assert "Nothing is recorded" in texts(parse(missing), "//*[@role='alert']")[0]
