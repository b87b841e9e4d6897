"""Files that can be published: what their columns are, and their rows in batches.

No reader holds a whole file in memory, except where its docstring says so.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from gateway.vo.errors import NotFound, UsageError
from tap.sources.base import Source

__all__ = ["SUFFIXES", "Source", "open_source"]


def _parquet(path: Path) -> Source:
    from tap.sources import parquet

    return parquet.open_source(path)


def _fits(path: Path) -> Source:
    from tap.sources import fits

    return fits.open_source(path)


def _votable(path: Path) -> Source:
    from tap.sources import votable

    return votable.open_source(path)


def _text(path: Path) -> Source:
    from tap.sources import text

    return text.open_source(path)


SUFFIXES = (".fits", ".fit", ".fits.gz", ".vot", ".votable", ".xml", ".parquet", ".csv", ".csv.gz", ".ecsv")
GZIP = b"\x1f\x8b"


def open_source(path: Path) -> Source:
    """The table in a file; its format is told by its first bytes.

    Raises
    ------
    NotFound
        If there is no such file.
    UsageError
        If it is no table that can be read.
    """
    if not path.is_file():
        raise NotFound(f"There is no file {path}.")
    with path.open("rb") as file:
        start = file.read(512)
    reader = _reader(path, start)
    try:
        return reader(path)
    except UsageError:
        raise
    except Exception as error:  # readers of foreign files fail in every way there is
        raise UsageError(f"{path.name} cannot be read: {' '.join(str(error).split())[:300]}") from error


def _reader(path: Path, start: bytes) -> Callable[[Path], Source]:
    text = start.lstrip(b"\xef\xbb\xbf \t\r\n")
    if start.startswith(b"PAR1"):
        return _parquet
    if start.startswith(b"SIMPLE  =") or (start.startswith(GZIP) and ".fit" in path.name.lower()):
        return _fits
    if text.startswith(b"<"):
        return _votable
    if start.startswith(GZIP) and path.name.lower().endswith((".csv.gz", ".ecsv.gz")):
        return _text
    if not text or b"\0" in start:
        raise UsageError(
            f"{path.name} is {'empty' if not text else 'of no format that is known here'}.",
            hint=f"FITS, VOTable, Parquet, CSV and ECSV can be published ({', '.join(SUFFIXES)}).",
        )
    return _text
