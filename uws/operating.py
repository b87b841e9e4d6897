"""`vogate queue` and `vogate gc`, for operators."""

from __future__ import annotations

import argparse
import getpass

from uws import garbage, queues
from uws.models import QueueMode


def queue(args: argparse.Namespace) -> int:
    """Show, pause, drain or resume queues."""
    if args.action == "status":
        _show()
    elif args.action == "resume":
        print(f"{args.queue} goes on; {queues.resume(args.queue)} jobs are queued again")
    else:
        mode = QueueMode.PAUSED if args.action == "pause" else QueueMode.DRAINED
        queues.stop(args.queue, mode, reason=args.reason, by=_operator())
        print(f"{args.queue} is {mode.value}; vogate queue resume {args.queue} lets it go on")
    return 0


def _operator() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""


def _show() -> None:
    print(f"{'queue':<20} {'state':<8} {'queued':>7} {'running':>8} {'held':>6} {'oldest':>9}  reason")
    for state in queues.status():
        oldest = "-" if state.oldest is None else f"{state.oldest:.0f} s"
        print(
            f"{state.name:<20} {state.mode:<8} {state.queued:>7} {state.running:>8} {state.held:>6} {oldest:>9}"
            f"  {state.reason}"
        )


def gc(args: argparse.Namespace) -> int:
    """Show, and with --remove end, what folders and job table do not agree on."""
    found = garbage.find(grace=3600 * args.hours)
    for folder in found.folders:
        print(f"folder without a job    {folder.name}")
    for folder in found.emptied:
        print(f"files of archived job   {folder.name}")
    for pk in found.jobs:
        print(f"job without its folder  {pk}")
    for pk in found.deleted:
        print(f"deleted, still there    {pk}")
    number = len(found.folders) + len(found.emptied) + len(found.jobs) + len(found.deleted)
    print(f"{number} found, {found.bytes / 1e6:.1f} MB", end="")
    if args.remove:
        print(flush=True)
        garbage.remove(found, strange=args.all)
        print("removed")
    else:
        print("; vogate gc --remove removes them" if number else "")
    return 0
