"""The walls around a tool: bubblewrap where it works, resource limits always, a clean environment."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from gateway.site import SiteError

MODES = ("auto", "bwrap", "none")
SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/opt")
# Of /etc only what libraries need to work; never keys, mail or passwords.
ETC = (
    "/etc/alternatives",
    "/etc/fonts",
    "/etc/group",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/localtime",
    "/etc/mime.types",
    "/etc/nsswitch.conf",
    "/etc/passwd",
    "/etc/ssl/certs",
    "/etc/timezone",
)


@dataclass(frozen=True)
class Walls:
    """What a tool may see and use."""

    work: Path
    """Its working folder, the only place that it can write to."""
    tmp: Path
    progress: Path
    readable: tuple[Path, ...]
    """Input files and the tool's own folder."""
    network: bool = False


@lru_cache(maxsize=1)
def why_no_bwrap() -> str:
    """Why bubblewrap cannot be used here; empty if it can (asked once per process)."""
    program = shutil.which("bwrap")
    if program is None:
        return "bubblewrap is not installed"
    command = [program, *_namespaces(network=False), *_binds(SYSTEM), "--proc", "/proc", "--dev", "/dev"]
    try:
        done = subprocess.run([*command, "/bin/true"], capture_output=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"bubblewrap does not run ({error})"
    if done.returncode:
        return f"bubblewrap does not work here ({done.stderr.decode(errors='replace').strip()[:200]})"
    return ""


def choose(mode: str) -> tuple[bool, str]:
    """Whether to use bubblewrap, and the sentence for the job's log.

    Parameters
    ----------
    mode
        `[jobs] sandbox` of site.toml: `auto` (if it works), `bwrap` (or fail), `none`.

    Raises
    ------
    gateway.site.SiteError
        If the mode is unknown, or bwrap is demanded and does not work.
    """
    if mode not in MODES:
        raise SiteError(f"[jobs] sandbox = {mode!r}: it is one of {', '.join(MODES)}")
    if mode == "none":
        return False, "Isolation: none (switched off by the site)."
    reason = why_no_bwrap()
    if not reason:
        return True, "Isolation: bubblewrap, own file system view, no network."
    if mode == "bwrap":
        raise SiteError(f"[jobs] sandbox = 'bwrap', but {reason}")
    return False, f"Isolation: resource limits only, because {reason}."


def wrap(argv: Sequence[str], walls: Walls) -> list[str]:
    """The command that runs `argv` behind bubblewrap's walls."""
    program = shutil.which("bwrap")
    assert program is not None
    return [
        program,
        *_namespaces(walls.network),
        *_binds([*SYSTEM, *ETC]),
        "--proc", "/proc",
        "--dev", "/dev",
        # The private /tmp comes first: an installation or inputs below the real one must still be seen.
        "--bind", str(walls.tmp), "/tmp",
        # Shared memory is a folder on disk, which is counted; bubblewrap's own would be unlimited memory.
        "--bind", str(shared_memory(walls.tmp)), "/dev/shm",
        *_binds(str(p) for p in (*python_folders(), *walls.readable)),
        "--bind", str(walls.work), str(walls.work),
        "--bind", str(walls.progress), str(walls.progress),
        # Root's own settings of the kernel are below /proc, and as its owner root writes to them without capabilities.
        "--remount-ro", "/proc",
        "--remount-ro", "/dev",
        "--remount-ro", "/",
        "--chdir", str(walls.work),
        "--",
        *argv,
    ]  # fmt: skip


def shared_memory(tmp: Path) -> Path:
    """The folder that stands for /dev/shm."""
    folder = tmp / "shm"
    folder.mkdir(exist_ok=True)
    return folder


def _namespaces(network: bool) -> list[str]:
    # A gateway that root runs would leave its tools root's capabilities, with which they could mount anew.
    flags = ["--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL"]
    return [*flags, "--share-net"] if network else flags


def _binds(paths: Iterable[str]) -> list[str]:
    """Read-only binds of what exists; links such as /bin -> usr/bin are made again as links."""
    words: list[str] = []
    for path in dict.fromkeys(paths):
        if os.path.islink(path) and path.count("/") == 1:
            words += ["--symlink", os.readlink(path), path]
        elif os.path.exists(path):
            words += ["--ro-bind", path, path]
    return words


@lru_cache(maxsize=1)
def python_folders() -> tuple[Path, ...]:
    """Where this Python and its packages are, unless the system's folders hold them already."""
    folders = {Path(sys.prefix), Path(sys.base_prefix), Path(sys.executable).resolve().parents[1]}
    outside = {f.resolve() for f in folders if not str(f.resolve()).startswith("/usr/")}
    outside.discard(Path("/usr"))
    return tuple(sorted(outside))


def environment(work: Path, tmp: Path, progress: Path, attempt: str, *, boxed: bool) -> dict[str, str]:
    """Everything a tool's environment holds; nothing of the gateway's own, no secrets."""
    path = os.pathsep.join(
        dict.fromkeys([str(Path(sys.executable).parent), "/usr/local/bin", "/usr/bin", "/bin"])
    )
    temporary = "/tmp" if boxed else str(tmp)
    threads = ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "VECLIB_MAXIMUM", "BLIS")
    return {
        "PATH": path,
        "HOME": str(work),
        "TMPDIR": temporary,
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "MPLBACKEND": "Agg",
        "MPLCONFIGDIR": f"{temporary}/matplotlib",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
        "PYTHONNOUSERSITE": "1",
        "VOGATE_PROGRESS": str(progress),
        "VOGATE_ATTEMPT": attempt,
        **{f"{name}_NUM_THREADS": "1" for name in threads},
    }
