"""Paused and drained queues, limits, fair shares, quotes, quotas and a full disk."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from gateway.vo.caller import Caller
from gateway.vo.errors import Forbidden, NotAvailable, NotFound, UsageError
from tests.uws.builders import ANYBODY, make_job, make_worker, step_until, work
from tests.uws.test_rest import parse, path, schema  # noqa: F401
from uws import controller, queue, queues, quotes
from uws.models import AttemptOutcome, Job, QueueMode, QueueStop, now

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def site_limits(settings):
    """[limits] of site.toml, put back afterwards."""
    before = settings.SITE.raw.get("limits")
    settings.SITE.raw["limits"] = limits = {}
    yield limits
    if before is None:
        del settings.SITE.raw["limits"]
    else:
        settings.SITE.raw["limits"] = before


def claimed() -> Job | None:
    return queue.claim(["local"], "w:1:1:b", "w")


@pytest.mark.parametrize("name", ["local", "tool:probe", "all"])
def test_a_pause_holds_jobs_and_a_resume_queues_them_again(client, schema, name):  # noqa: F811
    before = make_job(run=True)
    queues.stop(name, QueueMode.PAUSED, reason="new disks", by="op")
    after = make_job(run=True)
    for job in (before, after):
        job.refresh_from_db()
        assert (job.phase, job.held_for) == ("HELD", "pause")
        assert "new disks" in job.stage
        schema.assertValid(parse(client.get(path(job))))
    assert not queue.waiting(["local"])
    assert claimed() is None
    assert queues.release() == 0
    assert queues.resume(name) == 2
    assert [work(job).phase for job in (before, after)] == ["COMPLETED", "COMPLETED"]


def test_a_job_that_slipped_into_a_paused_queue_is_not_claimed():
    job = make_job(run=True)
    QueueStop.objects.create(tool_name="probe", mode=QueueMode.PAUSED)
    assert claimed() is None
    job.refresh_from_db()
    assert job.phase == "QUEUED"


def test_a_pause_of_one_tool_leaves_others_alone():
    queues.stop("tool:strict", QueueMode.PAUSED)
    assert make_job(run=True).phase == "QUEUED"


def test_a_drain_stops_what_runs_and_it_starts_again(client, schema):  # noqa: F811
    job = make_job(run=True, action="sleep", seconds=2.0)
    worker = make_worker()
    try:
        step_until(worker, job, lambda j: j.phase == "EXECUTING" and bool(j.stage))
        queues.stop("local", QueueMode.DRAINED, reason="maintenance")
        job.refresh_from_db()
        assert (job.phase, job.attempt) == ("SUSPENDED", 1)
        schema.assertValid(parse(client.get(path(job))))
        step_until(worker, job, lambda _: not worker.tended)
        assert job.attempts.get().outcome == AttemptOutcome.STOPPED
        queues.resume("local")
        step_until(worker, job, lambda j: j.is_final)
    finally:
        worker.shut_down()
    assert (job.phase, job.attempt, job.losses) == ("COMPLETED", 2, 0)


def test_a_suspended_job_waits_until_its_processes_have_ended():
    job = make_job(run=True, action="sleep", seconds=30.0)
    worker = make_worker()
    try:
        step_until(worker, job, lambda j: j.phase == "EXECUTING")
        queues.stop("local", QueueMode.DRAINED)
        assert queues.resume("local") == 0, "its attempt is still open"
        job.refresh_from_db()
        assert job.phase == "SUSPENDED"
        step_until(worker, job, lambda j: j.phase == "EXECUTING" and j.attempt == 2)
        controller.abort(job)
        step_until(worker, job, lambda _: not worker.tended)
    finally:
        worker.shut_down()


def test_held_and_suspended_jobs_can_be_aborted_and_run_does_not_force_them():
    job = make_job(run=True)
    queues.stop("local", QueueMode.PAUSED)
    job.refresh_from_db()
    assert controller.run(job, ANYBODY).phase == "HELD"
    assert controller.abort(job).phase == "ABORTED"
    assert queues.resume("local") == 0


def test_there_are_only_known_queues():
    with pytest.raises(NotFound, match="local"):
        queues.stop("nosuch", QueueMode.PAUSED)
    with pytest.raises(NotFound):
        queues.stop("tool:nosuch", QueueMode.PAUSED)
    with pytest.raises(UsageError, match="not stopped"):
        queues.resume("local")


def user(number: int) -> Caller:
    return Caller(address=f"192.0.2.{number}")


def test_users_take_turns():
    first = [make_job(user(1), run=True) for _ in range(3)]
    second = make_job(user(2), run=True)
    order = [claimed() for _ in range(4)]
    assert [job.pk for job in order if job] == [first[0].pk, second.pk, first[1].pk, first[2].pk]


def test_priority_comes_before_turns():
    make_job(user(1), run=True)
    urgent = make_job(user(2), run=True)
    Job.objects.filter(pk=urgent.pk).update(priority=5)
    job = claimed()
    assert job is not None
    assert job.pk == urgent.pk


def test_no_more_of_a_tool_run_at_once_than_its_limit(site_limits):
    site_limits["tools"] = {"probe": 1}
    make_job(user(1), run=True)
    make_job(user(2), run=True)
    first = claimed()
    assert first is not None
    assert claimed() is None
    controller.abort(first)
    assert claimed() is not None


def test_no_more_of_a_user_run_at_once_than_the_limit(site_limits):
    site_limits["running_per_user"] = 1
    for number in (1, 1, 2):
        make_job(user(number), run=True)
    assert claimed() is not None
    other = claimed()
    assert other is not None
    assert claimed() is None, "the second job of the first user has to wait"
    assert other.fair_use == Job.objects.latest("queued_at").fair_use


def test_nothing_starts_on_a_full_disk_and_goes_on_afterwards(settings, monkeypatch):
    job = make_job(run=True)
    with monkeypatch.context() as patch:
        patch.setattr(queues.shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
        assert not queue.waiting(["local"])
        assert claimed() is None
        with pytest.raises(NotAvailable, match="disk is full"):
            make_job(run=True)
    assert work(job).phase == "COMPLETED"


def test_a_quote_is_made_of_earlier_runs_and_the_queue(client):
    assert make_job(run=True).quote is None, "nothing is known yet"
    start = now() - timedelta(hours=1)
    for seconds in (10, 20, 60):
        done = make_job()
        end = start + timedelta(seconds=seconds)
        Job.objects.filter(pk=done.pk).update(phase="COMPLETED", start_time=start, end_time=end)
    assert quotes.typical_seconds("probe") == 20
    before = now()
    Job.objects.filter(phase="QUEUED").delete()
    alone = make_job(user(1), run=True)
    assert alone.quote is not None
    assert timedelta(seconds=19) < alone.quote - before < timedelta(seconds=40)
    assert claimed() is not None
    make_job(user(2), run=True)
    behind = make_job(user(3), run=True)
    assert behind.quote is not None
    assert behind.quote - alone.quote > timedelta(seconds=25), "one runs and one waits before it"
    assert client.get(path(behind, "/quote")).content.decode().endswith("Z")


def test_who_holds_too_many_bytes_makes_room_first(client, site_limits):
    site_limits["bytes"] = {"anonymous": 10}
    values = {"files": SimpleUploadedFile("a.txt", b"x" * 11)}
    assert client.post("/uws/probe/async", values).status_code == 303
    refused = client.post("/uws/probe/async", {})
    assert refused.status_code == 403
    assert b"Delete jobs" in refused.content
    controller.destroy(Job.objects.get())
    assert client.post("/uws/probe/async", {}).status_code == 303


def test_results_count_too(account, site_limits):
    site_limits["bytes"] = {"signed_in": 3}
    work(make_job(account, run=True))
    with pytest.raises(Forbidden, match="limit"):
        make_job(account)
    make_job(ANYBODY)
