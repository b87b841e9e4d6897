"""Options of `vogate replay` and `vogate withdraw`; no Django here, so that `--help` is quick."""

from __future__ import annotations

import argparse


def add_replay(parser: argparse.ArgumentParser) -> None:
    """Options of `vogate replay`."""
    parser.add_argument("job", help="id of the job")
    parser.add_argument("--plan", action="store_true", help="only say what is there and what is gone")
    parser.add_argument("--verify", action="store_true", help="wait, and compare the products with the first")
    parser.add_argument("--diff", metavar="JOB", default="", help="compare with this job instead of running")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="change a parameter")
    parser.add_argument("--tool-version", default="", help="run another version of the tool")
    parser.add_argument(
        "--accept-changes", action="store_true", help="run although inputs or the tool have changed since"
    )
    parser.add_argument("--rtol", type=float, default=0.0, help="relative tolerance of FITS values")
    parser.add_argument("--atol", type=float, default=0.0, help="absolute tolerance of FITS values")
    parser.add_argument("--wait", type=float, default=600.0, help="seconds to wait for the end (default 600)")
    parser.add_argument("--json", action="store_true", help="print JSON")


def add_withdraw(parser: argparse.ArgumentParser) -> None:
    """Options of `vogate withdraw`."""
    parser.add_argument(
        "subject",
        nargs="?",
        default="",
        help="publisher DID, entity, or tool@version that is not to be used any more",
    )
    parser.add_argument("--reason", default="", help="why, in a sentence that the owners will read")
    parser.add_argument(
        "--by", default="", metavar="USER", help="whose decision it is (an account; the site's without it)"
    )
    parser.add_argument("--dry-run", action="store_true", help="only list what is touched")
    parser.add_argument(
        "--rerun",
        action="store_true",
        help="run the touched jobs again, in the order in which they were made",
    )
    parser.add_argument("--instead", default="", metavar="ID", help="with --rerun: the input to use instead")
    parser.add_argument("--tool-version", default="", help="with --rerun: the version to use instead")
    parser.add_argument(
        "--tell", action="store_true", help="write to the owners, now and when all is made again"
    )
    parser.add_argument(
        "--status",
        type=int,
        default=0,
        metavar="N",
        help="how far withdrawal N is; with --rerun or --tell: do that now",
    )
