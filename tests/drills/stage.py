"""What a drill kills: the pieces of a gateway, each started again as a supervisor would."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from tests.support.postgres import Postgres
from tests.uws.brokers import Redis, celery_site, start_celery
from tests.uws.cluster import Cluster, slurm_site
from tests.uws.service import Service
from uws import shepherd

LIMITS = "[limits.anonymous]\nactive_jobs = 100000\n"
SLOTS = 4


@dataclass
class Piece:
    """A process that is killed and started again."""

    name: str
    start: Callable[[], subprocess.Popen[bytes]]
    process: subprocess.Popen[bytes] | None = None

    def kill(self) -> str:
        assert self.process is not None
        kill_all([self.process.pid, *descendants(self.process.pid)])
        self.process.wait()
        self.process = self.start()
        return ""


@dataclass
class Stage:
    """A gateway in pieces, with one executor.

    Parameters
    ----------
    folder
        For its state.
    executor
        `local`, `celery` or `slurm`.
    chance
        Decides who is killed.
    database
        `sqlite`, or `postgres`, which is a victim then.
    """

    folder: Path
    executor: str
    chance: random.Random
    database: str = "sqlite"
    pieces: list[Piece] = field(default_factory=list)
    postgres: Postgres | None = None
    redis: Redis | None = None
    cluster: Cluster | None = None
    hit: dict[str, list[str]] = field(default_factory=dict)
    """What was killed of each job: `tool` and `shepherd`."""
    kills: Counter[str] = field(default_factory=Counter)

    def __enter__(self) -> Stage:
        self.service = self._service()
        slots = str(SLOTS if self.executor == "local" else 0)
        self._piece("web server", self.service.start_web)
        self._piece(
            "worker", lambda: self.service.start("-m", "gateway.cli.main", "worker", "--slots", slots)
        )
        if self.executor == "celery":
            self._piece("Celery", lambda: start_celery(self.service, SLOTS))
        return self

    def __exit__(self, *_: object) -> None:
        self.service.stop()
        if self.redis is not None:
            self.redis.stop()
        if self.cluster is not None:
            self.cluster.stop()
        if self.postgres is not None:
            self.postgres.stop()

    def _service(self) -> Service:
        settings, environment = LIMITS, {}
        if self.database == "postgres":
            self.postgres = Postgres().start()
            environment["DATABASE_URL"] = self.postgres.url
        if self.executor == "celery":
            self.redis = Redis(self.folder / "redis").start()
            settings += celery_site(self.redis)
        if self.executor == "slurm":
            self.cluster = Cluster(self.folder / "slurm").start()
            settings += slurm_site(self.cluster)
        return Service(self.folder, settings, environment)

    def _piece(self, name: str, start: Callable[[], subprocess.Popen[bytes]]) -> None:
        self.pieces.append(Piece(name, start, start()))

    # -- killing ------------------------------------------------------------------------------------

    def victims(self) -> dict[str, Callable[[], str]]:
        """By name, what kills one of its kind and returns the job that it hit, if it was a job's."""
        found: dict[str, Callable[[], str]] = {piece.name: piece.kill for piece in self.pieces}
        found |= {"shepherd": self._kill_shepherd, "tool": self._kill_tool}
        if self.executor == "celery":
            found |= {"Celery process": self._kill_pool_process, "Redis": self._kill_redis}
        if self.postgres is not None:
            found["PostgreSQL"] = self._kill_postgres
        if self.executor == "slurm":
            found |= {name: partial(self._kill_daemon, name) for name in ("slurmctld", "slurmd")}
        return found

    def kill(self, name: str) -> None:
        self.kills[name] += 1
        job = self.victims()[name]()
        if job:
            self.hit.setdefault(job, []).append(name)

    def _kill_redis(self) -> str:
        assert self.redis is not None
        self.redis.kill()
        self.redis.start()
        return ""

    def _kill_postgres(self) -> str:
        assert self.postgres is not None
        self.postgres.kill()
        time.sleep(self.chance.uniform(0.0, 1.0))
        self.postgres.start()
        return ""

    def _kill_daemon(self, name: str) -> str:
        assert self.cluster is not None
        self.cluster.kill(name)
        time.sleep(self.chance.uniform(0.0, 1.0))
        self.cluster.start_daemon(name)
        return ""

    def _kill_pool_process(self) -> str:
        piece = next(piece for piece in self.pieces if piece.name == "Celery")
        assert piece.process is not None
        pool = [pid for pid in children(piece.process.pid) if "celery" in command(pid)]
        if pool:
            kill_all([self.chance.choice(pool)])
        return ""

    def _kill_shepherd(self) -> str:
        return self._kill_of_a_job(lambda pid, _: [pid])

    def _kill_tool(self) -> str:
        return self._kill_of_a_job(lambda pid, _: [p for p in descendants(pid) if p != pid])

    def _kill_of_a_job(self, choose: Callable[[int, str], list[int]]) -> str:
        running = self.shepherds()
        if not running:
            return ""
        job, pid = self.chance.choice(sorted(running.items()))
        victims = choose(pid, job)
        if not victims:
            return ""
        kill_all(victims)
        return job

    def shepherds(self) -> dict[str, int]:
        """Process ids of living shepherds by job."""
        found = {}
        for path in self.service.home.glob("jobs/*/*/attempt-*/shepherd.json"):
            try:
                record = json.loads(path.read_text())
            except (OSError, ValueError):
                continue
            if shepherd.process_start(record["pid"]) == record["start"]:
                found[path.parent.parent.name] = int(record["pid"])
        return found


def kill_all(pids: list[int]) -> None:
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


def children(pid: int) -> list[int]:
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as file:
            return [int(word) for word in file.read().split()]
    except OSError:
        return []


def descendants(pid: int) -> list[int]:
    """Below a process; shepherds, which are in no worker's session, are not followed: cold ones, and those of a zygote."""
    found = []
    for child in children(pid):
        if "zygote.py" in command(child):
            found.append(child)
        elif "shepherd.py" not in command(child):
            found += [child, *descendants(child)]
    return found


def command(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def attempts_alive() -> dict[str, set[str]]:
    """Attempts by job, of the processes that carry their mark right now."""
    found: dict[str, set[str]] = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/environ", "rb") as file:
                for item in file.read().split(b"\0"):
                    if item.startswith(b"VOGATE_ATTEMPT="):
                        job, _, attempt = item.decode().partition("=")[2].partition(".")
                        found.setdefault(job, set()).add(attempt)
        except OSError:
            continue
    return found
