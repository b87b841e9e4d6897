"""What else happens to machines: the clock jumps, it boots anew, the disk is read-only or full."""

from __future__ import annotations

import errno
import json
import os
from datetime import timedelta

import pytest

from tests.uws.builders import make_job, make_worker, step_until, work
from uws import results, shepherd, sweeper
from uws.models import AttemptOutcome, Job, now

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
