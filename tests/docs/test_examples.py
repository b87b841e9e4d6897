"""The example scripts of docs/ run as they stand against a served gateway."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.live import Gateway
from tests.support.shared import REPOSITORY

EXAMPLES = sorted((REPOSITORY / "docs" / "examples").glob("*.py"))

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("live")]


@pytest.mark.parametrize("script", EXAMPLES, ids=lambda path: path.stem)
def test_example_runs(script: Path, live_gateway: Gateway, tmp_path: Path):
    done = subprocess.run(
        [sys.executable, str(script)],
        env=os.environ | {"VOGATE_URL": live_gateway.url},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.strip()
