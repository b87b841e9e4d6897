"""`vogate tools check` and `vogate tools list`; `gateway.cli` hands the parsed arguments over."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from uws.tools import availability, registry
from uws.tools.description import Tool
from uws.tools.exports import parameters_schema
from uws.tools.loader import DescriptionError, Problem, load


def check(args: argparse.Namespace) -> int:
    """Print every fault as `file:line: what`; 1 if there is one, else 0.

    `args.paths` are YAML files or folders; without any, the site's tools are checked.
    """
    count = faults = 0
    for tools, problems in map(_look_at, getattr(args, "paths", None) or [registry.current().folder]):
        for problem in problems:
            print(problem, file=sys.stderr)
        for tool in tools:
            print(f"{tool.id:32} {tool.digest[:12]}  {tool.why_not or 'available'}")
        count, faults = count + len(tools), faults + len(problems)
    print(f"{count} tools, {faults} faults")
    return 1 if faults or not count else 0


def _look_at(path: str | Path) -> tuple[Sequence[Tool], Sequence[Problem]]:
    path = Path(path)
    if path.is_dir():
        folder = registry.Registry(path)
        return folder.all_versions(), folder.problems()
    if not path.exists():
        return (), [Problem(path, 1, "does not exist")]
    try:
        tool = load(path)
    except DescriptionError as error:
        return (), error.problems
    return [replace(tool, why_not=availability.why_not(tool))], ()


def list_tools(args: argparse.Namespace) -> int:
    """Print the tools, one per line or as JSON."""
    found = registry.current().all_versions()
    if getattr(args, "json", False):
        json.dump([_as_json(tool) for tool in found], sys.stdout, indent=2)
        print()
        return 0
    for tool in found:
        marks = [tool.deprecated and "deprecated", "" if tool.available else tool.why_not]
        print(f"{tool.id:32} {tool.title}. {' '.join(filter(None, marks))}".rstrip())
    return 0


def _as_json(tool: Tool) -> dict[str, object]:
    return {
        "name": tool.name,
        "version": tool.version,
        "title": tool.title,
        "summary": tool.summary,
        "category": tool.category,
        "digest": tool.digest,
        "available": tool.available,
        "why_not": tool.why_not,
        "deprecated": tool.deprecated,
        "inputs": [role.name for role in tool.inputs],
        "outputs": [output.name for output in tool.outputs],
        "parameters": parameters_schema(tool),
    }


list = list_tools  # `vogate tools list` calls the function of its action's name
