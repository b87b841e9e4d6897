"""A whole gateway on a free port: web processes, worker, archive, in a home of its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
OWN = ("DATA", "DATABASE_URL", "TAP_DATABASE_URL", "TAP_QUERY_DATABASE_URL", "VOGATE_BASE_URL")
"""What a developer has exported for a gateway of his own."""
START_SECONDS = 60
STOP_SECONDS = 30


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Gateway:
    """`vogate` with a home of its own; `start`, `stop`, `kill` as an operator or an accident would."""

    home: Path
    port: int = field(default_factory=free_port)
    environment: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        return self.home / "serve.log"

    def env(self) -> dict[str, str]:
        """The environment of every process of this gateway."""
        kept = {k: v for k, v in os.environ.items() if k not in OWN}
        return kept | {"VOGATE_HOME": str(self.home)} | self.environment

    def vogate(self, *arguments: str, timeout: float = 600) -> subprocess.CompletedProcess[str]:
        """Run a `vogate` sub-command to its end."""
        command = [sys.executable, "-m", "gateway.cli.main", *arguments]
        return subprocess.run(
            command, env=self.env(), cwd=REPOSITORY, capture_output=True, text=True, timeout=timeout
        )

    def start(self, *options: str, command: str = "serve") -> Gateway:
        self.home.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "gateway.cli.main", command, "--port", str(self.port), *options],
                env=self.env(), cwd=REPOSITORY, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            if self.process.poll() is not None:
                break
            try:
                with urllib.request.urlopen(f"{self.url}/healthz", timeout=5):
                    return self
            except OSError:
                time.sleep(0.05)
        text = self.log.read_text(errors="replace")[-4000:]
        self.stop()
        raise AssertionError(f"the gateway did not start:\n{text}")

    def stop(self) -> None:
        """As Ctrl-C does."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def __enter__(self) -> Gateway:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
