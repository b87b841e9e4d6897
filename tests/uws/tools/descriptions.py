"""A complete small description, and what tests change in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from uws.tools.description import Tool
from uws.tools.loader import load

TEXT = """\
name: measure
version: "1.0"
title: Measure
summary: Measures something
category: Tests
argv: ["{python}", "{tool_folder}/measure.py"]
inputs:
  files:
    title: Files
    product_types: [event]
    min: 1
    max: 3
parameters:
  low: {type: float, title: Lowest energy, unit: TeV, ucd: em.energy, default: 0.5, above: 0, max: 100}
  high: {type: float, title: Highest energy, unit: TeV, default: 10.0, min: 0.01, max: 100}
  ra: {type: float, title: Right ascension, unit: deg, min: 0, max: 360, default_from: [target_ra, s_ra mean_angle]}
  count: {type: integer, title: Count, default: 3, min: 1}
  deep: {type: boolean, title: Deep, default: false}
  label: {type: string, title: Label, max_length: 20, pattern: "[a-z ]*"}
  mode: {type: string, title: Mode, options: [fast, {value: slow, label: Slow and good}], default: fast}
  steps: {type: integer, title: Steps, default: 5, min: 1, max: 9, when: {mode: slow}}
  bands: {type: float, title: Bands, unit: TeV, multiple: true, max_count: 3, min: 0}
rules:
  - {low: low, high: high, message: The lowest energy must be below the highest.}
outputs:
  result: {path: result.json, title: Result, media_type: application/json, required: true}
limits: {seconds: 60}
examples:
  - {title: A call, parameters: {low: 500 GeV}, inputs: {files: ["ivo://x/y?1"]}}
"""


def write(folder: Path, text: str = TEXT, *, name: str = "measure.yaml", **changes: Any) -> Path:
    """A folder with the description (top-level keys changed) and its program."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "measure.py").write_text("print('measuring')\n")
    if changes:
        data = {**yaml.safe_load(text), **changes}
        text = yaml.safe_dump({key: value for key, value in data.items() if value is not None})
    (folder / name).write_text(text)
    return folder / name


def tool(folder: Path, **changes: Any) -> Tool:
    return load(write(folder, **changes))
