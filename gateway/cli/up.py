"""`vogate up`: what `make run` does: database, archive, then serve; later starts find all of it done."""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path


def say(text: str) -> None:
    print(f"vogate: {text}", flush=True)


def main(args: argparse.Namespace) -> int:
    """Prepare and serve."""
    from gateway.cli import serve

    since = time.monotonic()
    if not args.no_serve and (problem := serve.problem_with(args.host, args.port)):
        return serve.refuse(problem)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gateway.settings")
    import django

    django.setup()
    with _alone():
        _migrate()
        _archive(args.data)
    if args.no_serve:
        say(f"ready after {time.monotonic() - since:.1f} s")
        return 0
    return serve.main(args, end_jobs=True, since=since)


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """Keep others from preparing the same home meanwhile: one makes the tables, the next finds them."""
    from django.conf import settings

    with open(settings.VOGATE_HOME / ".up.lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another process prepares this home; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _migrate() -> None:
    from django.core.management import call_command
    from django.db import connection
    from django.db.migrations.executor import MigrationExecutor

    executor = MigrationExecutor(connection)
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        say("making the database's tables")
        call_command("migrate", verbosity=0, interactive=False)


def _archive(data: str) -> None:
    """Bring the archive in line with DATA, or with what it held before; simulate one where there is nothing."""
    from django.conf import settings

    from gateway.vo.errors import UsageError
    from obscore import commands, demo
    from obscore.models import Collection
    from obscore.profile import Profile

    if data:
        folder = Path(data).resolve()
        if not folder.is_dir():
            raise UsageError(f"DATA={data} is not a folder.")
        profile = commands.recognise(folder)
        _ingest(profile, folder)
        demo.withdraw_simulated(keep=profile.collection)
        return
    profiles: dict[str, Profile] = {profile.collection: profile for profile in commands.profiles()}
    held = [
        c for c in Collection.objects.filter(observations__missing=False).distinct() if c.name in profiles
    ]
    for collection in held:
        try:
            _ingest(profiles[collection.name], Path(collection.folder), quiet=True)
        except UsageError as error:
            print(f"vogate: {error} Serving what was ingested before.", file=sys.stderr)
    if held:
        return
    for name, profile in profiles.items():
        folder = settings.VOGATE_DATA / name
        if folder.is_dir() and profile.matches(folder):
            _ingest(profile, folder)
            return
    say("no observations yet: simulating a small archive (DATA=folder serves real ones)")
    _ingest(*demo.simulate())


def _ingest(profile: object, folder: Path, *, quiet: bool = False) -> None:
    from obscore import ingest
    from obscore.profile import Profile
    from obscore.report import Report

    assert isinstance(profile, Profile)
    report = Report.console(quiet=quiet)
    ingest.run(profile, folder, report)
    if report.published or report.skipped or report.vanished:
        print(report.summary(), flush=True)
    else:
        say(f"{profile.collection}: {report.rows} observations, nothing new")
