"""The jobs of a drill, each with the end that it must have."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from typing import Any

from tests.uws.service import Service

WEB_SECONDS = 30.0


@dataclass
class Wanted:
    """A job that was asked for, and how it has to end."""

    parameters: dict[str, Any]
    phases: tuple[str, ...]
    says: str = ""
    """Part of the error message, where one is due."""
    url: str = ""

    @property
    def id(self) -> str:
        return self.url.rpartition("/")[2]


def draw(chance: random.Random, number: int) -> Wanted:
    """One job: most sleep a while, some only write, fail, run out of time or are aborted."""
    kind = chance.choices(["sleep", "write", "fail", "half", "abort"], [60, 20, 8, 6, 6])[0]
    seconds = round(chance.uniform(0.2, 2.0), 1)
    if kind == "fail":
        return Wanted({"action": "fail"}, ("ERROR",), "The region holds no events")
    if kind == "half":
        return Wanted({"action": "half", "EXECUTIONDURATION": 1}, ("ABORTED",), "executionDuration of 1 s")
    if kind == "abort":
        return Wanted({"action": "sleep", "seconds": 30}, ("ABORTED",), "Aborted on request")
    values = {"action": kind, "text": f"result {number}"}
    return Wanted(values | ({"seconds": seconds} if kind == "sleep" else {}), ("COMPLETED",))


def submit(service: Service, wanted: Wanted) -> None:
    """Create the job; a web server that is being killed is asked again, as a client would."""
    wanted.url = _again(lambda: service.create(**wanted.parameters))


def abort(service: Service, wanted: Wanted) -> None:
    _again(lambda: service.post(f"{wanted.url}/phase", PHASE="ABORT"))


def _again(ask: Any) -> Any:
    end = time.monotonic() + WEB_SECONDS
    while True:
        try:
            return ask()
        except (OSError, AssertionError):
            if time.monotonic() > end:
                raise
            time.sleep(0.2)
