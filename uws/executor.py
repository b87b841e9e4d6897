"""How attempts are run.  `Executor` is all that a worker knows of it; `LocalExecutor` is this machine.

Which executor runs which tool is `uws.executors`.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Protocol

from uws import executors, shepherd, storage
from uws.warm import Child, Zygotes

log = logging.getLogger("vogate.uws")

PARTNER_SLOTS = 20
"""Jobs at a partner's service at once, each watched by one small process here."""


class Executor(Protocol):
    """Runs the attempt that is described in a folder (`uws.attempts.prepare`).

    An attempt has ended when `alive` is false; `exit.json` then says how, and its absence that it was lost.
    """

    name: str

    slots: int | None
    """Attempts at once; None for as many as the worker is told to run."""

    is_here: bool
    """Attempts end with the worker if it is told to end its jobs; a cluster's go on."""

    def launch(self, folder: Path) -> None:
        """Start the attempt's shepherd, which outlives this process."""

    def alive(self, folder: Path) -> bool:
        """True while any process of the attempt may be alive."""

    def stop(self, folder: Path) -> None:
        """Ask the shepherd to end the attempt; `alive` becomes false within 2.5 s."""

    def clear(self, folder: Path) -> None:
        """Make sure that nothing of an attempt without a shepherd is left."""

    def waitable(self, folder: Path) -> int | None:
        """A file descriptor that becomes readable when the attempt has ended, if there is one."""

    def forget(self, folder: Path) -> None:
        """Let go of what is held for an attempt that has ended."""

    def close(self) -> None:
        """Let go of everything; attempts live on."""


def open_executor(name: str, zygotes: Zygotes | None = None) -> Executor:
    """The executor of that name; this machine's shepherds for one that the site no longer has.

    Parameters
    ----------
    zygotes
        What forks shepherds of this machine; whoever made them closes them.
    """
    config = executors.configured().get(name)
    if config is not None and config.type is executors.ExecutorType.SLURM:
        from uws.slurm import SlurmExecutor  # which needs this module's helpers

        return SlurmExecutor(config)
    if config is not None and config.type is executors.ExecutorType.UWS:
        return LocalExecutor(name, int(config.options.get("max_jobs", PARTNER_SLOTS)), zygotes)
    return LocalExecutor(name, zygotes=zygotes)


def request_stop(folder: Path) -> None:
    """Tell the shepherd to end, wherever it is: it looks for this file."""
    try:
        (folder / shepherd.STOP_FILE).touch()
    except OSError as error:
        log.warning("job %s: %s cannot be stopped by a file: %s", folder.parent.name, folder.name, error)


class LocalExecutor:
    """Shepherds on this machine, forked by zygotes (`uws.warm`) or started cold."""

    is_here = True

    def __init__(self, name: str = "local", slots: int | None = None, zygotes: Zygotes | None = None) -> None:
        self.name, self.slots, self.zygotes = name, slots, zygotes
        self._children: dict[Path, subprocess.Popen[bytes] | Child] = {}
        self._pidfds: dict[Path, int] = {}

    def launch(self, folder: Path) -> None:
        warm = self.zygotes.launch(folder) if self.zygotes is not None else None
        if warm is not None:
            self._children[folder] = warm
            return
        with (folder / "shepherd.err").open("ab") as errors:
            self._children[folder] = subprocess.Popen(
                [sys.executable, "-I", "-S", shepherd.__file__, str(folder)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                cwd="/",
                env={"LANG": "C.UTF-8"},
                start_new_session=True,
            )

    def alive(self, folder: Path) -> bool:
        child = self._children.get(folder)
        if child is not None:
            if child.poll() is None:
                return True
            if not self._came_second(child, folder):
                return False
            self.forget(folder)  # whoever waits for the attempt waits for the other one from now on
        # Not ours, or another shepherd of the attempt was there first (a zygote that was given up had forked it).
        return self._pid(folder) is not None or locked(folder.parent)

    @staticmethod
    def _came_second(child: subprocess.Popen[bytes] | Child, folder: Path) -> bool:
        """True if a shepherd has, or may have, ended because there was another one of the attempt."""
        if isinstance(child, Child):  # whose status only its zygote knows
            return not (folder / "exit.json").exists()
        return child.returncode == shepherd.NOT_MINE

    def stop(self, folder: Path) -> None:
        child = self._children.get(folder)
        if isinstance(child, Child) and child.poll() is None:
            _terminate(child.pidfd)  # its zygote may take it in at any moment, and the number be another's
        elif child is not None and child.poll() is None:
            child.send_signal(signal.SIGTERM)  # type: ignore[union-attr]
        elif (pid := self._pid(folder)) is None:
            # On another machine (a Celery worker's), or so young that it has left no record yet.
            request_stop(folder)
        else:
            try:
                pidfd = os.pidfd_open(pid)
            except OSError:  # it has ended, or this machine has none
                request_stop(folder)
                return
            try:
                if self._pid(folder) == pid:
                    _terminate(pidfd)
            finally:
                os.close(pidfd)

    def clear(self, folder: Path) -> None:
        """Kill what a killed shepherd left: its orphans carry the attempt in their environment."""
        mark = f"VOGATE_ATTEMPT={folder.parent.name}.{folder.name.removeprefix('attempt-')}".encode()
        for name in os.listdir("/proc"):
            if not name.isdigit():
                continue
            try:
                with open(f"/proc/{name}/environ", "rb") as file:
                    if mark not in file.read().split(b"\0"):
                        continue
                os.kill(int(name), signal.SIGKILL)
                log.warning("job %s: killed process %s, left of %s", folder.parent.name, name, folder.name)
            except OSError:
                continue

    def waitable(self, folder: Path) -> int | None:
        if folder not in self._pidfds:
            child = self._children.get(folder)
            pid = child.pid if child is not None else self._pid(folder)
            if pid is None:
                return None
            try:
                warm = isinstance(child, Child)
                self._pidfds[folder] = os.dup(child.pidfd) if warm else os.pidfd_open(pid)  # type: ignore[union-attr]
            except OSError:
                return None
        return self._pidfds[folder]

    def forget(self, folder: Path) -> None:
        child = self._children.pop(folder, None)
        if child is not None:
            child.poll()
        if isinstance(child, Child):
            child.close()
        pidfd = self._pidfds.pop(folder, None)
        if pidfd is not None:
            os.close(pidfd)

    def close(self) -> None:
        for folder in list(self._pidfds):
            os.close(self._pidfds.pop(folder))
        for child in self._children.values():
            if isinstance(child, Child):
                child.close()

    @staticmethod
    def _pid(folder: Path) -> int | None:
        """The shepherd's process id, if it is that very process and alive."""
        record: dict[str, Any] | None = storage.read_json(folder / "shepherd.json")
        if record is None or record.get("boot") != shepherd.boot_id():
            return None
        start = shepherd.process_start(record["pid"])
        if start is None or start != record.get("start") or _is_zombie(record["pid"]):
            return None
        return int(record["pid"])


def _terminate(pidfd: int) -> None:
    """SIGTERM to the very process that a file descriptor stands for; none if it has ended."""
    with contextlib.suppress(ProcessLookupError):
        signal.pidfd_send_signal(pidfd, signal.SIGTERM)


def _is_zombie(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[0] == b"Z"
    except (OSError, IndexError):
        return True


def locked(job_folder: Path) -> bool:
    """True if a shepherd holds the job's lock, whatever else the folder says."""
    try:
        fd = os.open(job_folder / "lock", os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False
