"""Jobs in a real Slurm: the same shepherd inside the allocation, whatever dies around it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.uws.cluster import Cluster, require_cluster, slurm_site
from tests.uws.endings import assert_nothing_is_left
from tests.uws.service import Service
from uws.slurm_client import is_final

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    require_cluster()
    cluster = Cluster(tmp_path_factory.mktemp("slurm"))
    try:
        yield cluster.start()
    finally:
        cluster.stop()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, cluster: Cluster) -> Iterator[Service]:
    service = Service(
        tmp_path_factory.mktemp("service"),
        "[limits.anonymous]\nactive_jobs = 500\n"
        + slurm_site(cluster)
        + '[tools.strict]\npartition = "nowhere"\n',
    )
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


def test_jobs_that_begin_together_are_one_array(service, worker):
    urls = [service.create(action="write", text=str(n)) for n in range(12)]
    states = [service.ended(url) for url in urls]
    assert {(state["phase"], state["attempt"]) for state in states} == {("COMPLETED", 1)}
    sizes = [int(n) for n in re.findall(r"(\d+) attempts submitted to Slurm as", service.log())]
    assert sum(sizes) >= 12
    assert max(sizes) > 1


def test_a_request_over_many_inputs_is_a_job_array(service, cluster):
    """All its children are claimed at once (max_jobs), so that one sbatch submits them, as tasks of one array."""
    number, before = 24, len(service.log())
    url = service.post_files(
        "probe", "files", [f"file {n}" for n in range(1, number + 1)], EACH="files", text="="
    )
    assert service.state(url)["children"]["active"] == number
    worker = service.start_worker()
    try:
        state = service.ended(url)
    finally:
        worker.terminate()
        worker.wait(20)
    assert (state["phase"], state["children"]["completed"]) == ("COMPLETED", number), state["error"]
    log = service.log()[before:]
    sizes = [int(n) for n in re.findall(r"(\d+) attempts submitted to Slurm as", log)]
    assert (sum(sizes), len(sizes) <= 3) == (number, True), sizes
    tasks = set(re.findall(r"submitted to Slurm as (vogate-\S+\[\d+\])", log))
    assert len(tasks) >= number - len(sizes), "all but what came alone are tasks of an array"
    written = {path.read_text() for path in service.home.glob("jobs/*/*/results/out.txt")}
    assert written >= {f"=file {n}" for n in range(1, number + 1)}


def test_the_job_has_its_name_partition_memory_and_time(service, worker, cluster):
    url = service.create(action="sleep", seconds=2, EXECUTIONDURATION=90)
    service.shepherd(url)
    told = cluster.run("squeue", "--me", "--noheader", "--format=%j|%P|%m|%l")
    name, partition, memory, limit = told.strip().split("|")
    assert name.startswith(f"vogate-{url.rpartition('/')[2]}-1-")
    assert (partition, memory, limit) == ("main", "264M", "3:00")
    assert service.ended(url)["phase"] == "COMPLETED"


def test_what_slurm_refuses_is_the_jobs_error(service, worker):
    url = service.post_files("strict", "files", ["content"], text="x")
    state = service.ended(url)
    assert state["phase"] == "ERROR"
    assert "Slurm refuses the job" in state["error"]["message"]
    assert "partition" in state["error"]["message"]


def test_an_abort_reaches_a_running_and_a_waiting_job(service, worker, cluster):
    running = service.create(action="sleep", seconds=60)
    service.shepherd(running)
    cluster.run("scontrol", "update", "PartitionName=main", "State=DOWN")
    waiting = service.create(action="sleep", seconds=60)
    service.until(
        lambda: "PENDING" in cluster.run("squeue", "--noheader", "--format=%T"), "it waits in Slurm"
    )
    for url in (running, waiting):
        service.post(f"{url}/phase", PHASE="ABORT")
    service.until(lambda: not service.processes_of(running), "its processes have ended", 5)
    service.until(lambda: not cluster.run("squeue", "--noheader").strip(), "Slurm has nothing left")
    cluster.run("scontrol", "update", "PartitionName=main", "State=UP")
    assert service.state(waiting)["phase"] == "ABORTED"


@pytest.mark.parametrize("way", ["abort", "timeout"])
def test_no_process_outlives_an_abort_or_a_time_out(service, worker, way):
    assert_nothing_is_left(service, way)


@pytest.mark.parametrize("victim", ["worker", "shepherd", "slurmctld", "slurmd"])
def test_a_killed_piece_loses_no_job_and_doubles_none(service, worker, cluster, victim):
    url = service.create(action="sleep", seconds=3)
    shepherd = service.shepherd(url)
    if victim == "shepherd":
        os.kill(shepherd, signal.SIGKILL)
    elif victim == "worker":
        worker.kill()
        worker.wait()
        service.start_worker()
    else:
        cluster.kill(victim)
        time.sleep(0.5)
        cluster.start_daemon(victim)
    state = service.ended(url)
    # A daemon that is killed may forget the job or end it; the shepherd's own death always costs the attempt.
    allowed = {"worker": (1,), "shepherd": (2,)}.get(victim, (1, 2))
    assert state["phase"] == "COMPLETED", state["error"]
    assert state["attempt"] in allowed
    if state["attempt"] == 2:
        assert service.ticks(url, 1)[-1] < service.ticks(url, 2)[0]
    assert not service.processes_of(url)


def test_a_job_that_slurmd_took_in_the_moment_of_its_death_is_submitted_again(service, worker, cluster):
    """Slurm calls it RUNNING from then on; nothing of it was ever started."""
    cluster.hold.touch()
    url = service.create(action="write", text="again")
    service.until(lambda: cluster.run("squeue", "--noheader", "--format=%T").strip() == "RUNNING", "it runs")
    cluster.kill("slurmd", children=True)
    cluster.hold.unlink()
    cluster.start_daemon("slurmd")
    state = service.ended(url)
    assert (state["phase"], state["attempt"]) == ("COMPLETED", 1), state["error"]
    assert "did not begin" in service.log()


def test_an_attempt_that_dies_unseen_by_slurm_is_tried_again(service, worker, cluster):
    """With slurmd, its step's daemon and the shepherd dead, nobody is left to tell slurmctld."""
    url = service.create(action="sleep", seconds=1)
    shepherd = service.shepherd(url)
    cluster.kill("slurmd")
    for pid in (int(Path(f"/proc/{shepherd}/stat").read_text().rpartition(")")[2].split()[1]), shepherd):
        os.kill(pid, signal.SIGKILL)
    cluster.start_daemon("slurmd")
    state = service.ended(url)
    assert (state["phase"], state["attempt"]) == ("COMPLETED", 2), state["error"]
    assert service.ticks(url, 1)[-1] < service.ticks(url, 2)[0]
    service.until(lambda: not cluster.run("squeue", "--noheader").strip(), "Slurm has nothing left")


@pytest.mark.parametrize(
    ("said", "final"),
    [
        ("Invalid partition name specified", True),
        ("Requested node configuration is not available", True),
        ("User's group not permitted to use this partition", True),
        ("Unexpected missing socket error", False),
        ("Socket timed out on send/recv operation", False),
        ("Requested partition configuration not available now", False),
        ("Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)", False),
    ],
)
def test_only_a_refusal_is_one(said, final):
    assert is_final(f"sbatch: error: Batch job submission failed: {said}") is final


def test_a_job_made_while_slurm_is_away_runs_when_it_is_back(service, worker, cluster):
    cluster.kill("slurmctld")
    url = service.create(action="write", text="patience")
    service.until(lambda: service.state(url)["phase"] == "EXECUTING", "it is in hand")
    time.sleep(2)
    cluster.start_daemon("slurmctld")
    state = service.ended(url, 150)
    assert state["phase"] == "COMPLETED", state["error"]
