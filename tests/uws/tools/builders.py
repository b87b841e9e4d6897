"""Descriptions of tools for these tests."""

from __future__ import annotations

from pathlib import Path

from uws.tools.description import Tool
from uws.tools.loader import load

DEMO = """\
name: demo
version: "1.0"
title: Demo
summary: Does something with numbers
argv: ["{python}", "{tool_folder}/demo.py", "--energy={parameter.energy}", "{parameter.label}", "{input.events}"]
files: [helper.py]
inputs:
  events: {title: Events, help: Choose some., formats: [application/fits], min: 1, max: 3}
  extra: {title: Extra, min: 0}
parameters:
  energy: {type: float, title: Energy, unit: TeV, ucd: em.energy, default: 1.0, min: 0.01, max: 100, group: A}
  upper: {type: float, title: Upper energy, unit: TeV, above: 0}
  ra: {type: float, title: Right ascension, unit: deg, default_from: [target_ra, s_ra mean_angle]}
  count: {type: integer, title: Count, default: 5, min: 1, max: 10}
  flag: {type: boolean, title: Flag, default: false}
  label: {type: string, title: Label, required: true, max_length: 20, pattern: "[^%]*"}
  shape: {type: string, title: Shape, options: [{value: line, label: A line}, {value: curve, label: A curve}], default: line}
  bend: {type: float, title: Bend, default: 0.5, when: {shape: curve}}
  levels: {type: float, title: Levels, unit: deg, multiple: true, min_count: 1, max_count: 3}
rules:
  - {low: energy, high: upper, message: The energy must be below the upper energy.}
outputs:
  table: {path: "*.csv", title: Table, media_type: text/csv, role: table}
  result: {path: result.json, title: Result, media_type: application/json, role: main}
"""


def write(folder: Path, text: str = DEMO, name: str = "demo.yaml") -> Path:
    """A folder with a description and the two programs that it names."""
    folder.mkdir(exist_ok=True)
    for program in ("demo.py", "helper.py"):
        if not (folder / program).exists():
            (folder / program).write_text("print('hello')\n", encoding="utf-8")
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def demo(folder: Path) -> Tool:
    return load(write(folder))
