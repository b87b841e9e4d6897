"""`vogate tools check`, `list`, `test` and `new`; `gateway.cli` hands the parsed arguments over."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from gateway.vo.errors import UsageError
from uws.tools import availability, registry, template, trial
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


def test(args: argparse.Namespace) -> int:
    """Run the examples of descriptions; 1 if one fails, else 0.

    `args.names` are tools (`name` or `name@version`) or YAML files; without any, all of the site's.
    `args.resolve` finds inputs that are no files beside the description.
    """
    tools = [_named(name) for name in args.names] or [*registry.current().all_versions()]
    resolve = getattr(args, "resolve", None) or (lambda identifier: None)
    counts = {"ok": 0, "failed": 0, "skipped": 0}
    for tool in tools:
        if not tool.examples:
            print(f"{tool.id}: has no examples")
        for example in tool.examples:
            done = trial.run_example(tool, example, resolve)
            counts[done.outcome] += 1
            print(done, flush=True)
            if done.folder is not None:
                print(f"    its folder: {done.folder}", file=sys.stderr)
    print(", ".join(f"{count} {outcome}" for outcome, count in counts.items()))
    return 1 if counts["failed"] else 0


def _named(name: str) -> Tool:
    path = Path(name)
    if path.suffix not in (".yaml", ".yml"):
        return registry.get(name)
    try:
        tool = load(path)
    except DescriptionError as error:
        raise UsageError(str(error)) from None
    except FileNotFoundError:
        raise UsageError(f"{name} does not exist.") from None
    return replace(tool, why_not=availability.why_not(tool))


def new(args: argparse.Namespace) -> int:
    """Write the description and program of a new tool into `args.folder`, by default the site's."""
    folder = Path(args.folder) if args.folder else registry.current().folder
    for path in template.make(args.name, folder):
        print(path)
    print(f"Next: vogate tools test {folder / args.name}.yaml")
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
