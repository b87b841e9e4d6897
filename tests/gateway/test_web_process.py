"""The processes that serve the port end together, however their master ends."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from tests.support.live import free_port
from tests.support.shared import REPOSITORY


def answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=2) as response:
            return response.status == 200
    except OSError:
        return False


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_no_web_process_serves_on_without_its_master(tmp_path: Path) -> None:
    port = free_port()
    master = subprocess.Popen(
        [sys.executable, "-m", "gateway.cli.web", "127.0.0.1", str(port), "1"],
        env=os.environ | {"VOGATE_HOME": str(tmp_path), "PYTHONPATH": str(REPOSITORY)},
    )
    try:
        end = time.monotonic() + 60
        while not answers(port):
            assert time.monotonic() < end
            time.sleep(0.1)
        serving = children(master.pid)
        assert serving
    finally:
        master.kill()
        master.wait(30)
    end = time.monotonic() + 15
    while left := [pid for pid in serving if Path(f"/proc/{pid}/exe").exists()]:
        assert time.monotonic() < end, left
        time.sleep(0.05)
    assert not answers(port)
