"""Attempts in Slurm's allocations: the same shepherd, started by sbatch.

Job names are trusted, not ids: an id can come back after slurmctld was killed.  Attempts that begin
together and need the same are submitted as one job array.  All talk with Slurm happens in one thread, because
its commands hang while slurmctld is away; meanwhile attempts count as alive, and what could not be submitted is
submitted later.  The job folders have to be on a file system that the nodes share.
"""

from __future__ import annotations

import logging
import os
import shlex
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from uws import shepherd, storage
from uws.executor import LocalExecutor, locked, request_stop
from uws.executors import ExecutorConfig

log = logging.getLogger("vogate.uws")

RECORD = "slurm.json"
DEFAULT_SLOTS = 200
DEFAULT_ARRAY = 100
SNAPSHOT_SECONDS = 1.0
GATHER_SECONDS = 0.1
"""Attempts that begin within this time share an array."""
SETTLE_SECONDS = 3.0
"""A job that is missing from squeue for so long is gone; its last files may still be on their way."""
COMMAND_SECONDS = 15.0
SPARE_MINUTES = 2
"""Slurm's time limit is so much above executionDuration: the shepherd is to be first."""
MEMORY_SPARE_MB = 64
"""For the shepherd and the batch step."""
LOOK_SECONDS = 0.2
# Texts of sbatch that mean `later`, not `never`.
_TRANSIENT = (
    "unable to contact",
    "timed out",
    "connection refused",
    "connection failure",
    "temporarily",
    "zero bytes",
    "not responding",
    "munge",
    "authentication",
    "protocol",
    "transport endpoint",
    "communication",
    "slurm_persist",
)


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


@dataclass
class Snapshot:
    """What squeue said at a time."""

    taken: float
    jobs: Mapping[Key, tuple[str, str]]
    """Id (with the array's index) and state of every job that has not ended."""


class SlurmExecutor:
    """sbatch, squeue and scancel of one cluster.

    Parameters
    ----------
    config
        `[executors.<name>]` of site.toml: partition, account, qos, memory_mb, cpus, minutes, options (of
        sbatch, as a list), max_jobs, array_size, config (path of slurm.conf).
    """

    is_here = False

    def __init__(self, config: ExecutorConfig) -> None:
        self.name, self.options = config.name, config.options
        self.slots: int | None = int(config.options.get("max_jobs", DEFAULT_SLOTS))
        self._array = int(config.options.get("array_size", DEFAULT_ARRAY))
        self._lock = threading.Lock()
        self._waiting: dict[Path, float] = {}
        self._cancel: set[Path] = set()
        self._refused: dict[Path, str] = {}
        self._held: dict[Path, float] = {}
        """Attempts, with the time since which they are missing (0 if they are not)."""
        self._seen: dict[Path, float] = {}
        """When an attempt was last found alive."""
        self._snapshot: Snapshot | None = None
        self._news = threading.Event()
        self._closed = False
        self._thread: threading.Thread | None = None
        self._complained = 0.0

    # -- what the worker asks -----------------------------------------------------------------------

    def launch(self, folder: Path) -> None:
        _say(folder, "Waiting for Slurm")
        self._enqueue(folder)

    def alive(self, folder: Path) -> bool:
        moment = time.monotonic()
        if moment - self._seen.get(folder, -LOOK_SECONDS) < LOOK_SECONDS:
            return True
        answer = self._look(folder)
        if answer:
            self._seen[folder] = moment
        else:
            self._seen.pop(folder, None)
        return answer

    def stop(self, folder: Path) -> None:
        request_stop(folder)
        with self._lock:
            if self._waiting.pop(folder, None) is not None and not (folder / RECORD).exists():
                return
            self._cancel.add(folder)
        self._begin()
        self._news.set()

    def clear(self, folder: Path) -> None:
        """Slurm kills what a job leaves; on this machine leftovers are looked for, too."""
        LocalExecutor(self.name).clear(folder)

    def waitable(self, folder: Path) -> int | None:
        return None

    def forget(self, folder: Path) -> None:
        with self._lock:
            for table in (self._waiting, self._refused, self._held, self._seen):
                table.pop(folder, None)
            self._cancel.discard(folder)

    def close(self) -> None:
        self._closed = True
        self._news.set()
        if self._thread is not None:
            self._thread.join(2 * COMMAND_SECONDS)

    # -- is it alive? -------------------------------------------------------------------------------

    def _look(self, folder: Path) -> bool:
        """True while a process of the attempt may be alive, or may still come."""
        if (folder / "exit.json").exists() or folder in self._refused:
            return False
        if locked(folder.parent):
            return True
        record = storage.read_json(folder / RECORD)
        stopped = (folder / shepherd.STOP_FILE).exists()
        if record is None:
            if stopped or not (folder / "spec.json").exists():
                return False  # never submitted, and never will be: stopped, or its worker died while it prepared it
            self._enqueue(folder)
            return True
        self._begin()
        with self._lock:
            self._held.setdefault(folder, 0.0)
            snapshot = self._snapshot
            if folder in self._waiting and not stopped:
                return True
        if snapshot is None:
            return True
        return self._by_snapshot(folder, record, snapshot, stopped)

    def _by_snapshot(
        self, folder: Path, record: Mapping[str, Any], snapshot: Snapshot, stopped: bool
    ) -> bool:
        if _key(record) in snapshot.jobs:
            self._held[folder] = 0.0
            return True
        since = self._held.get(folder) or snapshot.taken
        self._held[folder] = since
        if snapshot.taken - since < SETTLE_SECONDS or locked(folder.parent):
            return True
        if not (record.get("submitted") or stopped or (folder / "shepherd.json").exists()):
            self._enqueue(folder)  # the command that submitted it failed half-way
            return True
        return False

    def _enqueue(self, folder: Path) -> None:
        with self._lock:
            self._waiting.setdefault(folder, time.monotonic())
            self._held.setdefault(folder, 0.0)
        self._begin()
        self._news.set()

    # -- the thread that talks with Slurm ---------------------------------------------------------------

    def _begin(self) -> None:
        with self._lock:
            if self._thread is None and not self._closed:
                self._thread = threading.Thread(target=self._talk, name=f"slurm-{self.name}", daemon=True)
                self._thread.start()

    def _talk(self) -> None:
        while not self._closed:
            self._news.wait(SNAPSHOT_SECONDS)
            self._news.clear()
            try:
                time.sleep(GATHER_SECONDS)
                if self._held or self._waiting or self._cancel:
                    self._refresh()
                    self._cancel_some()
                    self._submit_waiting()
            except SlurmError as error:
                self._complain(error)
            except Exception:
                log.exception("the thread that talks with Slurm goes on after an error")
                time.sleep(SNAPSHOT_SECONDS)

    def _complain(self, error: Exception) -> None:
        """Once a minute."""
        if time.monotonic() - self._complained > 60:
            self._complained = time.monotonic()
            log.warning("Slurm does not answer, jobs wait: %s", error)

    def _refresh(self) -> None:
        moment = time.monotonic()
        text = self._command(["squeue", "--me", "--noheader", "--array", "--format=%i|%j|%T"])
        jobs: dict[Key, tuple[str, str]] = {}
        for line in text.splitlines():
            number, name, state = line.strip().split("|")
            index = number.partition("_")[2]
            jobs[Key(name, int(index) if index else None)] = (number, state)
        self._snapshot = Snapshot(moment, jobs)

    def _cancel_some(self) -> None:
        """Cancel jobs that wait in Slurm; a shepherd that runs sees its stop file first."""
        with self._lock:
            folders = list(self._cancel)
        for folder in folders:
            record = storage.read_json(folder / RECORD)
            found = self._snapshot.jobs.get(_key(record)) if record and self._snapshot else None
            if found and found[1] in ("PENDING", "CONFIGURING", "SUSPENDED"):
                self._command(["scancel", found[0]])
            with self._lock:
                self._cancel.discard(folder)

    def _submit_waiting(self) -> None:
        with self._lock:
            folders = list(self._waiting)
        groups: dict[tuple[str, ...], list[Path]] = {}
        for folder in folders:
            groups.setdefault(self._resources(folder), []).append(folder)
        for resources, group in groups.items():
            for start in range(0, len(group), self._array):
                self._submit(resources, group[start : start + self._array])

    def _submit(self, resources: Sequence[str], folders: Sequence[Path]) -> None:
        """One sbatch.  The name is written down first, so that a crash in between finds the job again."""
        ready = [folder for folder in folders if self._still_needed(folder)]
        if not ready:
            return
        first = ready[0]
        base = f"vogate-{first.parent.name}-{first.name.removeprefix('attempt-')}"
        name = f"{base}-{os.urandom(3).hex()}"
        array = len(ready) > 1
        for index, folder in enumerate(ready):
            key = {"name": name, "index": index if array else None}
            storage.write_json(folder / RECORD, {**key, "submitted": False})
        command = ["sbatch", "--parsable", f"--job-name={name}", *resources]
        if array:
            command.append(f"--array=0-{len(ready) - 1}")
        began = time.monotonic()
        try:
            self._command(command, stdin=_script(ready))
        except SlurmError as error:
            if error.later:
                raise
            for folder in ready:
                self._refuse(folder, str(error))
            return
        for index, folder in enumerate(ready):
            key = {"name": name, "index": index if array else None}
            storage.write_json(folder / RECORD, {**key, "submitted": True})
            with self._lock:
                self._waiting.pop(folder, None)
                self._held[folder] = 0.0
        log.info("%s attempts submitted to Slurm as %s in %.2f s", len(ready), name, time.monotonic() - began)

    def _still_needed(self, folder: Path) -> bool:
        """False if an earlier sbatch did reach Slurm after all, or the attempt has been stopped."""
        record = storage.read_json(folder / RECORD)
        known = record is not None and self._snapshot is not None and _key(record) in self._snapshot.jobs
        gone = any((folder / name).exists() for name in (shepherd.STOP_FILE, "shepherd.json", "exit.json"))
        if known or gone or not (folder / "spec.json").exists():
            with self._lock:
                self._waiting.pop(folder, None)
            return False
        return True

    def _refuse(self, folder: Path, text: str) -> None:
        """Slurm will never take it: the attempt ends as a tool that cannot be started."""
        moment = time.time()
        (folder / "stderr.log").write_text(f"Slurm refuses the job: {text}\n")
        record = {"exit": 1, "why": "", "detail": "", "began": moment, "ended": moment}
        storage.write_json(folder / "exit.json", record)
        with self._lock:
            self._waiting.pop(folder, None)
            self._refused[folder] = text

    def _resources(self, folder: Path) -> tuple[str, ...]:
        """Options of sbatch for an attempt: the site's, the tool's, else what the tool's limits say."""
        spec = storage.read_json(folder / "spec.json") or {}
        options = {**self.options, **spec.get("executor", {})}
        seconds = float(spec.get("seconds") or 3600)
        memory = int(options.get("memory_mb") or spec.get("memory_mb") or 1024) + MEMORY_SPARE_MB
        words = [
            f"--time={int(options.get('minutes') or seconds // 60 + SPARE_MINUTES)}",
            f"--mem={memory}M",
            f"--cpus-per-task={int(options.get('cpus', 1))}",
            "--ntasks=1",
            "--no-requeue",
            "--export=NIL",
            "--output=/dev/null",
            "--chdir=/",
        ]
        words += [f"--{name}={options[name]}" for name in ("partition", "account", "qos") if name in options]
        return (*words, *map(str, options.get("options", ())))

    def _command(self, words: Sequence[str], stdin: str = "") -> str:
        environment = {**os.environ, "LC_ALL": "C"}
        if "config" in self.options:
            environment["SLURM_CONF"] = str(self.options["config"])
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
            later = words[0] != "sbatch" or any(text in done.stderr.lower() for text in _TRANSIENT)
            raise SlurmError(lines[-1].removeprefix(f"{words[0]}: "), later=later)
        return done.stdout


def _key(record: Mapping[str, Any]) -> Key:
    return Key(str(record.get("name")), record.get("index"))


def _say(folder: Path, stage: str) -> None:
    """Let the job's owner see where it is."""
    try:
        with (folder / "progress.jsonl").open("a", encoding="utf-8") as file:
            file.write(f'{{"stage": "{stage}"}}\n')
    except OSError:
        pass


def _script(folders: Iterable[Path]) -> str:
    """The batch script: the shepherd of the attempt at this place of the array."""
    paths = " ".join(shlex.quote(str(folder)) for folder in folders)
    shell = [
        "#!/bin/bash",
        f"folders=({paths})",
        'folder="${folders[${SLURM_ARRAY_TASK_ID:-0}]}"',
        """echo '{"stage": "Running in Slurm"}' >> "$folder/progress.jsonl" """.strip(),
        f'exec {shlex.quote(sys.executable)} -I -S {shlex.quote(shepherd.__file__)} "$folder" 2>> "$folder/shepherd.err"',
    ]
    return "\n".join(shell) + "\n"
