"""What pins a tool: SHA-256 over its description and the files that it runs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

_NOT_COUNTED = ("default", "deprecated", "examples", "warm")
_PREFIX = "{tool_folder}/"


def program_files(folder: Path, argv: Sequence[str], patterns: Iterable[str]) -> tuple[str, ...]:
    """Files that belong to a tool, relative to its folder: those named in `argv` and those of `files`.

    A pattern (`*.py`) stands for what it matches; a plain name stays in the list even if there is no such
    file, so that the loader can say so.
    """
    names = [argument[len(_PREFIX) :] for argument in argv if argument.startswith(_PREFIX)]
    for pattern in patterns:
        if any(character in pattern for character in "*?["):
            names += sorted(str(path.relative_to(folder)) for path in folder.glob(pattern) if path.is_file())
        else:
            names.append(pattern)
    return tuple(dict.fromkeys(names))


def digest(data: dict[str, Any], folder: Path, files: Iterable[str]) -> str:
    """SHA-256 (hex) over the canonical description and each file's name and content.

    The description counts as parsed (sorted keys, no white space), so that comments and layout do not
    change it.  Whether a version is the default, deprecated or started warm, and its examples, say nothing about
    what it does: left out.
    """
    counted = {key: value for key, value in data.items() if key not in _NOT_COUNTED}
    canonical = json.dumps(counted, sort_keys=True, separators=(",", ":"), default=str)
    total = hashlib.sha256(canonical.encode())
    for name in sorted(files):
        path = folder / name
        if path.is_file():
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            total.update(f"\n{name} {content}".encode())
    return total.hexdigest()
