"""Jobs on Celery workers with a real Redis: nothing depends on a message, a worker or the broker."""

from __future__ import annotations

import os
import signal
import subprocess
import urllib.parse
from collections.abc import Iterator

import pytest

from tests.conftest import require
from tests.uws.brokers import Redis, celery_site, start_celery
from tests.uws.endings import assert_nothing_is_left
from tests.uws.service import Service

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    require("redis", "redis-server", "redis-cli")
    server = Redis(tmp_path_factory.mktemp("redis")).start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, redis: Redis) -> Iterator[Service]:
    """A web process and a controller without slots: only Celery runs tools."""
    service = Service(
        tmp_path_factory.mktemp("service"), "[limits.anonymous]\nactive_jobs = 500\n" + celery_site(redis)
    )
    service.start_web()
    service.start("-m", "gateway.cli.main", "worker", "--slots", "0")
    yield service
    service.stop()


@pytest.fixture
def celery(service: Service) -> Iterator[subprocess.Popen[bytes]]:
    process = start_celery(service)
    service.until(lambda: children(process.pid), "Celery has its processes")
    yield process
    end(service, process)


def end(service: Service, process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.wait(30)


def children(pid: int) -> list[int]:
    """Process ids of Celery's pool."""
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as file:
            return [int(word) for word in file.read().split()]
    except OSError:
        return []


def runner_of(service: Service, url: str) -> int:
    """The process of the pool that holds a job, from the shepherd's parent."""
    shepherd = service.shepherd(url)
    with open(f"/proc/{shepherd}/stat") as file:
        return int(file.read().rpartition(")")[2].split()[1])


def test_celery_runs_the_jobs(service, celery):
    urls = [service.create(action="write", text=str(n)) for n in range(10)]
    states = [service.ended(url) for url in urls]
    assert {(state["phase"], state["attempt"]) for state in states} == {("COMPLETED", 1)}
    assert "uws.run" in service.log()


def test_messages_that_are_lost_are_sent_again(service, redis):
    urls = [service.create(action="write", text=str(n)) for n in range(5)]
    assert redis.command("FLUSHALL") == "OK"
    process = start_celery(service)
    states = [service.ended(url) for url in urls]
    assert {(state["phase"], state["attempt"]) for state in states} == {("COMPLETED", 1)}
    end(service, process)


def test_a_job_that_nobody_could_be_told_of_runs_when_the_broker_is_back(service, redis, celery):
    redis.kill()
    url = service.create(action="write", text="patience")
    assert service.state(url)["phase"] == "QUEUED"
    redis.start()
    assert service.ended(url)["phase"] == "COMPLETED"


def test_doubled_messages_run_nothing_twice(service, redis, celery):
    url = service.create(action="sleep", seconds=1)
    job = url.rpartition("/")[2]
    code = (
        "import os, django; os.environ['DJANGO_SETTINGS_MODULE'] = 'gateway.settings'; django.setup()\n"
        f"from uws import nudges\nfor _ in range(20): nudges.send('celery', {job!r})"
    )
    done = service.run("-c", code)
    assert done.returncode == 0, done.stderr
    state = service.ended(url)
    assert (state["phase"], state["attempt"]) == ("COMPLETED", 1)
    service.until(lambda: redis.command("LLEN", "vogate") == "0", "the messages are used up")
    assert service.state(url)["log"]["text"].count("attempt starts") == 1


@pytest.mark.parametrize("victim", ["the process of the pool", "Celery whole", "the shepherd"])
def test_a_killed_worker_loses_no_job_and_doubles_none(service, celery, victim):
    url = service.create(action="sleep", seconds=2)
    shepherd, runner = service.shepherd(url), runner_of(service, url)
    attempts = 1
    if victim == "the shepherd":
        os.kill(shepherd, signal.SIGKILL)
        attempts = 2
    elif victim == "Celery whole":
        for pid in (celery.pid, *children(celery.pid)):
            os.kill(pid, signal.SIGKILL)
        celery.wait()
    else:
        os.kill(runner, signal.SIGKILL)
    state = service.ended(url)
    assert (state["phase"], state["attempt"]) == ("COMPLETED", attempts), state["error"]
    if attempts == 2:
        assert service.ticks(url, 1)[-1] < service.ticks(url, 2)[0]
    assert not service.processes_of(url)


def test_an_abort_reaches_a_job_on_celery(service, celery):
    url = service.create(action="sleep", seconds=60)
    service.shepherd(url)
    service.post(f"{url}/phase", PHASE="ABORT")
    service.until(lambda: not service.processes_of(url), "its processes have ended", 5)
    assert service.state(url)["phase"] == "ABORTED"
    assert urllib.parse.urlsplit(url).path.startswith("/uws/probe/async/")


@pytest.mark.parametrize("way", ["abort", "timeout"])
def test_no_process_outlives_an_abort_or_a_time_out(service, celery, way):
    assert_nothing_is_left(service, way)
