"""`vogate tools check` and `vogate tools list`; `gateway.cli` hands the parsed arguments over."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from uws.tools import registry
from uws.tools.description import Tool
from uws.tools.exports import parameters_schema


def add_arguments(commands: argparse._SubParsersAction) -> None:
    """Add `check` and `list` to the sub-commands of `vogate tools`."""
    parser = commands.add_parser("check", help="check the tool descriptions of the site")
    parser.add_argument("folder", nargs="?", type=Path, help="folder of YAML files (default: the site's)")
    parser.set_defaults(run=check)
    parser = commands.add_parser("list", help="list the tools of the site")
    parser.add_argument("folder", nargs="?", type=Path, help="folder of YAML files (default: the site's)")
    parser.add_argument("--json", action="store_true", help="print JSON with the parameters' schemas")
    parser.set_defaults(run=list_tools)


def check(args: argparse.Namespace) -> int:
    """Print every fault as `file:line: what`; 1 if there is one, else 0."""
    tools = _registry(args)
    problems, found = tools.problems(), tools.all_versions()
    for problem in problems:
        print(problem, file=sys.stderr)
    for tool in found:
        print(f"{tool.id:32} {tool.digest[:12]}  {tool.why_not or 'available'}")
    if not found and not problems:
        print(f"There is no *.yaml file in {tools.folder}.", file=sys.stderr)
    print(f"{len(found)} tools, {len(problems)} faults")
    return 1 if problems or not found else 0


def list_tools(args: argparse.Namespace) -> int:
    """Print the tools, one per line or as JSON."""
    found = _registry(args).all_versions()
    if getattr(args, "json", False):
        json.dump([_as_json(tool) for tool in found], sys.stdout, indent=2)
        print()
        return 0
    for tool in found:
        marks = [tool.deprecated and "deprecated", "" if tool.available else tool.why_not]
        print(f"{tool.id:32} {tool.title}. {' '.join(filter(None, marks))}".rstrip())
    return 0


def _registry(args: argparse.Namespace) -> registry.Registry:
    folder = getattr(args, "folder", None)
    return registry.Registry(folder) if folder else registry.current()


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
