"""`vogate run`, `job` and `query` as a user types them."""

from __future__ import annotations

import json
import re

import pytest

from tests.support.live import Gateway

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("live")]


@pytest.fixture(scope="module")
def vogate(live_gateway: Gateway):
    def run(*arguments: str):
        return live_gateway.vogate(*arguments, "--url", live_gateway.url, timeout=120)

    return run


def test_run_follow_fetch_log_and_rerun(vogate, tmp_path):
    table = tmp_path / "t.csv"
    table.write_text("time,flux\n" + "".join(f"{n * 0.37},{(n * 7) % 5}\n" for n in range(30)))
    # As docs/client.md has it: parameters behind options, too.
    done = vogate(
        "run", "periodogram", "--file", f"table={table}", "period_min=12 h", "-o", str(tmp_path / "out")
    )
    assert done.returncode == 0, done.stderr
    assert "COMPLETED" in done.stderr
    assert json.loads((tmp_path / "out" / "periodogram.json").read_text())["n"] == 30
    url = done.stdout.strip()
    shown = vogate("job", "show", url)
    assert re.search(r"period_min = 0.5", shown.stdout)
    assert "periodogram.png" in shown.stdout
    assert "Drawing" in vogate("job", "log", url).stdout
    refused = vogate("job", "rerun", url)
    assert (refused.returncode, "was uploaded" in refused.stderr) == (1, True)
    assert vogate("job", "delete", url).returncode == 0
    assert "no such job" in vogate("job", "show", url).stderr


def test_a_failed_run_says_why_and_where_its_log_is(vogate, live_gateway):
    rows = vogate("query", "SELECT TOP 1 obs_publisher_did FROM ivoa.obscore").stdout.split()
    done = vogate("run", "filter_table", f"table={rows[1]}", "condition=ENERGY > 1e9")
    assert done.returncode == 1
    assert "No row satisfies the condition." in done.stderr
    assert f"{live_gateway.url}/uws/filter_table/async/" in done.stderr


def test_refusals_are_one_line(vogate):
    for arguments, said in (
        (("run", "event_summary"), "Observations: none given"),
        (("run", "nonsense"), "There is no tool 'nonsense'"),
        (("query", "SELEC 1"), "SELEC"),
        (("run", "event_summary", "oops"), "is not NAME=VALUE"),
        (("run", "event_summary", "--run-id", "x", "oops"), "is not NAME=VALUE"),
    ):
        done = vogate(*arguments)
        assert done.returncode == 1
        assert said in done.stderr
        assert "Traceback" not in done.stderr
    unknown = vogate("run", "event_summary", "--nonsense", "a=1")
    assert (unknown.returncode, "unrecognized arguments" in unknown.stderr) == (2, True)
