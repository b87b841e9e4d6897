"""Archive files that came from elsewhere, unpacked without harm."""

from __future__ import annotations

import shutil
import tarfile
import zlib
from pathlib import Path, PurePosixPath

from gateway.vo.errors import UsageError

MAX_BYTES = 200 * 10**9
MAX_RATIO = 50
"""Unpacked over packed size: FITS files shrink by less."""
MAX_FILES = 1_000_000


def unpack(archive: Path, folder: Path) -> int:
    """Unpack a tar file (compressed or not) into a folder; the number of files.

    Only plain files and folders inside the folder are made: links, devices, absolute names and names with
    `..` are refused, as are archives that would fill the disk.  Owners and modes of the archive count for
    nothing.

    Raises
    ------
    UsageError
        If it is no tar file, is damaged, or holds what is refused.
    """
    limit = min(MAX_BYTES, max(archive.stat().st_size * MAX_RATIO, 10**8))
    free = shutil.disk_usage(folder).free
    files = written = 0
    try:
        with tarfile.open(archive, "r:*") as tar:
            for member in tar:
                target = _inside(folder, member.name)
                if member.isdir():
                    target.mkdir(parents=True, exist_ok=True)
                    continue
                if not member.isreg():
                    raise UsageError(f"The archive file holds {member.name!r}, which is no plain file.")
                files, written = files + 1, written + member.size
                if files > MAX_FILES or written > limit or written > free:
                    raise UsageError("The archive file would unpack to more than this machine should take.")
                target.parent.mkdir(parents=True, exist_ok=True)
                source = tar.extractfile(member)
                assert source is not None
                with source, open(target, "xb") as out:
                    shutil.copyfileobj(source, out, 1 << 20)
    except FileExistsError as error:
        raise UsageError(f"The archive file holds {Path(str(error.filename)).name} twice.") from None
    except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
        raise UsageError(f"The archive file cannot be unpacked: {error}.") from None
    return files


def _inside(folder: Path, name: str) -> Path:
    parts = PurePosixPath(name).parts
    if not name or name.startswith("/") or ".." in parts or "\\" in name or "\0" in name:
        raise UsageError(f"The archive file holds {name!r}, which would lie outside of its folder.")
    return folder.joinpath(*parts)
