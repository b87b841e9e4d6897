"""All tools of a site, from the YAML files of one folder; read again when a file changes."""

from __future__ import annotations

import difflib
import os
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from gateway.site import resolve_site_folder
from gateway.vo.errors import NotFound
from uws.tools import availability
from uws.tools.description import Tool
from uws.tools.loader import DescriptionError, Problem, load

PROBE_SECONDS = 60.0
"""How long an answer about installed programs is believed."""


class Registry:
    """The tools of one folder.

    Parameters
    ----------
    folder
        Holds one `*.yaml` file per tool version, and the programs that they run.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = threading.Lock()
        self._stamp: tuple[object, ...] | None = None
        self._probed = 0.0
        self._tools: tuple[Tool, ...] = ()
        self._problems: tuple[Problem, ...] = ()

    def all_versions(self) -> tuple[Tool, ...]:
        """Every version of every tool, by name, the newest version first."""
        self._refresh()
        return self._tools

    def all_tools(self) -> tuple[Tool, ...]:
        """The default version of each tool, by category and title."""
        names = dict.fromkeys(tool.name for tool in self.all_versions())
        defaults = [self._default(name) for name in names]
        return tuple(sorted(defaults, key=lambda tool: (tool.category, tool.title)))

    def versions(self, name: str) -> tuple[Tool, ...]:
        return tuple(tool for tool in self.all_versions() if tool.name == name)

    def problems(self) -> tuple[Problem, ...]:
        """Faults of the files that could not be used."""
        self._refresh()
        return self._problems

    def get(self, name: str, version: str = "") -> Tool:
        """A tool by name and version; `name` may be `name@version`.  Without a version, the default one.

        Raises
        ------
        NotFound
            If there is no such tool or version; the hint has the nearest name.
        """
        name, _, inline = name.partition("@")
        version = version or inline
        found = self.versions(name)
        if not found:
            raise NotFound(f"There is no tool {name[:64]!r}.", hint=self._advice(name))
        if not version:
            return self._default(name)
        for tool in found:
            if tool.version == version:
                return tool
        known = ", ".join(tool.version for tool in found)
        raise NotFound(f"There is no version {version[:32]!r} of {name}.", hint=f"There is {known}.")

    def known(self, name: str, version: str) -> Tool | None:
        """A tool as it was when the files were last looked at: for what is written a thousand times a second."""
        if not self._tools:
            self._refresh()
        return next((tool for tool in self._tools if (tool.name, tool.version) == (name, version)), None)

    def _advice(self, name: str) -> str:
        for problem in self._problems:
            if problem.path.stem == name:
                return "Its description has errors; the operator sees them with `vogate tools check`."
        names = sorted({tool.name for tool in self._tools})
        near = difflib.get_close_matches(name, names, n=1)
        return f"Did you mean {near[0]}?" if near else f"There is {', '.join(names) or 'none'}."

    def _default(self, name: str) -> Tool:
        found = self.versions(name)
        marked = [tool for tool in found if tool.default]
        current = [tool for tool in found if not tool.deprecated]
        return (marked or current or list(found))[0]

    def _refresh(self) -> None:
        stamp = self._read_stamp()
        with self._lock:
            if stamp != self._stamp:
                self._tools, self._problems = _load_folder(self.folder)
                self._stamp, self._probed = stamp, 0.0
            if time.monotonic() - self._probed > PROBE_SECONDS or not self._probed:
                self._tools = tuple(replace(tool, why_not=availability.why_not(tool)) for tool in self._tools)
                self._probed = time.monotonic()

    def _read_stamp(self) -> tuple[object, ...]:
        """Names, sizes and times of the files that decide what the tools are."""
        entries = []
        for parent, folders, names in os.walk(self.folder):
            folders[:] = [name for name in folders if not name.startswith((".", "__pycache__"))]
            for name in names:
                path = os.path.join(parent, name)
                try:
                    status = os.stat(path)
                except FileNotFoundError:
                    continue
                entries.append((path, status.st_mtime_ns, status.st_size))
        return tuple(sorted(entries))


def _load_folder(folder: Path) -> tuple[tuple[Tool, ...], tuple[Problem, ...]]:
    tools: dict[str, Tool] = {}
    problems: list[Problem] = []
    for path in sorted([*folder.glob("*.yaml"), *folder.glob("*.yml")]):
        try:
            tool = load(path)
        except DescriptionError as error:
            problems += error.problems
            continue
        if tool.id in tools:
            other = tools[tool.id].source
            problems.append(Problem(path, 1, f"{tool.id} is described in {other.name if other else '?'} too"))
            continue
        if tool.default and any(t.default and t.name == tool.name for t in tools.values()):
            problems.append(Problem(path, 1, f"another version of {tool.name} is marked as default, too"))
        tools[tool.id] = tool
    newest_first = sorted(tools.values(), key=lambda tool: _version_key(tool.version), reverse=True)
    return tuple(sorted(newest_first, key=lambda tool: tool.name)), tuple(problems)


def _version_key(version: str) -> tuple[tuple[int, int, str], ...]:
    """Order of versions: 1.10 after 1.9, 1.0 after 1.0rc1."""
    parts = re.findall(r"\d+|[A-Za-z]+", version)
    return (*((1, int(part), "") if part.isdigit() else (-1, 0, part) for part in parts), (0, 0, ""))


_current: Registry | None = None
_BASE = Path(__file__).resolve().parents[2]


def current() -> Registry:
    """The registry of the site that SITE names, unless `configure` chose another folder."""
    global _current
    if _current is None:
        site = resolve_site_folder(os.environ.get("SITE", "demo"), _BASE)
        _current = Registry(site / "tools")
    return _current


def configure(folder: Path) -> Registry:
    """Serve the tools of this folder from now on."""
    global _current
    _current = Registry(Path(folder))
    return _current


@contextmanager
def using(folder: Path) -> Iterator[Registry]:
    """Serve the tools of another folder for a while (for tests)."""
    global _current
    before = _current
    try:
        yield configure(folder)
    finally:
        _current = before


def get(name: str, version: str = "") -> Tool:
    """`Registry.get` of the current site."""
    return current().get(name, version)


def all_tools() -> tuple[Tool, ...]:
    """`Registry.all_tools` of the current site."""
    return current().all_tools()
