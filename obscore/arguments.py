"""Options of the commands of this room; imports nothing heavy, for every `vogate` command reads it."""

from __future__ import annotations

import argparse

__all__ = ["add_fetch", "add_ingest", "add_simulate"]


def add_ingest(parser: argparse.ArgumentParser) -> None:
    """`vogate ingest [COLLECTION] [--from FOLDER]`."""
    parser.add_argument(
        "collection",
        nargs="?",
        default="",
        help="a collection of the site; by default the one that the files fit",
    )
    parser.add_argument(
        "--from",
        dest="folder",
        default="",
        metavar="FOLDER",
        help="where the files are (default: where they were at the last ingest, else where fetch puts them)",
    )
    parser.add_argument(
        "--quiet", action="store_true", help="no progress; the report is printed all the same"
    )


def add_fetch(parser: argparse.ArgumentParser) -> None:
    """`vogate fetch COLLECTION [--from URL] [--to FOLDER] [--yes]`."""
    parser.add_argument("collection", help="a collection of the site that has a public home")
    parser.add_argument(
        "--from", dest="url", default="", metavar="URL", help="another place to get the archive file"
    )
    parser.add_argument("--to", dest="folder", default="", metavar="FOLDER", help="where to put the files")
    parser.add_argument("--yes", action="store_true", help="I have read the terms of use and accept them")
    parser.add_argument("--quiet", action="store_true", help="no progress")


def add_simulate(parser: argparse.ArgumentParser) -> None:
    """`vogate simulate [--to FOLDER] [--seed N] [--observations N]`."""
    parser.add_argument("--to", dest="folder", default="", metavar="FOLDER", help="where to put the files")
    parser.add_argument("--seed", type=int, default=20240229, help="seed of the random numbers")
    parser.add_argument(
        "--observations", type=int, default=48, help="number of observations, at least 4 (default 48)"
    )
    parser.add_argument("--quiet", action="store_true", help="no progress")
