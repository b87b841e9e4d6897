"""A gateway from the command line: tools, runs and jobs (`vogate run`, and `vogate-client` where only this is installed)."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from .errors import ClientError, JobFailed
from .gateway import Gateway
from .jobs import Job

ACTIONS = ("show", "wait", "results", "log", "cancel", "rerun", "delete")


def add_address(parser: argparse.ArgumentParser) -> None:
    """Options that every sub-command has: where the gateway is, and who asks."""
    parser.add_argument(
        "--url",
        default=os.environ.get("VOGATE_URL", "http://127.0.0.1:8000"),
        help="the gateway (default $VOGATE_URL or http://127.0.0.1:8000)",
    )
    parser.add_argument(
        "--token", default=os.environ.get("VOGATE_TOKEN", ""), help="API token (default $VOGATE_TOKEN)"
    )


def add_run(parser: argparse.ArgumentParser) -> None:
    """`run TOOL name=value ...`."""
    add_address(parser)
    parser.add_argument("tool", help="name of the tool, or name@version")
    parser.add_argument(
        "parameters", nargs="*", metavar="NAME=VALUE", help="parameters; inputs too (obs=ivo://...)"
    )
    parser.add_argument("--run-id", default="", help="a label for the job list")
    parser.add_argument(
        "--file",
        action="append",
        default=[],
        metavar="NAME=PATH",
        help="upload a file as this input (repeatable)",
    )
    parser.add_argument("--no-wait", action="store_true", help="print the job's URL and leave")
    parser.add_argument("-o", "--output", default="", help="folder for the results (default: the job's id)")


def add_job(parser: argparse.ArgumentParser) -> None:
    """`job ACTION ID`."""
    add_address(parser)
    parser.add_argument("action", choices=ACTIONS)
    parser.add_argument("job", help="id or address of the job")
    parser.add_argument("-o", "--output", default="", help="folder for the results (default: the job's id)")


def parse(top: argparse.ArgumentParser, argv: list[str] | None) -> argparse.Namespace:
    """The arguments; parameters of `run` may stand before options and behind them (argparse takes one row of them)."""
    args, rest = top.parse_known_args(argv)
    if rest and (not hasattr(args, "parameters") or any(text.startswith("-") for text in rest)):
        top.error(f"unrecognized arguments: {' '.join(rest)}")
    if rest:
        args.parameters += rest
    return args


def _fields(parameters: list[str]) -> list[tuple[str, str]]:
    fields = []
    for text in parameters:
        name, separator, value = text.partition("=")
        if not separator or not name:
            raise ClientError(f"{text!r} is not NAME=VALUE.")
        fields.append((name, value))
    return fields


def tools(args: argparse.Namespace) -> int:
    """The tools, and why one cannot run."""
    for tool in Gateway(args.url, args.token).tools():
        print(f"{tool.id:28} {tool.title}{f'  [{tool.why_not}]' if tool.why_not else ''}")
    return 0


def run(args: argparse.Namespace) -> int:
    """Create a job, follow it, fetch its results."""
    values: dict[str, list[str]] = {}
    for name, value in _fields(args.parameters):
        values.setdefault(name, []).append(value)
    files: dict[str, list[str | Path]] = {}
    for name, path in _fields(args.file):
        files.setdefault(name, []).append(path)
    made = Gateway(args.url, args.token).submit(args.tool, values, files=files, run_id=args.run_id)
    print(made.url)
    if not args.no_wait:
        _follow(made, args.output)
    return 0


def job(args: argparse.Namespace) -> int:
    """What there is to do with one job."""
    found = Gateway(args.url, args.token).job(args.job)
    if args.action == "show":
        _show(found)
    elif args.action == "wait":
        found.wait(progress=True)
    elif args.action == "results":
        _save(found, args.output)
    elif args.action == "log":
        sys.stdout.write(found.log())
    elif args.action == "rerun":
        again = found.rerun()
        print(again.url)
        _follow(again, args.output)
    elif args.action == "cancel":
        print(found.cancel().phase)
    else:
        found.delete()
    return 0


def _show(found: Job) -> None:
    stage = f" ({found.state['stage']})" if found.state.get("stage") else ""
    print(f"{found.id}  {found.state['tool']}@{found.state['version']}  {found.phase}{stage}")
    for name, value in found.state["parameters"].items():
        print(f"  {name} = {value}")
    for row in found.state["inputs"]:
        print(f"  {row['role']}: {row['id']}")
    for result in found.results.values():
        print(f"  -> {result.name}: {result.file_name}, {result.size} bytes")
    if found.error:
        print(f"  {found.error}")


def _follow(made: Job, folder: str) -> None:
    try:
        made.wait(progress=True)
    except JobFailed as error:
        raise ClientError(f"{error} Its log: {made.url}/log") from None
    _save(made, folder)


def _save(done: Job, folder: str) -> None:
    for path in done.save(folder or None):
        print(f"  {path}  {path.stat().st_size} bytes", file=sys.stderr)


def main(argv: list[str] | None = None) -> int:
    """`vogate-client`: the exit status; what went wrong is one line on stderr."""
    top = argparse.ArgumentParser(prog="vogate-client", description="Use a vogate gateway.")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, function, add, text in (
        ("tools", tools, add_address, "List the tools of a gateway."),
        ("run", run, add_run, "Run a tool on a gateway, wait, and fetch its results."),
        ("job", job, add_job, "Show, follow, fetch, cancel or repeat a job of a gateway."),
    ):
        sub = commands.add_parser(name, help=text, description=text)
        sub.set_defaults(function=function)
        add(sub)
    args = parse(top, argv)
    try:
        return int(args.function(args))
    except (ClientError, TimeoutError) as error:
        print(f"vogate-client {args.command}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
