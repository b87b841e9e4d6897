"""The options of `vogate queue` and `vogate gc`; no Django here."""

from __future__ import annotations

import argparse


def add_queue(parser: argparse.ArgumentParser) -> None:
    """Options of `vogate queue`."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    actions.add_parser("status", help="each queue: what waits, what runs, and whether it is stopped")
    for name, text in (
        ("pause", "start nothing new; what runs goes on"),
        ("drain", "start nothing new, and stop what runs; it starts again on resume"),
        ("resume", "let it go on"),
    ):
        sub = actions.add_parser(name, help=text, description=text)
        sub.add_argument("queue", help="an executor (local, runner, ...), tool:<name>, or all")
        if name != "resume":
            sub.add_argument("--reason", default="", help="shown to those whose jobs wait")


def add_gc(parser: argparse.ArgumentParser) -> None:
    """Options of `vogate gc`."""
    parser.add_argument("--remove", action="store_true", help="remove what is found, and expired sessions")
    parser.add_argument(
        "--all",
        action="store_true",
        help="remove it also where no folder fits any job, as if another's were looked at",
    )
    parser.add_argument(
        "--hours", type=float, default=1.0, help="leave folders alone that are younger (default 1)"
    )
