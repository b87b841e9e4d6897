"""Slurm's commands: what sbatch, squeue and scancel of one cluster say, and whether to ask again."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

COMMAND_SECONDS = 15.0
WAITING = ("PENDING", "CONFIGURING", "SUSPENDED")
BEGUN = ("RUNNING", "COMPLETING")
# What sbatch says of a request that Slurm will never grant.  Anything else, a lost answer above all, is asked
# again: the job's name tells whether it has arrived.
_FINAL = (
    "invalid",
    "unrecognized",
    "ambiguous",
    "not available",
    "not permitted",
    "permission denied",
    "access denied",
    "more processors requested",
    "exceeds",
    "no partition specified",
    "does not exist",
)
# Texts with such a word that do not mean it.
_NOT_FINAL = ("not available now", "currently not available", "invalid authentication", "invalid message")


class SlurmError(Exception):
    """A command of Slurm's failed; `later` tells whether to try again."""

    def __init__(self, text: str, *, later: bool) -> None:
        super().__init__(text)
        self.later = later


@dataclass(frozen=True)
class Key:
    """How an attempt is found in Slurm: the name of its job, and its place in the array."""

    name: str
    index: int | None = None

    @property
    def text(self) -> str:
        return self.name if self.index is None else f"{self.name}[{self.index}]"

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Key:
        return cls(str(record.get("name")), record.get("index"))


@dataclass(frozen=True)
class Snapshot:
    """What squeue said at a time (monotonic seconds)."""

    taken: float
    jobs: Mapping[Key, tuple[str, str]]
    """Id (with the array's index) and state of every job that has not ended."""


class SlurmClient:
    """The commands, with one slurm.conf.

    Parameters
    ----------
    config
        Path of slurm.conf; empty for what the environment says.
    """

    def __init__(self, config: str = "") -> None:
        self._config = config

    def snapshot(self) -> Snapshot:
        """This account's jobs; SlurmError while slurmctld is away."""
        moment = time.monotonic()
        text = self._run(["squeue", "--me", "--noheader", "--array", "--format=%i|%j|%T"])
        jobs: dict[Key, tuple[str, str]] = {}
        for line in text.splitlines():
            # Names of this account's other jobs may have anything in them.
            number, _, rest = line.strip().partition("|")
            name, _, state = rest.rpartition("|")
            index = number.partition("_")[2]
            jobs[Key(name, int(index) if index.isdecimal() else None)] = (number, state)
        return Snapshot(moment, jobs)

    def cancel(self, number: str) -> None:
        """scancel; a job that has ended already is no error."""
        self._run(["scancel", "--quiet", number])

    def submit(self, name: str, options: Sequence[str], script: str) -> None:
        """sbatch of a script under a name."""
        self._run(["sbatch", "--parsable", f"--job-name={name}", *options], stdin=script)

    def _run(self, words: Sequence[str], stdin: str = "") -> str:
        environment = {**os.environ, "LC_ALL": "C"}
        if self._config:
            environment["SLURM_CONF"] = self._config
        try:
            done = subprocess.run(
                words, input=stdin, capture_output=True, text=True, timeout=COMMAND_SECONDS, env=environment
            )
        except subprocess.TimeoutExpired:
            raise SlurmError(f"{words[0]} timed out", later=True) from None
        except OSError as error:
            raise SlurmError(f"{words[0]}: {error.strerror}", later=True) from None
        if done.returncode:
            lines = done.stderr.strip().splitlines() or [f"{words[0]} ended with status {done.returncode}"]
            text = lines[-1].removeprefix(f"{words[0]}: ").removeprefix("error: ")
            raise SlurmError(text, later=words[0] != "sbatch" or not is_final(done.stderr))
        return done.stdout


def is_final(text: str) -> bool:
    """True if what sbatch said is a refusal, and no trouble on the way."""
    text = text.lower()
    return any(word in text for word in _FINAL) and not any(word in text for word in _NOT_FINAL)
