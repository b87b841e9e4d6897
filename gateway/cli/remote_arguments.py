"""Options of the sub-commands that talk to a running gateway."""

from __future__ import annotations

import argparse
import os


def _common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--url",
        default=os.environ.get("VOGATE_URL", "http://127.0.0.1:8000"),
        help="the gateway (default $VOGATE_URL or http://127.0.0.1:8000)",
    )
    parser.add_argument(
        "--token", default=os.environ.get("VOGATE_TOKEN", ""), help="API token (default $VOGATE_TOKEN)"
    )


def add_query(parser: argparse.ArgumentParser) -> None:
    """`vogate query ADQL`."""
    _common(parser)
    parser.add_argument("adql", help="the query, or - to read it from standard input")
    parser.add_argument(
        "--format", default="", help="votable, csv, fits, ... (default: by the output's name, else csv)"
    )
    parser.add_argument("--maxrec", type=int, help="most rows to return")
    parser.add_argument("-o", "--output", default="", help="file to write (default: standard output)")


def add_run(parser: argparse.ArgumentParser) -> None:
    """`vogate run TOOL name=value ...`."""
    _common(parser)
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
    """`vogate job ACTION ID`."""
    _common(parser)
    actions = ("show", "wait", "results", "log", "cancel", "rerun", "delete")
    parser.add_argument("action", choices=actions)
    parser.add_argument("job", help="id or address of the job")
    parser.add_argument("-o", "--output", default="", help="folder for the results (default: the job's id)")
