"""`/provenance/<job>.<format>` and its rights."""

from __future__ import annotations

import json

import pytest
from django.contrib.auth import get_user_model
from lxml import etree

from gateway.vo.caller import Caller
from gateway.vo.errors import NotFound
from provenance import recorder
from provenance.views import page_of

from .builders import JOB, OPERATOR, activity, observation

pytestmark = pytest.mark.django_db


def owner_only(job_id: str, caller: Caller) -> bool:
    """Stands for the rights that jobs have."""
    return caller.username == "owner"


def no_such_job(job_id: str, caller: Caller) -> bool:
    raise NotFound("There is no such job.")


@pytest.fixture
def owner(client, settings):
    settings.VOGATE_PROVENANCE_RIGHTS = f"{__name__}.owner_only"
    user = get_user_model().objects.create_user("owner")
    client.force_login(user)
    recorder.record(activity(agents=(OPERATOR.__class__(id=f"user:{user.pk}", name="owner"),)))
    return client


@pytest.mark.parametrize(
    ("form", "mime"),
    [
        ("json", "application/json"),
        ("provn", "text/provenance-notation; charset=utf-8"),
        ("xml", "application/provenance+xml"),
        ("svg", "image/svg+xml; charset=utf-8"),
    ],
)
def test_the_owner_gets_each_format(owner, form, mime):
    response = owner.get(f"/provenance/{JOB}.{form}")
    assert (response.status_code, response["Content-Type"]) == (200, mime)
    if form == "json":
        assert f"job:{JOB}" in json.loads(response.content)["activity"]
    elif form == "provn":
        assert response.content.startswith(b"document")
    else:
        etree.fromstring(response.content)


def test_inputs_of_the_archive_lead_to_their_pages(settings):
    own = observation(7, id=f"ivo://{settings.SITE.authority}/hess?run 7", location="")
    assert page_of(own) == "/obs/hess/run%207/"
    assert page_of(observation(7, id="ivo://elsewhere/hess?7", location="")) == ""
    assert page_of(observation(7)) == "/data/hess/7/events.fits"


def test_a_drawing_opened_by_itself_runs_nothing(owner):
    policy = owner.get(f"/provenance/{JOB}.svg")["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'")


def test_another_account_is_refused(owner, client):
    client.force_login(get_user_model().objects.create_user("other"))
    assert client.get(f"/provenance/{JOB}.json").status_code == 403


def test_an_anonymous_visitor_is_asked_to_sign_in(owner):
    owner.logout()
    assert owner.get(f"/provenance/{JOB}.json").status_code == 401


@pytest.mark.parametrize("path", ["zzzzz.json", f"{JOB}.exe", f"{JOB}"])
def test_what_is_not_there_is_not_found(owner, path):
    assert owner.get(f"/provenance/{path}").status_code == 404


def test_nothing_is_changed_by_posting(owner):
    assert owner.post(f"/provenance/{JOB}.json").status_code == 405


def test_the_tombstone_is_for_its_owner_and_staff(owner, settings):
    recorder.forget(JOB)
    settings.VOGATE_PROVENANCE_RIGHTS = f"{__name__}.no_such_job"
    assert owner.get(f"/provenance/{JOB}.json").status_code == 200
    owner.force_login(get_user_model().objects.create_user("other"))
    assert owner.get(f"/provenance/{JOB}.json").status_code == 404
    owner.force_login(get_user_model().objects.create_user("boss", is_staff=True))
    assert owner.get(f"/provenance/{JOB}.json").status_code == 200
