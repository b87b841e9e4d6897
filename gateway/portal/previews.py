"""What a page shows of a result file: its first rows, its head, its numbers.

Nothing here is trusted: files are read up to a limit, and a file that cannot be read gives a preview that
says so, never an error page.
"""

from __future__ import annotations

import gzip
import json
import math
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

TEXT_BYTES = 32 * 1024
JSON_BYTES = 2 * 2**20
TABLE_BYTES = 64 * 2**20
TABLE_ROWS = 12
TABLE_COLUMNS = 24
CELL_CHARACTERS = 60

IMAGE_TYPES = ("image/png", "image/jpeg", "image/svg+xml", "image/gif", "image/webp")
VOTABLE_TYPES = ("application/x-votable+xml", "text/xml", "application/xml")
FITS_TYPES = ("application/fits", "image/fits")


@dataclass(frozen=True)
class Grid:
    """Rows of a table as text."""

    names: tuple[str, ...]
    units: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    total: int
    """Rows of the whole table."""
    title: str = ""
    hidden_columns: int = 0

    @property
    def has_units(self) -> bool:
        return any(self.units)


@dataclass(frozen=True)
class Preview:
    """What is shown of one file; `kind` chooses the template."""

    kind: str
    """none, image, pdf, fits-image, spectrum, lightcurve, table, json, text, or problem."""
    text: str = ""
    truncated: bool = False
    data: Any = None
    grids: tuple[Grid, ...] = ()
    facts: dict[str, str] = field(default_factory=dict)
    """Names in lower case are for the viewer, the others for people."""

    @property
    def facts_shown(self) -> list[tuple[str, str]]:
        return [(name, value) for name, value in self.facts.items() if not name.islower()]


def kind_of(declared: str, media_type: str, name: str) -> str:
    """The kind of preview: what the tool's description says, else what the media type tells."""
    if declared and declared != "none":
        return declared
    plain = media_type.partition(";")[0].strip().lower()
    if plain in IMAGE_TYPES:
        return "image"
    if plain == "application/pdf":
        return "pdf"
    if plain == "application/json":
        return "json"
    if plain in VOTABLE_TYPES or plain in FITS_TYPES or name.lower().endswith((".ecsv", ".vot", ".fits")):
        return "table"
    return "text" if plain.startswith("text/") else "none"


def read(path: Path, kind: str, media_type: str = "") -> Preview:
    """The preview of a file; problems become a Preview of kind `problem`."""
    try:
        if kind in ("spectrum", "lightcurve"):
            return Preview(kind, data=_load_json(path))
        if kind == "json":
            return Preview(kind, text=json.dumps(_load_json(path), indent=2)[:TEXT_BYTES])
        if kind == "text":
            return _text(path)
        if kind == "table":
            return Preview(kind, grids=_tables(path, media_type))
        if kind == "fits-image":
            return Preview(kind, facts=_image_facts(path))
    except FileNotFoundError:
        return Preview("problem", text="The file is no longer there.")
    except (OSError, ValueError, TypeError, KeyError, IndexError, EOFError) as error:
        return Preview("problem", text=f"No preview: {_one_line(error)}")
    return Preview(kind)


def _one_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]


def _refuse_large(path: Path, limit: int) -> None:
    if path.stat().st_size > limit:
        raise ValueError(f"the file is larger than {limit // 2**20} MB; download it")


def _load_json(path: Path) -> Any:
    _refuse_large(path, JSON_BYTES)
    # JSON that Python writes may hold NaN, which a browser cannot read: null is what it means here.
    return json.loads(path.read_text(encoding="utf-8"), parse_constant=lambda name: None)


def _text(path: Path) -> Preview:
    with path.open("rb") as file:
        head = file.read(TEXT_BYTES + 1)
    if b"\0" in head:
        raise ValueError("this is not text")
    return Preview(
        "text", text=head[:TEXT_BYTES].decode("utf-8", "replace"), truncated=len(head) > TEXT_BYTES
    )


def _is_fits(path: Path) -> bool:
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rb") as file:
        return bool(file.read(6) == b"SIMPLE")


def _tables(path: Path, media_type: str) -> tuple[Grid, ...]:
    _refuse_large(path, TABLE_BYTES)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if _is_fits(path):
            return _fits_tables(path)
        return (_other_table(path, media_type),)


def _fits_tables(path: Path) -> tuple[Grid, ...]:
    from astropy.io import fits  # costs half a second, and most pages need none of it

    grids: list[Grid] = []
    with fits.open(path, memmap=path.suffix != ".gz") as hdus:
        for number, hdu in enumerate(hdus):
            if isinstance(hdu, fits.BinTableHDU | fits.TableHDU) and len(grids) < 8:
                columns = hdu.columns[:TABLE_COLUMNS]
                rows = hdu.data[:TABLE_ROWS] if hdu.data is not None else []
                grids.append(
                    Grid(
                        names=tuple(c.name for c in columns),
                        units=tuple(str(c.unit or "") for c in columns),
                        rows=tuple(tuple(_cell(row[c.name]) for c in columns) for row in rows),
                        total=0 if hdu.data is None else len(hdu.data),
                        title=hdu.name or f"HDU {number}",
                        hidden_columns=max(0, len(hdu.columns) - TABLE_COLUMNS),
                    )
                )
    if not grids:
        raise ValueError("there is no table in this FITS file")
    return tuple(grids)


def _other_table(path: Path, media_type: str) -> Grid:
    from astropy.table import Table

    name = path.name.lower()
    head = path.read_bytes()[:4096]
    if b"<VOTABLE" in head or media_type.partition(";")[0] in VOTABLE_TYPES:
        _refuse_remote_streams(path)
        table = Table.read(path, format="votable")
    elif name.endswith(".ecsv") or head.startswith(b"# %ECSV"):
        table = Table.read(path, format="ascii.ecsv")
    else:
        table = Table.read(path, format="ascii.tab" if name.endswith(".tsv") else "ascii.csv")
    columns = list(table.columns.values())[:TABLE_COLUMNS]
    return Grid(
        names=tuple(c.name for c in columns),
        units=tuple(str(c.unit or "") for c in columns),
        rows=tuple(tuple(_cell(row[c.name]) for c in columns) for row in table[:TABLE_ROWS]),
        total=len(table),
        hidden_columns=max(0, len(table.columns) - TABLE_COLUMNS),
    )


def _refuse_remote_streams(path: Path) -> None:
    """astropy's VOTable parser would fetch a STREAM with an href."""
    text = path.read_bytes()
    start = text.find(b"<STREAM")
    while start >= 0:
        if b"href" in text[start : text.find(b">", start)]:
            raise ValueError("its data are kept elsewhere")
        start = text.find(b"<STREAM", start + 1)


def _image_facts(path: Path) -> dict[str, str]:
    """Centre and extent of the first celestial image, for a viewer that needs a numeric target."""
    import numpy as np
    from astropy.io import fits
    from astropy.wcs import WCS
    from astropy.wcs.utils import proj_plane_pixel_scales

    _refuse_large(path, TABLE_BYTES)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with fits.open(path) as hdus:
            hdu = next((h for h in hdus if h.is_image and h.header.get("NAXIS", 0) >= 2), None)
            if hdu is None:
                raise ValueError("there is no image in this FITS file")
            wcs = WCS(hdu.header).celestial
            if not wcs.has_celestial:
                raise ValueError("the image has no celestial coordinates")
            ny, nx = hdu.data.shape[-2:]
            centre = wcs.pixel_to_world((nx - 1) / 2, (ny - 1) / 2).icrs
            scale = proj_plane_pixel_scales(wcs)
            finite = hdu.data[np.isfinite(hdu.data)]
            unit = str(hdu.header.get("BUNIT", "")).strip()
            unit = {"count": "counts", "ct": "counts", "photon": "photons", "ph": "photons"}.get(unit, unit)
    facts = {
        "ra": f"{centre.ra.deg:.5f}",
        "dec": f"{centre.dec.deg:.5f}",
        "fov": f"{max(nx * scale[0], ny * scale[1]) * 1.05:.4f}",
        "Size": f"{nx} × {ny} pixels of {scale[0] * 3600:.3g}″",
    }
    if finite.size:
        facts["min"], facts["max"] = f"{finite.min():.6g}", f"{finite.max():.6g}"
        facts["Values"] = f"{_cell(finite.min())} to {_cell(finite.max())} {unit}".strip()
        facts["Sum"] = f"{_cell(float(finite.sum(dtype=float)))} {unit}".strip()
    return facts


def _cell(value: Any) -> str:
    """One value as a person reads it in a narrow column."""
    if value is None or getattr(value, "mask", False) is True or type(value).__name__ == "MaskedConstant":
        return "–"
    if hasattr(value, "shape") and getattr(value, "shape", ()) != ():
        items = [_cell(one) for one in value.ravel()[:4]]
        return f"[{', '.join(items)}{', …' if value.size > 4 else ''}]"
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if hasattr(value, "item"):
        value = value.item()
    return number_text(value) if isinstance(value, float) else str(value).strip()[:CELL_CHARACTERS]


def number_text(value: float, digits: int = 6) -> str:
    """A float in at most `digits` significant digits, with a minus sign and ×10 spelt as e."""
    if math.isnan(value):
        return "–"
    return f"{value:.{digits}g}"
