"""`vogate serve`: the web processes and a worker under one small supervisor."""

from __future__ import annotations

import argparse
import ctypes
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
            self.start()

    def stop(self, sign: int = signal.SIGTERM) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(sign)


def children(args: argparse.Namespace, *, end_jobs: bool) -> list[Child]:
    """The processes of a gateway on one machine."""
    web = [sys.executable, "-m", "gateway.cli.web", args.host, str(args.port), str(args.workers)]
    worker = [sys.executable, "-m", "gateway.cli.main", "worker", "--slots", str(args.slots)]
    return [Child("web", web), Child("worker", worker + (["--end-jobs"] if end_jobs else []))]


def port_is_free(host: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def port_in_use(host: str, port: int) -> int:
    """Say that the address is taken and what to do; the exit status."""
    print(
        f"vogate: {host}:{port} is in use. Stop what serves there, or choose another port: PORT=8001 make run",
        file=sys.stderr,
    )
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
    if not port_is_free(args.host, args.port):
        return port_in_use(args.host, args.port)
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
    os.environ.setdefault("VOGATE_SERVED_AT", f"http://{args.host}:{args.port}")
    for child in family:
        child.start()
    url, announced = f"http://{args.host}:{args.port}", False
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
