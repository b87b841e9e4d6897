"""One drill: a load of jobs, kills at random, and the verdict."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from tests.drills import load
from tests.drills.judge import Verdict, jobs_of, judge
from tests.drills.stage import Stage, attempts_alive

PATIENCE = 180.0
"""Seconds without any job's end after which the rest counts as stuck."""


@dataclass
class Report:
    """A row of the table."""

    executor: str
    seed: int
    kills: Counter[str]
    phases: Counter[str]
    retries: int
    seconds: float
    verdict: Verdict
    log: str


class Watcher(threading.Thread):
    """Looks at /proc for two attempts of a job at once."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.doubled: set[str] = set()
        self.ended = threading.Event()

    def run(self) -> None:
        seen: Counter[str] = Counter()
        while not self.ended.wait(0.1):
            twice = {job for job, attempts in attempts_alive().items() if len(attempts) > 1}
            # /proc is not read in one instant: only what two looks in a row have seen is true.
            for job in list(seen):
                if job not in twice:
                    del seen[job]
            seen.update(twice)
            self.doubled |= {job for job, times in seen.items() if times > 1}


def run(
    folder: Path,
    executor: str,
    *,
    jobs: int,
    rounds: int,
    seed: int,
    database: str = "sqlite",
    pause: float = 1.5,
) -> Report:
    """Kill `rounds` victims under a load of `jobs` jobs.

    Parameters
    ----------
    pause
        Mean seconds between two kills.
    """
    chance = random.Random(seed)
    began = time.monotonic()
    watcher = Watcher()
    watcher.start()
    with Stage(folder, executor, chance, database) as stage:
        wanted = [load.draw(chance, number) for number in range(jobs)]
        feeder = threading.Thread(target=_feed, args=(stage, wanted), daemon=True)
        feeder.start()
        for victim in _victims(stage, rounds, chance):
            time.sleep(chance.uniform(0.5, 1.5) * pause)
            stage.kill(victim)
        feeder.join(300)
        _wait(stage)
        watcher.ended.set()
        watcher.join()
        verdict, ended = judge(stage, wanted, watcher.doubled)
        log = stage.service.log()
    return Report(
        f"{executor} on {database}",
        seed,
        stage.kills,
        Counter(job["phase"] for job in ended),
        sum(job["attempt"] > 1 for job in ended),
        time.monotonic() - began,
        verdict,
        log,
    )


def _victims(stage: Stage, rounds: int, chance: random.Random) -> list[str]:
    """At random, but each kind as often as the others, give or take one."""
    names: list[str] = []
    while len(names) < rounds:
        kinds = sorted(stage.victims())
        chance.shuffle(kinds)
        names += kinds
    return names[:rounds]


def _feed(stage: Stage, wanted: list[load.Wanted]) -> None:
    """Submit all; abort those that are meant to be."""
    for want in wanted:
        load.submit(stage.service, want)
        if "Aborted" in want.says:
            load.abort(stage.service, want)


def _wait(stage: Stage) -> None:
    """Until all jobs have ended, or none has for `PATIENCE`."""
    left, since = -1, time.monotonic()
    while True:
        open_jobs = [j for j in jobs_of(stage) if not j["final"] or any(a["open"] for a in j["attempts"])]
        if not open_jobs:
            return
        if len(open_jobs) != left:
            left, since = len(open_jobs), time.monotonic()
        if time.monotonic() - since > PATIENCE:
            return
        time.sleep(2.0)
