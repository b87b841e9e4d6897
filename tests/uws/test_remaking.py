"""Making again what a withdrawal touched, over several jobs and owners."""

from __future__ import annotations

import pytest
from django.core import mail

from gateway.cli import main as cli
from gateway.vo.caller import Caller
from provenance import models
from uws import controller, remaking, withdrawing
from uws.models import Job, Remake
from uws.tools import registry

from .builders import make_job, make_tools, work

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def mailbox(settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"


def done(caller: Caller, *inputs: str, **parameters: str) -> Job:
    given = {"files": [f"job:{one}/text" for one in inputs]}
    return work(controller.create("probe", parameters, caller, inputs=given, run=True))


def output(job_id: str) -> str:
    return Job.objects.get(pk=job_id).results.get().path.read_text()


def newest(withdrawal: models.Withdrawal) -> dict[str, remaking.Standing]:
    return {row.job: row for row in remaking.standing(withdrawal.pk)}


def run_all() -> None:
    """Work until nothing is queued."""
    while job := Job.objects.filter(phase="QUEUED").first():
        work(job)


def test_a_chain_is_made_again_as_one_request_with_the_new_results(account):
    wrong, right = done(account, text="wrong-"), done(account, text="right-")
    first = done(account, wrong.pk, text="1-")
    second = done(account, first.pk, text="2-")
    both = done(account, first.pk, second.pk, text="3-")
    assert output(both.pk) == "3-1-wrong-2-1-wrong-"
    withdrawal = withdrawing.withdraw(f"{wrong.pk}/text", "The gain was wrong.")
    asked = remaking.request(withdrawal, instead=f"job:{right.pk}/text", tell=True)
    states = {row.job: row.state for row in asked}
    assert states == {first.pk: "QUEUED", second.pk: "waits", both.pk: "waits"}
    run_all()
    made = newest(withdrawal)
    assert {row.state for row in made.values()} == {"COMPLETED"}
    assert output(made[both.pk].new) == "3-1-right-2-1-right-"
    (message,) = mail.outbox
    assert message.to == ["vera@example.org"]
    assert all(row.new in message.body for row in made.values())
    remaking.advance(withdrawal.pk)
    assert len(mail.outbox) == 1
    assert Job.objects.count() == 8
    assert remaking.request(withdrawal) == remaking.standing(withdrawal.pk), "asked for once"


def test_what_fails_stops_what_waits_for_it_and_is_named(account, tmp_path):
    source = done(account, text="s")
    first = done(account, source.pk)
    second = done(account, first.pk)
    apart = done(account, source.pk, text="apart-")
    withdrawal = withdrawing.withdraw(f"{source.pk}/text", "Wrong.")
    gone = first.pk
    controller.destroy(first)
    remaking.request(withdrawal)
    run_all()
    made = newest(withdrawal)
    assert made[gone].state == made[second.pk].state == "cannot be run"
    assert gone in made[second.pk].text
    assert made[apart.pk].state == "COMPLETED"


def test_a_tool_version_is_replaced_by_another(account, tmp_path):
    first = done(account, text="x")
    folder = make_tools(tmp_path / "newer")
    for old, new in (('version: "1.0"', 'version: "1.1"'),):
        (folder / "probe.yaml").write_text((folder / "probe.yaml").read_text().replace(old, new))
    withdrawal = withdrawing.withdraw("probe@1.0", "It counted twice.")
    with registry.using(folder):
        remaking.request(withdrawal, version="1.1")
        run_all()
    new = Job.objects.get(pk=newest(withdrawal)[first.pk].new)
    assert (new.tool_version, new.phase) == ("1.1", "COMPLETED")


def test_every_job_is_its_owners_and_a_killed_process_is_made_up_for(account, other_account):
    source = done(account, text="s-")
    nobodys = work(make_job(Caller(), run=True, text="open-"))
    theirs = done(other_account, nobodys.pk, text="t-")
    mine = done(account, source.pk)
    first = withdrawing.withdraw(f"{source.pk}/text", "Wrong.")
    second = withdrawing.withdraw(f"{nobodys.pk}/text", "Wrong.")
    for withdrawal in (first, second):
        for job in (mine, theirs):
            if models.Entity.objects.get(pk=f"{job.pk}/text").withdrawal_id == withdrawal.pk:
                Remake.objects.create(withdrawal=withdrawal, job=job.pk)
    remaking.tend()
    run_all()
    owners = {
        row.job: Job.objects.get(pk=row.new.pk).owner_id for row in Remake.objects.select_related("new")
    }
    assert owners == {mine.pk: account.user_id, theirs.pk: other_account.user_id}


def test_the_command_asks_for_it_and_tells_how_far_it_is(account, capsys, monkeypatch):
    monkeypatch.setattr(cli, "_django", lambda: None)
    first = done(account, text="x")
    assert cli.main(["withdraw", "probe@1.0", "--reason", "Test", "--rerun", "--tell"]) == 0
    said = capsys.readouterr().out
    assert f"{first.pk}: QUEUED as " in said
    number = str(models.Withdrawal.objects.get().pk)
    assert cli.main(["withdraw", "--status", number]) == 1
    run_all()
    capsys.readouterr()
    assert cli.main(["withdraw", "--status", number]) == 0
    assert f"{first.pk}: COMPLETED as " in capsys.readouterr().out
    assert cli.main(["withdraw", "probe@1.0"]) != 0
