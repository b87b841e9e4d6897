"""What an attempt's shepherd starts: a program among the system's behind bubblewrap, one in an image, or our UWS client."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from gateway.vo.errors import NotAvailable
from uws import remote_uws, sandbox, warm
from uws.models import Job, JobInput
from uws.tools import containers
from uws.tools.description import Tool

_ULIMITS = {"RLIMIT_DATA": "data", "RLIMIT_FSIZE": "fsize", "RLIMIT_CPU": "cpu", "RLIMIT_CORE": "core"}


@dataclass(frozen=True)
class Start:
    """The parts of `spec.json` that depend on where the tool runs."""

    argv: list[str]
    environment: dict[str, str]
    rlimits: dict[str, int]
    note: str
    platform: str = ""
    warm: dict[str, Any] | None = None
    cleanup: list[str] = field(default_factory=list)
    """What the shepherd runs when the attempt has ended."""
    memory_mb: int = 0
    processes: int = 0


def of_remote(job: Job, tool: Tool, folder: Path) -> Start:
    """Our own program, which needs the network; the partner puts walls around the tool."""
    argv = [sys.executable, "-I", "-S", remote_uws.__file__, str(folder / "spec.json")]
    note = "The job runs at a partner's service."
    return _plain(job, tool, folder, argv, note, boxed=False)


def of_tool(
    job: Job, tool: Tool, inputs: Sequence[JobInput], folder: Path, mode: str, *, here: bool
) -> Start:
    """The tool, behind the walls that the site wants.

    Parameters
    ----------
    mode
        `[jobs] sandbox` of site.toml.
    here
        A warm start is possible: the attempt runs on the worker's own machine.
    """
    paths: dict[str, list[str]] = {}
    for row in inputs:
        paths.setdefault(row.role, []).append(row.path)
    argv = tool.command(job.parameters, paths)
    readable = (tool.folder.resolve(), *(Path(row.path) for row in inputs))
    if tool.container is not None:
        return _in_image(job, tool, folder, argv, readable)
    argv[0] = _program(argv[0])
    boxed, note = sandbox.choose(mode)
    start, walls = _plain(job, tool, folder, argv, note, boxed=boxed), None
    if boxed:
        places = (folder / "work", folder / "tmp", folder / "progress.jsonl")
        walls = sandbox.Walls(*places, readable, tool.limits.network)
        start = replace(start, argv=sandbox.wrap(argv, walls), platform="; bubblewrap")
    return replace(start, warm=warm.section(tool, argv, walls) if here else None)


def _plain(job: Job, tool: Tool, folder: Path, argv: list[str], note: str, *, boxed: bool) -> Start:
    return Start(
        argv, _environment(job, folder, boxed=boxed), _rlimits(job, tool), note,
        memory_mb=tool.limits.memory_mb, processes=tool.limits.processes,
    )  # fmt: skip


def _in_image(job: Job, tool: Tool, folder: Path, argv: list[str], readable: tuple[Path, ...]) -> Start:
    """By podman or apptainer; the limits of the kernel are the engine's to set, it needs more itself."""
    container = tool.container
    assert container is not None
    reason = containers.why_not(container)
    if reason:
        raise NotAvailable(f"{tool.title} cannot run here: {reason}.")
    environment = _environment(job, folder, boxed=True)
    mark = environment["VOGATE_ATTEMPT"]
    run = containers.Run(
        f"vogate-{mark}", folder / "work", folder / "tmp", folder / "progress.jsonl", readable,
        environment={name: value for name, value in environment.items() if name != "PATH"},
        rlimits={_ULIMITS[name]: value for name, value in _rlimits(job, tool).items()},
        network=tool.limits.network,
    )  # fmt: skip
    command = containers.wrap(container, argv, run)
    return Start(
        command, {**containers.engine_environment(), "VOGATE_ATTEMPT": mark}, {"RLIMIT_CORE": 0},
        f"Isolation: {container.engine}, image {container.image}.",
        platform=f"; {container.engine}, image {container.image}",
        cleanup=containers.cleanup(container, run),
        memory_mb=tool.limits.memory_mb + containers.SPARE_MB,
        processes=tool.limits.processes + containers.SPARE_PROCESSES,
    )  # fmt: skip


def _environment(job: Job, folder: Path, *, boxed: bool) -> dict[str, str]:
    places = (folder / "work", folder / "tmp", folder / "progress.jsonl")
    return sandbox.environment(*places, f"{job.pk}.{job.attempt}", boxed=boxed)


def _rlimits(job: Job, tool: Tool) -> dict[str, int]:
    limits = tool.limits
    return {
        # Memory is counted over the whole tree by the shepherd; this stops one greedy allocation.
        "RLIMIT_DATA": limits.memory_mb << 20,
        "RLIMIT_FSIZE": limits.disk_mb << 20,
        "RLIMIT_CPU": job.execution_duration * max(1, limits.processes),
        "RLIMIT_CORE": 0,
    }


def _program(name: str) -> str:
    """The program's absolute path: `execve` looks nowhere else."""
    found = shutil.which(name)
    if found is None:
        raise NotAvailable(f"The program {name} is not installed on this machine.")
    return found
