"""Signed links: what they open, for whom, for how long."""

from __future__ import annotations

from datetime import datetime, timedelta
from urllib.parse import urlsplit

import pytest
from django.test import Client

from gateway.accounts import links
from gateway.accounts.models import SignedLink

from .echo import JOB

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.accounts.echo")]

RESULT = f"/uws/spectrum/async/{JOB}/results/flux_points"
OURS = {"origin": "http://testserver"}


@pytest.fixture
def browser(vera):
    client = Client(enforce_csrf_checks=True)
    client.force_login(vera)
    return client


def make(client, path=RESULT, **fields):
    return client.post("/s/", {"path": path, **fields}, headers=OURS)


def link(client, path=RESULT, **fields) -> str:
    response = make(client, path, **fields)
    assert response.status_code == 201, response.content
    return urlsplit(response.json()["url"]).path


def test_a_link_opens_a_private_result_for_a_stranger(browser):
    response = make(browser).json()
    assert response["url"].startswith("http://testserver/s/")
    assert response["url"].endswith("/flux_points")
    found = Client().get(response["url"]).json()
    assert (found["name"], found["method"], found["path"]) == ("vera", "link", RESULT)


def test_a_link_lives_an_hour_by_default_and_says_until_when(browser, monkeypatch):
    start = datetime.fromisoformat("2026-01-31T12:00:00Z")
    monkeypatch.setattr(links, "now", lambda: start)
    response = make(browser).json()
    assert response["expires"] == "2026-01-31T13:00:00Z"
    address = urlsplit(response["url"]).path
    monkeypatch.setattr(links, "now", lambda: start + timedelta(seconds=3599))
    assert Client().get(address).status_code == 200
    monkeypatch.setattr(links, "now", lambda: start + timedelta(seconds=3600))
    expired = Client().get(address)
    assert expired.status_code == 410
    assert "expired at 2026-01-31 13:00:00 UTC" in expired.content.decode()
    assert "new one" in expired.content.decode()


def test_expired_links_are_cleared_away_after_some_days(browser, monkeypatch):
    address = link(browser)
    later = links.now() + timedelta(days=9)
    monkeypatch.setattr(links, "now", lambda: later)
    assert Client().get(address).status_code == 410
    link(browser)
    assert Client().get(address).status_code == 404
    assert SignedLink.objects.count() == 1


@pytest.mark.parametrize("seconds", ["0", "-5", "86401", "soon", "1.5"])
def test_the_life_has_limits(browser, seconds):
    response = make(browser, seconds=seconds)
    assert response.status_code == 400
    assert response.json()["field"] == "seconds"


def test_a_changed_link_is_not_found(browser):
    head, secret, name = link(browser).rsplit("/", 2)
    changed = secret[:-1] + ("A" if secret[-1] != "A" else "B")
    assert Client().get(f"{head}/{changed}/{name}").status_code == 404


def test_the_link_s_secret_is_not_kept(browser):
    secret = link(browser).split("/")[2]
    assert secret not in repr(SignedLink.objects.values().get())


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "/account/",
        "/admin/",
        "/jobs/",
        "/s/abc/def",
        "/tap/sync?QUERY=SELECT",
        "/tap/async",
        "/uws/spectrum/sync",
        "/uws/spectrum/async",
        "/uws/spectrum/async/short",
        f"/uws/spectrum/async/{JOB}/../../../account/",
        f"/uws/spectrum/async/{JOB}/%2e%2e/%2e%2e/x",
        f"/uws/spectrum/async/{JOB}//evil",
        "/data/../account/",
        "//evil.example/data/x",
        "https://evil.example/data/file.fits",
        "/database",
        "data/file.fits",
        "/data/a\\b",
    ],
)
def test_only_results_and_files_can_be_shared(browser, path):
    response = make(browser, path)
    assert response.status_code == 400
    assert response.json()["field"] == "path"
    assert not SignedLink.objects.exists()


@pytest.mark.parametrize("path", [RESULT, "/data/file.fits", "/results/abc/?format=fits", "/data/only-get"])
def test_what_can_be_shared(browser, path):
    assert Client().get(link(browser, path)).status_code == 200


def test_nobody_shares_what_they_may_not_see():
    response = make(Client())
    assert response.status_code == 403
    assert not SignedLink.objects.exists()


def test_nothing_that_is_not_there_is_shared(browser):
    assert make(browser, "/data/nothing-here").status_code == 404


def test_another_site_s_page_cannot_make_links(browser):
    response = browser.post("/s/", {"path": RESULT}, headers={"origin": "https://evil.example"})
    assert response.status_code == 403


def test_a_script_makes_links_with_its_token(token):
    response = Client().post("/s/", {"path": RESULT}, headers={"authorization": f"Bearer {token}"})
    assert response.status_code == 201


def test_the_query_travels_and_that_of_the_visitor_does_not(browser):
    address = link(browser, "/results/abc/?format=fits&sort=1")
    found = Client().get(address, {"format": "html", "x": "1"}).json()
    assert found["query"] == {"format": "fits", "sort": "1"}


def test_the_visitor_s_own_identity_does_not_travel(browser, token, django_user_model):
    address = link(browser)
    other = Client()
    other.force_login(django_user_model.objects.create_user("other"))
    headers = {"range": "bytes=0-9", "referer": "http://testserver/"}
    found = other.get(address, headers=headers).json()
    assert found["name"] == "vera"
    assert found["cookies"] == []
    assert found["django_user"] == ""
    assert "Range" in found["headers"]
    assert not {"Cookie", "Authorization", "Referer"} & set(found["headers"])


def test_a_link_only_reads(browser):
    address = link(browser)
    assert Client().head(address).status_code == 200
    for verb in ("post", "put", "delete", "patch"):
        assert getattr(Client(), verb)(address).status_code == 405


def test_a_head_reaches_the_view_as_one(browser):
    response = Client().head(link(browser))
    assert response.status_code == 200
    assert response.content == b""


def test_files_come_whole(browser):
    response = Client().get(link(browser, "/data/file.fits"))
    with open(__file__.replace("test_links", "echo"), "rb") as file:
        assert b"".join(response.streaming_content) == file.read()


def test_any_page_may_read_a_link_and_nobody_keeps_it(browser):
    response = Client().get(link(browser), headers={"origin": "https://aladin.example"})
    assert response["Access-Control-Allow-Origin"] == "*"
    assert "Access-Control-Allow-Credentials" not in response
    assert "no-store" in response["Cache-Control"]
    assert response["Referrer-Policy"] == "no-referrer"
    assert not response.cookies


def test_the_links_of_a_closed_account_are_dead(browser, vera):
    address = link(browser)
    vera.is_active = False
    vera.save()
    assert Client().get(address).status_code == 410


def test_a_visitor_s_link_acts_for_their_session_while_it_lasts(client):
    session = client.get("/search/session").content.decode()
    address = link(client, f"/uws/spectrum/async/{JOB}")
    assert Client().get(address).json()["session"] == session
    client.session.flush()
    assert Client().get(address).status_code == 410


def test_a_link_s_request_starts_no_session():
    response = Client().get(link(Client(), f"/uws/spectrum/async/{JOB}/session"))
    assert response.content == b""
    assert not response.cookies
