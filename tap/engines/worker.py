"""The master's side of one query worker process."""

from __future__ import annotations

import contextlib
import itertools
import json
import logging
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tap
from gateway.vo.errors import NotAvailable
from tap.engines import wire
from tap.engines.base import StartFailed

log = logging.getLogger("vogate.query")

ROOT = Path(tap.__file__).resolve().parent.parent
START_SECONDS = 30.0
MALLOC = "glibc.malloc.tcache_count=500"
"""Planning a query makes and frees hundreds of equal pieces of memory: kept by the thread, that takes a sixth less."""
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Limits:
    """What one worker may use."""

    memory: str = "768MB"
    temporary_files: str = "8GB"
    address_space: int = 8 << 30
    """Ceiling of the process in bytes, for what DuckDB's own accounting does not see; 0 for none."""
    scratch: Path = field(default_factory=lambda: Path("/tmp"))
    """Folder for the temporary files; each worker has a folder of its own in it."""
    threads: int = 1
    """Threads of DuckDB for queries that are not small; those in which they help are long."""


class Worker:
    """One process that answers one query at a time.

    The constructor returns at once; `ready` waits until the process has attached its files.
    """

    program = "tap.engines.duckdb_worker"

    def __init__(self, version: int, files: Mapping[str, Path], limits: Limits) -> None:
        self.version, self.files = version, dict(files)
        self.scratch = limits.scratch / f"query-{os.getpid()}-{next(_numbers)}"
        self._stopped = threading.Lock()
        self._pipe = threading.Lock()
        """Guards `_lifeline`: once it is closed, its number may be another file's."""
        self._is_ready = False
        self._queries = 0
        self.told: dict[str, Any] = {}
        """What the process said when it was ready."""
        try:
            self._begin(limits)
        except OSError as error:
            log.error("a query worker cannot be started: %s", error)
            shutil.rmtree(self.scratch, ignore_errors=True)
            raise NotAvailable(
                "The query engine could not be started.", hint="Try again in a moment."
            ) from error

    def _begin(self, limits: Limits) -> None:
        """Start the process; OSError if the machine has not the means."""
        self.scratch.mkdir(parents=True, exist_ok=True)
        self.socket, theirs = socket.socketpair()
        self.inbox = wire.Inbox(self.socket)
        lifeline, self._lifeline = -1, -1
        try:
            lifeline, self._lifeline = os.pipe()
            for end in (self.socket, theirs):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, wire.BUFFER)
                end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, wire.BUFFER)
            self.process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    self.program,
                    str(theirs.fileno()),
                    str(lifeline),
                    json.dumps(self.configuration(limits)),
                ],
                pass_fds=(theirs.fileno(), lifeline),
                stdin=subprocess.DEVNULL,
                cwd=ROOT,
                env=self.environment(),
                process_group=0,  # Ctrl-C is for the master, whose end the lifeline tells
            )
        except OSError:
            self.socket.close()
            if self._lifeline >= 0:
                os.close(self._lifeline)
            raise
        finally:
            theirs.close()
            if lifeline >= 0:
                os.close(lifeline)

    def configuration(self, limits: Limits) -> dict[str, Any]:
        """What the process is told on its command line, which all users of the machine may read."""
        return {
            "files": {alias: str(path) for alias, path in self.files.items()},
            "memory_limit": limits.memory,
            "max_temp_directory_size": limits.temporary_files,
            "temp_directory": str(self.scratch),
            "threads": limits.threads,
            "address_space": limits.address_space,
        }

    def environment(self) -> dict[str, str]:
        """The process's whole environment."""
        return _environment()

    def ready(self) -> None:
        """Wait until queries can be sent.

        Raises
        ------
        StartFailed
            If the process could not open the archive's files, or died.
        """
        if self._is_ready:
            return
        try:
            self.socket.settimeout(START_SECONDS)
            kind, payload = self.inbox.receive()
        except OSError:  # time is up, the process is gone, or somebody has given it up meanwhile
            self.kill()
            raise StartFailed("The query engine did not start.", hint="Try again in a moment.") from None
        if kind != wire.READY:
            self.kill()
            reason = json.loads(payload).get("message", "")
            raise StartFailed("The query engine could not open the archive.") from RuntimeError(reason)
        self.told = json.loads(payload) if payload else {}
        self._is_ready = True

    def begin(self) -> int:
        """The number of a query that is about to be sent, so that an interrupt hits this one and no other."""
        self._queries += 1
        return self._queries

    def interrupt(self, query: int | None) -> None:
        """Ask the process to stop a query; no effect if it has ended, or was not sent."""
        with self._pipe:
            if self._lifeline >= 0 and query is not None:
                os.write(self._lifeline, bytes([query % 256]))

    @property
    def usable(self) -> bool:
        """Whether it has been started and still lives."""
        return self._is_ready and self.alive

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def signal(self) -> None:
        """SIGKILL, from any thread; whoever reads the socket sees its end and calls `kill`."""
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()

    def kill(self) -> None:
        """End the process now and free what it held; may be called twice."""
        self.signal()
        if not self._stopped.acquire(blocking=False):
            return
        self.socket.close()
        with self._pipe:
            os.close(self._lifeline)
            self._lifeline = -1
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=5)
        shutil.rmtree(self.scratch, ignore_errors=True)


def _environment() -> dict[str, str]:
    """What a worker needs to import its modules, and no secret of the server's."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL", "HOME") if name in os.environ}
    paths = [str(ROOT), os.environ.get("PYTHONPATH", "")]
    return {
        **kept,
        "PYTHONPATH": os.pathsep.join(path for path in paths if path),
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "GLIBC_TUNABLES": MALLOC,
    }


def remove_stale_scratch(folder: Path) -> None:
    """Remove what workers of dead masters left behind."""
    for path in folder.glob("query-*-*"):
        owner = path.name.split("-")[1]
        if owner.isdigit() and not Path(f"/proc/{owner}").exists():
            shutil.rmtree(path, ignore_errors=True)
