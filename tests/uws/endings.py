"""Abort and time-out end everything, whatever the executor: what its tests share."""

from __future__ import annotations

import json
import time

from tests.uws.service import Service

SECONDS = 2.5
TRIES = 3
"""Other tests' load may cost a try its time, but not its end."""


def assert_nothing_is_left(service: Service, way: str) -> None:
    """A tool whose deaf grandchild has a session of its own is gone 2.5 s after an abort or a time-out.

    Parameters
    ----------
    way
        `abort` or `timeout`.
    """
    took = []
    while not took or (took[-1] > SECONDS and len(took) < TRIES):
        took.append(_once(service, way))
    assert took[-1] <= SECONDS, took


def _once(service: Service, way: str) -> float:
    """Seconds from the abort, or the end of executionDuration, until the last process was gone."""
    duration = 2 if way == "timeout" else 60
    url = service.create(action="grandchild", seconds=100, EXECUTIONDURATION=duration)
    # The tool, its grandchild and the sandbox's own: without the deaf one there would be nothing to show.
    service.until(lambda: _deaf(service, url), "the grandchild is there")
    asked = time.time()
    if way == "abort":
        service.post(f"{url}/phase", PHASE="ABORT")
    path = service.folder(url) / "attempt-1" / "exit.json"
    service.until(path.exists, "the shepherd has ended")
    assert not service.processes_of(url)
    record = json.loads(path.read_text())
    assert service.ended(url)["phase"] == "ABORTED"
    return float(record["ended"] - (asked if way == "abort" else record["began"] + duration))


def _deaf(service: Service, url: str) -> bool:
    """True if a process of the job ignores SIGTERM."""
    for pid in service.processes_of(url):
        try:
            with open(f"/proc/{pid}/status") as file:
                ignored = next(line for line in file if line.startswith("SigIgn:"))
        except (OSError, StopIteration):
            continue
        if int(ignored.split()[1], 16) & (1 << 14):
            return True
    return False
