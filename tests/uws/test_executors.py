"""Which executor runs which tool, and what site.toml may not say."""

from __future__ import annotations

import tomllib

import pytest

from gateway.site import SiteError
from tests.uws.builders import make_job, make_worker, step_until
from uws import executors, sweeper
from uws.models import Job
from uws.slurm import SlurmExecutor
from uws.slurm_client import Key, SlurmClient

SITE = """
[executors]
default = "celery"
[executors.celery]
broker = "redis://broker.example.org:6379/1"
[executors.slurm]
partition = "long"
memory_mb = 2000
[executors.padova]
type = "uws"
url = "https://gateway.example.org/uws"
[tools.spectrum]
executor = "slurm"
memory_mb = 8000
[tools.light_curve]
executor = "local"
"""


def test_one_line_moves_a_tool():
    raw = tomllib.loads(SITE)
    executors.check(raw)
    assert executors.assignment("counts_map", raw).executor.name == "celery"
    assert executors.assignment("light_curve", raw).executor.type is executors.ExecutorType.LOCAL
    spectrum = executors.assignment("spectrum", raw)
    assert spectrum.executor.name == "slurm"
    assert spectrum.options == {"partition": "long", "memory_mb": 8000}


def test_without_a_word_everything_is_local():
    assert executors.assignment("spectrum", {}).executor.name == "local"
    assert list(executors.configured({})) == ["local"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[executors]\ndefault = "slrum"', r"\[executors\] default = 'slrum': there is no such executor"),
        (
            '[tools.a]\nexecutor = "slurm"',
            r"\[tools\.a\] executor = 'slurm': .*add a table \[executors.slurm\]",
        ),
        ("[executors.slurm]\npartitoin = 'a'", "unknown key 'partitoin'; did you mean partition"),
        ("[executors.slurm]\nmemory_mb = '8 GB'", "memory_mb = '8 GB': it is a whole number"),
        ("[executors.slurm]\nmemory_mb = 0", "memory_mb = 0: it is at least 1"),
        ("[executors.slurm]\noptions = '-C gpu'", "options = '-C gpu': it is a list of texts"),
        ("[executors.kubernetes]", "type = 'kubernetes': it is one of local, celery, slurm, uws"),
        ("[executors.runner]\ntype = 'slurm'", "'runner' cannot be the name of an executor"),
        ("[executors.padova]\ntype = 'uws'", r"\[executors.padova\]: url is missing"),
        ("[executors]\nslurm = 'yes'", r"an executor is a table, \[executors.slurm\]"),
        ("[tools.a]\nmemory_mb = 5", r"\[tools.a\]: unknown key 'memory_mb' on local"),
        (
            "[executors.a]\ntype='celery'\nbroker='redis://a'\n[executors.b]\ntype='celery'\nbroker='redis://b'",
            "share one broker",
        ),
    ],
)
def test_what_cannot_be_used_is_said_at_start(text, said):
    with pytest.raises(SiteError, match=said):
        executors.check(tomllib.loads(text))


@pytest.mark.django_db(transaction=True)
def test_jobs_of_an_executor_that_the_site_gave_up_run_where_their_tool_runs_now():
    job = make_job(run=True)
    Job.objects.filter(pk=job.pk).update(executor="gone")
    sweeper.reroute()
    worker = make_worker()
    step_until(worker, job, lambda job: job.is_final)
    worker.shut_down()
    assert (job.phase, job.executor) == ("COMPLETED", "local")


def test_an_attempt_whose_worker_died_before_it_was_prepared_is_not_waited_for(tmp_path):
    config = executors.ExecutorConfig("slurm", executors.ExecutorType.SLURM)
    slurm = SlurmExecutor(config)
    assert not slurm.alive(tmp_path / "attempt-1")
    slurm.close()


def test_other_jobs_of_the_account_may_have_any_name(monkeypatch):
    said = "12_3|vogate-abc-1-00ff|RUNNING\n13|a | b|PENDING\n14_[5-9]|mine|PENDING\n"
    monkeypatch.setattr(SlurmClient, "_run", lambda *_: said)
    jobs = SlurmClient().snapshot().jobs
    assert jobs[Key("vogate-abc-1-00ff", 3)] == ("12_3", "RUNNING")
    assert jobs[Key("a | b")] == ("13", "PENDING")
