"""Warm starts: zygotes that have a tool's libraries loaded (`uws.zygote`), and when they may be used.

A tool's description names the modules (`warm: [gammapy.analysis]`).  The worker keeps one process for each
environment and list of modules, which forks the shepherds of this machine's attempts.  The shepherds of all other
tools are forked by a zygote without modules, the nursery: that saves a Python's start for every attempt.
Wherever that is not possible, or not as safe, an attempt starts cold; nothing else depends on it.
"""

from __future__ import annotations

import json
import logging
import os
import select
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from uws import executors, sandbox, shepherd, storage, zygote
from uws.tools.description import Tool

log = logging.getLogger("vogate.uws")

ANSWER_SECONDS = 2.0
"""A zygote that takes longer to fork is not waited for."""
AGAIN_SECONDS = 300.0
"""After a zygote was started, another one takes its place not before."""
WAITS_INSIDE = "/bin/cat"
"""What keeps bubblewrap's walls standing until the tool has joined it behind them."""


def section(tool: Tool, argv: Sequence[str], walls: sandbox.Walls | None) -> dict[str, Any] | None:
    """What a warm start needs, for `spec.json`; None if the tool has none.

    Parameters
    ----------
    argv
        The command without walls: interpreter, script, arguments.
    walls
        The walls around it; None where there are none.
    """
    if not tool.warm:
        return None
    return {
        "python": argv[0],
        "modules": list(tool.warm),
        "argv": list(argv),
        "walls": sandbox.wrap([WAITS_INSIDE], walls) if walls is not None else [],
    }


class Child:
    """A shepherd that a zygote has forked; as much of `Popen` as is needed."""

    def __init__(self, pid: int, pidfd: int) -> None:
        self.pid, self.pidfd = pid, pidfd
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """None while it lives; its exit status is the zygote's to know."""
        if self.returncode is None and select.select([self.pidfd], [], [], 0)[0]:
            self.returncode = 0
        return self.returncode

    def close(self) -> None:
        if self.pidfd >= 0:
            os.close(self.pidfd)
            self.pidfd = -1


@dataclass(frozen=True)
class Key:
    """Which zygote."""

    python: str
    modules: tuple[str, ...]


class Zygote:
    """One process with modules loaded."""

    def __init__(self, key: Key, home: Path) -> None:
        self.key, self.stamp = key, ""
        self.ready = self.failed = False
        self._paths: list[str] = []
        self._rest = b""
        home.mkdir(parents=True, exist_ok=True)
        self._socket, theirs = socket.socketpair()
        environment = sandbox.environment(home, home, home / "progress.jsonl", zygote.PAD, boxed=False)
        # A nursery needs no more than a shepherd does; a tool's zygote is the tool's Python as it is.
        options = [] if key.modules else ["-I", "-S"]
        # Matplotlib's list of fonts is made once for all tools (uws.workers.make_caches).
        environment["MPLCONFIGDIR"] = str(home.parent / "tools" / "matplotlib")
        with theirs, (home / "zygote.err").open("wb") as errors:
            self.process = subprocess.Popen(
                [key.python, *options, zygote.__file__, str(theirs.fileno()), *key.modules],
                stdin=subprocess.DEVNULL, stdout=errors, stderr=errors, cwd=home, env=environment,
                pass_fds=[theirs.fileno()], start_new_session=True,
            )  # fmt: skip

    def usable(self) -> bool:
        """Whether it has loaded everything, and nothing has been installed since."""
        if not self.ready and not self.failed and self._readable(0.0):
            self._take_in(self._line(0.0))
        if self.ready and self.stamp != _stamp(self.key.python, self._paths):
            log.info("packages have changed: %s is loaded again", ", ".join(self.key.modules) or "Python")
            self.end()
        return self.ready and not self.failed

    def _take_in(self, said: dict[str, Any] | None) -> None:
        if said is not None and said.get("ready"):
            self.ready, self._paths = True, list(said["path"])
            self.stamp = _stamp(self.key.python, self._paths)
            if self.key.modules:
                log.info("warm: %s, loaded in %.1f s", ", ".join(self.key.modules), said["seconds"])
        else:
            log.warning("tools start cold: %s", (said or {}).get("error", "the zygote ended"))
            self.end()

    def fork(self, folder: Path) -> Child | None:
        """Have the shepherd of an attempt forked; None if it did not work, and then nothing runs."""
        try:
            self._socket.sendall(json.dumps({"folder": str(folder)}).encode() + b"\n")
            answer = self._line(ANSWER_SECONDS)
            if answer is not None and answer.get("folder") == str(folder):
                pid = int(answer["pid"])
                pidfd = os.pidfd_open(pid)
                if shepherd.process_start(pid) == answer["start"]:
                    return Child(pid, pidfd)
                os.close(pidfd)
        except (OSError, ValueError) as error:
            log.warning("a warm start failed: %s", error)
        # It may have forked all the same: the shepherd's lock decides, once no other can follow.
        self.end(kill=True)
        return None

    def _readable(self, seconds: float) -> bool:
        return bool(select.select([self._socket], [], [], seconds)[0])

    def _line(self, seconds: float) -> dict[str, Any] | None:
        """The next line that it says; None if it says nothing in time, or has ended."""
        end = time.monotonic() + seconds
        while b"\n" not in self._rest:
            if not self._readable(max(0.0, end - time.monotonic())):
                return None
            data = self._socket.recv(65536)
            if not data:
                return None
            self._rest += data
        line, self._rest = self._rest.split(b"\n", 1)
        value = json.loads(line)
        return value if isinstance(value, dict) else None

    def end(self, *, kill: bool = False) -> None:
        """Let it go; the shepherds that it has forked live on."""
        if kill or not self.ready:  # it hears nothing while it loads
            self.process.kill()
        self.failed, self.ready = True, False
        self._socket.close()
        try:
            self.process.wait(ANSWER_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def _stamp(python: str, paths: Sequence[str]) -> str:
    """Changes when packages are installed or removed where the interpreter finds them, and with our own programs."""
    times = []
    for path in (python, zygote.__file__, shepherd.__file__, *paths):
        try:
            times.append(str(os.stat(path).st_mtime_ns))
        except OSError:
            times.append("-")
    return " ".join(times)


NURSERY = Key(sys.executable, ())
"""What forks the shepherds of tools that have no zygote of their own."""


class Zygotes:
    """The zygotes of one process that runs attempts.

    Parameters
    ----------
    home
        Below it each has a folder of its own.
    """

    def __init__(self, home: Path) -> None:
        self._home = home
        self._wanted: list[Key] = [NURSERY]
        self._zygotes: dict[Key, Zygote] = {}
        self._not_before: dict[Key, float] = {}

    def want(self, tools: Sequence[Tool]) -> None:
        """Say which tools shall start warm: those that can run, on this machine."""
        for tool in tools:
            here = executors.assignment(tool.name).executor.type is executors.ExecutorType.LOCAL
            key = Key(tool.interpreter, tool.warm)
            if tool.warm and tool.available and here and key not in self._wanted:
                self._wanted.append(key)

    def tend(self) -> None:
        """Start what is missing; never blocks for longer than a process takes to start."""
        for key in self._wanted:
            known = self._zygotes.get(key)
            if known is not None and (known.usable() or not known.failed):
                continue
            if time.monotonic() >= self._not_before.get(key, 0.0):
                self._not_before[key] = time.monotonic() + AGAIN_SECONDS
                name = f"zygote-{self._wanted.index(key)}" if key.modules else "nursery"
                try:
                    self._zygotes[key] = Zygote(key, self._home / name)
                except OSError as error:
                    log.warning("tools start cold: %s cannot be started (%s)", key.python, error)

    def launch(self, folder: Path) -> Child | None:
        """The shepherd of the attempt, forked; None if it has to be started cold."""
        if not self._zygotes:
            return None
        warm = (storage.read_json(folder / "spec.json") or {}).get("warm")
        own = [Key(warm["python"], tuple(warm["modules"]))] if warm else []
        for key in (*own, NURSERY):
            known = self._zygotes.get(key)
            child = known.fork(folder) if known is not None and known.usable() else None
            if child is not None:
                return child
        return None

    def close(self) -> None:
        for one in self._zygotes.values():
            if not one.failed:
                one.end()
        self._zygotes.clear()
