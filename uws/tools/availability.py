"""Whether this machine can run a tool, and if not, what it lacks."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
from collections.abc import Sequence

from uws.tools import containers
from uws.tools.description import Tool


def why_not(tool: Tool) -> str:
    """What is missing, as a sentence; empty if the tool can run.

    Modules are looked for, not imported: gammapy alone takes seconds.
    """
    if tool.container is not None:  # what else it needs is in the image
        reason = containers.why_not(tool.container)
        return f"{reason[0].upper()}{reason[1:]}." if reason else ""
    if tool.python:
        fault = _why_no_environment(tool)
        if fault:
            return fault
        modules = _missing_in(tool.interpreter, tool.modules)
    else:
        modules = [name for name in tool.modules if not _has_module(name)]
    programs = [name for name in _programs(tool) if shutil.which(name) is None]
    reasons = []
    if modules:
        reasons.append(f"Python module {_list(modules)} is not installed")
    if programs:
        reasons.append(f"program {_list(programs)} is not on the PATH")
    text = " and ".join(reasons)
    return f"{text[0].upper()}{text[1:]}." if text else ""


def _programs(tool: Tool) -> list[str]:
    first = tool.argv[0]
    own = [] if first.startswith("{") else [first]
    return list(dict.fromkeys([*own, *tool.programs]))


def _has_module(name: str) -> bool:
    # find_spec of a.b imports a; the top package is enough to know.
    try:
        return importlib.util.find_spec(name.split(".")[0]) is not None
    except (ImportError, ValueError):
        return False


def _why_no_environment(tool: Tool) -> str:
    if os.access(tool.interpreter, os.X_OK):
        return ""
    return f"The tool's environment is not there: {tool.python} is no program."


_LOOK = "import importlib.util as u, sys; print(*(n for n in sys.argv[1:] if u.find_spec(n) is None))"


def _missing_in(interpreter: str, modules: Sequence[str]) -> list[str]:
    """Which modules an environment of its own lacks; asked by running its interpreter."""
    if not modules:
        return []
    top = [name.split(".")[0] for name in modules]
    try:
        done = subprocess.run(
            [interpreter, "-I", "-c", _LOOK, *top], capture_output=True, text=True, timeout=20, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return top
    return done.stdout.split()


def _list(names: list[str]) -> str:
    return ", ".join(os.path.basename(name) for name in names)
