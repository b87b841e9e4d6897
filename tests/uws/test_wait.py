"""WAIT: blocks while nothing happens, answers when the phase changes."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from asgiref.sync import sync_to_async

from tests.uws.builders import ANYBODY, make_job
from uws import controller, wait

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


def test_under_the_bridge_the_view_does_not_wait_again(client, sleeps, settings):
    settings.VOGATE_HOLD = "uws.wait.hold"
    taken = sleeps(lambda: None)
    job = make_job()
    url = f"/uws/probe/async/{job.pk}"
    assert phase_of(client.get(url, {"WAIT": "60"}, **{"vogate.token": object()})) == "PENDING"
    assert not taken


def hold(path: str, query: str, *, meanwhile=None) -> bool:
    """Whether `hold` returned before `meanwhile` was done; without it, that it returned long before WAIT's end."""

    async def both() -> bool:
        holding = asyncio.ensure_future(wait.hold("GET", path, query))
        early = True
        if meanwhile is not None:
            await asyncio.sleep(0.3)
            early = holding.done()
            await sync_to_async(meanwhile)()
        await asyncio.wait_for(holding, 15)
        return early

    # A thread of its own: in one process with browser tests, this one may have a loop already.
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, both()).result()


def test_the_hook_holds_a_wait_until_the_change():
    job = make_job()
    path = f"/uws/probe/async/{job.pk}"
    assert not hold(path, "WAIT=30", meanwhile=lambda: controller.run(job, ANYBODY))
    assert not hold(path, "wait=-1&phase=QUEUED", meanwhile=lambda: controller.abort(job))


def test_the_hook_lets_everything_else_pass():
    job = make_job()
    path = f"/uws/probe/async/{job.pk}"
    ended = controller.abort(make_job())
    for passing in (
        (path, ""),
        (path, "WAIT=0"),
        (path, "WAIT=soon"),
        (path, "WAIT=30&PHASE=EXECUTING"),
        (path, "WAIT=30&PHASE=COMPLETED"),
        (f"{path}/phase", "WAIT=30"),
        ("/uws/probe/async", "WAIT=30"),
        (f"/uws/probe/async/{ended.pk}", "WAIT=30"),
        (f"/uws/probe/async/{'a' * 26}", "WAIT=30"),
    ):
        assert hold(*passing), passing


def test_the_watching_thread_ends_when_nobody_waits():
    job = make_job()
    hold(f"/uws/probe/async/{job.pk}", "WAIT=1")
    end = time.monotonic() + 10
    while any(thread.name == "uws-wait" for thread in threading.enumerate()):
        assert time.monotonic() < end
        time.sleep(0.02)
