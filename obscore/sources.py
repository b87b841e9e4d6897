"""What a profile's expressions read: HDUs of a product file, rows of index tables, the file itself."""

from __future__ import annotations

import gzip
import re
import warnings
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from obscore.expressions import Missing

if TYPE_CHECKING:
    from astropy.io import fits

# Astropy is imported where it is used: a web process that ingests nothing need not wait for it.


class Unreadable(ValueError):
    """A file cannot be used; the message says why, without its path."""


class HduSource(Mapping[str, Any]):
    """One HDU: header keywords first, then the columns of its table."""

    def __init__(self, name: str, hdu: Any) -> None:
        self._name, self._hdu = name, hdu

    def __getitem__(self, key: str) -> Any:
        from astropy.io import fits

        value = self._hdu.header.get(key)
        if isinstance(value, fits.card.Undefined):
            value = None
        if value is not None:
            return value.strip() if isinstance(value, str) else value
        columns = getattr(self._hdu, "columns", None)
        if columns is not None and key in columns.names:
            return _plain(self._hdu.data[key])
        raise Missing(f"{self._name} has no keyword or column {key}")

    def __iter__(self) -> Iterator[str]:
        return iter(self._hdu.header)

    def __len__(self) -> int:
        return len(self._hdu.header)


class RowSource(Mapping[str, Any]):
    """One row of an index table."""

    def __init__(self, name: str, data: Any, row: int) -> None:
        self._name, self._data, self._row = name, data, row

    def __getitem__(self, key: str) -> Any:
        if key not in self._data.names:
            raise Missing(f"the table {self._name} has no column {key}")
        return _plain(self._data[key][self._row])

    def __iter__(self) -> Iterator[str]:
        return iter(self._data.names)

    def __len__(self) -> int:
        return len(self._data.names)


class FileSource(Mapping[str, Any]):
    """Name, stem and size (bytes) of the product file."""

    def __init__(self, path: Path) -> None:
        self._values = {
            "name": path.name,
            "stem": path.name.split(".")[0],
            "folder": path.parent.name,
            "size": path.stat().st_size,
        }

    def __getitem__(self, key: str) -> Any:
        if key not in self._values:
            raise Missing(f"file has no {key}; it has {', '.join(self._values)}")
        return self._values[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


class IndexTable:
    """A table beside the products (obs-index.fits.gz) whose rows are found by a key column."""

    def __init__(self, name: str, path: Path, hdu: str | int, key: str) -> None:
        self.name = name
        with open_fits(path) as hdus:
            try:
                self._data = np.array(hdus[hdu].data).view(np.recarray)
            except (KeyError, IndexError):
                raise Unreadable(f"there is no HDU {hdu}") from None
        self.names = list(self._data.dtype.names or ())
        if key not in self.names:
            raise Unreadable(f"there is no column {key}; there are: {', '.join(self.names)}")
        self._rows = {_key(value): number for number, value in enumerate(self._data[key])}

    def __getitem__(self, column: str) -> Any:
        return self._data[column]

    def row(self, key: Any) -> RowSource | None:
        number = self._rows.get(_key(key))
        return None if number is None else RowSource(self.name, self, number)


def _key(value: Any) -> str:
    """Identifiers compare as text: an index may have integers where a header has a string."""
    if isinstance(value, bytes | np.bytes_):
        value = value.decode("ascii", "replace")
    return str(value).strip()


def _plain(value: Any) -> Any:
    """numpy's scalars as Python's; NaN and the empty string as null; arrays as they are."""
    if isinstance(value, np.ndarray) and value.size != 1:
        return value
    scalar = value.item() if isinstance(value, np.ndarray | np.generic) else value
    if isinstance(scalar, bytes):
        scalar = scalar.decode("ascii", "replace")
    if isinstance(scalar, str):
        return scalar.strip() or None
    return None if isinstance(scalar, float) and np.isnan(scalar) else scalar


@contextmanager
def open_fits(path: Path) -> Iterator[fits.HDUList]:
    """A FITS file with all of its HDUs found.

    Raises
    ------
    Unreadable
        If it is not FITS, is cut short, or its compression is broken.
    """
    from astropy.io import fits
    from astropy.utils.exceptions import AstropyUserWarning

    try:
        if path.suffix == ".gz":
            _check_compression(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.filterwarnings("error", message=".*truncated.*", category=AstropyUserWarning)
            hdus = fits.open(path, memmap=False, lazy_load_hdus=False)
    except AstropyUserWarning:
        raise Unreadable("the file is cut short") from None
    except EOFError:
        raise Unreadable("the compressed file is cut short") from None
    except (OSError, zlib.error, ValueError, KeyError, fits.VerifyError) as error:
        raise Unreadable(f"not a readable FITS file ({_sentence(error)})") from None
    with hdus:
        yield hdus


def _check_compression(path: Path) -> None:
    """Read to the end: a compressed file that was cut short looks to a FITS reader like one with fewer HDUs."""
    with gzip.open(path) as file:
        while file.read(1 << 20):
            pass


def hdu_sources(hdus: fits.HDUList) -> dict[str, HduSource]:
    """HDUs by name, as expressions spell them: capitals, with _ for anything but letters and digits."""
    sources: dict[str, HduSource] = {}
    for number, hdu in enumerate(hdus):
        name = "PRIMARY" if number == 0 else re.sub(r"\W", "_", hdu.name.upper())
        if name:
            sources.setdefault(name, HduSource(name, hdu))
    return sources


def _sentence(error: Exception) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__
