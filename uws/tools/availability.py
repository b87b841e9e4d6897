"""Whether this machine can run a tool, and if not, what it lacks."""

from __future__ import annotations

import importlib.util
import os
import shutil

from uws.tools.description import Tool


def why_not(tool: Tool) -> str:
    """What is missing, as a sentence; empty if the tool can run.

    Modules are looked for, not imported: gammapy alone takes seconds.
    """
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


def _list(names: list[str]) -> str:
    return ", ".join(os.path.basename(name) for name in names)
