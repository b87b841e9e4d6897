"""Attempts in Slurm's allocations: the same shepherd, started by sbatch.

Job names are trusted, not ids: an id can come back after slurmctld was killed.  Attempts that begin
together and need the same are submitted as one job array.  All talk with Slurm happens in one thread, because
its commands hang while slurmctld is away; meanwhile attempts count as alive, and what could not be submitted is
submitted later.  The job folders have to be on a file system that the nodes share.

Slurm's word is not taken for more than it is.  A batch job that is handed to a slurmd in the moment of its
death counts as RUNNING from then on, and one that slurmctld took in the moment of its own is forgotten.  So an
attempt has begun when its shepherd holds the job's lock or has left `shepherd.json`; before that it may be
submitted again, as often as need be, because of several shepherds of an attempt only the first runs.
"""

from __future__ import annotations

import logging
import os
import shlex
import sys
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from uws import shepherd, storage
from uws.executor import LocalExecutor, locked, request_stop
from uws.executors import ExecutorConfig
from uws.slurm_client import BEGUN, COMMAND_SECONDS, WAITING, Key, SlurmClient, SlurmError, Snapshot

log = logging.getLogger("vogate.uws")

RECORD = "slurm.json"
DEFAULT_SLOTS = 200
DEFAULT_ARRAY = 100
DEFAULT_START_SECONDS = 120
"""An allocation that has no living shepherd for so long is given up (prologs may be slow); each next one of
the attempt has twice the time, so that a slow machine is not made slower still."""
MAX_SUBMISSIONS = 5
"""An attempt that never began is submitted so often before it counts as lost."""
SNAPSHOT_SECONDS = 1.0
GATHER_SECONDS = 0.1
"""Attempts that begin within this time share an array."""
GATHER_MOST_SECONDS = 1.0
"""What begins one after the other is waited for no longer than this."""
SETTLE_SECONDS = 3.0
"""A job that is missing from squeue for so long is gone; its last files may still be on their way."""
SPARE_MINUTES = 2
"""Slurm's time limit is so much above executionDuration: the shepherd is to be first."""
MEMORY_SPARE_MB = 64
"""For the shepherd and the batch step."""
LOOK_SECONDS = 0.2


class SlurmExecutor:
    """sbatch, squeue and scancel of one cluster.

    Parameters
    ----------
    config
        `[executors.<name>]` of site.toml: partition, account, qos, memory_mb, cpus, minutes, options (of
        sbatch, as a list), max_jobs, array_size, start_seconds, config (path of slurm.conf).
    """

    is_here = False

    def __init__(self, config: ExecutorConfig) -> None:
        self.name, self.options = config.name, config.options
        self.slots: int | None = int(config.options.get("max_jobs", DEFAULT_SLOTS))
        self._array = int(config.options.get("array_size", DEFAULT_ARRAY))
        self._start_seconds = float(config.options.get("start_seconds", DEFAULT_START_SECONDS))
        self._client = SlurmClient(str(config.options.get("config", "")))
        self._lock = threading.Lock()
        self._waiting: dict[Path, float] = {}
        self._cancel: set[Path] = set()
        self._refused: dict[Path, str] = {}
        self._held: dict[Path, float] = {}
        """Attempts, with the time since which they are missing (0 if they are not)."""
        self._idle: dict[Path, float] = {}
        """Since when allocations without a living shepherd are there."""
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
        self._cancel_soon(folder)

    def clear(self, folder: Path) -> None:
        """Slurm kills what a job leaves; on this machine leftovers are looked for, too."""
        LocalExecutor(self.name).clear(folder)

    def waitable(self, folder: Path) -> int | None:
        return None

    def forget(self, folder: Path) -> None:
        with self._lock:
            for table in (self._waiting, self._refused, self._held, self._idle, self._seen):
                table.pop(folder, None)

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
        if (
            record.get("given_up") and not stopped
        ):  # by a worker that went down before it could submit it anew
            self._enqueue(folder)
            return True
        begun = (folder / "shepherd.json").exists()
        found = snapshot.jobs.get(Key.of(record))
        if found is not None:
            self._held[folder] = 0.0
            if stopped or found[1] not in BEGUN:
                self._idle.pop(folder, None)
                return True
            since = self._idle.setdefault(folder, snapshot.taken)
            patience = self._start_seconds * 2 ** max(0, int(record.get("submissions", 1)) - 1)
            if snapshot.taken - since < patience:
                return True
            if begun:  # and has died, as its lock is free: Slurm has not noticed
                self._cancel_soon(folder)
                return True
            return self._again(
                folder, record, f"was {found[1]} for {snapshot.taken - since:.0f} s and did not begin"
            )
        since = self._held.get(folder) or snapshot.taken
        self._held[folder] = since
        if snapshot.taken - since < SETTLE_SECONDS or locked(folder.parent):
            return True
        if begun or stopped:
            return False
        return self._again(folder, record, "is gone and had not begun")

    def _again(self, folder: Path, record: Mapping[str, Any], why: str) -> bool:
        """Submit an attempt that has not begun anew; False if that has been done often enough."""
        if not record.get("submitted"):  # the command that submitted it failed half-way
            self._enqueue(folder)
            return True
        number = int(record.get("submissions", 1))
        log.warning("job %s: %s in Slurm %s", folder.parent.name, record["name"], why)
        if number >= MAX_SUBMISSIONS:
            self._cancel_soon(folder)
            return False
        # Written down first: whoever goes on after a crash cancels it, too, before it is submitted anew.
        storage.write_json(folder / RECORD, {**record, "submitted": False, "given_up": True})
        self._idle.pop(folder, None)
        self._enqueue(folder)
        return True

    def _cancel_soon(self, folder: Path) -> None:
        with self._lock:
            self._cancel.add(folder)
            self._idle.pop(folder, None)
        self._begin()
        self._news.set()

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
                self._gather()
                if self._held or self._waiting or self._cancel:
                    self._snapshot = self._client.snapshot()
                    self._cancel_some()
                    self._submit_waiting()
            except SlurmError as error:
                self._complain(error)
            except Exception:
                log.exception("the thread that talks with Slurm goes on after an error")
                time.sleep(SNAPSHOT_SECONDS)

    def _gather(self) -> None:
        """Until no more begin: the jobs of one request are one array, however long it takes to claim them."""
        end, before = time.monotonic() + GATHER_MOST_SECONDS, -1
        while len(self._waiting) != before and time.monotonic() < end:
            before = len(self._waiting)
            time.sleep(GATHER_SECONDS)

    def _complain(self, error: Exception) -> None:
        """Once a minute."""
        if time.monotonic() - self._complained > 60:
            self._complained = time.monotonic()
            log.warning("Slurm does not answer, jobs wait: %s", error)

    def _cancel_some(self) -> None:
        """Cancel jobs without a shepherd; one that runs sees its stop file."""
        with self._lock:
            folders = list(self._cancel)
        for folder in folders:
            record = storage.read_json(folder / RECORD)
            found = self._snapshot.jobs.get(Key.of(record)) if record and self._snapshot else None
            if found and (found[1] in WAITING or not locked(folder.parent)):
                self._client.cancel(found[0])
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
                try:
                    self._submit(resources, group[start : start + self._array])
                except SlurmError as error:  # what is wrong with this group need not be wrong with the next
                    self._complain(error)

    def _submit(self, resources: Sequence[str], folders: Sequence[Path]) -> None:
        """One sbatch.  The name is written down first, so that a crash in between finds the job again."""
        ready = [folder for folder in folders if self._still_needed(folder)]
        if not ready:
            return
        first = ready[0]
        base = f"vogate-{first.parent.name}-{first.name.removeprefix('attempt-')}"
        name = f"{base}-{os.urandom(3).hex()}"
        array = len(ready) > 1
        records: dict[Path, dict[str, Any]] = {
            folder: {
                "name": name,
                "index": index if array else None,
                "submissions": int((storage.read_json(folder / RECORD) or {}).get("submissions", 0)),
            }
            for index, folder in enumerate(ready)
        }
        for folder, record in records.items():
            storage.write_json(folder / RECORD, {**record, "submitted": False})
        options = [*resources, f"--array=0-{len(ready) - 1}"] if array else resources
        began = time.monotonic()
        try:
            self._client.submit(name, options, _script(ready))
        except SlurmError as error:
            if error.later:
                raise
            for folder in ready:
                self._refuse(folder, str(error))
            return
        for folder, record in records.items():
            record |= {"submitted": True, "submissions": record["submissions"] + 1}
            storage.write_json(folder / RECORD, record)
            log.info("job %s: submitted to Slurm as %s", folder.parent.name, Key.of(record).text)
            with self._lock:
                self._waiting.pop(folder, None)
                self._held[folder] = 0.0
        log.info("%s attempts submitted to Slurm as %s in %.2f s", len(ready), name, time.monotonic() - began)

    def _still_needed(self, folder: Path) -> bool:
        """False if an earlier sbatch did reach Slurm after all, or the attempt has been stopped."""
        record = storage.read_json(folder / RECORD)
        found = self._snapshot.jobs.get(Key.of(record)) if record and self._snapshot else None
        known = found is not None
        if record and found and record.get("given_up"):
            self._client.cancel(found[0])
            known = False
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
