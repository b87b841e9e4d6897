"""Jobs over JSON: the same jobs, the same rights, the same refusals as over UWS."""

from __future__ import annotations

import pytest
from django.contrib.auth import get_user_model

from tests.uws.builders import make_job, work
from uws.models import Job

pytestmark = pytest.mark.django_db(transaction=True)

JOBS = "/api/v1/jobs"


def post(client, path, body, **extra):
    return client.post(path, body, content_type="application/json", **extra)


def test_a_job_is_made_and_run(client):
    response = post(
        client,
        JOBS,
        {"tool": "probe", "parameters": {"text": "hi", "numbers": [1, "500 GeV"]}, "run_id": "mine"},
    )
    assert response.status_code == 201, response.content
    state = response.json()
    assert (state["phase"], state["run_id"]) == ("QUEUED", "mine")
    assert state["parameters"]["numbers"] == [1, 0.5]
    assert response["Location"].endswith(f"{JOBS}/{state['id']}")
    work(Job.objects.get(pk=state["id"]))
    state = client.get(f"{JOBS}/{state['id']}").json()
    assert (state["phase"], state["progress"]) == ("COMPLETED", 1.0)
    (result,) = client.get(f"{JOBS}/{state['id']}/results").json()
    assert (result["name"], result["size"], result["media_type"]) == ("text", 2, "text/plain")
    assert "attempt starts" in client.get(f"{JOBS}/{state['id']}/log").json()["text"]


def test_a_job_may_wait_and_be_run_later_or_aborted(client):
    state = post(client, JOBS, {"tool": "probe", "run": False}).json()
    assert state["phase"] == "PENDING"
    assert post(client, f"{JOBS}/{state['id']}/phase", {"phase": "RUN"}).json()["phase"] == "QUEUED"
    assert post(client, f"{JOBS}/{state['id']}/phase", {"phase": "ABORT"}).json()["phase"] == "ABORTED"
    refused = post(client, f"{JOBS}/{state['id']}/phase", {"phase": "RUN"})
    assert (refused.status_code, refused.json()["error"]) == (409, "UsageError")


def test_rerun_repeats_tool_parameters_and_inputs(client):
    old = work(make_job(run=True, text="once"))
    state = post(
        client,
        JOBS,
        {"tool": "probe", "inputs": {"files": [f"job:{old.pk}/text"]}, "parameters": {"text": "and-"}},
    ).json()
    again = post(client, f"{JOBS}/{state['id']}/rerun", {})
    assert again.status_code == 201
    done = work(Job.objects.get(pk=again.json()["id"]))
    assert done.results.get().path.read_text() == "and-once"
    assert again.json()["id"] != state["id"]


def test_deleted_jobs_are_gone(client):
    job = make_job()
    assert client.delete(f"{JOBS}/{job.pk}").status_code == 204
    response = client.get(f"{JOBS}/{job.pk}")
    assert (response.status_code, response.json()["error"]) == (404, "NotFoundFault")


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({"tool": "probe", "parameters": {"seconds": "x"}}, 400, "seconds"),
        ({"tool": "probe", "parameters": {"colour": "x"}}, 400, "colour"),
        ({"tool": "probe", "parameters": []}, 400, "parameters"),
        ({"tool": "probe", "parameters": {"text": {"a": 1}}}, 400, "parameters"),
        ({"tool": "probe", "parameters": {"text": "a\x00"}}, 400, "parameters"),
        ({"tool": "probe", "inputs": {"files": "x"}}, 400, "inputs.files"),
        ({}, 400, "tool"),
        ({"tool": "prob"}, 404, None),
        ({"tool": "strict", "parameters": {"text": "x"}}, 400, "files"),
    ],
)  # fmt: skip
def test_refusals_are_in_our_form(client, body, status, field):
    response = post(client, JOBS, body)
    assert response.status_code == status, response.content
    answer = response.json()
    assert set(answer) >= {"error", "message", "hint"}
    assert answer.get("field") == field


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ({"data": "{", "content_type": "application/json"}, 400),
        ({"data": "tool=probe", "content_type": "application/x-www-form-urlencoded"}, 415),
        ({"data": "[1]", "content_type": "application/json"}, 400),
    ],
)
def test_bodies_that_are_no_json_are_refused(client, sent, status):
    response = client.post(JOBS, **sent)
    assert response.status_code == status
    assert response["Content-Type"] == "application/json"
    assert response.json()["error"] == "UsageError"


def test_other_methods_and_addresses_are_refused_in_json(client):
    response = client.put(JOBS, "{}", content_type="application/json")
    assert (response.status_code, response.json()["error"]) == (405, "UsageError")
    response = client.get("/api/v1/nothing")
    assert (response.status_code, response.json()["error"]) == (404, "NotFoundFault")


def test_lists_are_the_callers_own(client):
    vera = get_user_model().objects.create_user("vera", "vera@example.org", "a quiet galaxy 7")
    client.force_login(vera)
    origin = {"HTTP_ORIGIN": "http://testserver"}
    made = [
        post(client, JOBS, {"tool": "probe", "run_id": str(n), "run": False}, **origin).json()["id"]
        for n in range(3)
    ]
    assert [job["id"] for job in client.get(JOBS).json()] == made[::-1]
    assert [job["id"] for job in client.get(JOBS, {"last": 1}).json()] == made[-1:]
    assert [job["id"] for job in client.get(JOBS, {"run_id": "1"}).json()] == [made[1]]
    assert client.get(JOBS, {"phase": "COMPLETED"}).json() == []
    client.logout()
    assert client.get(JOBS).json() == []
    assert client.get(JOBS, {"id": made}).json() == []
    assert client.get(f"{JOBS}/{made[0]}").status_code == 403


def test_jobs_that_one_knows_are_found_by_their_ids(client):
    jobs = [make_job() for _ in range(3)]
    found = client.get(JOBS, {"id": [job.pk for job in jobs[:2]]}).json()
    assert {job["id"] for job in found} == {job.pk for job in jobs[:2]}
    assert client.get(JOBS).json() == []
    assert client.get(JOBS, {"id": "nonsense"}).status_code == 400


def test_a_foreign_page_cannot_make_jobs_with_somebodys_cookie(client):
    client.force_login(get_user_model().objects.create_user("vera", "v@example.org", "a quiet galaxy 7"))
    state = post(client, JOBS, {"tool": "probe", "run": False}, HTTP_ORIGIN="http://evil.example").json()
    assert Job.objects.get(pk=state["id"]).owner is None
