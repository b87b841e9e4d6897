"""The drills, short: `make drills` has the long ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import require
from tests.drills.drill import run
from tests.uws.cluster import require_cluster

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("executor", "database"), [("local", "sqlite"), ("celery", "postgres"), ("slurm", "sqlite")]
)
def test_a_short_drill_costs_no_job(tmp_path: Path, executor: str, database: str):
    if executor == "celery":
        require("redis", "redis-server", "redis-cli")
    if executor == "slurm":
        require_cluster()
    report = run(tmp_path, executor, jobs=12, rounds=2, seed=7, pause=1.0, database=database)
    assert report.verdict.good, f"{report.verdict}\n{report.kills}\n{report.log[-4000:]}"
    assert sum(report.phases.values()) >= 12
    assert sum(report.kills.values()) == 2
