"""`vogate gc`: what the jobs' folders and the job table do not agree on, and what nobody needs any more."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from django.conf import settings
from django.core.management import call_command

from gateway.vo.errors import Conflict
from uws import storage
from uws.models import ID_LENGTH, Attempt, Job, JobResult
from uws.phases import Phase

GRACE_SECONDS = 3600.0
"""A younger folder may be that of a job which is being made."""
CHUNK = 500


@dataclass
class Garbage:
    """What was found."""

    folders: list[Path] = field(default_factory=list)
    """Folders of jobs that are not in the job table."""
    emptied: list[Path] = field(default_factory=list)
    """Folders of archived jobs, whose files should have gone."""
    jobs: list[str] = field(default_factory=list)
    """Jobs with results whose folder is not there."""
    deleted: list[str] = field(default_factory=list)
    """Jobs that were deleted, and whose row or folder is still there."""
    bytes: int = 0
    """In the folders."""
    matched: int = 0
    """Folders that belong to a job."""

    @property
    def is_strange(self) -> bool:
        """No folder fits any job: a file system that is not mounted, or another gateway's database."""
        return not self.matched and bool(self.folders or self.jobs)


def find(*, grace: float = GRACE_SECONDS) -> Garbage:
    """Compare folders and job table; changes nothing."""
    found = Garbage()
    oldest = time.time() - grace
    folders: list[Path] = []
    for folder in _job_folders():
        folders.append(folder)
        if len(folders) == CHUNK:
            _compare(folders, found, oldest)
            folders = []
    _compare(folders, found, oldest)
    with_results = JobResult.objects.order_by().values_list("job_id", flat=True).distinct()
    for pk in with_results.iterator(chunk_size=2000):
        if not (_root() / pk[:2] / pk).is_dir():
            found.jobs.append(pk)
    gone = Job.objects.filter(deleted_at__isnull=False)
    found.deleted = list(gone.exclude(pk__in=_running()).values_list("pk", flat=True))
    return found


def remove(found: Garbage, *, strange: bool = False) -> None:
    """Remove orphaned folders, finish deletions, drop results without files; and expired sessions.

    A job whose files are gone stays, with its description and provenance, but no longer promises results.

    Raises
    ------
    Conflict
        If no folder belongs to any job, unless `strange` says that this is right.
    """
    if found.is_strange and not strange:
        raise Conflict(
            f"No folder in {_root()} belongs to any job of the database: nothing is removed.",
            hint="Is it mounted, and are VOGATE_HOME and DATABASE_URL those of the gateway? If all is as it should be, "
            "--all removes what was found.",
        )
    for folder in (*found.folders, *found.emptied):
        storage.remove(folder)
    for job in Job.objects.filter(pk__in=found.deleted):
        storage.discard(job)
    JobResult.objects.filter(job_id__in=found.jobs).delete()
    call_command("clearsessions")


def _root() -> Path:
    return Path(settings.VOGATE_JOBS)


def _job_folders() -> Iterator[Path]:
    root = _root()
    for shelf in sorted(root.iterdir()) if root.is_dir() else ():
        if len(shelf.name) == 2 and shelf.is_dir() and not shelf.is_symlink():
            yield from (f for f in shelf.iterdir() if len(f.name) == ID_LENGTH and not f.is_symlink())


def _running() -> list[str]:
    """Jobs that processes may still belong to."""
    return list(Attempt.objects.filter(ended_at__isnull=True).values_list("job_id", flat=True))


def _compare(folders: list[Path], found: Garbage, oldest: float) -> None:
    names = [folder.name for folder in folders]
    phases = dict(Job.objects.filter(pk__in=names).values_list("pk", "phase"))
    busy = set(_running())
    found.matched += len(phases)
    for folder in folders:
        phase = phases.get(folder.name)
        try:
            if folder.name in busy or folder.stat().st_mtime > oldest:
                continue
        except OSError:
            continue
        if phase is None:
            found.folders.append(folder)
        elif phase == Phase.ARCHIVED:
            found.emptied.append(folder)
        else:
            continue
        found.bytes += _size(folder)


def _size(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.lstat().st_size
        except OSError:
            continue
    return total
