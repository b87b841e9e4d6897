"""A SAMP hub with the web profile, and applications that listen to it: jsamp's own, and TOPCAT."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

WEB_PORT = 21012
START_SECONDS = 60


def hub_is_running() -> bool:
    """Whether something listens on the web profile's port, which no two hubs can share."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", WEB_PORT)) == 0


def wait_for(condition: Callable[[], Any], seconds: float = START_SECONDS) -> Any:
    """What the condition gives as soon as it is true; an AssertionError if it never is."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.1)
    raise AssertionError(f"nothing came within {seconds:.0f} s")


@dataclass
class SampDesk:
    """Processes of one SAMP session; the lock file and all settings are in a home of their own."""

    home: Path
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self, name: str, *command: str) -> None:
        environment = {**os.environ, "JAVA_TOOL_OPTIONS": f"-Duser.home={self.home}"}
        with (self.home / f"{name}.log").open("wb") as log:
            self.processes.append(
                subprocess.Popen(
                    command, stdout=log, stderr=log, env=environment, cwd=self.home, start_new_session=True
                )
            )

    def start_hub(self) -> None:
        """A hub that lets web pages in without asking anybody."""
        self.start(
            "hub", "jsamp", "hub", "-mode", "no-gui", "-profiles", "std,web", "-web:auth", "true"
        )  # fmt: skip
        wait_for(lambda: hub_is_running() and (self.home / ".samp").exists())

    def start_snooper(self) -> None:
        """jsamp's client that prints each message it gets."""
        self.start("snooper", "jsamp", "snooper")
        wait_for(lambda: "samp.hub.event" in self.text("snooper"))

    def start_topcat(self) -> None:
        self.start("topcat", "xvfb-run", "-a", "topcat")
        wait_for(lambda: '"samp.name": "topcat"' in self.text("snooper"))

    def text(self, name: str) -> str:
        return (self.home / f"{name}.log").read_text(errors="replace")

    def messages(self, mtype: str) -> list[Mapping[str, Any]]:
        """Parameters of the messages of this type that the snooper has printed."""
        text, decoder, found = self.text("snooper"), json.JSONDecoder(), []
        for start in re.finditer(r"^\{", text, re.M):
            try:
                message, _ = decoder.raw_decode(text, start.start())
            except ValueError:  # still being printed
                continue
            if message["samp.mtype"] == mtype:
                found.append(message["samp.params"])
        return found

    def stop(self) -> None:
        for process in reversed(self.processes):
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
        for process in self.processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
