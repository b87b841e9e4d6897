"""Killing what runs a job: it completes or is tried again, never lost, never twice at once."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator

import pytest

from tests.uws.endings import assert_nothing_is_left
from tests.uws.service import Service

pytestmark = pytest.mark.slow


class WarmService(Service):
    """One whose probe tool starts warm (`uws.warm`)."""

    def start_worker(self, *options: str) -> subprocess.Popen[bytes]:
        tool = self.site / "tools" / "probe.yaml"
        if "warm:" not in tool.read_text():
            tool.write_text(tool.read_text() + "warm: [decimal]\n")
        loads = self.log().count("warm: decimal")
        process = super().start_worker(*options)
        self.until(lambda: self.log().count("warm: decimal") > loads, "the modules are loaded")
        return process


# What is particular to warm starts is in test_warm.py; all of this once more takes a minute.
KINDS = [Service, WarmService] if os.environ.get("VOGATE_LONG") else [Service]


@pytest.fixture(scope="module", params=KINDS)
def service(request, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    service = request.param(tmp_path_factory.mktemp("service"), "[limits.anonymous]\nactive_jobs = 50\n")
    service.start_web()
    yield service
    service.stop()


@pytest.fixture
def worker(service: Service) -> Iterator[subprocess.Popen[bytes]]:
    process = service.start_worker()
    yield process
    for process in service.processes[1:]:
        if process.poll() is None:
            process.terminate()
            process.wait(20)


def kill(*pids: int) -> None:
    """kill -9; one of them may have taken others along (the walls end with what holds them)."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def test_a_job_survives_its_worker(service, worker):
    url = service.create(action="sleep", seconds=2)
    service.shepherd(url)
    kill(worker.pid)
    worker.wait()
    service.start_worker()
    state = service.ended(url)
    assert (state["phase"], state["attempt"]) == ("COMPLETED", 1), state["error"]


def test_a_job_that_ended_while_no_worker_was_there_is_taken_in(service, worker):
    url = service.create(action="sleep", seconds=0.5)
    service.shepherd(url)
    kill(worker.pid)
    worker.wait()
    service.until(lambda: (service.folder(url) / "attempt-1" / "exit.json").exists(), "the tool has ended")
    assert service.state(url)["phase"] == "EXECUTING"
    service.start_worker()
    state = service.ended(url)
    assert (state["phase"], state["attempt"], len(state["results"])) == ("COMPLETED", 1, 1)


@pytest.mark.parametrize("victims", ["shepherd", "shepherd and worker"])
def test_a_job_whose_shepherd_is_killed_is_tried_again_and_never_runs_twice_at_once(service, worker, victims):
    url = service.create(action="sleep", seconds=1.5)
    shepherd = service.shepherd(url)
    if "worker" in victims:
        kill(worker.pid, shepherd)
        worker.wait()
        service.start_worker()
    else:
        kill(shepherd)
    state = service.ended(url)
    assert (state["phase"], state["attempt"]) == ("COMPLETED", 2), state["error"]
    assert service.ticks(url, 1)[-1] < service.ticks(url, 2)[0]
    assert not service.processes_of(url)


def test_a_tool_that_is_killed_has_failed_and_is_not_tried_again(service, worker):
    url = service.create(action="sleep", seconds=30)
    shepherd = service.shepherd(url)
    kill(*[pid for pid in service.processes_of(url) if pid != shepherd])
    state = service.ended(url)
    assert (state["phase"], state["attempt"]) == ("ERROR", 1)
    assert "SIGKILL" in state["error"]["message"]


def test_a_job_that_is_lost_again_and_again_is_given_up(service, worker):
    url = service.create(action="sleep", seconds=30)
    for attempt in (1, 2, 3):
        kill(service.shepherd(url, attempt))
    state = service.ended(url)
    assert (state["phase"], state["attempt"]) == ("ERROR", 3)
    assert "lost 3 times" in state["error"]["message"]
    assert state["error"]["type"] == "transient"


def test_a_stopped_worker_leaves_its_jobs_to_the_next(service, worker):
    url = service.create(action="sleep", seconds=3)
    service.shepherd(url)
    worker.terminate()
    assert worker.wait(20) == 0
    assert service.state(url)["phase"] == "EXECUTING"
    assert service.processes_of(url)
    service.start_worker()
    state = service.ended(url)
    assert (state["phase"], state["attempt"]) == ("COMPLETED", 1)


def test_ctrl_c_of_make_run_ends_jobs_and_the_next_start_runs_them_again(service):
    worker = service.start_worker("--end-jobs")
    url = service.create(action="sleep", seconds=1.5)
    service.shepherd(url)
    worker.send_signal(signal.SIGINT)
    assert worker.wait(20) == 0
    assert service.state(url)["phase"] == "QUEUED"
    assert not service.processes_of(url)
    worker = service.start_worker()
    state = service.ended(url)
    worker.terminate()
    worker.wait(20)
    assert (state["phase"], state["attempt"]) == ("COMPLETED", 2)
    assert service.ticks(url, 1)[-1] < service.ticks(url, 2)[0]


def test_two_workers_never_run_a_job_twice(service, worker):
    second = service.start_worker()
    urls = [service.create(action="write", text=str(n)) for n in range(20)]
    states = [service.ended(url) for url in urls]
    assert {state["phase"] for state in states} == {"COMPLETED"}
    assert {state["attempt"] for state in states} == {1}
    assert all(state["log"]["text"].count("attempt starts") == 1 for state in states)
    second.terminate()


def test_an_abort_of_a_job_without_worker_ends_its_processes_when_one_comes(service, worker):
    url = service.create(action="sleep", seconds=60)
    service.shepherd(url)
    kill(worker.pid)
    worker.wait()
    service.post(f"{url}/phase", PHASE="ABORT")
    assert service.state(url)["phase"] == "ABORTED"
    assert service.processes_of(url)
    service.start_worker()
    service.until(lambda: not service.processes_of(url), "its processes have ended")
    assert service.state(url)["phase"] == "ABORTED"


@pytest.mark.parametrize("way", ["abort", "timeout"])
def test_no_process_outlives_an_abort_or_a_time_out(service, worker, way):
    assert_nothing_is_left(service, way)
