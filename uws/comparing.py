"""Comparing what two runs made: hashes first, then FITS by values, then text by lines.

FITS files are compared with `astropy.io.fits.FITSDiff`.  Keywords that tell when, by which job and by whom
a file was written differ in every run and are left out, as are comments and history.
"""

from __future__ import annotations

import difflib
import io
import warnings
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

__all__ = ["Comparison", "State", "Tolerance", "compare_files"]

IGNORED_KEYWORDS = (
    *("DATE", "DATE-HDU", "CHECKSUM", "DATASUM", "CREATOR", "CREATED", "FILENAME", "HISTORY", "COMMENT", ""),
    *(
        "JOBID",
        "JOB",
        "JOBURL",
        "PROVURL",
        "PROVENAN",
        "DID",
        "OBS_DID",
        "PUBDID",
        "VGJOB",
        "VGPROV",
        "VGDID",
    ),
)
MAX_LINES = 200
_TEXT = ("text/", "application/json", "application/xml", "application/x-votable+xml", "application/yaml")


class State(StrEnum):
    """How two outputs of one name compare."""

    SAME = "same"
    """The same bytes."""
    EQUAL = "equal"
    """The same values, within the tolerance."""
    DIFFERENT = "different"
    MISSING = "missing"
    """Only the earlier run has it."""
    NEW = "new"
    """Only the later run has it."""
    UNKNOWN = "unknown"
    """The hashes differ, and one of the files is gone."""


@dataclass(frozen=True)
class Tolerance:
    """Two numbers are equal if |a - b| <= absolute + relative * |b| (as numpy.allclose)."""

    relative: float = 0.0
    absolute: float = 0.0


@dataclass(frozen=True)
class Comparison:
    """One output of two runs."""

    name: str
    state: State
    role: str = ""
    details: tuple[str, ...] = field(default=())
    """What differs, in lines for people."""

    @property
    def agrees(self) -> bool:
        return self.state in (State.SAME, State.EQUAL)

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "state": str(self.state)}


def compare_files(
    first: Path,
    second: Path,
    media_type: str,
    tolerance: Tolerance,
    jobs: tuple[str, str] = ("", ""),
) -> tuple[State, list[str]]:
    """Compare two files whose bytes differ.

    `jobs` are the identifiers of the two runs, which texts may name without being different for it.
    """
    if _is_fits(first) and _is_fits(second):
        return _compare_fits(first, second, tolerance)
    if media_type.partition(";")[0].startswith(_TEXT):
        return _compare_text(first, second, jobs)
    return State.DIFFERENT, [f"{first.stat().st_size} and {second.stat().st_size} bytes that differ"]


def _is_fits(path: Path) -> bool:
    with path.open("rb") as file:
        begin = file.read(6)
    return begin == b"SIMPLE" or (begin[:2] == b"\x1f\x8b" and ".fit" in path.name.lower())


def _compare_fits(first: Path, second: Path, tolerance: Tolerance) -> tuple[State, list[str]]:
    from astropy.io import fits

    report = io.StringIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with fits.open(first) as one, fits.open(second) as other:
            for hdu in (*one, *other):  # FITSDiff counts cards that it is told to ignore
                for keyword in IGNORED_KEYWORDS:
                    hdu.header.remove(keyword, ignore_missing=True, remove_all=True)
            difference = fits.FITSDiff(
                one,
                other,
                ignore_comments=["*"],
                ignore_blanks=True,
                rtol=tolerance.relative,
                atol=tolerance.absolute,
                numdiffs=10,
            )
            if difference.identical:
                return State.EQUAL, []
            difference.report(fileobj=report)
    lines = [line.rstrip() for line in report.getvalue().splitlines()]
    # The head of the report names files and paths of this machine.
    start = next(
        (n for n, line in enumerate(lines) if line.startswith(("Primary HDU", "Extension HDU", "Files"))), 0
    )
    return State.DIFFERENT, [line for line in lines[start:] if line][:MAX_LINES]


def _compare_text(first: Path, second: Path, jobs: tuple[str, str]) -> tuple[State, list[str]]:
    texts = []
    for path, job in zip((first, second), jobs, strict=True):
        text = path.read_text(encoding="utf-8", errors="replace")
        texts.append((text.replace(job, "JOB") if job else text).splitlines())
    if texts[0] == texts[1]:
        return State.EQUAL, []
    lines = difflib.unified_diff(texts[0], texts[1], "earlier", "later", lineterm="", n=1)
    return State.DIFFERENT, [line[:300] for _, line in zip(range(MAX_LINES), lines, strict=False)]
