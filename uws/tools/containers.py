"""Tools that run in an image, by podman or apptainer: engines that say what they lack on this machine.

A description names `container: {image: ..., engine: ...}`.  Images have to be on the machine already: nothing is
fetched when a job runs.  What the site sets for an engine stands in `[containers.<engine>]` of site.toml:
`options`, a list of words before the engine's own command.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Protocol

ENGINES = ("podman", "apptainer")
PROBE_SECONDS = 30
SPARE_MB = 160
"""For the engine's own processes, which are counted with the tool's."""
SPARE_PROCESSES = 8
NOT_FOUND = 127
"""The engine works, the image has no such program."""

_options: dict[str, tuple[str, ...]] = {}


@dataclass(frozen=True)
class Container:
    """The image that a tool runs in."""

    image: str
    engine: str = "podman"


@dataclass(frozen=True)
class Run:
    """One attempt in an image."""

    name: str
    """Of the container, for the engine."""
    work: Path
    tmp: Path
    progress: Path
    readable: tuple[Path, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    rlimits: Mapping[str, int] = field(default_factory=dict)
    network: bool = False


class Engine(Protocol):
    """How an engine is called."""

    def exists(self, program: str, image: str) -> str:
        """Why the image cannot be used; empty if it is there."""

    def command(self, program: str, image: str, argv: Sequence[str], run: Run) -> list[str]:
        """The words that run `argv` in the image."""

    def cleanup(self, program: str, run: Run) -> list[str]:
        """The words that remove what a killed run leaves; none if it leaves nothing."""


class Podman:
    """Containers without a daemon; as root or as an ordinary user."""

    def exists(self, program: str, image: str) -> str:
        done = _call([*_words("podman", program), "image", "exists", image])
        if done.returncode == 1:
            return f"the image {image} is not on this machine (podman pull or podman load brings it)"
        return "" if done.returncode == 0 else f"podman does not work here ({_last(done.stderr)})"

    def command(self, program: str, image: str, argv: Sequence[str], run: Run) -> list[str]:
        words = [
            *_words("podman", program), "run", "--rm", "--name", run.name, "--pull=never", "--read-only",
            "--read-only-tmpfs=false", "--cap-drop=all", "--security-opt=no-new-privileges", "--log-driver=none",
            "--entrypoint", argv[0], "--workdir", str(run.work),
        ]  # fmt: skip
        words += [] if run.network else ["--network=none"]
        for path in run.readable:
            words += ["--volume", f"{path}:{path}:ro"]
        for source, target in ((run.tmp, Path("/tmp")), (run.work, run.work), (run.progress, run.progress)):
            words += ["--volume", f"{source}:{target}"]
        shared = run.tmp / "shm"
        words += ["--volume", f"{shared}:/dev/shm"]
        words += [word for key, value in run.environment.items() for word in ("--env", f"{key}={value}")]
        for name, value in {"nofile": 1024, "nproc": 4096, **run.rlimits}.items():
            words += ["--ulimit", f"{name}={value}:{value}"]
        return [*words, image, *argv[1:]]

    def cleanup(self, program: str, run: Run) -> list[str]:
        return [*_words("podman", program), "rm", "--force", "--ignore", "--time=0", run.name]


class Apptainer:
    """Images as files or folders, as the user that runs the gateway."""

    def exists(self, program: str, image: str) -> str:
        return "" if Path(image).exists() else f"the image {image} is not on this machine"

    def command(self, program: str, image: str, argv: Sequence[str], run: Run) -> list[str]:
        words = [*_words("apptainer", program), "exec", "--containall", "--cleanenv", "--no-home"]
        words += ["--pwd", str(run.work)]
        words += [] if run.network else ["--net", "--network", "none"]
        for path in run.readable:
            words += ["--bind", f"{path}:{path}:ro"]
        for source, target in ((run.tmp, Path("/tmp")), (run.work, run.work), (run.progress, run.progress)):
            words += ["--bind", f"{source}:{target}"]
        words += [word for key, value in run.environment.items() for word in ("--env", f"{key}={value}")]
        return [*words, image, *argv]

    def cleanup(self, program: str, run: Run) -> list[str]:
        return []


_ENGINES: Mapping[str, Engine] = {"podman": Podman(), "apptainer": Apptainer()}


def configure(options: Mapping[str, Sequence[str]]) -> None:
    """Set the site's words for each engine."""
    _options.clear()
    _options.update({name: tuple(words) for name, words in options.items()})
    why_not.cache_clear()


@lru_cache(maxsize=64)
def why_not(container: Container) -> str:
    """Why an image cannot be run here, found by running it once; empty if it can."""
    found = shutil.which(container.engine)
    if found is None:
        return f"{container.engine} is not installed"
    try:
        reason = _ENGINES[container.engine].exists(found, container.image)
        if reason:
            return reason
        words = _trial(container, found)
        done = _call(words)
    except (OSError, subprocess.SubprocessError) as error:
        return f"{container.engine} does not run ({error})"
    if done.returncode in (0, NOT_FOUND):
        return ""
    return f"{container.engine} cannot run the image {container.image} here ({_last(done.stderr)})"


def _trial(container: Container, program: str) -> list[str]:
    """A run of the image that does nothing."""
    if container.engine == "apptainer":
        return [*_words("apptainer", program), "exec", "--containall", container.image, "/bin/true"]
    limits = ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=4096:4096"]
    return [
        *_words("podman", program), "run", "--rm", "--pull=never", "--network=none", "--read-only", *limits,
        "--log-driver=none", "--entrypoint", "/bin/true", container.image,
    ]  # fmt: skip


def wrap(container: Container, argv: Sequence[str], run: Run) -> list[str]:
    """The command that runs `argv` in the image.

    Raises
    ------
    OSError
        If a path cannot be told to the engine.
    """
    for path in (run.work, run.tmp, run.progress, *run.readable):
        if set(str(path)) & set(":,\n"):
            raise OSError(
                f"{path.name} has a colon or comma in its path, which {container.engine} cannot mount"
            )
    (run.tmp / "shm").mkdir(exist_ok=True)
    return _ENGINES[container.engine].command(_program(container), container.image, argv, run)


def cleanup(container: Container, run: Run) -> list[str]:
    """The command that removes what a killed run leaves, if anything."""
    return _ENGINES[container.engine].cleanup(_program(container), run)


def engine_environment() -> dict[str, str]:
    """What the engine itself needs, to find its images and, without root, its user's session."""
    kept = ("HOME", "PATH", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "CONTAINERS_CONF")
    return {"LANG": "C.UTF-8", **{name: os.environ[name] for name in kept if name in os.environ}}


def _program(container: Container) -> str:
    return shutil.which(container.engine) or container.engine


def _words(engine: str, program: str) -> list[str]:
    return [program, *_options.get(engine, ())]


def _call(words: Sequence[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        words, capture_output=True, text=True, timeout=PROBE_SECONDS, stdin=subprocess.DEVNULL, check=False
    )


def _last(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1].removeprefix("Error: ")[:200] if lines else "it says nothing"
