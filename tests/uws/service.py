"""A web process and workers of their own, for tests that kill them."""

from __future__ import annotations

import atexit
import functools
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.support.live import REPOSITORY, free_port
from tests.uws.builders import make_site

START_SECONDS = 60.0


class _AsItComes(urllib.request.HTTPErrorProcessor):
    """Redirects and errors are answers like others."""

    def http_response(self, request: Any, response: Any) -> Any:
        return response


_opener = urllib.request.build_opener(_AsItComes)


MIGRATE = ("manage.py", "migrate", "--skip-checks", "--verbosity", "0")


@functools.cache
def _migrated() -> Path:
    """A new gateway's SQLite file, which takes five seconds to make: each service gets a copy."""
    folder = Path(tempfile.mkdtemp(prefix="vogate-migrated-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    environment = os.environ | {"VOGATE_HOME": str(folder)}
    environment.pop("DATABASE_URL", None)
    done = subprocess.run(
        [sys.executable, *MIGRATE], cwd=REPOSITORY, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return folder / "gateway.sqlite3"


class Service:
    """A gateway in pieces: `start_worker` and `start_web` give processes that a test may kill."""

    def __init__(
        self, folder: Path, settings: str = "", environment: Mapping[str, str] | None = None
    ) -> None:
        self.home, self.port = folder / "home", free_port()
        self.site = make_site(folder / "site", settings)
        self.processes: list[subprocess.Popen[bytes]] = []
        kept = {k: v for k, v in os.environ.items() if k not in ("DATA", "DATABASE_URL", "VOGATE_BASE_URL")}
        self.environment = kept | {
            "VOGATE_HOME": str(self.home),
            "SITE": str(self.site),
            "VOGATE_LOG": "INFO",
        }
        if "VOGATE_TEST_DATABASE_URL" in os.environ:
            self.environment["DATABASE_URL"] = os.environ["VOGATE_TEST_DATABASE_URL"]
        self.environment |= environment or {}
        # A worker would have matplotlib list the fonts, for tools that draw: these do not.
        (self.home / "cache" / "tools" / "matplotlib").mkdir(parents=True, exist_ok=True)
        if "DATABASE_URL" in self.environment:
            done = self.run(*MIGRATE)
            assert done.returncode == 0, done.stderr
        else:
            shutil.copy(_migrated(), self.home)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *arguments], cwd=REPOSITORY, env=self.environment, capture_output=True, text=True
        )

    def _start(self, *arguments: str) -> subprocess.Popen[bytes]:
        with (self.home / "log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, *arguments],
                cwd=REPOSITORY, env=self.environment, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        self.processes.append(process)
        return process

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """A process of this gateway, by the arguments of Python; it ends with the service."""
        return self._start(*arguments)

    def start_web(self) -> subprocess.Popen[bytes]:
        process = self._start("-m", "gateway.cli.web", "127.0.0.1", str(self.port), "1")
        self.until(lambda: self._answers(), "the web process answers")
        return process

    def start_worker(self, *options: str) -> subprocess.Popen[bytes]:
        return self._start("-m", "gateway.cli.main", "worker", "--slots", "2", *options)

    def _answers(self) -> bool:
        try:
            return _opener.open(f"{self.url}/healthz", timeout=2).status == 200
        except OSError:
            return False

    def until(self, condition: Callable[[], Any], what: str, seconds: float = START_SECONDS) -> Any:
        """Wait for something; the processes' log is in the failure."""
        end = time.monotonic() + seconds
        while True:
            value = condition()
            if value:
                return value
            if time.monotonic() > end:
                raise AssertionError(f"not within {seconds} s: {what}\n{self.log()[-4000:]}")
            time.sleep(0.05)

    def log(self) -> str:
        return (self.home / "log").read_text(errors="replace")

    # -- as a client ------------------------------------------------------------------------------------

    def post(self, url: str, **parameters: Any) -> str:
        """Send a form; returns where the answer, a 303, leads."""
        response = _opener.open(url, data=urllib.parse.urlencode(parameters).encode(), timeout=30)
        assert response.status == 303, response.read()
        return str(response.headers["Location"])

    def post_files(self, tool: str, role: str, contents: Sequence[str], **parameters: Any) -> str:
        """Run a tool with uploaded files; returns the job's URL."""
        boundary = "part-of-a-request"
        parts = [(f'"{name}"', str(value)) for name, value in {"PHASE": "RUN", **parameters}.items()]
        parts += [(f'"{role}"; filename="f{n}.txt"', text) for n, text in enumerate(contents, 1)]
        body = "".join(
            f"--{boundary}\r\nContent-Disposition: form-data; name={head}\r\n\r\n{value}\r\n"
            for head, value in parts
        )
        request = urllib.request.Request(
            f"{self.url}/uws/{tool}/async",
            data=f"{body}--{boundary}--\r\n".encode(),
            headers={"Content-Type": f"multipart/form-data; boundary={boundary}"},
        )
        response = _opener.open(request, timeout=60)
        assert response.status == 303, response.read()
        return str(response.headers["Location"])

    def create(self, tool: str = "probe", **parameters: Any) -> str:
        """Run a tool; returns the job's URL."""
        return self.post(f"{self.url}/uws/{tool}/async", PHASE="RUN", **parameters)

    def state(self, url: str) -> dict[str, Any]:
        job_id = url.rpartition("/")[2]
        with urllib.request.urlopen(f"{self.url}/api/v1/jobs/{job_id}?LOG=0", timeout=30) as response:
            return json.load(response)

    def ended(self, url: str, seconds: float = START_SECONDS) -> dict[str, Any]:
        """The job's state once it has ended."""
        self.until(lambda: self.state(url)["final"], "the job has ended", seconds)
        return self.state(url)

    # -- behind the scenes ------------------------------------------------------------------------------

    def folder(self, url: str) -> Path:
        job_id = url.rpartition("/")[2]
        return self.home / "jobs" / job_id[:2] / job_id

    def shepherd(self, url: str, attempt: int = 1) -> int:
        """Process id of an attempt's shepherd, once its tool runs."""
        folder = self.folder(url) / f"attempt-{attempt}"
        self.until(lambda: self.ticks(url, attempt), f"attempt {attempt} runs")
        return int(json.loads((folder / "shepherd.json").read_text())["pid"])

    def shepherds(self, url: str) -> list[int]:
        """Process ids of the shepherds of the job's attempts, ended ones as well."""
        records = sorted(self.folder(url).glob("attempt-*/shepherd.json"))
        return [int(json.loads(record.read_text())["pid"]) for record in records]

    def ticks(self, url: str, attempt: int) -> list[float]:
        """The times at which the tool of an attempt said that it is alive."""
        try:
            lines = (self.folder(url) / f"attempt-{attempt}" / "stdout.log").read_text().splitlines()
        except OSError:
            return []
        return [float(line.split()[1]) for line in lines if line.startswith("tick") and line[-1].isdigit()]

    def processes_of(self, url: str) -> list[int]:
        """Processes that carry the job's mark."""
        mark = f"VOGATE_ATTEMPT={url.rpartition('/')[2]}".encode()
        found = []
        for name in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{name}/environ", "rb") as file:
                    if mark in file.read():
                        found.append(int(name))
            except OSError:
                continue
        return found

    def stop(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in self.processes:
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for record in self.home.glob("jobs/*/*/attempt-*/shepherd.json"):
            if not (record.parent / "exit.json").exists():
                try:
                    os.kill(json.loads(record.read_text())["pid"], signal.SIGTERM)
                except ProcessLookupError:
                    pass
