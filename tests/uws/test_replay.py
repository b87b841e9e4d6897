"""Doing recorded jobs again."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from astropy.io import fits
from django.core import mail

from gateway.cli import main as cli
from gateway.vo.caller import Caller
from gateway.vo.errors import Conflict, Forbidden
from provenance import models
from uws import controller, replay, withdrawing
from uws.comparing import State, Tolerance, compare_files
from uws.creation import Upload
from uws.models import Job
from uws.tools import registry

from .builders import make_job, make_tools, work

pytestmark = pytest.mark.django_db(transaction=True)


def done(caller, **parameters) -> Job:
    return work(make_job(caller, run=True, **parameters))


def delete(job: Job) -> None:
    """Delete a job; its tombstone is all that is left."""
    controller.destroy(Job.objects.get(pk=job.pk))
    assert not Job.objects.filter(pk=job.pk).exists()
    assert models.Activity.objects.get(pk=job.pk).invalidatedAtTime


def with_file(caller, content: bytes) -> Job:
    upload = Upload("files", "mine.txt", io.BytesIO(content), "text/plain")
    return work(controller.create("probe", {"text": "x"}, caller, uploads=[upload], run=True))


def test_the_same_job_gives_the_same_bytes(account):
    first = done(account, text="again")
    second = work(replay.rerun(first.pk, account))
    found = replay.verify(first.pk, second.pk, account)
    assert found.agrees
    assert found.request["same"]
    assert {output.name: output.state for output in found.outputs} == {"text": State.SAME}
    assert second.owner_id == account.user_id


def test_uploads_go_in_again(account):
    first = with_file(account, b"bytes of mine")
    second = work(replay.rerun(first.pk, account))
    assert (second.results_folder / "out.txt").read_text() == "xbytes of mine"
    assert replay.verify(first.pk, second.pk, account).agrees


def test_changes_are_made_and_shown(account):
    first = done(account, text="one")
    second = work(replay.rerun(first.pk, account, changes={"text": "two"}))
    found = replay.verify(first.pk, second.pk, account)
    assert not found.agrees
    assert found.request["parameters"] == {"text": ("one", "two")}
    (output,) = found.outputs
    assert output.state is State.DIFFERENT
    assert "-one" in output.details
    assert "+two" in output.details
    json.dumps(found.as_json())


def test_a_changed_tool_is_named_and_found(account, tmp_path):
    first = done(account, text="one")
    folder = make_tools(tmp_path / "newer")
    probe = folder / "probe.py"
    probe.write_text(probe.read_text().replace("write(text + contents)", "write(text.upper() + contents)"))
    with registry.using(folder):
        plan = replay.plan(first.pk, account)
        assert not plan.blocked
        assert "changed since" in plan.problems[0]
        with pytest.raises(Conflict, match="changed since"):
            replay.rerun(first.pk, account)
        second = work(replay.rerun(first.pk, account, accept_changes=True))
        found = replay.verify(first.pk, second.pk, account)
        assert not found.agrees
        assert "digest" in found.request["tool"]
    description = folder / "probe.yaml"
    description.write_text(description.read_text().replace('version: "1.0"', 'version: "1.1"'))
    with registry.using(folder):
        with pytest.raises(Conflict, match="not here in version 1.0"):
            replay.rerun(first.pk, account)
        third = work(replay.rerun(first.pk, account, version="1.1"))
        assert replay.diff(first.pk, third.pk, account)["tool"]["version"] == ("1.0", "1.1")


def test_what_is_gone_is_named(account):
    first = done(account, text="source")
    second = work(
        controller.create("probe", {}, account, inputs={"files": [f"job:{first.pk}/text"]}, run=True)
    )
    upload = with_file(account, b"gone soon")
    delete(first)
    plan = replay.plan(second.pk, account)
    assert plan.blocked
    assert "out.txt" in plan.problems[0]
    with pytest.raises(Conflict, match="gone"):
        replay.rerun(second.pk, account)
    delete(upload)
    assert "mine.txt" in replay.plan(upload.pk, account).problems[0]


def test_a_deleted_job_is_run_again_from_its_provenance(account):
    first = done(account, text="kept", numbers=[1, 2.5])
    digest = first.results.get().sha256
    delete(first)
    second = work(replay.rerun(first.pk, account))
    assert second.results.get().sha256 == digest
    assert second.parameters["numbers"] == [1.0, 2.5]
    assert replay.verify(first.pk, second.pk, account).agrees


def test_somebody_elses_job_is_not_run_again(account, other_account):
    first = done(account)
    for call in (replay.plan, replay.rerun):
        with pytest.raises(Forbidden):
            call(first.pk, other_account)
    with pytest.raises(Forbidden):
        replay.diff(first.pk, done(other_account).pk, other_account)


def fits_file(path, offset=0.0, **cards):
    hdu = fits.ImageHDU(np.arange(12.0).reshape(3, 4) + offset)
    hdu.header.update(cards)
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(path, checksum=True)
    return path


def test_fits_files_are_compared_by_values(tmp_path):
    first = fits_file(tmp_path / "a.fits", DATE="2026-01-01", EXPOSURE=3.0)
    cases = {
        "date": (fits_file(tmp_path / "b.fits", DATE="2026-02-02", EXPOSURE=3.0), 0.0, State.EQUAL),
        "close": (fits_file(tmp_path / "c.fits", 1e-9, EXPOSURE=3.0), 1e-6, State.EQUAL),
        "pixels": (fits_file(tmp_path / "d.fits", 1e-9, EXPOSURE=3.0), 0.0, State.DIFFERENT),
        "card": (fits_file(tmp_path / "e.fits", EXPOSURE=4.0), 0.0, State.DIFFERENT),
    }
    for name, (second, tolerance, expected) in cases.items():
        state, lines = compare_files(first, second, "application/fits", Tolerance(absolute=tolerance))
        assert state is expected, (name, lines)
        assert str(tmp_path) not in "\n".join(lines)
    assert "EXPOSURE" in "\n".join(compare_files(first, cases["card"][0], "", Tolerance())[1])


def test_a_withdrawal_marks_what_it_touched(account, settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    source = done(account, text="calibration")
    given = {"files": [f"job:{source.pk}/text"]}
    direct = work(controller.create("probe", {"text": "a"}, account, inputs=given, run=True))
    later = work(
        controller.create("probe", {}, account, inputs={"files": [f"job:{direct.pk}/text"]}, run=True)
    )
    other = done(account, text="apart")
    subject = f"{source.pk}/text"
    assert [item.job for item in withdrawing.touched_by(subject)] == [direct.pk, later.pk]
    withdrawal = withdrawing.withdraw(subject, "The gain was wrong.")
    marked = set(models.Entity.objects.filter(withdrawal=withdrawal).values_list("pk", flat=True))
    assert marked == {subject, f"{direct.pk}/text", f"{later.pk}/text"}
    assert f"{other.pk}/text" not in marked
    assert withdrawing.tell_owners(withdrawal) == 1
    (message,) = mail.outbox
    assert message.to == ["vera@example.org"]
    assert later.pk in message.body


def test_a_withdrawn_tool_version_touches_all_its_products(account):
    jobs = [done(account, text=text) for text in "ab"]
    touched = withdrawing.touched_by("probe@1.0")
    assert {item.job for item in touched} == {job.pk for job in jobs}
    assert {item.owner for item in touched} == {"vera"}


def test_the_command_compares_and_says_what_differs(account, capsys, monkeypatch):
    monkeypatch.setattr(cli, "_django", lambda: None)
    first, second = done(account, text="one"), done(account, text="two")
    assert cli.main(["replay", first.pk, "--plan"]) == 0
    assert "as it was" in capsys.readouterr().out
    assert cli.main(["replay", first.pk, "--diff", second.pk]) == 1
    out = capsys.readouterr().out
    assert "parameters text: one -> two" in out
    assert cli.main(["replay", first.pk, "--diff", first.pk, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["agrees"]
    assert cli.main(["replay", first.pk, "--set", "text=three"]) == 0
    assert Job.objects.filter(phase="QUEUED", parameters__text="three", owner_id=account.user_id).exists()
    assert cli.main(["withdraw", "probe@1.0", "--reason", "Test", "--dry-run"]) == 0
    assert "2 products of 2 jobs" in capsys.readouterr().out


def test_staff_sees_all_and_nobody_else(account):
    first = done(account)
    assert replay.plan(first.pk, Caller(is_staff=True)).job == first.pk
