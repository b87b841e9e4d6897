"""What every tool of this folder does the same way: read job.json, report progress, fail in one sentence,
and sign what it leaves.

A tool runs in its work folder, where `job.json` is, and leaves its outputs there.  This module needs no
more than Python's standard library.
"""

from __future__ import annotations

import json
import math
import os
import sys
import textwrap
import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


class ToolFailure(Exception):
    """The run cannot go on; the text is one plain sentence for the user."""


@dataclass(frozen=True)
class Input:
    """One input file."""

    id: str
    path: str
    sha256: str = ""
    title: str = ""
    terms: str = ""
    collection: str = ""


@dataclass(frozen=True)
class Job:
    """The contents of `job.json` (docs/development.md, Jobs)."""

    id: str
    tool: str
    version: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, tuple[Input, ...]] = field(default_factory=dict)
    notice: str = ""
    base_url: str = ""
    job_url: str = ""

    @classmethod
    def read(cls, path: Path = Path("job.json")) -> Job:
        data = json.loads(path.read_text(encoding="utf-8"))
        known = Input.__dataclass_fields__
        inputs = {
            role: tuple(Input(**{k: v or "" for k, v in item.items() if k in known}) for item in items)
            for role, items in data.get("inputs", {}).items()
        }
        return cls(
            id=data["job"],
            tool=data["tool"],
            version=data["version"],
            parameters=data.get("parameters", {}),
            inputs=inputs,
            notice=data.get("notice") or "",
            base_url=data.get("base_url") or "",
            job_url=data.get("job_url") or "",
        )

    def get(self, name: str, default: Any = None) -> Any:
        value = self.parameters.get(name)
        return default if value is None else value

    @property
    def tool_id(self) -> str:
        return f"{self.tool}@{self.version}"

    @property
    def provenance_url(self) -> str:
        """Where the record of this run is to be had when it has ended; '' where nobody serves it."""
        return f"{self.base_url}/provenance/{self.id}.json" if self.base_url else ""

    @property
    def all_inputs(self) -> list[Input]:
        return [item for items in self.inputs.values() for item in items]

    @property
    def attribution(self) -> str:
        """The terms of all inputs, each once, as their publishers wrote them."""
        return "\n\n".join(
            dict.fromkeys(item.terms.strip() for item in self.all_inputs if item.terms.strip())
        )

    @property
    def short_attribution(self) -> str:
        """One line for the foot of a picture."""
        collections = ", ".join(dict.fromkeys(item.collection for item in self.all_inputs if item.collection))
        first = " ".join(self.attribution.split())
        return (
            first if len(first) <= 110 else (f"Data: {collections}" if collections else first[:107] + "...")
        )

    def record(self) -> dict[str, Any]:
        """Where a product comes from, for JSON products."""
        return {
            "job": self.id,
            "job_url": self.job_url,
            "provenance_url": self.provenance_url,
            "tool": self.tool_id,
            "inputs": [{"id": i.id, "sha256": i.sha256, "title": i.title} for i in self.all_inputs],
            "attribution": self.attribution,
            "notice": self.notice,
        }

    def header_lines(self) -> tuple[list[str], list[str]]:
        """COMMENT and HISTORY lines of a FITS header, at most 70 ASCII characters each."""
        comments = [line for text in (self.notice, self.attribution) if text for line in wrap(text)]
        history = wrap(f"{self.tool_id} job {self.id}") + (wrap(self.job_url) if self.job_url else [])
        for item in self.all_inputs:
            history += wrap(f"input {item.id}")
            if item.sha256:
                history += wrap(f"  SHA-256 {item.sha256}", 72)
        return comments, history


def wrap(text: str, width: int = 70) -> list[str]:
    """Lines of plain ASCII for a FITS header; blank lines and line ends are kept."""
    plain = text.replace("\u2013", "-").replace("\u2014", "-").encode("ascii", "replace").decode()
    return [line for part in plain.splitlines() for line in (textwrap.wrap(part, width) or [""])]


def progress(fraction: float, stage: str) -> None:
    """Tell the gateway how far the run is."""
    path = os.environ.get("VOGATE_PROGRESS")
    line = json.dumps({"progress": round(min(max(fraction, 0.0), 1.0), 3), "stage": stage})
    if path:
        with open(path, "a", encoding="utf-8") as out:
            out.write(line + "\n")
    print(f"[{fraction:4.0%}] {stage}", flush=True)


def write_json(path: str | Path, data: Mapping[str, Any]) -> None:
    """Strict JSON: what is not a finite number becomes null."""
    text = json.dumps(_strict(data), indent=1, allow_nan=False, ensure_ascii=False)
    Path(path).write_text(text + "\n", encoding="utf-8")


def _strict(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _strict(item) for key, item in value.items()}
    if hasattr(value, "tolist"):  # numpy scalars and arrays
        return _strict(value.tolist())
    if isinstance(value, list | tuple):
        return [_strict(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def plural(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def listed(items: Iterable[object]) -> str:
    """`a, b and c`."""
    words = [str(item) for item in items]
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1] if words else ""]))


def run_tool(work: Callable[[Job], None]) -> None:
    """Run a tool's work; on failure leave one sentence on the last line of stderr and exit with 1.

    An unforeseen error leaves its traceback above that line, for whoever mends it, and exits with 2.
    """
    try:
        work(Job.read())
    except ToolFailure as failure:
        _last_words(str(failure), 1)
    except MemoryError:
        _last_words(
            "The run needs more memory than it is allowed; use fewer observations or coarser bins.", 2
        )
    except Exception as error:  # noqa: BLE001 (whatever went wrong, the user gets a sentence)
        traceback.print_exc()
        text = " ".join(str(error).split())[:300]
        _last_words(f"The tool failed unexpectedly ({type(error).__name__}: {text}).", 2)


def _last_words(sentence: str, code: int) -> None:
    sys.stdout.flush()
    print(sentence, file=sys.stderr, flush=True)
    sys.exit(code)
