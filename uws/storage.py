"""The folders of jobs: safe names, whole files, and removal."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from uws.models import Job

_UNSAFE = re.compile(r"[^A-Za-z0-9._+-]+")


def safe_name(name: str, fallback: str = "file") -> str:
    """A file name without folders, leading dots or dashes, or anything that a program may interpret.

    CFITSIO reads `[...]`, `!`, `(...)` and URLs in names; shells and URLs have their own characters.
    """
    plain = _UNSAFE.sub("_", name.replace("\\", "/").rpartition("/")[2]).lstrip(".-_+")
    return plain[-120:].lstrip(".-_+") or fallback


def fresh_path(folder: Path, name: str) -> Path:
    """A path in `folder` (made if needed) for a file of about this name that does not exist yet."""
    folder.mkdir(parents=True, exist_ok=True)
    plain = safe_name(name)
    stem, dot, suffix = plain.partition(".")
    path, number = folder / plain, 1
    while path.exists():
        number += 1
        path = folder / f"{stem}-{number}{dot}{suffix}"
    return path


def write_json(path: Path, value: Any) -> None:
    """Write a file that appears only when it is whole."""
    part = path.with_name(f".{path.name}.part")
    part.write_text(json.dumps(value), encoding="utf-8")
    part.replace(path)


def read_json(path: Path) -> dict[str, Any] | None:
    """The object in a file, None if it is not there or not whole."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def plain(error: OSError) -> str:
    """What an operating-system error means to a user; paths of the server stay out of it."""
    known = {
        errno.ENOSPC: "the server's disk is full",
        errno.EDQUOT: "the server's disk quota is used up",
        errno.EACCES: "the server may not use its own folder (permissions)",
        errno.EPERM: "the server may not use its own folder (permissions)",
        errno.EROFS: "the server's folder is read-only",
        errno.ENAMETOOLONG: "a file name is too long",
        errno.ENOENT: "a file or folder is gone",
    }
    return known.get(error.errno or 0, os.strerror(error.errno) if error.errno else str(error))


def remove(folder: Path) -> None:
    """Remove a folder with everything in it; nothing there is no error."""
    shutil.rmtree(folder, onerror=_make_writable)


def _make_writable(function: Any, path: str, info: Any) -> None:
    """A tool may have left folders without write permission."""
    if isinstance(info[1], FileNotFoundError):
        return
    parent = os.path.dirname(path)
    try:
        os.chmod(parent, 0o700)
        if not os.path.islink(path):
            os.chmod(path, 0o700)
        if function in (os.scandir, os.open, os.lstat) or os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path, ignore_errors=True)
        else:
            os.unlink(path)
    except OSError:
        pass


def discard(job: Job) -> None:
    """Remove a deleted job, row and files, unless processes of it may still be alive.

    In that case the worker does it, once they have ended.
    """
    if not job.attempts.filter(ended_at__isnull=True).exists():
        remove(job.folder)
        if not job.folder.exists():
            job.delete()


def empty(job: Job) -> None:
    """Remove the files of an archived job, unless processes of it may still be alive (see `discard`)."""
    if not job.attempts.filter(ended_at__isnull=True).exists():
        remove(job.folder)
