"""What an ingest did: told while it runs, and summed up at its end."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field
from typing import TextIO


@dataclass
class Report:
    """The account of one ingest.

    `skipped`, `vanished` and `warnings` hold (file, reason); the numbers count observations.
    """

    out: TextIO | None = None
    """Where progress goes; None for silence."""
    quiet: bool = False
    added: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    returned: list[str] = field(default_factory=list)
    unchanged: int = 0
    skipped: list[tuple[str, str]] = field(default_factory=list)
    vanished: list[tuple[str, str]] = field(default_factory=list)
    warnings: list[tuple[str, str]] = field(default_factory=list)
    rows: int = 0
    """Rows of ivoa.obscore afterwards, of all collections."""
    version: int = 0
    """Version of the archive's manifest afterwards."""
    published: bool = False
    _line_open: bool = False
    _last: float = 0.0

    @classmethod
    def console(cls, *, quiet: bool = False) -> Report:
        return cls(out=None if quiet else sys.stderr, quiet=quiet)

    def say(self, text: str) -> None:
        self._end_line()
        if self.out is not None:
            print(text, file=self.out, flush=True)

    def progress(self, stage: str, done: int, total: int) -> None:
        """One line that is rewritten on a terminal; in a log a line every five seconds."""
        if self.out is None:
            return
        last = done >= total
        now = time.monotonic()
        self._last = self._last or now
        terminal = self.out.isatty()
        if not last and now - self._last < (0.1 if terminal else 5.0):
            return
        self._last = now
        text = f"{stage}: {done} of {total}"
        if terminal:
            print(f"\r{text}\033[K", end="", file=self.out, flush=True)
            self._line_open = True
        else:
            print(text, file=self.out, flush=True)
        if last:
            self._end_line()

    def skip(self, file: str, reason: str) -> None:
        self.skipped.append((file, reason))

    def warn(self, file: str, reason: str) -> None:
        self.warnings.append((file, reason))

    def summary(self) -> str:
        """The whole account as text: numbers first, then every file that was left out and why."""
        counts = [
            (len(self.added), "new"),
            (len(self.changed), "changed"),
            (len(self.returned), "back again"),
            (self.unchanged, "unchanged"),
            (len(self.skipped), "skipped"),
            (len(self.vanished), "vanished"),
        ]
        lines = [", ".join(f"{count} {what}" for count, what in counts if count) or "nothing found"]
        for title, entries in (
            ("Skipped", self.skipped),
            ("Vanished, and taken from ivoa.obscore", self.vanished),
            ("Warnings", self.warnings),
        ):
            if entries:
                lines.append(f"{title}:")
                lines += [f"  {file}: {reason}" for file, reason in entries]
        state = "published as" if self.published else "unchanged, still"
        lines.append(f"ivoa.obscore: {self.rows} rows, {state} version {self.version}")
        return "\n".join(lines)

    def _end_line(self) -> None:
        if self._line_open and self.out is not None:
            print(file=self.out, flush=True)
            self._line_open = False
