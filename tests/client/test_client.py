"""The client against a served gateway."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import subprocess
import sys

import pytest

from gateway.client import ClientError, Gateway, JobFailed, Refused
from gateway.client.progress import ProgressBar
from tests.support.live import Gateway as Served
from tests.support.shared import REPOSITORY

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("live")]


@pytest.fixture(scope="module")
def gateway(live_gateway: Served) -> Gateway:
    return Gateway(live_gateway.url)


@pytest.fixture(scope="module")
def observation(gateway) -> dict:
    return gateway.observations(limit=1)[0]


@pytest.fixture(scope="module")
def summary(gateway, observation):
    """A completed job."""
    return gateway.run("event_summary", observations=observation, run_id="first", timeout=120)


def test_tools_say_what_they_take(gateway):
    assert {"event_summary", "filter_table"} <= {tool.name for tool in gateway.tools()}
    tool = gateway.tool("event_summary@1.0")
    assert tool.inputs == ["observations"]
    assert tool.parameters["energy_min"]["x-unit"] == "TeV"
    assert tool.available


def test_run_waits_and_results_are_read_and_saved(summary, tmp_path):
    assert (summary.phase, summary.state["run_id"]) == ("COMPLETED", "first")
    result = summary.results["summary"]
    assert result.json()["events"] > 0
    paths = summary.save(tmp_path / "results")
    assert sorted(path.name for path in paths) == ["summary.json", "summary.txt"]
    saved = next(path for path in paths if path.suffix == ".json")
    assert hashlib.sha256(saved.read_bytes()).hexdigest() == result.sha256
    assert "Reading" in summary.log()


def test_a_job_is_found_again_by_its_id_and_addresses(gateway, summary):
    for name in (summary.id, summary.url, f"{gateway.connection.url}/jobs/{summary.id}/"):
        assert gateway.job(name).id == summary.id


def test_units_lists_and_files_go_along(gateway, observation, tmp_path):
    table = tmp_path / 'a "table".csv'
    table.write_text("time,flux\n" + "".join(f"{n * 0.37},{(n * 7) % 5}\n" for n in range(30)))
    job = gateway.run("periodogram", files={"table": table}, period_min="12 h", timeout=120)
    assert job.state["parameters"]["period_min"] == 0.5
    assert job.results["periodogram"].json()["n"] == 30


def test_a_result_is_the_input_of_another_job(gateway, observation):
    filtered = gateway.run(
        "filter_table",
        {"table": observation, "condition": "ENERGY > 1"},
        columns=["ENERGY", "TIME"],
        timeout=120,
    )
    again = gateway.run("filter_table", table=filtered.results["filtered"], max_rows=5, timeout=120)
    assert again.results["summary"].json()["rows_out"] == 5


def test_rerun_makes_the_same_again(summary):
    again = summary.rerun().wait(120)
    assert again.id != summary.id
    assert again.results["summary"].json()["histogram"] == summary.results["summary"].json()["histogram"]


def test_a_job_may_be_made_first_and_started_or_cancelled(gateway, observation):
    job = gateway.submit("event_summary", observations=observation, run=False)
    assert job.phase == "PENDING"
    assert job.cancel().phase == "ABORTED"
    with pytest.raises(JobFailed, match="ABORTED"):
        job.wait(10)
    job.delete()
    with pytest.raises(Refused, match="no such job"):
        gateway.job(job.id)


def test_refusals_carry_the_gateways_words(gateway, observation):
    with pytest.raises(Refused, match="at least 0.0001 TeV") as caught:
        gateway.submit("event_summary", observations=observation, energy_min=0)
    assert caught.value.status == 400
    with pytest.raises(Refused, match="Did you mean event_summary"):
        gateway.tool("event_sumary")
    with pytest.raises(ClientError, match="no file"):
        gateway.submit("periodogram", files={"table": "/nowhere/at/all.fits"})
    with pytest.raises(ClientError, match="cannot be reached"):
        Gateway("http://127.0.0.1:9").tools()


def test_a_failed_run_says_why(gateway, observation):
    with pytest.raises(JobFailed, match="No row satisfies the condition") as caught:
        gateway.run("filter_table", {"table": observation, "condition": "ENERGY > 1e9"}, timeout=120)
    assert caught.value.job.phase == "ERROR"


def test_the_progress_bar_shows_stages(gateway, observation):
    said = io.StringIO()
    job = gateway.submit("event_summary", observations=observation)
    job.wait(120, progress=ProgressBar(said))
    assert said.getvalue().splitlines()[-1].strip().startswith("COMPLETED")


def test_a_batch_waits_for_room_and_counts_its_failures(gateway, observation):
    conditions = [
        "ENERGY > 1",
        "ENERGY > 1e9",
        "ENERGY > 2",
        "DEC > -100",
        "nonsense",
        "ENERGY < 1",
        "ENERGY > 3",
    ]
    batch = gateway.submit_many(
        "filter_table", [{"condition": text} for text in conditions], table=observation, columns="ENERGY"
    ).wait(180)
    assert len(batch) == 7
    assert batch.phases == {"COMPLETED": 5, "ERROR": 2}
    assert {job.state["error_message"].split(";")[0] for job in batch.failed} == {
        "No row satisfies the condition.", "There is no column nonsense",
    }  # fmt: skip
    assert len(batch.rerun_failed().wait(60).failed) == 2


def test_searches_give_rows(gateway, observation):
    rows = gateway.search("SELECT obs_id, s_ra FROM ivoa.obscore ORDER BY obs_id", maxrec=3)
    assert len(rows) == 3
    assert set(rows[0]) == {"obs_id", "s_ra"}


def test_the_folder_can_be_copied_and_needs_nothing_else(tmp_path, live_gateway):
    shutil.copytree(
        REPOSITORY / "gateway" / "client", tmp_path / "copied", ignore=shutil.ignore_patterns("__pycache__")
    )
    size = sum(path.stat().st_size for path in (tmp_path / "copied").rglob("*"))
    assert size < 1 << 20
    code = f"from copied import Gateway; print(len(Gateway({live_gateway.url!r}).tools()))"
    # -I -S: neither site-packages nor the environment.
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r}); {code}"],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= 4


def test_a_gateway_gives_the_client_away_as_a_package(tmp_path, live_gateway):
    def python(*arguments: str) -> str:
        environment = {"PATH": os.defpath, "HOME": str(tmp_path), "VOGATE_URL": live_gateway.url}
        done = subprocess.run(
            [str(tmp_path / "venv" / "bin" / "python"), *arguments], capture_output=True, text=True,
            timeout=120, cwd=tmp_path, env=environment,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    python(
        "-m",
        "pip",
        "install",
        "-q",
        "--no-index",
        "--find-links",
        f"{live_gateway.url}/client/",
        "vogate-client",
    )
    assert int(python("-c", "from vogate_client import Gateway; print(len(Gateway().tools()))")) >= 4
    listed = subprocess.run(
        [tmp_path / "venv" / "bin" / "vogate-client", "tools", "--url", live_gateway.url],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "event_summary@1.0" in listed.stdout
    python("-m", "pip", "check")
