"""Signing up, in and out; passwords; the account page and its tokens."""

from __future__ import annotations

import re

import pytest
from django.conf import settings as django_settings
from django.contrib.auth import get_user_model
from django.core import mail
from django.core.cache import caches
from django.test import Client
from lxml import html

from gateway.accounts.models import ApiToken
from gateway.vo.caller import Caller
from provenance import models as provenance
from uws.access import jobs_of
from uws.models import Job, JobResult, Rights

from ..portal.job_builders import make_job
from .conftest import PASSWORD

pytestmark = pytest.mark.django_db
PAGES = ["/account/login/", "/account/signup/", "/account/password/reset/"]
OWN_PAGES = [
    "/account/",
    "/account/logout/",
    "/account/password/change/",
    "/account/email/",
    "/account/delete/",
]


@pytest.fixture(autouse=True)
def no_counters():
    caches["default"].clear()


@pytest.fixture
def browser(vera):
    client = Client()
    client.force_login(vera)
    return client


def tree(response):
    assert response.status_code == 200, response.content[:300]
    return html.fromstring(response.content)


@pytest.mark.parametrize("path", PAGES + OWN_PAGES)
def test_every_field_has_a_label_and_every_page_one_heading(client, browser, path):
    page = tree((client if path in PAGES else browser).get(path))
    labelled = {label.get("for") for label in page.xpath("//main//label")}
    visible = page.xpath("//main//input[not(@type='hidden')]")
    assert {field.get("id") for field in visible} <= labelled
    assert len(page.xpath("//h1")) == 1
    ids = page.xpath("//@id")
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("path", PAGES)
def test_every_page_names_the_gateway(client, path):
    """Allauth's own `site` would hide ours."""
    page = tree(client.get(path))
    assert django_settings.SITE.title in page.xpath("//title")[0].text
    assert django_settings.SITE.publisher in page.xpath("//footer")[0].text_content()


def test_browsers_can_fill_in_the_forms(client):
    def completions(path):
        page = tree(client.get(path))
        return {f.get("name"): f.get("autocomplete") for f in page.xpath("//main//input[@autocomplete]")}

    assert completions("/account/login/") == {"login": "username", "password": "current-password"}
    signup = completions("/account/signup/")
    assert signup["username"] == "username"
    assert signup["email"] == "email"
    assert signup["password1"] == signup["password2"] == "new-password"


def test_signing_up_signs_in(client):
    fields = {"username": "nova", "email": "nova@example.org", "password1": PASSWORD, "password2": PASSWORD}
    response = client.post("/account/signup/", fields)
    assert response.status_code == 302
    assert "nova" in tree(client.get("/account/")).text_content()


def test_a_mistake_is_told_where_it_was_typed(client, vera):
    fields = {"username": "vera", "email": "no-address", "password1": "123", "password2": "124"}
    page = tree(client.post("/account/signup/", fields))
    for name in ("username", "email", "password1"):
        (field,) = page.xpath(f"//input[@name='{name}']")
        assert field.get("aria-invalid") == "true"
        (error,) = page.xpath(f"//*[@id='{field.get('aria-describedby').split()[-1]}']")
        assert error.text_content().strip()


@pytest.mark.parametrize("name", ["vera", "vera@example.org"])
def test_signing_in_by_name_or_address_and_out(client, vera, name):
    response = client.post("/account/login/", {"login": name, "password": PASSWORD})
    assert (response.status_code, response["Location"]) == (302, "/jobs/")
    assert client.get("/account/").status_code == 200
    client.post("/account/logout/")
    assert client.get("/account/")["Location"] == "/account/login/?next=/account/"


def test_signing_in_leads_back_but_never_to_another_site(client, vera):
    fields = {"login": "vera", "password": PASSWORD}
    assert client.post("/account/login/", fields | {"next": "/tools/"})["Location"] == "/tools/"
    client.post("/account/logout/")
    response = client.post("/account/login/", fields | {"next": "https://evil.example/"})
    assert response["Location"] == "/jobs/"


def test_guessing_on_the_sign_in_page_is_stopped_without_any_server(client, vera):
    for _ in range(6):
        response = client.post("/account/login/", {"login": "vera", "password": "guess"})
    assert "Too many failed login attempts" in response.content.decode()
    client.post("/account/login/", {"login": "vera", "password": PASSWORD})
    assert client.get("/account/").status_code == 302


def test_the_counters_are_shared_by_processes():
    assert "db" in django_settings.CACHES["default"]["BACKEND"]
    caches["default"].set("shared", 1)
    assert caches["default"].get("shared") == 1


def test_a_password_is_reset_by_mail(client, vera):
    response = client.post("/account/password/reset/", {"email": "vera@example.org"}, follow=True)
    assert "Look into your mail" in response.content.decode()
    (message,) = mail.outbox
    assert message.to == ["vera@example.org"]
    path = re.search(r"http://testserver(/account/password/reset/key/\S+)", message.body).group(1)
    page = client.get(path, follow=True)
    form = tree(page).xpath("//main//form")[0]
    new = "quite another phrase"
    client.post(form.get("action"), {"password1": new, "password2": new})
    assert client.login(username="vera", password=new)


def test_the_reset_page_does_not_tell_who_has_an_account(client, vera):
    known, unknown = (
        client.post("/account/password/reset/", {"email": address}, follow=True).content
        for address in ("vera@example.org", "nobody@example.org")
    )
    assert known == unknown


def test_a_used_reset_link_says_so(client):
    page = client.get("/account/password/reset/key/1-set-password/")
    assert "This link does not work" in page.content.decode()


def test_changing_the_password_needs_the_old_one(browser):
    fields = {
        "oldpassword": "wrong",
        "password1": "quite another phrase",
        "password2": "quite another phrase",
    }
    assert browser.post("/account/password/change/", fields).status_code == 200
    assert browser.post("/account/password/change/", fields | {"oldpassword": PASSWORD}).status_code == 302


def test_the_profile_is_saved(browser, vera):
    browser.post("/account/", {"first_name": "Vera", "last_name": "Rubin"})
    vera.refresh_from_db()
    assert vera.get_full_name() == "Vera Rubin"


def test_a_token_is_shown_once_and_works(browser):
    response = browser.post("/account/tokens/", {"name": "laptop"})
    assert "no-store" in response["Cache-Control"]
    secret = tree(response).xpath("//input[@id='secret']")[0].value
    page = browser.get("/account/")
    assert secret not in page.content.decode()
    assert f"{ApiToken.objects.get().prefix}…" in page.content.decode()
    assert Client().get("/tap", headers={"authorization": f"Bearer {secret}"}).status_code != 401


@pytest.mark.parametrize("name", ["", "   ", "laptop", "x" * 101])
def test_a_token_needs_a_name_of_its_own(browser, token, name):
    response = browser.post("/account/tokens/", {"name": name})
    assert response.status_code == 400
    assert html.fromstring(response.content).xpath("//input[@name='name']/@aria-invalid") == ["true"]
    assert ApiToken.objects.count() == 1


def test_a_revoked_token_leaves_the_page_and_its_name_is_free(browser, token):
    browser.post(f"/account/tokens/{ApiToken.objects.get().pk}/revoke/")
    assert Client().get("/tap", headers={"authorization": f"Bearer {token}"}).status_code == 401
    assert not tree(browser.get("/account/")).xpath("//td")
    assert browser.post("/account/tokens/", {"name": "laptop"}).status_code == 200


def test_nobody_revokes_another_s_token(token):
    other = Client()
    other.force_login(get_user_model().objects.create_user("other"))
    other.post(f"/account/tokens/{ApiToken.objects.get().pk}/revoke/")
    assert ApiToken.objects.get().revoked is None


@pytest.mark.parametrize("path", ["/account/", "/account/tokens/"])
def test_a_token_manages_no_account(token, path):
    client, headers = Client(), {"authorization": f"Bearer {token}"}
    verb = client.get if path == "/account/" else client.post
    assert verb(path, headers=headers).status_code == 403


def test_tokens_are_made_and_revoked_with_csrf_checks(vera):
    client = Client(enforce_csrf_checks=True)
    client.force_login(vera)
    assert client.post("/account/tokens/", {"name": "x"}).status_code == 403


def test_the_page_tells_use_and_limits(browser, vera):
    from django.utils import timezone

    job = Job.objects.create(
        tool_name="spectrum", owner=vera, rights=Rights.ACCOUNT, destruction=timezone.now()
    )
    JobResult.objects.create(job=job, name="table", file_name="t.fits", size=3 * 2**20, sha256="0" * 64)
    text = " ".join(
        tree(browser.get("/account/")).xpath("//section[@aria-labelledby='use']")[0].text_content().split()
    )
    limits = django_settings.SITE.signed_in
    assert "Jobs1, 0 of at most" in text
    assert f"at most {limits.active_jobs} queued" in text
    assert "Results3.15 MB" in text  # in the units of the job pages


def visitor_with_a_job(client) -> Job:
    from django.utils import timezone

    from uws.access import session_digest

    session = client.session
    session.save()
    return Job.objects.create(
        tool_name="spectrum",
        rights=Rights.SESSION,
        session=session_digest(session.session_key),
        destruction=timezone.now(),
    )


def test_a_visitor_s_jobs_become_the_account_s_at_sign_in(client, vera):
    job = visitor_with_a_job(client)
    foreign = visitor_with_a_job(Client())
    client.post("/account/login/", {"login": "vera", "password": PASSWORD})
    assert list(jobs_of(Caller(user_id=vera.pk, username="vera"))) == [job]
    foreign.refresh_from_db()
    assert foreign.owner is None


def test_a_visitor_s_jobs_become_the_account_s_at_sign_up(client):
    job = visitor_with_a_job(client)
    fields = {"username": "nova", "email": "nova@example.org", "password1": PASSWORD, "password2": PASSWORD}
    client.post("/account/signup/", fields)
    job.refresh_from_db()
    assert job.owner.username == "nova"


def test_deleting_an_account_leaves_its_provenance_without_a_name(vera):
    agent = provenance.Agent.objects.create(id=f"user:{vera.pk}", name="vera", email="vera@example.org")
    vera.delete()
    agent.refresh_from_db()
    assert (agent.name, agent.email) == ("former user", "")


def test_people_delete_their_accounts_with_jobs_and_results(browser, vera, token):
    job, other = make_job(owner=vera), make_job()
    page = tree(browser.get("/account/delete/"))
    assert "Your 1 job" in page.xpath("//main//ul/li")[0].text_content()
    page = tree(browser.post("/account/delete/", {"password": "a guess"}))
    (said,) = page.xpath("//*[@id='id_password_error']")
    assert "not the password" in said.text_content()
    assert get_user_model().objects.filter(pk=vera.pk).exists()
    assert browser.post("/account/delete/", {"password": PASSWORD})["Location"] == "/"
    assert not get_user_model().objects.filter(pk=vera.pk).exists()
    assert not ApiToken.objects.exists()
    assert not Job.objects.filter(pk=job.pk, deleted_at=None).exists()
    assert Job.objects.filter(pk=other.pk, deleted_at=None).exists()
    home = tree(browser.get("/"))
    assert "Sign in" in home.xpath("//nav")[0].text_content()
    assert "Your account is deleted" in home.xpath("//main")[0].text_content()


def test_nobody_deletes_an_account_without_its_own_password(client, browser, vera):
    """Not with that of an account whose address is this one's name, not by a token, not as an operator."""
    other = get_user_model().objects.create_user("vera@example.org", "else@example.org", "another phrase")
    client.force_login(other)
    client.post("/account/delete/", {"password": PASSWORD})
    assert get_user_model().objects.count() == 2
    assert Client().post("/account/delete/", {"password": PASSWORD}).status_code == 302
    vera.is_staff = True
    vera.save()
    assert browser.post("/account/delete/", {"password": PASSWORD}).status_code == 403
    assert get_user_model().objects.count() == 2


@pytest.mark.parametrize("model", ["apitoken", "signedlink"])
def test_the_admin_site_shows_no_secret(browser, vera, token, model):
    vera.is_staff = vera.is_superuser = True
    vera.save()
    page = browser.get(f"/admin/accounts/{model}/")
    assert page.status_code == 200
    assert ApiToken.objects.get().digest not in page.content.decode()
    assert browser.get(f"/admin/accounts/{model}/add/").status_code == 403
    detail = browser.get(f"/admin/accounts/apitoken/{ApiToken.objects.get().pk}/change/")
    assert ApiToken.objects.get().digest not in detail.content.decode()


def test_operators_revoke_tokens(browser, vera, token):
    vera.is_staff = vera.is_superuser = True
    vera.save()
    chosen = {"action": "revoke", "_selected_action": [ApiToken.objects.get().pk]}
    browser.post("/admin/accounts/apitoken/", chosen)
    assert ApiToken.objects.get().revoked
