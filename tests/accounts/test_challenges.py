"""`WWW-Authenticate`: where it stands and what it offers."""

from __future__ import annotations

import re

import pytest

from gateway.accounts import tokens

from .conftest import PASSWORD, basic

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.accounts.echo")]


def schemes(response) -> list[str]:
    return re.findall(r"(?:^|, )([A-Za-z_]+) (?=[a-z_]+=)", response.get("WWW-Authenticate", ""))


@pytest.mark.parametrize("path", ["/uws/unknown", "/uws/refused", "/tap/capabilities"])
def test_programs_are_told_how_to_sign_in(client, path):
    assert schemes(client.get(path)) == ["Basic", "Bearer", "ivoa_bearer"]


@pytest.mark.parametrize("path", ["/uws/unknown", "/uws/refused", "/tap/capabilities", "/search/unknown"])
def test_a_browser_never_opens_its_password_dialog(client, path):
    response = client.get(path, headers={"sec-fetch-mode": "cors"})
    assert "Basic" not in response.get("WWW-Authenticate", "")


def test_a_page_offers_no_basic(client):
    assert schemes(client.get("/search/unknown")) == ["Bearer"]


def test_an_ordinary_answer_has_no_challenge(client):
    assert schemes(client.get("/tap/who")) == []


@pytest.mark.parametrize("path", ["/uws/refused", "/tap/capabilities"])
def test_whoever_is_known_is_not_asked_but_named(client, token, path):
    response = client.get(path, headers={"authorization": f"Bearer {token}"})
    assert schemes(response) == []
    assert response["X-VO-Authenticated"] == "vera"


def test_a_wrong_token_is_called_so(client):
    response = client.get("/tap/who", headers={"authorization": "Bearer nonsense"})
    assert 'error="invalid_token"' in response["WWW-Authenticate"]


def test_answers_of_programs_vary_with_the_credentials(client):
    assert {"Authorization", "Cookie"} <= set(re.split(r",\s*", client.get("/tap/who")["Vary"]))


def login_address(client) -> str:
    header = client.get("/tap/capabilities")["WWW-Authenticate"]
    return re.search(r'access_url="http://testserver([^"]+)"', header).group(1)


def test_the_offered_login_gives_a_token_that_works(client, vera):
    response = client.post(login_address(client), {"username": "vera", "password": PASSWORD})
    assert response.status_code == 200
    assert not response.cookies
    bearer = response["X-VO-Bearer"]
    assert client.get("/tap/who", headers={"authorization": f"Bearer {bearer}"}).json()["name"] == "vera"


def test_the_login_takes_basic_and_refuses_what_is_wrong(client, vera):
    address = login_address(client)
    assert client.get(address, headers={"authorization": basic("vera", PASSWORD)})["X-VO-Bearer"]
    assert client.get(address).status_code == 401
    assert client.post(address, {"username": "vera", "password": "wrong"}).status_code == 401


def test_a_token_from_the_login_ends_with_time_and_with_the_password(client, vera, monkeypatch):
    bearer = tokens.short_lived(vera)
    assert tokens.user_of(bearer) == vera
    with monkeypatch.context() as patch:
        patch.setattr(tokens, "SHORT_LIVED_SECONDS", -1)
        assert tokens.user_of(bearer) is None
    vera.set_password("another pass phrase")
    vera.save()
    assert tokens.user_of(bearer) is None


def test_a_session_cookie_does_not_make_a_lasting_token(client, vera):
    client.force_login(vera)
    assert client.get("/account/vo-login").status_code == 401
