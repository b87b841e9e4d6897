"""Numbers for Prometheus (text format 0.0.4): queries, their durations, workers, and jobs by phase.

Each process counts for itself and leaves its counts in a file of its own; a scrape reaches one process,
which reads those of all.  A process that has ended leaves its file until another one adds it to the
counts of the past, so that no counter ever falls.
"""

from __future__ import annotations

import fcntl
import json
import os
import threading
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

from django.conf import settings

BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0, 600.0)
"""Seconds."""
EVERY = 1.0
"""Seconds between two writes of a process's file."""
PAST = "past.json"
TYPE = "text/plain; version=0.0.4; charset=utf-8"

__all__ = ["TYPE", "count_query", "text"]

_lock = threading.Lock()
_counts: Counter[str] = Counter()
_owner = 0
_written = 0.0


def folder() -> Path:
    return Path(settings.VOGATE_HOME) / "tmp" / "metrics"


def count_query(outcome: str, seconds: float) -> None:
    """A query has ended.

    Parameters
    ----------
    outcome
        `ok`, `error`, `cancelled`, `busy`, ...
    seconds
        Time from its start to its last row.
    """
    global _owner, _written
    with _lock:
        if _owner != os.getpid():  # after a fork the parent's counts are not ours
            _counts.clear()
            _owner = os.getpid()
        _counts[f"queries|{outcome}"] += 1
        _counts["seconds"] += seconds  # type: ignore[assignment]
        for bound in BUCKETS:
            if seconds <= bound:
                _counts[f"bucket|{bound:g}"] += 1
        now = time.monotonic()
        if now - _written < EVERY:
            return
        _written = now
        _write(f"{_owner}.json", _counts)


def _write(name: str, counts: Mapping[str, float]) -> None:
    where = folder()
    try:
        where.mkdir(parents=True, exist_ok=True)
        draft = where / f".{name}.{os.getpid()}"
        draft.write_text(json.dumps(counts), encoding="ascii")
        os.replace(draft, where / name)
    except OSError:
        return  # a full disk must not fail queries


def _read(path: Path) -> Counter[str]:
    try:
        return Counter(json.loads(path.read_text(encoding="ascii")))
    except (OSError, ValueError):
        return Counter()


def total() -> Counter[str]:
    """The counts of all processes, those that have ended included."""
    with _lock:
        if _counts and _owner == os.getpid():
            _write(f"{_owner}.json", _counts)
    where = folder()
    where.mkdir(parents=True, exist_ok=True)
    with (where / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        past, alive = _read(where / PAST), Counter[str]()
        ended = []
        for path in where.glob("[0-9]*.json"):
            if Path(f"/proc/{path.stem}").exists():
                alive += _read(path)
            else:
                past += _read(path)
                ended.append(path)
        if ended:
            _write(PAST, past)
            for path in ended:
                path.unlink(missing_ok=True)
    return past + alive


def _family(name: str, kind: str, text: str, samples: Iterable[tuple[str, float]]) -> str:
    rows = "".join(f"{sample} {value:g}\n" for sample, value in samples)
    return f"# HELP {name} {text}\n# TYPE {name} {kind}\n{rows}" if rows else ""


def text(load: Mapping[str, int], jobs: Mapping[str, int]) -> str:
    """The document; `load` is that of the pool of this process, `jobs` how many are in which phase."""
    counts = total()
    ended = {key.split("|")[1]: value for key, value in counts.items() if key.startswith("queries|")}
    everything = sum(ended.values())
    name = "vogate_query_seconds"
    samples = [(f'{name}_bucket{{le="{bound:g}"}}', counts[f"bucket|{bound:g}"]) for bound in BUCKETS]
    samples += [
        (f'{name}_bucket{{le="+Inf"}}', everything),
        (f"{name}_sum", counts["seconds"]),
        (f"{name}_count", everything),
    ]
    return (
        _family(
            "vogate_queries_total",
            "counter",
            "Queries that have ended, by how",
            [(f'vogate_queries_total{{outcome="{key}"}}', value) for key, value in sorted(ended.items())],
        )
        + _family(name, "histogram", "Seconds from the start of a query to its last row", samples)
        + _family(
            "vogate_query_slots",
            "gauge",
            "Queries and workers of the process that was asked",
            [(f'vogate_query_slots{{state="{key}"}}', value) for key, value in load.items()],
        )
        + _family(
            "vogate_jobs",
            "gauge",
            "Jobs by phase",
            [(f'vogate_jobs{{phase="{key}"}}', value) for key, value in sorted(jobs.items())],
        )
    )
