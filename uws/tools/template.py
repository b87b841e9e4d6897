"""A new tool to begin with, as `vogate tools new` makes it: it runs, and its example passes."""

from __future__ import annotations

import re
from pathlib import Path

from gateway.vo.errors import UsageError

_DESCRIPTION = """\
name: {name}
version: "1.0"
title: {title}
summary: What it does, in one line
description: |
  What it does, how, and what its results mean.
category: Tables
argv: ["{{python}}", "{{tool_folder}}/{name}.py"]
files: [{name}.py]
# requires:
#   modules: [astropy]
#   programs: [source-extractor]
inputs:
  table:
    title: Table
    help: Any file
    min: 1
    max: 1
parameters:
  threshold:
    type: float
    title: Threshold
    help: Lines that are shorter are not counted
    default: 0.0
    min: 0
outputs:
  result:
    path: result.json
    title: Result (JSON)
    media_type: application/json
    role: main
    preview: json
    required: true
limits:
  seconds: 60
  memory_mb: 512
examples:
  - title: The description itself
    parameters: {{threshold: 10}}
    inputs: {{table: [{name}.yaml]}}
"""

_PROGRAM = '''\
"""{title}: reads job.json, writes result.json (docs/tools.md)."""

import json
import os
import sys


def progress(fraction, stage):
    """Tell the gateway how far the run is."""
    path = os.environ.get("VOGATE_PROGRESS")
    if path:
        with open(path, "a", encoding="utf-8") as out:
            out.write(json.dumps({{"progress": fraction, "stage": stage}}) + "\\n")


def main():
    with open("job.json", encoding="utf-8") as file:
        job = json.load(file)
    threshold = job["parameters"]["threshold"]
    item = job["inputs"]["table"][0]
    progress(0.1, "Reading " + (item["title"] or item["id"]))
    with open(item["path"], "rb") as file:
        lines = file.read().splitlines()
    if not lines:
        # The last line on stderr is what the user is told.
        sys.exit("The file is empty.")
    result = {{"lines": len(lines), "long_lines": sum(len(line) > threshold for line in lines)}}
    with open("result.json", "w", encoding="utf-8") as out:
        json.dump(result, out)
    progress(1.0, "Done")


if __name__ == "__main__":
    main()
'''


def make(name: str, folder: Path) -> list[Path]:
    """Write `<name>.yaml` and `<name>.py`; nothing that exists is overwritten.

    Raises
    ------
    UsageError
        If the name cannot be one, or a file exists already.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,63}", name):
        raise UsageError(f"{name!r} cannot be a tool's name: small letters, digits and _, a letter first.")
    title = name.replace("_", " ").capitalize()
    texts = {
        folder / f"{name}.yaml": _DESCRIPTION.format(name=name, title=title),
        folder / f"{name}.py": _PROGRAM.format(title=title),
    }
    for path in texts:
        if path.exists():
            raise UsageError(f"{path} exists already.")
    folder.mkdir(parents=True, exist_ok=True)
    for path, text in texts.items():
        path.write_text(text, encoding="utf-8")
    return list(texts)
