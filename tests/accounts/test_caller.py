"""Who a request comes from: cookies, tokens, passwords, and other sites' pages."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.utils import timezone

from gateway.accounts import credentials, tokens
from gateway.accounts.models import ApiToken

from .conftest import PASSWORD, basic

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.accounts.echo")]


def who(client, path="/tap/who", method="get", **headers):
    return getattr(client, method)(path, headers=headers)


def test_without_credentials_a_caller_is_anonymous_and_gets_no_cookie(client):
    response = who(client)
    assert (response.json()["name"], response.json()["method"]) == ("", "anonymous")
    assert not response.cookies


def test_a_bearer_token_names_its_owner_with_groups(client, vera, token):
    vera.groups.add(Group.objects.create(name="observers"))
    found = who(client, authorization=f"Bearer {token}").json()
    assert (found["name"], found["method"], found["groups"]) == ("vera", "bearer", ["observers"])
    assert found["django_user"] == "vera"


@pytest.mark.parametrize("name", ["vera", "vera@example.org", ""])
def test_a_token_serves_as_basic_password(client, token, name):
    assert who(client, authorization=basic(name, token)).json()["method"] == "basic"


@pytest.mark.parametrize("name", ["vera", "vera@example.org"])
def test_the_account_password_serves_as_basic_password(client, vera, name):
    assert who(client, authorization=basic(name, PASSWORD)).json()["name"] == "vera"


@pytest.mark.parametrize(
    "header",
    [
        "Bearer vogate_wrong",
        "Bearer ",
        "Bearer vogate-login.forged:x:y",
        basic("vera", "wrong"),
        basic("nobody", PASSWORD),
        "Basic %%%",
        "Basic dmVyYQ==",
        "Digest username=vera",
        "nonsense",
    ],
)
@pytest.mark.parametrize("path", ["/tap/who", "/search/who"])
def test_wrong_credentials_are_a_401_everywhere(client, vera, header, path):
    client.force_login(vera)
    response = who(client, path, authorization=header)
    assert response.status_code == 401
    assert "Bearer" in response["WWW-Authenticate"]


def test_another_name_with_a_good_token_is_a_mistake(client, token):
    assert who(client, authorization=basic("mallory", token)).status_code == 401


def test_a_header_comes_before_a_cookie(client, vera, django_user_model, token):
    client.force_login(django_user_model.objects.create_user("other"))
    assert who(client, authorization=f"Bearer {token}").json()["name"] == "vera"


def test_a_revoked_token_is_a_401(client, vera, token):
    tokens.revoke(vera, ApiToken.objects.get().pk)
    assert who(client, authorization=f"Bearer {token}").status_code == 401


def test_a_closed_account_has_no_credentials(client, vera, token):
    short = tokens.short_lived(vera)
    vera.is_active = False
    vera.save()
    for header in (f"Bearer {token}", f"Bearer {short}", basic("vera", token), basic("vera", PASSWORD)):
        assert who(client, authorization=header).status_code == 401


def test_tokens_are_stored_as_hashes_alone(vera, token):
    row = ApiToken.objects.values().get()
    assert token not in repr(row)
    assert row["prefix"] == token[:13]
    assert row["digest"] != token
    assert len(token) > 45


def test_the_last_use_is_written_once_a_minute(client, token, monkeypatch):
    start = timezone.now()
    seen = []
    for seconds in (0, 30, 61):
        monkeypatch.setattr(timezone, "now", lambda s=seconds: start + timedelta(seconds=s))
        who(client, authorization=f"Bearer {token}")
        seen.append(ApiToken.objects.get().last_used - start)
    assert seen == [timedelta(0), timedelta(0), timedelta(seconds=61)]


def test_a_right_password_is_hashed_once_and_forgotten_when_it_changes(client, vera, monkeypatch):
    calls = []
    real = credentials.authenticate
    monkeypatch.setattr(credentials, "authenticate", lambda *a, **k: calls.append(1) or real(*a, **k))
    for _ in range(3):
        assert who(client, authorization=basic("vera", PASSWORD)).status_code == 200
    assert len(calls) == 1
    vera.set_password("another pass phrase")
    vera.save()
    assert who(client, authorization=basic("vera", PASSWORD)).status_code == 401


def test_guessing_passwords_is_stopped_for_the_address_alone(client, vera, monkeypatch):
    monkeypatch.setattr(credentials, "MAX_FAILURES", 3)
    for _ in range(3):
        assert who(client, authorization=basic("vera", "guess")).status_code == 401
    response = who(client, authorization=basic("vera", PASSWORD))
    assert response.status_code == 429
    assert int(response["Retry-After"]) > 0
    elsewhere = Client(REMOTE_ADDR="192.0.2.7")
    assert who(elsewhere, authorization=basic("vera", PASSWORD)).status_code == 200


@pytest.fixture
def browser(vera):
    """Vera's browser, with CSRF checks as in reality."""
    client = Client(enforce_csrf_checks=True)
    client.force_login(vera)
    return client


@pytest.mark.parametrize("verb", ["post", "put", "delete"])
@pytest.mark.parametrize(
    ("headers", "name"),
    [
        ({"origin": "http://testserver"}, "vera"),
        ({"referer": "http://testserver/jobs/"}, "vera"),
        ({"origin": "https://evil.example"}, ""),
        ({"origin": "null"}, ""),
        ({"origin": "http://testserver.evil.example"}, ""),
        ({"origin": "https://evil.example", "referer": "http://testserver/"}, ""),
        ({"referer": "https://evil.example/?http://testserver/"}, ""),
        ({}, ""),
    ],
)
def test_a_cookie_counts_for_changes_only_from_our_own_pages(browser, verb, headers, name):
    response = who(browser, method=verb, **headers)
    assert response.status_code == 200, "programs' paths need no CSRF token"
    assert response.json()["name"] == name
    assert bool(response.json()["session"]) == bool(name)
    assert response.json()["django_user"] == name


def test_a_cookie_counts_for_reading(browser):
    assert who(browser, origin="https://evil.example").json()["name"] == "vera"


def test_the_public_address_is_an_origin_of_ours(browser, settings):
    settings.VOGATE_BASE_URL = "https://gateway.example.org"
    assert who(browser, method="post", origin="https://gateway.example.org").json()["name"] == "vera"


def test_pages_keep_django_s_csrf_tokens(browser):
    assert browser.post("/search/who", headers={"origin": "http://testserver"}).status_code == 403


def test_a_token_is_good_for_changes_from_anywhere(token):
    client = Client(enforce_csrf_checks=True)
    headers = {"authorization": f"Bearer {token}", "origin": "https://notebook.example"}
    assert client.post("/tap/who", headers=headers).json()["name"] == "vera"


def test_basic_that_a_browser_sends_along_with_another_site_s_form_is_refused(token):
    headers = {"authorization": basic("vera", token), "origin": "https://evil.example"}
    assert Client().post("/tap/who", headers=headers).status_code == 403
    del headers["origin"]
    assert Client().post("/tap/who", headers=headers).json()["name"] == "vera"


def test_forwarded_addresses_count_only_behind_a_proxy(client, settings):
    forwarded = {"x-forwarded-for": "198.51.100.9, 203.0.113.5"}
    assert who(client, **forwarded).json()["address"] == "127.0.0.1"
    settings.VOGATE_PROXIES = 1
    assert who(client, **forwarded).json()["address"] == "203.0.113.5"
    settings.VOGATE_PROXIES = 2
    assert who(client, **forwarded).json()["address"] == "198.51.100.9"
    assert who(client).json()["address"] == "127.0.0.1"


def test_a_visitor_gets_a_session_where_one_is_asked_for_and_keeps_it(client):
    first = client.get("/search/session").content.decode()
    assert first
    assert client.get("/search/session").content.decode() == first
    assert who(client).json()["session"] == first
    assert who(client, method="post").json()["session"] == "", "another site could have sent this"


def test_an_invented_session_key_is_no_session(client):
    client.cookies["sessionid"] = "a" * 32
    assert who(client).json()["session"] == ""


def test_a_token_s_owner_gets_no_session(client, token):
    response = client.get("/search/session", headers={"authorization": f"Bearer {token}"})
    assert response.content == b""
    assert not response.cookies
