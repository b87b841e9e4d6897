"""The Python of docs/client.md runs from top to bottom."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tests.support.live import Gateway
from tests.support.shared import REPOSITORY

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("live")]


def test_the_examples_run(live_gateway: Gateway, tmp_path):
    text = (REPOSITORY / "docs" / "client.md").read_text(encoding="utf-8")
    code = "\n".join(re.findall(r"```python\n(.*?)```", text, re.DOTALL))
    assert code.count("gateway.") > 5
    env = live_gateway.env() | {"VOGATE_URL": live_gateway.url, "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(
        [sys.executable, "-c", code + "\nassert len(events) == len(calls) > 0"],
        cwd=tmp_path, env=env, capture_output=True, text=True, timeout=200,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert (tmp_path / "filtered" / "filtered.fits").exists()
