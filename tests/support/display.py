"""A screen without a monitor, and hands on its keyboard and mouse (Xvfb, xdotool)."""

from __future__ import annotations

import os
import struct
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

SIZE = (1440, 1000)
START_SECONDS = 60
CARET = 200
"""Pixels; what changes less is a caret that blinks."""


@dataclass
class Display:
    """An X server of its own in a folder of its own; programs get `.environment`."""

    folder: Path
    process: subprocess.Popen[bytes] | None = None
    name: str = ""

    def start(self) -> Display:
        self.folder.mkdir(parents=True)
        reader, writer = os.pipe()
        screen = "x".join(map(str, (*SIZE, 24)))
        with (self.folder / "xvfb.log").open("wb") as log:
            # The server chooses a free number and writes it as soon as it serves.
            self.process = subprocess.Popen(
                ["Xvfb", "-displayfd", str(writer), "-screen", "0", screen, "-fbdir", str(self.folder)],
                pass_fds=[writer], stdout=log, stderr=log,
            )  # fmt: skip
        os.close(writer)
        with os.fdopen(reader) as pipe:
            number = pipe.readline().strip()
        assert number, (self.folder / "xvfb.log").read_text()
        self.name = f":{number}"
        return self

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(10)

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "DISPLAY": self.name}

    def do(self, *command: str) -> str:
        """What xdotool says to a command."""
        done = subprocess.run(
            ["xdotool", *command], env=self.environment, capture_output=True, text=True, timeout=START_SECONDS
        )
        return done.stdout

    def windows(self, title: str) -> list[str]:
        """Numbers of the windows that are shown with a title of this pattern."""
        return self.do("search", "--onlyvisible", "--name", title).split()

    def click(self, x: int, y: int) -> None:
        self.do("mousemove", str(x), str(y), "click", "1")

    def type(self, text: str) -> None:
        # Swing loses keys that come before the field has the focus, or faster than it colours the text.
        time.sleep(0.5)
        self.do("type", "--delay", "30", text)

    def image(self) -> Image.Image:
        """What the screen shows: Xvfb keeps it as an XWD file (X11/XWDFile.h)."""
        raw = (self.folder / "Xvfb_screen0").read_bytes()
        header, width, height, line, colours = struct.unpack_from(">I12xII24xI24xI", raw)
        start = header + 12 * colours
        return Image.frombytes(
            "RGB", (width, height), raw[start : start + line * height], "raw", "BGRX", line
        )

    def settled(self, seconds: float = START_SECONDS) -> None:
        """Wait until the screen has not changed for two seconds (a caret may blink): keys typed sooner may be lost."""
        start = still_since = time.monotonic()
        last = self._reds()
        while (now := time.monotonic()) < start + seconds and now - still_since < 2:
            time.sleep(0.2)
            shown = self._reds()
            if np.count_nonzero(shown != last) >= CARET:
                still_since = time.monotonic()
            last = shown

    def _reds(self) -> npt.NDArray[np.uint8]:
        return np.asarray(self.image())[..., 0]

    def screenshot(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.image().save(path)
