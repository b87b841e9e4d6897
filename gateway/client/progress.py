"""A progress line on the terminal; nothing but changes where there is no terminal."""

from __future__ import annotations

import shutil
import sys
import time
from typing import TextIO


class ProgressBar:
    """One line: `[#####     ]  50 % Fitting`; a context manager.

    Parameters
    ----------
    stream
        Where it is drawn; on a terminal the line is redrawn, elsewhere each new stage is a line.
    """

    WIDTH = 30

    def __init__(self, stream: TextIO | None = None) -> None:
        self.stream = stream or sys.stderr
        self.live = self.stream.isatty()
        self._said = ""
        self._drawn = 0.0

    def show(self, fraction: float | None, text: str) -> None:
        """Draw a state; `fraction` is None where it is not known."""
        if not self.live:
            if text != self._said:
                print(f"  {text}", file=self.stream, flush=True)
                self._said = text
            return
        if time.monotonic() - self._drawn < 0.05 and text == self._said:
            return
        done = round(self.WIDTH * min(max(fraction or 0.0, 0.0), 1.0))
        percent = "     " if fraction is None else f"{fraction:4.0%} "
        line = f"[{'#' * done}{' ' * (self.WIDTH - done)}] {percent}{text}"
        width = shutil.get_terminal_size().columns - 1
        self.stream.write(f"\r{line[:width]:<{width}}")
        self.stream.flush()
        self._said, self._drawn = text, time.monotonic()

    def __enter__(self) -> ProgressBar:
        return self

    def __exit__(self, *_: object) -> None:
        if self.live and self._said:
            self.stream.write("\n")
            self.stream.flush()
