"""A PostgreSQL server on a port of its own, which tests may kill and start again."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import psycopg2

from tests.support.live import free_port
from tests.tap.postgres import as_user, required

START_SECONDS = 60.0


class Postgres:
    """`start` it, `kill` it with all its processes, `stop` it.  What it has committed, it keeps."""

    def __init__(self) -> None:
        self._place = required()
        # PostgreSQL's own user has to get to its folder, so it is not below the test's, which is private.
        self._temporary = tempfile.TemporaryDirectory(prefix="vogate-pg-", ignore_cleanup_errors=True)
        self.folder, self.port = Path(self._temporary.name), free_port()
        self._before = as_user(self.folder)
        self._environment = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}
        make = [*self._before, str(self._place / "initdb"), "-D", f"{self.folder}/data", "-U", "tests"]
        done = subprocess.run(
            [*make, "-A", "trust", "-N", "-E", "UTF8"],
            cwd="/", env=self._environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """What DATABASE_URL has to say."""
        return f"postgresql://tests@127.0.0.1:{self.port}/postgres"

    def start(self) -> Postgres:
        options = [
            f"port={self.port}",
            "listen_addresses=127.0.0.1",
            f"unix_socket_directories={self.folder}",
        ]
        # Without fsync a killed server loses nothing, only a machine that goes down does.
        options += ["fsync=off", "jit=off", "max_connections=60", "shared_buffers=64MB"]
        words = [word for option in options for word in ("-c", option)]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [*self._before, str(self._place / "postgres"), "-D", f"{self.folder}/data", *words],
                cwd="/", env=self._environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip
        end = time.monotonic() + START_SECONDS
        while not self._answers():
            assert time.monotonic() < end, (self.folder / "log").read_text()[-2000:]
            time.sleep(0.1)
        return self

    def _answers(self) -> bool:
        try:
            psycopg2.connect(self.url).close()
        except psycopg2.OperationalError:
            return False
        return True

    def kill(self) -> None:
        """kill -9 of the server and of the processes that serve its clients."""
        assert self.process is not None
        pid = self.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        for victim in (pid, *map(int, children)):
            try:
                os.kill(victim, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self.process.wait()

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)  # does not wait for connections to be closed
            self.process.wait(20)
        self._temporary.cleanup()
