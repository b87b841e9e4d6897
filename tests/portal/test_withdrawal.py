"""The page of a withdrawal: what it says, and to whom."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from gateway.cli import main as cli
from gateway.vo.caller import Caller
from provenance import models
from tests.portal.html import parse, text, texts
from tests.uws.builders import make_tools, work
from uws import controller, remaking, withdrawing
from uws.models import Job
from uws.tools import registry

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def tools(tmp_path: Path, settings: Any) -> Iterator[None]:
    settings.VOGATE_HOME, settings.VOGATE_JOBS = tmp_path / "home", tmp_path / "jobs"
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    with registry.using(make_tools(tmp_path / "tools")):
        yield


def person(name: str) -> tuple[Caller, Client]:
    user = get_user_model().objects.create_user(name, f"{name}@example.org")
    browser = Client()
    browser.force_login(user)
    return Caller(user_id=user.pk, username=name, method="cookie"), browser


def done(caller: Caller, *inputs: str, **parameters: str) -> Job:
    given = {"files": [f"job:{one}/text" for one in inputs]}
    return work(controller.create("probe", parameters, caller, inputs=given, run=True))


def shown(browser: Client, withdrawal: models.Withdrawal) -> Any:
    answer = browser.get(f"/provenance/withdrawal/{withdrawal.pk}/")
    assert answer.status_code == 200
    return parse(answer)


def test_it_says_who_when_why_what_it_touches_and_how_far_the_new_ones_are() -> None:
    vera, browser = person("vera")
    first = done(vera, text="1-")
    second = done(vera, first.pk, text="2-")
    assert cli.main(["withdraw", f"{first.pk}/text", "--reason", "Wrong gain.", "--by", "vera"]) == 0
    withdrawal = models.Withdrawal.objects.get()
    page = shown(browser, withdrawal)
    assert "Wrong gain." in text(page)
    assert f"{withdrawal.time:%Y-%m-%d %H:%M}" in text(page)
    assert "vera" in texts(page, "//dd")
    assert "Nobody has asked" in text(page)
    (row,) = page.iter("tbody")
    assert text(row).startswith("probe")
    assert f"/provenance/entity/{second.pk}/text/" in [link.get("href") for link in row.iter("a")]
    again = ["withdraw", "--status", str(withdrawal.pk), "--rerun", "--instead"]
    assert cli.main([*again, f"job:{done(vera, text='new').pk}/text"]) == 0
    assert "0 of 1 jobs" in text(shown(browser, withdrawal))
    work(Job.objects.get(phase="QUEUED"))
    page = shown(browser, withdrawal)
    assert "1 of 1 jobs" in text(page)
    (new,) = remaking.standing(withdrawal.pk)
    assert f"/jobs/{new.new}/" in [link.get("href") for link in page.iter("a")]
    for touched in (
        f"/provenance/entity/{second.pk}/text/",
        f"/provenance/activity/{second.pk}/",
        f"/jobs/{second.pk}/",
    ):
        links = [link.get("href") for link in parse(browser.get(touched)).iter("a")]
        assert f"/provenance/withdrawal/{withdrawal.pk}/" in links, touched


def test_of_what_is_anothers_it_tells_the_number_alone() -> None:
    vera, _ = person("vera")
    max_, browser = person("max")
    mine, hers = done(max_, text="mine"), done(vera, text="hers")
    withdrawal = withdrawing.withdraw("probe@1.0", "It counted twice.")
    page = shown(browser, withdrawal)
    assert mine.pk in str(browser.get(f"/provenance/withdrawal/{withdrawal.pk}/").content)
    assert hers.pk not in str(browser.get(f"/provenance/withdrawal/{withdrawal.pk}/").content)
    assert "1 more product is touched" in text(page)
    assert "It counted twice." in text(shown(Client(), withdrawal)), "a tool is no secret"
    assert "probe@1.0" in text(parse(Client().get("/provenance/search/")))


def test_of_a_private_thing_nobody_else_learns_that_it_was_withdrawn() -> None:
    vera, browser = person("vera")
    withdrawal = withdrawing.withdraw(f"{done(vera, text='x').pk}/text", "A secret reason.")
    assert shown(browser, withdrawal) is not None
    for other in (Client(), person("max")[1]):
        answer = other.get(f"/provenance/withdrawal/{withdrawal.pk}/")
        assert answer.status_code == 404
        assert "secret reason" not in answer.content.decode()
        assert "secret reason" not in other.get("/provenance/search/").content.decode()
    assert Client().get("/provenance/withdrawal/99999999999999999999/").status_code == 404
