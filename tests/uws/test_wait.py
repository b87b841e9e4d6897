"""WAIT: blocks while nothing happens, answers when the phase changes."""

from __future__ import annotations

import asyncio
import json
import threading
import time

import pytest
from asgiref.sync import sync_to_async
from django.core.wsgi import get_wsgi_application

from gateway.bridge import Bridge
from tests.support.asgi import Client, run, scope
from tests.uws.builders import ANYBODY, make_job
from uws import controller, wait, xml
from uws.models import Job, Rights

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def sleeps(monkeypatch):
    """Counts how often the view sleeps, and changes the job at the third time."""
    taken = []
    ours, real = threading.get_ident(), time.sleep

    def install(change):
        def sleep(seconds):
            if threading.get_ident() != ours:  # a watching thread that another test left behind
                real(seconds)
                return
            taken.append(seconds)
            if len(taken) == 3:
                change()

        monkeypatch.setattr(wait.time, "sleep", sleep)
        return taken

    return install


def phase_of(response) -> str:
    return response.content.decode().split("<uws:phase>")[1].split("<")[0]


def test_it_waits_until_the_phase_changes(client, sleeps):
    job = make_job()
    taken = sleeps(lambda: controller.run(job, ANYBODY))
    response = client.get(f"/uws/probe/async/{job.pk}", {"wait": "-1"})
    assert phase_of(response) == "QUEUED"
    assert len(taken) == 3


def test_wait_is_capped_and_nonsense_is_refused(client):
    assert wait.seconds_of("-1") == wait.seconds_of("3600") == wait.MAX_SECONDS <= 60
    assert wait.seconds_of("0") == 0
    job = make_job()
    for text in ("soon", "-2", "1.5"):
        assert client.get(f"/uws/probe/async/{job.pk}", {"WAIT": text}).status_code == 400
    assert client.get(f"/uws/probe/async/{job.pk}", {"WAIT": "1", "PHASE": "X"}).status_code == 400


def test_another_phase_than_the_one_named_answers_at_once(client, sleeps):
    job = make_job(run=True)
    taken = sleeps(lambda: None)
    assert phase_of(client.get(f"/uws/probe/async/{job.pk}", {"WAIT": "60", "PHASE": "PENDING"})) == "QUEUED"
    assert not taken


def test_a_job_that_has_ended_is_not_waited_for(client, sleeps):
    job = controller.abort(make_job())
    taken = sleeps(lambda: None)
    assert phase_of(client.get(f"/uws/probe/async/{job.pk}", {"WAIT": "60"})) == "ABORTED"
    assert not taken


# -- under the bridge ---------------------------------------------------------------------------------


def ask(*requests, meanwhile=None) -> list[Client]:
    """Requests (path, query, headers) at once to the bridge; `meanwhile` runs when all of them are held."""

    async def all_of_them() -> list[Client]:
        bridge, clients, tasks = Bridge(get_wsgi_application()), [], []
        for path, query, *headers in requests:
            clients.append(Client())
            asked = scope(path=path, query=query.encode(), headers=[(b"host", b"testserver"), *headers])
            tasks.append(asyncio.ensure_future(bridge(asked, clients[-1].receive, clients[-1].send)))
        if meanwhile is not None:
            while held() < len(requests):
                assert not any(task.done() for task in tasks)
                await asyncio.sleep(0.02)
            await sync_to_async(meanwhile)()
        await asyncio.wait_for(asyncio.gather(*tasks), 20)
        return clients

    return run(all_of_them())


def held() -> int:
    return sum(len(some) for some in wait._waiters._waiting.values())


def phase_in(client: Client) -> str:
    return client.body.decode().split("<uws:phase>")[1].split("<")[0]


def test_it_is_held_until_the_change_and_answered_with_the_whole_document():
    job = make_job()
    path = f"/uws/probe/async/{job.pk}"
    (found,) = ask((path, "WAIT=30"), meanwhile=lambda: controller.run(job, ANYBODY))
    assert phase_in(found) == "QUEUED"
    (plain,) = ask((path, ""))
    assert (found.body, found.headers) == (plain.body, plain.headers)
    (found,) = ask((path, "wait=-1&phase=QUEUED"), meanwhile=lambda: controller.abort(job))
    assert phase_in(found) == "ABORTED"


def test_all_who_wait_get_the_document_in_their_own_form():
    job = make_job()
    uws, api = f"/uws/probe/async/{job.pk}", f"/api/v1/jobs/{job.pk}"
    found = ask(
        (uws, "WAIT=30"), (uws, "WAIT=30"), (api, "WAIT=30"), (api, "WAIT=30&LOG=0"),
        (uws, "WAIT=30", (b"x-forwarded-host", b"elsewhere")), (uws, "WAIT=30&PHASE=PENDING"),
        meanwhile=lambda: controller.abort(job),
    )  # fmt: skip
    states = [json.loads(client.body) for client in found[2:4]]
    assert {phase_in(client) for client in (*found[:2], *found[4:])} == {"ABORTED"}
    assert [state["phase"] for state in states] == ["ABORTED", "ABORTED"]
    assert "log" not in states[0]
    assert states[1]["log"]["offset"] == 0
    for client in found:
        assert int(client.headers[b"content-length"]) == len(client.body)


def test_the_document_is_written_once_for_all_who_wait(monkeypatch):
    written = []
    real = xml.job
    monkeypatch.setattr(xml, "job", lambda job, base: written.append(job.phase) or real(job, base))
    job = make_job()
    ask(*[(f"/uws/probe/async/{job.pk}", "WAIT=30")] * 30, meanwhile=lambda: controller.abort(job))
    assert written == ["ABORTED"]


def test_rights_are_checked_before_a_request_is_held():
    job = make_job()
    Job.objects.filter(pk=job.pk).update(rights=Rights.SESSION, session="somebody else's")
    (found,) = ask((f"/uws/probe/async/{job.pk}", "WAIT=30"))
    assert found.status == 403


def test_rights_that_change_meanwhile_are_checked_again():
    job = make_job()

    def change() -> None:
        Job.objects.filter(pk=job.pk).update(rights=Rights.SESSION, session="somebody else's")
        controller.abort(job)

    (found,) = ask((f"/uws/probe/async/{job.pk}", "WAIT=30"), meanwhile=change)
    assert found.status == 403


def test_a_job_that_is_deleted_meanwhile_is_not_found():
    job = make_job()
    (found,) = ask((f"/uws/probe/async/{job.pk}", "WAIT=30"), meanwhile=lambda: controller.destroy(job))
    assert found.status == 404


def test_everything_else_is_answered_at_once():
    job = make_job()
    path = f"/uws/probe/async/{job.pk}"
    ended = controller.abort(make_job())
    before = time.monotonic()
    found = ask(
        (path, ""), (path, "WAIT=0"), (path, "WAIT=30&PHASE=EXECUTING"), (path, "WAIT=30&PHASE=COMPLETED"),
        (f"{path}/phase", "WAIT=30"), ("/uws/probe/async", "WAIT=30"),
        (f"/uws/probe/async/{ended.pk}", "WAIT=30"),
    )  # fmt: skip
    assert {client.status for client in found} == {200}
    (bad,) = ask((path, "WAIT=soon"))
    (absent,) = ask((f"/uws/probe/async/{'a' * 26}", "WAIT=30"))
    assert (bad.status, absent.status) == (400, 404)
    assert time.monotonic() - before < 15


def test_time_is_over_at_last_and_the_watching_thread_ends_when_nobody_waits():
    job = make_job()
    (found,) = ask((f"/uws/probe/async/{job.pk}", "WAIT=1"))
    assert phase_in(found) == "PENDING"
    end = time.monotonic() + 10
    while any(thread.name == "uws-wait" for thread in threading.enumerate()):
        assert time.monotonic() < end
        time.sleep(0.02)
