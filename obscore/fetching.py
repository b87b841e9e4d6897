"""`vogate fetch`: a public collection from its home, with its terms read first and all that came checked."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from gateway.vo.errors import GatewayError, UsageError
from obscore import sources
from obscore.checksums import sha256_of
from obscore.download import download
from obscore.profile import Download, Profile
from obscore.report import Report
from obscore.unpack import unpack

__all__ = ["BadCollection", "check_collection", "fetch_collection"]


class BadCollection(GatewayError):
    """What came is not the collection: incomplete, damaged or something else."""

    status, code = 502, "FatalFault"


def fetch_collection(
    profile: Profile,
    folder: Path,
    *,
    url: str = "",
    accepted: bool = False,
    report: Report | None = None,
    ask: Callable[[str], bool] | None = None,
) -> Path:
    """Get a collection.

    Parameters
    ----------
    profile
        Says where its home is, what its terms are and what has to come.
    folder
        Where its files shall be; must be empty, or hold them already.
    url
        Another place for the archive file (.tar, .tar.gz, ...), or a file on this machine.
    accepted
        The terms have been read and accepted; else `ask` is asked, after they were shown.

    Raises
    ------
    UsageError
        If the collection has no home, its terms are not accepted, or the folder holds something else.
    NotAvailable
        If it cannot be downloaded; what came so far is kept, and the next attempt goes on from there.
    BadCollection
        If what came is not what the profile says.
    """
    report = report or Report()
    wanted = profile.download or Download(url="")
    place = url or wanted.url
    if not place:
        raise UsageError(
            f"The profile of {profile.collection} names no public home.",
            hint="Give the address of the archive file with --from.",
        )
    if folder.is_dir() and any(folder.iterdir()):
        if not profile.matches(folder):
            raise UsageError(f"{folder} holds other files.", hint="Give an empty folder with --to.")
        check_collection(profile, folder, report)
        report.say(f"{folder} has all of it already.")
        return folder
    _agree(profile, wanted, accepted, ask or _ask_on_terminal)
    folder.parent.mkdir(parents=True, exist_ok=True)
    archive = _archive_file(place, folder, wanted, report)
    is_ours = archive.parent == folder.parent and archive.name == f".{folder.name}.download"
    try:
        _check_archive(archive, wanted)
        _unpack_checked(profile, wanted, archive, folder, report)
    finally:
        if is_ours:  # a damaged one must not be taken for the real one next time
            archive.unlink(missing_ok=True)
    return folder


def _unpack_checked(profile: Profile, wanted: Download, archive: Path, folder: Path, report: Report) -> None:
    """Unpack beside the folder, check everything, then move it there in one step."""
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as work:
        report.say("Unpacking")
        unpack(archive, Path(work))
        root = _root(Path(work), profile)
        _add_terms(profile, wanted, root)
        check_collection(profile, root, report)
        if folder.is_dir():
            folder.rmdir()
        # The temporary folder is private to its owner; the collection is not.
        root.chmod(0o755)
        shutil.move(root, folder)


def _agree(profile: Profile, wanted: Download, accepted: bool, ask: Callable[[str], bool]) -> None:
    """Show the terms, whatever was accepted before; ask where nothing was."""
    text = wanted.terms or profile.rights or "No terms of use are known; look at the collection's home."
    print(f"{profile.title}\n{profile.home}\n\nTerms of use:\n\n{text}\n", flush=True)
    if profile.citation:
        print(f"To be cited as: {profile.citation}\n", flush=True)
    if accepted:
        return
    if not ask("Do you accept these terms? [y/N] "):
        raise UsageError(
            "Nothing was fetched, for the terms were not accepted.",
            hint="Answer y, or give --yes once you have read them.",
        )


def _ask_on_terminal(question: str) -> bool:
    if not sys.stdin.isatty():
        return False
    return input(question).strip().lower() in ("y", "yes")


def _archive_file(place: str, folder: Path, wanted: Download, report: Report) -> Path:
    local = Path(place.removeprefix("file://"))
    if "://" not in place or place.startswith("file://"):
        if not local.is_file():
            raise UsageError(f"{place} is neither a file here nor an address that begins with https://.")
        return local
    target = folder.parent / f".{folder.name}.download"
    download(place, target, report, expected=wanted.bytes)
    return target


def _check_archive(archive: Path, wanted: Download) -> None:
    size = archive.stat().st_size
    if wanted.bytes and size != wanted.bytes:
        raise BadCollection(f"The archive file has {size} bytes, not {wanted.bytes}.", hint=_AGAIN)
    if wanted.sha256 and (found := sha256_of(archive)) != wanted.sha256:
        raise BadCollection(f"The archive file has the SHA-256 {found}, not {wanted.sha256}.", hint=_AGAIN)


_AGAIN = "Try again, or from another place with --from."


def _root(work: Path, profile: Profile) -> Path:
    """The folder of the collection inside of what was unpacked: at most three levels down."""
    level = [work]
    for _ in range(4):
        for folder in level:
            if profile.matches(folder):
                return folder
        level = sorted(child for folder in level for child in folder.iterdir() if child.is_dir())
    raise BadCollection(f"The archive file has nothing that matches {profile.pattern}.", hint=_AGAIN)


def _add_terms(profile: Profile, wanted: Download, root: Path) -> None:
    """The terms travel with every copy, also where the archive file forgot them."""
    if profile.terms and wanted.terms and not (root / profile.terms).exists():
        (root / profile.terms).write_text(wanted.terms, encoding="utf-8")


def check_collection(profile: Profile, folder: Path, report: Report) -> int:
    """Whether a folder holds the whole collection, readable; the number of product files.

    Raises
    ------
    BadCollection
        With everything that is wrong.
    """
    paths = sorted(path for path in folder.glob(profile.pattern) if path.is_file())
    wrong = []
    wanted = profile.download.files if profile.download else 0
    if wanted and len(paths) != wanted:
        wrong.append(f"there are {len(paths)} product files, not {wanted}")
    needed = [spec.file for spec in profile.tables] + ([profile.terms] if profile.terms else [])
    wrong += [f"{name} is missing" for name in needed if not (folder / name).is_file()]
    fits_files = [folder / spec.file for spec in profile.tables if (folder / spec.file).is_file()] + paths
    for number, path in enumerate(fits_files, 1):
        if fault := _fault(path):
            wrong.append(f"{path.relative_to(folder)}: {fault}")
        report.progress("Checking files", number, len(fits_files))
    if wrong:
        more = f"; and {len(wrong) - 5} more" if len(wrong) > 5 else ""
        raise BadCollection(
            "The collection is not complete: " + "; ".join(wrong[:5]) + more + ".", hint=_AGAIN
        )
    return len(paths)


def _fault(path: Path) -> str:
    """Why a FITS file cannot be used; '' if it can.  Checksums in its headers are verified."""
    try:
        with sources.open_fits(path) as hdus:
            for hdu in hdus:
                if "CHECKSUM" in hdu.header and hdu.verify_checksum() == 0:
                    return f"the checksum of {hdu.name or 'PRIMARY'} is wrong"
                if "DATASUM" in hdu.header and hdu.verify_datasum() == 0:
                    return f"the data of {hdu.name or 'PRIMARY'} do not fit their checksum"
                _ = hdu.data  # reads to the end of the HDU
    except sources.Unreadable as error:
        return str(error)
    except (OSError, EOFError, ValueError, TypeError) as error:
        return f"cannot be read to its end ({error})"
    return ""
