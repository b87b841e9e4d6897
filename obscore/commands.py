"""`vogate ingest`, `vogate fetch` and `vogate simulate`."""

from __future__ import annotations

import argparse
from pathlib import Path

from django.conf import settings

from gateway.vo.errors import NotFound, UsageError
from obscore import ingest as ingesting
from obscore.models import Collection
from obscore.profile import Profile, ProfileError, read_all
from obscore.report import Report

__all__ = ["fetch", "ingest", "recognise", "simulate"]


def ingest(args: argparse.Namespace) -> int:
    """Take the observations of one collection into the archive."""
    profile, folder = _what(args.collection, args.folder)
    report = Report.console(quiet=args.quiet)
    try:
        ingesting.run(profile, folder, report)
    except ProfileError as error:
        raise UsageError(str(error)) from None
    print(report.summary())
    return 0


def simulate(args: argparse.Namespace) -> int:
    """Make a simulated archive."""
    from obscore.simulation import archive

    folder = Path(args.folder) if args.folder else settings.VOGATE_DATA / archive.COLLECTION
    report = Report.console(quiet=args.quiet)
    made = archive.make(folder, observations=args.observations, seed=args.seed, report=report)
    print(
        f"{made} simulated observations in {folder}; next: vogate ingest {archive.COLLECTION} --from {folder}"
    )
    return 0


def fetch(args: argparse.Namespace) -> int:
    """Get a collection from its public home."""
    from obscore.fetching import fetch_collection

    profile = _profile(args.collection)
    folder = Path(args.folder) if args.folder else settings.VOGATE_DATA / profile.collection
    report = Report.console(quiet=args.quiet)
    fetch_collection(profile, folder, url=args.url, accepted=args.yes, report=report)
    print(f"{profile.title} is in {folder}; next: vogate ingest {profile.collection} --from {folder}")
    return 0


def profiles() -> list[Profile]:
    """The site's collection profiles; a mistake in one is a UsageError with file and line."""
    try:
        return read_all(settings.SITE.collections_folder)
    except ProfileError as error:
        raise UsageError(str(error)) from None


def recognise(folder: Path) -> Profile:
    """The one collection of the site whose file pattern fits the files of a folder.

    Raises
    ------
    UsageError
        If none fits, or more than one.
    """
    known = profiles()
    fitting = [profile for profile in known if profile.matches(folder)]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        names = ", ".join(profile.collection for profile in fitting)
        raise UsageError(f"The files of {folder} fit several collections: {names}.", hint="Name one of them.")
    patterns = "; ".join(f"{profile.collection}: {profile.pattern}" for profile in known)
    raise UsageError(f"The files of {folder} fit no collection of this site ({patterns or 'it has none'}).")


def _profile(name: str) -> Profile:
    for profile in (known := profiles()):
        if profile.collection == name:
            return profile
    raise NotFound(
        f"This site has no collection {name!r}.",
        hint=f"It has: {', '.join(profile.collection for profile in known) or 'none'}.",
    )


def _what(name: str, given: str) -> tuple[Profile, Path]:
    """The profile and folder that the command line means."""
    if given:
        folder = Path(given)
        if not folder.is_dir():
            raise UsageError(f"{folder} is not a folder.", hint="--from names the folder of the collection.")
        return (_profile(name) if name else recognise(folder)), folder
    if not name:
        raise UsageError(
            "Which observations?",
            hint="Give --from FOLDER, or the name of a collection that was ingested before.",
        )
    profile = _profile(name)
    before = Collection.objects.filter(name=name).first()
    return profile, Path(before.folder) if before else settings.VOGATE_DATA / name
