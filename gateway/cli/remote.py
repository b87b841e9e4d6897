"""`vogate query`, `vogate run` and `vogate job`: a gateway from the command line, through `gateway.client`."""

from __future__ import annotations

import argparse
import sys
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gateway.client import ClientError, commands
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


def run(args: argparse.Namespace) -> int:
    """`vogate run`: create a job, follow it, fetch its results."""
    with _our_errors():
        return commands.run(args)


def job(args: argparse.Namespace) -> int:
    """`vogate job`: what there is to do with one job."""
    with _our_errors():
        return commands.job(args)
