"""A pytest plugin: which files took long, and how evenly the processes were used, at the end of each long run."""

from __future__ import annotations

from collections import Counter
from typing import Any

FILES = 25
WORTH_SECONDS = 60
"""Shorter runs say nothing."""

_by_file: Counter[str] = Counter()
_by_process: Counter[str] = Counter()


def pytest_runtest_logreport(report: Any) -> None:
    """Setup, call and teardown of every test pass by here, in the process that prints."""
    _by_file[report.nodeid.split("::", 1)[0]] += report.duration
    node = getattr(report, "node", None)
    _by_process[node.gateway.id if node is not None else "here"] += report.duration


def pytest_terminal_summary(terminalreporter: Any) -> None:
    if sum(_by_file.values()) < WORTH_SECONDS:
        return
    terminalreporter.section("files by seconds (tests.support.home begins the longest first)")
    for file, seconds in _by_file.most_common(FILES):
        terminalreporter.write_line(f"{seconds:8.1f}  {file}")
    shares = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in sorted(_by_process.items()))
    terminalreporter.write_line(f"by process: {shares}")
