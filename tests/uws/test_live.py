"""The job controller behind the real server: WAIT by the bridge, synchronous calls, pyvo."""

from __future__ import annotations

import threading
import time
import urllib.request
from collections.abc import Iterator

import pytest
from pyvo.dal import AsyncTAPJob

from tests.uws.service import Service

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    service = Service(tmp_path_factory.mktemp("service"), "[limits.anonymous]\nactive_jobs = 50\n")
    service.start_web()
    service.start_worker()
    yield service
    service.stop()


def test_pyvo_drives_a_job_from_run_to_result(service):
    url = service.post(f"{service.url}/uws/probe/async", text="by pyvo", RUNID="pyvo")
    job = AsyncTAPJob(url)
    assert job.phase == "PENDING"
    assert job.job.runid == "pyvo"
    job.execution_duration = 30
    assert job.execution_duration.to_value("s") == 30
    job.run()
    job.wait(phases={"COMPLETED", "ERROR"}, timeout=30)
    assert job.phase == "COMPLETED"
    (result,) = job.results
    assert result.id_ == "text"
    assert urllib.request.urlopen(result.href).read() == b"by pyvo"
    job.delete()
    with pytest.raises(Exception, match="no such job"):
        AsyncTAPJob(url)


def test_pyvo_aborts_a_job_and_sees_errors(service):
    job = AsyncTAPJob(service.create(action="sleep", seconds=60))
    job.abort()
    assert job.phase == "ABORTED"
    failing = AsyncTAPJob(service.create(action="fail"))
    failing.wait(phases={"ERROR"}, timeout=30)
    assert "larger radius" in failing.job.errorsummary.message.content
    with pytest.raises(Exception, match="larger radius"):
        failing.raise_if_error()


def test_wait_answers_when_the_phase_changes(service):
    """The answer must come with the change, not with WAIT's end: that would be 40 s later."""
    url = service.create(action="sleep", seconds=60)
    service.until(lambda: service.state(url)["phase"] == "EXECUTING", "it executes")
    answered = []

    def wait() -> None:
        with urllib.request.urlopen(f"{url}?WAIT=40&PHASE=EXECUTING", timeout=60) as response:
            answered.append(response.read())

    threads = [threading.Thread(target=wait) for _ in range(60)]
    for thread in threads:
        thread.start()
    time.sleep(1.0)
    assert not answered
    service.post(f"{url}/phase", PHASE="ABORT")
    for thread in threads:
        thread.join(20)
    assert len(answered) == 60
    assert all(b"ABORTED" in body for body in answered)


def test_a_synchronous_call_answers_with_the_main_result(service):
    with urllib.request.urlopen(f"{service.url}/uws/probe/sync?TEXT=now", timeout=60) as response:
        assert response.read() == b"now"
        assert "/results/text" in response.url


def test_a_synchronous_call_says_what_failed(service):
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(f"{service.url}/uws/probe/sync?action=fail", timeout=60)
    assert caught.value.code == 500
    assert "larger radius" in caught.value.read().decode()
