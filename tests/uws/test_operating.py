"""What operators see and do: status, metrics, commands, admin, clean-up, log lines."""

from __future__ import annotations

import json
import logging
import os
import time

import pytest
from django.contrib.auth import get_user_model

from gateway.cli.main import main, parser
from gateway.logs import JobFilter, JsonFormatter
from tests.uws.builders import make_job, work
from uws import controller, garbage, metrics
from uws.models import Job, JobResult, QueueStop

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def operator(client):
    client.force_login(get_user_model().objects.create_superuser("op", "op@example.org", "a steady hand 9"))
    return client


def command(*arguments: str) -> int:
    args = parser().parse_args(arguments)
    from uws import operating

    return int(getattr(operating, args.command)(args))


def test_queues_are_paused_and_resumed_from_the_command_line(capsys):
    job = make_job(run=True)
    assert command("queue", "pause", "local", "--reason", "new disks") == 0
    job.refresh_from_db()
    assert job.phase == "HELD"
    command("queue", "status")
    row = next(line.split() for line in capsys.readouterr().out.splitlines() if line.startswith("local  "))
    assert row[:5] == ["local", "paused", "0", "0", "1"]
    command("queue", "resume", "local")
    job.refresh_from_db()
    assert job.phase == "QUEUED"
    command("queue", "drain", "tool:probe")
    assert QueueStop.objects.get().mode == "drained"


def test_queues_are_paused_and_resumed_in_the_admin_pages(operator):
    job = make_job(run=True)
    page = operator.post("/admin/uws/queuestop/add/", {"queue": "nosuch", "mode": "paused", "reason": ""})
    assert "There is no queue" in page.content.decode()
    operator.post("/admin/uws/queuestop/add/", {"queue": "tool:probe", "mode": "paused", "reason": "x"})
    job.refresh_from_db()
    assert (job.phase, QueueStop.objects.get().by) == ("HELD", "op")
    stop = QueueStop.objects.get()
    operator.post(f"/admin/uws/queuestop/{stop.pk}/delete/", {"post": "yes"})
    job.refresh_from_db()
    assert (job.phase, QueueStop.objects.count()) == ("QUEUED", 0)


def test_operators_change_the_priority(operator):
    job = make_job(run=True)
    operator.post("/admin/uws/job/", {"action": "hurry", "_selected_action": [job.pk]})
    job.refresh_from_db()
    assert job.priority > 0


def test_staff_see_failures_and_hosts_and_others_do_not(operator, client):
    job = work(make_job(run=True, action="fail"))
    make_job(run=True)
    full = operator.get("/status/", {"FORMAT": "json"}).json()
    assert [(f["job"], f["reason"]) for f in full["failures"]] == [(job.pk, job.error_message)]
    assert next(q for q in full["queues"] if q["name"] == "local")["queued"] == 1
    assert job.pk in operator.get("/status/").content.decode()
    operator.logout()
    short = operator.get("/status/", {"FORMAT": "json"}).json()
    assert set(short) == {"accepting", "queued", "running", "oldest_seconds", "stopped"}
    assert short["queued"] == 1
    assert job.pk not in operator.get("/status/").content.decode()


def test_metrics_tell_the_queue_its_age_and_how_jobs_ended():
    work(make_job(run=True, action="fail"))
    job = make_job(run=True)
    Job.objects.filter(pk=job.pk).update(queued_at=job.queued_at - job.queued_at.resolution * 5_000_000)
    found = {(name, *sorted(labels.items())): value for name, labels, value, _ in metrics.collect()}
    assert found["vogate_queue_length", ("queue", "local")] == 1
    assert found["vogate_queue_oldest_seconds", ("queue", "local")] >= 5
    assert found["vogate_jobs", ("phase", "QUEUED"), ("tool", "probe")] == 1
    assert found["vogate_jobs_ended_last_hour", ("phase", "ERROR"), ("tool", "probe")] == 1
    assert found["vogate_attempts_ended_last_hour", ("outcome", "failed"), ("tool", "probe")] == 1
    assert found["vogate_queue_stopped", ("queue", "local")] == 0


def test_gc_finds_and_removes_what_has_no_counterpart(settings, capsys):
    kept, lost = work(make_job(run=True)), work(make_job(run=True))
    orphan = settings.VOGATE_JOBS / "or" / ("or" + "a" * 24)
    orphan.mkdir(parents=True)
    (orphan / "big.dat").write_bytes(b"x" * 5000)
    young = settings.VOGATE_JOBS / "yo" / ("yo" + "a" * 24)
    young.mkdir(parents=True)
    old = time.time() - 7200
    os.utime(orphan, (old, old))
    garbage.storage.remove(lost.folder)
    command("gc")
    out = capsys.readouterr().out
    assert orphan.name in out
    assert lost.pk in out
    assert kept.pk not in out
    assert orphan.is_dir(), "without --remove nothing is removed"
    command("gc", "--remove")
    assert (orphan.exists(), young.exists(), kept.folder.exists()) == (False, True, True)
    assert not JobResult.objects.filter(job=lost).exists()
    assert kept.results.exists()
    command("gc")
    assert capsys.readouterr().out.splitlines()[-1].startswith("0 found")


def test_gc_removes_nothing_where_disk_and_database_are_strangers(settings, tmp_path, capsys):
    """The disk is not mounted, or the database is another gateway's: all would be gone."""
    job, own = work(make_job(run=True)), settings.VOGATE_JOBS
    settings.VOGATE_JOBS = tmp_path / "not-mounted"
    assert main(["gc", "--remove"]) == 1
    assert "is it mounted" in capsys.readouterr().err.lower()
    assert job.results.exists()
    settings.VOGATE_JOBS = own
    os.utime(job.folder, (0, 0))
    Job.objects.all().delete()
    assert main(["gc", "--remove"]) == 1
    assert job.folder.is_dir()
    assert main(["gc", "--remove", "--all"]) == 0
    assert not job.folder.exists()


def test_gc_leaves_running_jobs_alone(settings):
    job = make_job(run=True)
    job.folder.mkdir(parents=True, exist_ok=True)
    os.utime(job.folder, (0, 0))
    found = garbage.find()
    assert (found.folders, found.emptied, found.jobs) == ([], [], [])


def test_archived_jobs_are_listed_on_request_only(client, user, account):
    client.force_login(user)
    job = make_job(account)
    controller.archive(job)
    listed = b"".join(client.get("/uws/probe/async").streaming_content)
    assert job.pk.encode() not in listed
    listed = b"".join(client.get("/uws/probe/async", {"PHASE": "ARCHIVED"}).streaming_content)
    assert job.pk.encode() in listed


def test_each_step_of_a_job_is_a_log_line_with_its_id(caplog):
    with caplog.at_level(logging.INFO, "vogate.uws"):
        job = work(make_job(run=True, action="fail"))
    lines = [record.getMessage() for record in caplog.records if job.pk in record.getMessage()]
    assert lines == [
        f"job {job.pk}: QUEUED",
        f"job {job.pk}: EXECUTING",
        f"job {job.pk}: ERROR, attempt 1 (The region holds no events: choose a larger radius.)",
    ]


def test_log_lines_carry_the_job():
    pk = "abcdefghijklmnopqrstuvwx23"
    record = logging.LogRecord("vogate.uws", logging.WARNING, "", 1, "job %s: taking over", (pk,), None)
    assert JobFilter().filter(record)
    line = json.loads(JsonFormatter().format(record))
    assert (line["job"], line["level"], line["message"]) == (pk, "WARNING", f"job {pk}: taking over")
    other = logging.LogRecord("vogate.uws", logging.INFO, "", 1, "worker stopped", (), None)
    JobFilter().filter(other)
    assert "job" not in json.loads(JsonFormatter().format(other))


def test_the_tools_with_their_endpoints_are_listed(client):
    found = {tool["name"]: tool for tool in client.get("/uws/").json()["tools"]}
    assert found["probe"]["async"] == "http://testserver/uws/probe/async"
    page = client.get("/uws/", headers={"accept": "text/html,application/xhtml+xml"})
    assert (page.status_code, page["Location"]) == (303, "http://testserver/tools/")
