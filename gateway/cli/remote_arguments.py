"""Options of the sub-commands that talk to a running gateway."""

from __future__ import annotations

import argparse

from gateway.client.commands import add_address, add_job, add_run

__all__ = ["add_job", "add_query", "add_run"]


def add_query(parser: argparse.ArgumentParser) -> None:
    """`vogate query ADQL`."""
    add_address(parser)
    parser.add_argument("adql", help="the query, or - to read it from standard input")
    parser.add_argument(
        "--format", default="", help="votable, csv, fits, ... (default: by the output's name, else csv)"
    )
    parser.add_argument("--maxrec", type=int, help="most rows to return")
    parser.add_argument("-o", "--output", default="", help="file to write (default: standard output)")
