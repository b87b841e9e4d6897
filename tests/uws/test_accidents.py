"""What else happens to machines: the clock jumps, it boots anew, the disk is read-only or full."""

from __future__ import annotations

import errno
import gc
import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import OperationalError

from tests.uws.builders import make_job, make_worker, step_until, work
from uws import queue, results, shepherd, sweeper
from uws.models import AttemptOutcome, Job, now
from uws.worker import Worker

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("hours", [-5, 5])
def test_a_clock_that_jumps_costs_a_running_job_nothing(hours):
    """To a lease, a jump of the clock is a lease_until that is far away or long over."""
    job = make_job(run=True, action="sleep", seconds=1.0)
    worker = make_worker(1)
    step_until(worker, job, lambda job: job.stage == "Sleeping")
    Job.objects.filter(pk=job.pk).update(lease_until=now() - timedelta(hours=hours))
    worker._due.clear()
    step_until(worker, job, lambda job: job.is_final)
    worker.shut_down()
    assert (job.phase, job.attempt, job.losses) == ("COMPLETED", 1, 0)


def test_after_a_boot_the_attempts_of_before_are_lost_and_tried_again(monkeypatch):
    job = make_job(run=True, action="sleep", seconds=1.0)
    before = make_worker(1)
    step_until(before, job, lambda job: job.stage == "Sleeping")
    path = job.attempt_folder / "shepherd.json"
    record = json.loads(path.read_text())
    os.kill(record["pid"], 9)
    # A process of today has the number that the shepherd had before the boot.
    path.write_text(
        json.dumps({"pid": os.getpid(), "start": shepherd.process_start(os.getpid()), "boot": "x"})
    )
    Job.objects.filter(pk=job.pk).update(worker=f"{sweeper.host_name()}:1:1:otherbot")
    before.tended.clear()
    after = make_worker(1)
    step_until(after, job, lambda job: job.is_final)
    for worker in (before, after):
        worker.shut_down()
    assert (job.phase, job.attempt, job.losses) == ("COMPLETED", 2, 1)
    assert [a.outcome for a in job.attempts.all()] == [AttemptOutcome.LOST, AttemptOutcome.COMPLETED]


@pytest.mark.parametrize(
    ("number", "said"),
    [(errno.EROFS, "read-only"), (errno.ENOSPC, "disk is full"), (errno.EDQUOT, "quota is used up")],
)
def test_results_that_cannot_be_kept_are_an_error_that_says_so(monkeypatch, number, said):
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(results, "_take", refuse)
    job = work(make_job(run=True))
    assert job.phase == "ERROR"
    assert said in job.error_message
    assert job.error_type == "transient"
    assert not job.results.exists()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Callable[..., Path]]:
    """Real file systems in memory: `disk(folder, "size=4m")`; they go with the test."""
    if os.getuid() != 0:
        pytest.skip("only root mounts")
    mounted: list[Path] = []

    def mount(folder: Path, options: str) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], check=True)
        mounted.append(folder)
        return folder

    yield mount
    for folder in reversed(mounted):
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_disk_that_fills_while_a_tool_writes_is_a_clear_error(disk, tmp_path, settings):
    settings.VOGATE_JOBS = disk(tmp_path / "small", "size=2m")
    (settings.VOGATE_JOBS / "others").write_bytes(b"x" * 1_800_000)
    job = work(make_job(run=True, action="big", text="1000000"))
    assert job.phase == "ERROR"
    assert "disk is full" in job.error_message
    assert job.attempts.get().exit_code == 1, "how it ended is known: its record has its room"
    (settings.VOGATE_JOBS / "others").unlink()
    assert work(make_job(run=True, action="big", text="1000000")).phase == "COMPLETED"


def test_on_a_full_disk_jobs_are_refused_and_those_that_wait_go_on_when_there_is_room(
    disk, tmp_path, settings, client, monkeypatch
):
    home = disk(tmp_path / "home", "size=20m")
    settings.VOGATE_HOME, settings.VOGATE_JOBS = home, home / "jobs"
    monkeypatch.setitem(settings.SITE.raw, "jobs", {"minimum_free_bytes": 8_000_000})
    waiting = make_job(run=True)
    (home / "others").write_bytes(b"x" * 15_000_000)
    answer = client.post("/uws/probe/async", {"PHASE": "RUN"})
    assert (answer.status_code, "Retry-After" in answer.headers) == (503, True)
    assert b"disk" in answer.content
    worker = make_worker(1)
    for _ in range(30):
        worker.step()
    waiting.refresh_from_db()
    assert waiting.phase == "QUEUED"
    (home / "others").unlink()
    step_until(worker, waiting, lambda job: job.is_final)
    worker.shut_down()
    assert waiting.phase == "COMPLETED"
    assert client.post("/uws/probe/async", {"PHASE": "RUN"}).status_code == 303


def test_a_results_folder_that_has_become_read_only_is_a_clear_error(disk, tmp_path, settings):
    settings.VOGATE_JOBS = disk(tmp_path / "jobs", "size=4m")
    job = make_job(run=True)
    worker = make_worker(1)
    step_until(worker, job, lambda job: job.phase == "EXECUTING")
    remount, end = ["mount", "-o", "remount,ro", str(settings.VOGATE_JOBS)], time.monotonic() + 20
    # It is refused as long as the shepherd has its logs open.
    while not (job.attempt_folder / "exit.json").exists() or subprocess.run(remount, check=False).returncode:
        assert time.monotonic() < end
        time.sleep(0.05)
    step_until(worker, job, lambda job: job.is_final)
    worker.shut_down()
    assert (job.phase, job.error_type) == ("ERROR", "transient")
    assert "read-only" in job.error_message
    assert not job.results.exists()


def test_a_worker_that_the_database_fails_leaves_nothing_open(monkeypatch):
    """A Celery worker's process makes one for each message, and its number of open files has an end."""

    def fails(_kinds):
        raise OperationalError("the database system is starting up")

    monkeypatch.setattr(queue, "waiting", fails)
    before = set(os.listdir("/proc/self/fd"))
    for _ in range(3):
        with pytest.raises(OperationalError):
            Worker(1, runner_slots=0, kinds=["local"]).run_until_idle(1.0)
    gc.collect()
    assert set(os.listdir("/proc/self/fd")) - before == set()
