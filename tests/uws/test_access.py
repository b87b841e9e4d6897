"""Who reaches which job: accounts, browser sessions, and addresses that cannot be guessed."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from gateway.vo.caller import Caller
from gateway.vo.errors import Forbidden, NotFound
from tests.uws.builders import ANYBODY, make_job, work
from uws import access, controller, results
from uws.models import Job, new_job_id

pytestmark = pytest.mark.django_db(transaction=True)

BROWSER = Caller(session_key="s" * 32, address="192.0.2.7")


def session_job(**parameters):
    return controller.create("probe", parameters, BROWSER, session=True)


def test_ids_have_130_random_bits():
    ids = {new_job_id() for _ in range(1000)}
    assert len(ids) == 1000
    assert all(re.fullmatch("[a-z2-7]{26}", id) for id in ids)


def test_an_accounts_job_is_its_own(account, other_account):
    job = make_job(account)
    assert access.get_job(job.pk, account) == job
    for caller in (other_account, ANYBODY, BROWSER, replace(other_account, is_staff=True)):
        with pytest.raises(Forbidden):
            access.get_job(job.pk, caller)
        assert not access.may_see(job.pk, caller)
    assert list(access.jobs_of(account)) == [job]
    assert not access.jobs_of(other_account).exists()


def test_a_sessions_job_is_its_own_and_the_key_is_not_kept(account):
    job = session_job()
    assert access.get_job(job.pk, BROWSER) == job
    assert list(access.jobs_of(BROWSER)) == [job]
    assert BROWSER.session_key not in (job.session, job.fair_use)
    for caller in (ANYBODY, account, replace(BROWSER, session_key="t" * 32)):
        with pytest.raises(Forbidden):
            access.get_job(job.pk, caller)


def test_a_job_without_a_session_is_reached_by_its_address_and_listed_for_nobody(account):
    job = make_job(ANYBODY)
    for caller in (ANYBODY, BROWSER, account):
        assert access.get_job(job.pk, caller) == job
        assert not access.jobs_of(caller).exists()


def test_a_sessions_jobs_follow_it_into_the_account(account):
    job = session_job()
    assert access.adopt_session(BROWSER.session_key, account.user_id) == 1
    assert access.get_job(job.pk, account).owner_id == account.user_id
    with pytest.raises(Forbidden):
        access.get_job(job.pk, BROWSER)
    assert access.adopt_session("", account.user_id) == 0


def test_the_job_of_a_deleted_account_is_nobodys(account, user):
    job = make_job(account)
    user.delete()
    for caller in (account, ANYBODY, BROWSER):
        with pytest.raises(Forbidden):
            access.get_job(job.pk, caller)


def test_unknown_and_deleted_jobs_are_not_found(account):
    job = make_job(account)
    controller.destroy(job)
    for id in (job.pk, new_job_id(), "x", ""):
        with pytest.raises(NotFound):
            access.get_job(id, account)


def test_the_endpoints_answer_403_to_others(client, account, other_account, user):
    job = make_job(account)
    root = f"/uws/probe/async/{job.pk}"
    tails = (
        "", "/phase", "/executionduration", "/destruction", "/quote", "/error", "/owner", "/parameters",
        "/parameters/text", "/results", "/results/text", "/results.zip", "/log",
    )  # fmt: skip
    for tail in tails:
        assert client.get(root + tail).status_code == 403, tail
    assert client.get(f"/api/v1/jobs/{job.pk}").status_code == 403
    assert client.delete(root).status_code == 403
    assert client.post(f"{root}/phase", {"PHASE": "ABORT"}).status_code == 403
    job.refresh_from_db()
    assert job.phase == "PENDING"
    client.force_login(user)
    assert client.get(root).status_code == 200


def test_a_post_without_cookie_makes_a_job_that_its_address_reaches(client):
    response = client.post("/uws/probe/async", {})
    job = Job.objects.get()
    assert job.rights == "capability"
    assert client.get(response["Location"]).status_code == 200
    listed = b"".join(client.get("/uws/probe/async").streaming_content)
    assert job.pk.encode() not in listed


def test_a_private_result_is_no_input_for_others(account, other_account):
    job = work(make_job(account, run=True))
    for identifier in (
        f"job:{job.pk}/text",
        f"http://testserver/uws/probe/async/{job.pk}/results/text",
        f"/uws/probe/async/{job.pk}/results/text",
    ):
        found = results.resolve_input(identifier, account)
        assert found is not None
        assert (found.identifier, found.path.read_text()) == (f"job:{job.pk}/text", "hello")
        with pytest.raises(Forbidden):
            results.resolve_input(identifier, other_account)
    with pytest.raises(Forbidden, match="not this gateway"):
        results.resolve_input(f"http://elsewhere.example/uws/probe/async/{job.pk}/results/text", account)
    with pytest.raises(NotFound):
        results.resolve_input(f"job:{job.pk}/nosuch", account)
    assert results.resolve_input("ivo://vogate.demo/x?1", account) is None
    assert results.resolve_input(f"file:///uws/probe/async/{job.pk}/results/text", account) is None
