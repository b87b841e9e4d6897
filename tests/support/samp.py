"""A SAMP hub with the web profile, and applications that listen to it: jsamp's own, TOPCAT and Aladin."""

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

import numpy as np
import numpy.typing as npt
from PIL import Image

from tests.support.browser import Watch
from tests.support.display import Display

WEB_PORT = 21012
START_SECONDS = 60
ALADIN_SECONDS = 120
MENU_MS = 20_000
JSAMP_JAR = "/usr/share/java/jsamp.jar"


def hub_is_running() -> bool:
    """Whether something listens on the web profile's port, which no two hubs can share."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", WEB_PORT)) == 0


def hub_ends(seconds: float) -> bool:
    """Wait until no hub runs; False if one still does after the time."""
    end = time.monotonic() + seconds
    while hub_is_running():
        if time.monotonic() > end:
            return False
        time.sleep(1)
    return True


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
    displays: dict[str, Display] = field(default_factory=dict)
    """Screens by the program's name."""

    def new_display(self, name: str) -> Display:
        """A screen for this program alone."""
        self.displays[name] = Display(self.home / f"{name}-display").start()
        return self.displays[name]

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "JAVA_TOOL_OPTIONS": f"-Duser.home={self.home}"}

    def start(self, name: str, *command: str, display: Display | None = None) -> None:
        environment = {**self.environment, **({"DISPLAY": display.name} if display else {})}
        with (self.home / f"{name}.log").open("wb") as log:
            self.processes.append(
                subprocess.Popen(
                    command,
                    stdout=log,
                    stderr=log,
                    env=environment,
                    cwd=self.home,
                    start_new_session=True,
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
        self.start("topcat", "topcat", display=self.new_display("topcat"))
        wait_for(lambda: '"samp.name": "topcat"' in self.text("snooper"))

    def start_aladin(self, dictionary: str) -> None:
        """Aladin desktop as it is started without internet: `dictionary` is the address of the gateway's one."""
        options = [f"-glufile={dictionary}", "-nonetworktest", "-nolog", "-trace"]
        self.start("aladin", "aladin", *options, display=self.new_display("aladin"))
        wait_for(lambda: "Aladin is fully ready" in self.text("aladin"), ALADIN_SECONDS)

    def has_tables(self, count: int) -> bool:
        """Whether Aladin has read so many tables (its trace says it after three stars)."""
        return self.text("aladin").count("***  Catalog queried, loaded and parsed") >= count

    def aladin(self, script: str, pattern: str) -> str:
        """What Aladin prints for a line of its script language, once that has the pattern.

        Its answers by SAMP are of no use: they have characters (the degree sign) that its own hub library refuses.
        """
        before = len(self.text("aladin"))
        # Debian's `jsamp` is a shell script that divides arguments at their spaces.
        command = ["java", "-jar", JSAMP_JAR, "messagesender", "-mode", "notify", "-targetname", "Aladin"]
        command += ["-mtype", "script.aladin.send", "-param", "script", script]
        done = subprocess.run(
            command, env=self.environment, timeout=START_SECONDS, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return wait_for(
            lambda: (said := self.text("aladin")[before:]) and re.search(pattern, said, re.S) and said
        )

    def aladin_view(self, script: str) -> npt.NDArray[np.uint8]:
        """Grey values of Aladin's view (rows, columns) after the script."""
        path = self.home / "view.png"
        self.aladin(f"{script}; sync; save {path}", "saved successfully")
        return np.asarray(Image.open(path).convert("L"))

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
        for display in self.displays.values():
            display.stop()


def send(watch: Watch, button: str, client: str, seconds: float = START_SECONDS) -> str:
    """Choose a receiver in the menu of a page's send button; what the page says of it in the end."""
    page = watch.page
    page.locator(button).click()
    page.get_by_role("menuitem", name=client).click(timeout=MENU_MS)
    status = page.locator("#samp-status")
    said = status.filter(has_not_text="Sending").filter(has_not_text="waiting for its answer")
    said.filter(has_text=".").wait_for(timeout=seconds * 1000)
    return str(status.inner_text())
