"""`vogate query`, `vogate run` and `vogate job`: a gateway from the command line, through `gateway.client`."""

from __future__ import annotations

import argparse
import sys
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gateway.client import ClientError, Gateway, Job, JobFailed
from gateway.client.http import Connection
from gateway.vo.errors import GatewayError

FORMATS = {
    ".vot": "votable",
    ".xml": "votable",
    ".fits": "fits",
    ".csv": "csv",
    ".tsv": "tsv",
    ".json": "json",
}


class RemoteError(GatewayError):
    """The gateway refused, failed or cannot be reached."""


@contextmanager
def _our_errors() -> Iterator[None]:
    """The client's failures as the command's."""
    try:
        yield
    except (ClientError, TimeoutError) as error:
        raise RemoteError(str(error)) from None


def query(args: argparse.Namespace) -> int:
    """`vogate query`: one synchronous TAP query."""
    adql = sys.stdin.read() if args.adql == "-" else args.adql
    form = args.format or FORMATS.get(Path(args.output).suffix.lower(), "csv")
    fields = [("LANG", "ADQL"), ("QUERY", adql), ("RESPONSEFORMAT", form)]
    if args.maxrec is not None:
        fields.append(("MAXREC", str(args.maxrec)))
    data = urllib.parse.urlencode(fields).encode()
    with _our_errors():
        connection = Connection(args.url, args.token)
        if args.output:
            size = connection.download("tap/sync", Path(args.output), data=data)
            print(f"{args.output}: {size} bytes", file=sys.stderr)
            return 0
        with connection.open("tap/sync", data=data) as response:
            while block := response.read(1 << 16):
                sys.stdout.buffer.write(block)
        sys.stdout.buffer.flush()
    return 0


def _fields(parameters: list[str]) -> list[tuple[str, str]]:
    fields = []
    for text in parameters:
        name, separator, value = text.partition("=")
        if not separator or not name:
            raise RemoteError(f"{text!r} is not NAME=VALUE.")
        fields.append((name, value))
    return fields


def run(args: argparse.Namespace) -> int:
    """`vogate run`: create a job, follow it, fetch its results."""
    values: dict[str, list[str]] = {}
    for name, value in _fields(args.parameters):
        values.setdefault(name, []).append(value)
    files: dict[str, list[str | Path]] = {}
    for name, path in _fields(args.file):
        files.setdefault(name, []).append(path)
    with _our_errors():
        made = Gateway(args.url, args.token).submit(args.tool, values, files=files, run_id=args.run_id)
        print(made.url)
        if not args.no_wait:
            _follow(made, args.output)
    return 0


def job(args: argparse.Namespace) -> int:
    """`vogate job`: what there is to do with one job."""
    with _our_errors():
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
        raise RemoteError(str(error), hint=f"Its log: {made.url}/log") from None
    _save(made, folder)


def _save(done: Job, folder: str) -> None:
    for path in done.save(folder or None):
        print(f"  {path}  {path.stat().st_size} bytes", file=sys.stderr)
