"""A Redis server and Celery workers of a test's own, which it may kill."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

from tests.support.live import free_port
from tests.uws.service import Service


class Redis:
    """`redis-server` on a free port of 127.0.0.1; nothing is kept when it is killed."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> Redis:
        self.process = subprocess.Popen(
            ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"],
            cwd=self.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        end = time.monotonic() + 10
        while self.command("PING") != "PONG":
            assert time.monotonic() < end, "redis-server does not answer"
            time.sleep(0.05)
        return self

    def command(self, *words: str) -> str:
        """What `redis-cli` prints."""
        done = subprocess.run(
            ["redis-cli", "-p", str(self.port), *words], capture_output=True, text=True, check=False
        )
        return done.stdout.strip()

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(10)


def celery_site(redis: Redis) -> str:
    """Lines of a site.toml that send every tool to Celery."""
    return f'[executors]\ndefault = "celery"\n[executors.celery]\nbroker = "{redis.url}"\n'


def start_celery(service: Service, processes: int = 2) -> subprocess.Popen[bytes]:
    """A Celery worker with so many processes, with the options of docs/operating.md."""
    return service.start(
        "-m", "celery", "-A", "gateway.celery", "worker", "-Q", "vogate", "-c", str(processes), "--loglevel", "INFO",
        "-n", f"w{len(service.processes)}@%h", "--without-gossip", "--without-mingle",
    )  # fmt: skip
