"""A tool that tries to get out, or to take more than its share."""

from __future__ import annotations

import json
import os
import socket

import pytest

from gateway.site import SiteError
from tests.uws.builders import make_job, make_worker, step_until, work
from uws import controller, sandbox, shepherd, storage
from uws.models import AttemptOutcome, Job

pytestmark = pytest.mark.django_db(transaction=True)

boxed = pytest.mark.skipif(bool(sandbox.why_no_bwrap()), reason=sandbox.why_no_bwrap() or "-")


@pytest.fixture
def unboxed(settings):
    """As on a machine without bubblewrap."""
    settings.SITE.raw["jobs"] = {"sandbox": "none"}
    yield
    del settings.SITE.raw["jobs"]


def marked(job: Job) -> list[int]:
    """Processes that carry a job's mark in their environment."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/environ", "rb") as file:
                if f"VOGATE_ATTEMPT={job.pk}".encode() in file.read():
                    found.append(int(name))
        except OSError:
            continue
    return found


@pytest.mark.parametrize("action", ["link", "hard_link"])
def test_links_are_no_results(action):
    job = work(make_job(run=True, action=action))
    assert job.phase == "ERROR"
    assert "link" in job.error_message
    assert job.results.count() == 0
    assert not job.results_folder.exists()


def test_a_link_among_optional_outputs_is_refused_too():
    job = work(make_job(run=True, action="parent_link"))
    assert (job.phase, job.results.count()) == ("ERROR", 0)
    assert "part1.dat" in job.error_message


@pytest.mark.parametrize(
    "text", ["$(touch /tmp/x); `id` | cat", "../../etc/passwd", "[#row>1]", "!x", "--help", "a\nb"]
)
def test_values_reach_the_tool_as_they_are(text):
    job = work(make_job(run=True, text=text))
    assert job.phase == "COMPLETED", job.error_message
    assert job.results.get().path.read_text() == text


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("../../etc/passwd", "passwd"),
        ("a b[1].fits", "a_b_1_.fits"),
        ("!clobber.fits", "clobber.fits"),
        ("-rf", "rf"),
        ("..", "file"),
        (".bashrc", "bashrc"),
        ("C:\\data\\x.fits", "x.fits"),
        ("ftp://host/x.fits", "x.fits"),
        ("é\n.txt", "txt"),
        ("x" * 300 + ".fits", "x" * 115 + ".fits"),
    ],
)
def test_file_names_are_made_safe(name, safe):
    assert storage.safe_name(name) == safe


def test_the_environment_is_clean(monkeypatch):
    monkeypatch.setenv("VOGATE_SECRET_KEY", "do not tell")
    job = work(make_job(run=True, action="environment"))
    found = json.loads(job.results.get().path.read_text())
    assert "VOGATE_SECRET_KEY" not in found
    assert not any("do not tell" in value for value in found.values())
    assert found["OMP_NUM_THREADS"] == "1"
    assert found["MPLBACKEND"] == "Agg"
    assert found["HOME"] == str(job.attempt_folder / "work")
    assert set(found) <= {
        "PATH", "HOME", "TMPDIR", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "MPLBACKEND", "MPLCONFIGDIR", "PWD",
        "PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED", "PYTHONNOUSERSITE", "VOGATE_PROGRESS", "VOGATE_ATTEMPT",
        "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS",
        "VECLIB_MAXIMUM_NUM_THREADS", "BLIS_NUM_THREADS",
    }  # fmt: skip


@boxed
def test_the_sandbox_has_no_network():
    with socket.create_server(("127.0.0.1", 0)) as server:
        job = work(make_job(run=True, action="network", text=str(server.getsockname()[1])))
    assert job.results.get().path.read_text().startswith("refused")


@boxed
def test_the_sandbox_shows_neither_secrets_nor_other_jobs(settings):
    other = work(make_job(run=True, text="private"))
    for path in (settings.VOGATE_HOME / "secret-key", other.results.get().path, "/etc/shadow"):
        assert os.path.exists(path)
        job = work(make_job(run=True, action="spy", text=str(path)))
        assert "No such file" in job.results.get().path.read_text(), path


def test_without_bubblewrap_the_log_says_so(unboxed):
    job = work(make_job(run=True))
    assert job.phase == "COMPLETED"
    assert "Isolation: none" in (job.attempt_folder / "log.txt").read_text()


def test_the_choice_of_walls_is_the_sites(monkeypatch):
    assert sandbox.choose("none")[0] is False
    with pytest.raises(SiteError, match="chroot"):
        sandbox.choose("chroot")
    monkeypatch.setattr(sandbox, "why_no_bwrap", lambda: "bubblewrap is not installed")
    assert sandbox.choose("auto") == (
        False,
        "Isolation: resource limits only, because bubblewrap is not installed.",
    )
    with pytest.raises(SiteError, match="not installed"):
        sandbox.choose("bwrap")


@pytest.mark.parametrize("box", [pytest.param(True, marks=boxed), False])
def test_abort_leaves_no_process_not_even_a_deaf_grandchild_in_a_session_of_its_own(box, settings):
    settings.SITE.raw["jobs"] = {"sandbox": "auto" if box else "none"}
    try:
        job = make_job(run=True, action="grandchild", seconds=600)
        worker = make_worker(1)
        step_until(worker, job, lambda job: len(marked(job)) >= 2)
        controller.abort(job)
        step_until(worker, job, lambda job: job.attempts.get().ended_at is not None)
        worker.shut_down()
    finally:
        del settings.SITE.raw["jobs"]
    assert not marked(job)
    assert job.attempts.get().outcome == AttemptOutcome.ABORTED


@pytest.mark.parametrize("box", [pytest.param(True, marks=boxed), False])
def test_what_a_tool_used_is_written_down(box, settings):
    settings.SITE.raw["jobs"] = {"sandbox": "auto" if box else "none"}
    try:
        job = work(make_job(run=True, action="burn"))
    finally:
        del settings.SITE.raw["jobs"]
    attempt = job.attempts.get()
    assert attempt.cpu_seconds >= 0.3
    assert attempt.max_rss_kb >= 60_000_000 // 1024


def test_what_a_tool_leaves_running_is_ended_with_it():
    job = work(make_job(run=True, action="grandchild", seconds=0))
    assert job.phase == "COMPLETED", job.error_message
    assert not marked(job)


@pytest.mark.parametrize("action", ["memory", "fork"])
def test_a_tool_that_takes_too_much_is_stopped_and_told_why(action):
    job = work(make_job(run=True, action=action))
    assert job.phase == "ERROR"
    expected = {"memory": ("memory", "MemoryError"), "fork": ("processes",)}[action]
    assert any(word in job.error_message for word in expected), job.error_message
    assert not marked(job)


def test_a_tool_that_says_too_much_keeps_its_log_short(settings):
    settings.SITE.raw["jobs"] = {"log_bytes": 100_000}
    try:
        job = work(make_job(run=True, action="noise"))
    finally:
        del settings.SITE.raw["jobs"]
    assert job.phase == "COMPLETED", job.error_message
    log = (job.attempt_folder / "log.txt").read_text()
    assert len(log) < 200_000
    assert "longer than is kept" in log


@pytest.mark.skipif(os.getuid() == 0, reason="root may write anywhere")
def test_an_unwritable_jobs_folder_is_a_clear_error(settings):
    job = make_job(run=True)
    settings.VOGATE_JOBS.mkdir(exist_ok=True)
    settings.VOGATE_JOBS.chmod(0o500)
    try:
        work(job)
    finally:
        settings.VOGATE_JOBS.chmod(0o700)
    assert job.phase == "ERROR"
    assert "permissions" in job.error_message


def test_a_full_disk_is_a_clear_error_and_no_stuck_job(monkeypatch):
    job = make_job(run=True)

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(storage, "write_json", full)
        work(job)
    assert (job.phase, job.error_type) == ("ERROR", "transient")
    assert "disk is full" in job.error_message


def test_the_exit_record_has_its_room_reserved(tmp_path):
    (tmp_path / ".exit.json.part").write_bytes(b" " * shepherd.RESERVED_BYTES)
    shepherd.write_json(str(tmp_path), "exit.json", {"exit": 0})
    assert storage.read_json(tmp_path / "exit.json") == {"exit": 0}
    assert not (tmp_path / ".exit.json.part").exists()
