"""`vogate serve`: the web processes and a worker under one small supervisor."""

from __future__ import annotations

import argparse
import ctypes
import errno
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass, field

STOP_SECONDS = 12
"""What a child has to end by itself after SIGTERM."""


PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


def _end_with_parent() -> None:
    """A supervisor that is killed takes its children with it (the shepherds of jobs live on)."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


@dataclass
class Child:
    """A process that is started again when it dies."""

    name: str
    command: list[str]
    process: subprocess.Popen[bytes] | None = None
    failures: list[float] = field(default_factory=list)
    not_before: float = 0.0

    def start(self) -> None:
        # A session of its own: Ctrl-C in the terminal reaches the supervisor alone, which stops the rest in order.
        self.process = subprocess.Popen(self.command, start_new_session=True, preexec_fn=_end_with_parent)

    def tend(self) -> None:
        """Start the process again if it has died, slower each time it dies within a minute."""
        now = time.monotonic()
        if self.process is not None and self.process.poll() is not None:
            print(
                f"vogate: the {self.name} process ended ({self.process.returncode}); starting it again",
                flush=True,
            )
            self.failures = [t for t in self.failures if now - t < 60] + [now]
            self.not_before = now + min(30.0, 0.5 * 2 ** len(self.failures))
            self.process = None
        if self.process is None and now >= self.not_before:
            try:
                self.start()
            except OSError as error:  # no memory, no processes: that passes
                print(f"vogate: the {self.name} process cannot be started: {error.strerror}", flush=True)
                self.not_before = now + 5.0

    def stop(self, sign: int = signal.SIGTERM) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(sign)


def children(args: argparse.Namespace, *, end_jobs: bool) -> list[Child]:
    """The processes of a gateway on one machine."""
    web = [sys.executable, "-m", "gateway.cli.web", args.host, str(args.port), str(args.workers)]
    worker = [sys.executable, "-m", "gateway.cli.main", "worker", "--slots", str(args.slots)]
    return [Child("web", web), Child("worker", worker + (["--end-jobs"] if end_jobs else []))]


def problem_with(host: str, port: int) -> str:
    """Why the address cannot be served, and what to do; '' if it can."""
    try:
        family, *_, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (OSError, UnicodeError):
        return f"HOST={host}: there is no such address."
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(place)
        except PermissionError:
            return f"This user may not serve port {port}; choose one from 1024 on: PORT=8001 make run"
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return f"{host}:{port} is in use. Stop what serves there, or choose another port: PORT=8001 make run"
            return f"{host}:{port} cannot be served: {error.strerror}."
    return ""


def refuse(problem: str) -> int:
    """Say what the problem is; the exit status."""
    print(f"vogate: {problem}", file=sys.stderr)
    return 1


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/healthz", timeout=2) as response:
            return bool(response.status == 200)
    except OSError:
        return False


def main(args: argparse.Namespace, *, end_jobs: bool = False, since: float | None = None) -> int:
    """Serve until SIGINT or SIGTERM.

    Parameters
    ----------
    end_jobs
        End running jobs on exit (they are retried at the next start) instead of leaving them alive.
    since
        `time.monotonic()` of the start, for the line that says how long it took.
    """
    since = time.monotonic() if since is None else since
    if problem := problem_with(args.host, args.port):
        return refuse(problem)
    stopping = False

    def stop(_signal: int, _frame: object) -> None:
        nonlocal stopping
        stopping = True

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    family = children(args, end_jobs=end_jobs)
    # Buffers of results are as large as batches: kept by the process, they are not cleared anew by the kernel each time.
    os.environ.setdefault("MALLOC_MMAP_THRESHOLD_", str(16 << 20))
    os.environ.setdefault("MALLOC_TRIM_THRESHOLD_", str(32 << 20))
    for child in family:
        child.start()
    url, announced = f"http://{f'[{args.host}]' if ':' in args.host else args.host}:{args.port}", False
    try:
        while not stopping:
            if not announced and _answers(url):
                announced = True
                print(
                    f"vogate: serving {url} after {time.monotonic() - since:.1f} s. Ctrl-C stops it.",
                    flush=True,
                )
            for child in family:
                child.tend()
            time.sleep(0.1)
    finally:
        _stop_all(family)
    return 0


def _stop_all(family: list[Child]) -> None:
    print("vogate: stopping", flush=True)
    for child in family:
        child.stop()
    end = time.monotonic() + STOP_SECONDS
    for child in family:
        if child.process is not None:
            try:
                child.process.wait(max(0.1, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                child.stop(signal.SIGKILL)
                child.process.wait()
    print("vogate: stopped", flush=True)
