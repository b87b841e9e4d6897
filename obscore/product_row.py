"""The ObsCore row of a product that was made here, from those of what it was made from and its own header."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from obscore.definition import PRODUCT_TYPES
from obscore.functions import circle, polygon

__all__ = ["ENHANCED", "ANALYSIS", "kind_of", "row_of"]

Row = Mapping[str, Any]

ENHANCED, ANALYSIS = 3, 4
"""calib_level of images and cubes, and of what is measured in data (ObsCore 1.1, section 4.2)."""

_KINDS = {"fits-image": "image", "spectrum": "spectrum", "lightcurve": "timeseries", "table": "measurements"}
_INHERITED = ("s_resolution", "t_resolution", "em_res_power", "bib_reference", "proposal_id")
"""Columns that a product has from its sources where all of them agree."""


def kind_of(preview: str, file_name: str) -> str:
    """`dataproduct_type` of a result, '' where nothing tells."""
    stem = file_name.lower().partition(".")[0]
    if file_name.lower().endswith(".pha") or stem.startswith("pha") or stem.endswith("_pha"):
        return "spectrum"
    return _KINDS.get(preview, "")


def row_of(sources: Sequence[Row], path: Path, kind: str) -> dict[str, Any]:
    """Type, coverage and origin of a product; identifiers, title and access are the publisher's to add.

    Parameters
    ----------
    sources
        Rows of ivoa.obscore of the observations that it was made from.
    path
        Its file; an image with a celestial WCS says itself what it covers.
    kind
        One of ObsCore's product types, or '' for none of them.
    """
    row: dict[str, Any] = {
        "dataproduct_type": kind if kind in PRODUCT_TYPES else None,
        "calib_level": ENHANCED if kind in ("image", "cube", "event") else ANALYSIS,
        "target_name": _joined(sources, "target_name"),
        "facility_name": _joined(sources, "facility_name"),
        "instrument_name": _joined(sources, "instrument_name"),
        "t_min": _least(sources, "t_min"),
        "t_max": _most(sources, "t_max"),
        "t_exptime": _sum(sources, "t_exptime"),
        "em_min": _least(sources, "em_min"),
        "em_max": _most(sources, "em_max"),
    }
    row |= {name: _common(sources, name) for name in _INHERITED}
    row |= (_of_image(path) if kind in ("image", "cube") else {}) or _around(sources)
    return row


def _values(sources: Iterable[Row], name: str) -> list[Any]:
    return [row[name] for row in sources if row.get(name) is not None]


def _joined(sources: Iterable[Row], name: str) -> str | None:
    return ", ".join(sorted({str(value) for value in _values(sources, name)})) or None


def _common(sources: Sequence[Row], name: str) -> Any:
    found = {row.get(name) for row in sources}
    return found.pop() if len(found) == 1 else None


def _least(sources: Iterable[Row], name: str) -> float | None:
    return min(_values(sources, name), default=None)


def _most(sources: Iterable[Row], name: str) -> float | None:
    return max(_values(sources, name), default=None)


def _sum(sources: Iterable[Row], name: str) -> float | None:
    values = _values(sources, name)
    return float(sum(values)) if values else None


def _around(sources: Sequence[Row]) -> dict[str, Any]:
    """A circle that holds the fields of all sources, around the mean of their centres."""
    fields = [
        (row["s_ra"], row["s_dec"], row.get("s_fov") or 0.0)
        for row in sources
        if row.get("s_ra") is not None and row.get("s_dec") is not None
    ]
    if not fields:
        return {}
    vectors = [_vector(ra, dec) for ra, dec, _ in fields]
    x, y, z = (sum(parts) for parts in zip(*vectors, strict=True))
    length = math.sqrt(x * x + y * y + z * z)
    if length < 1e-6 * len(fields):  # fields all over the sky have no centre
        return {}
    centre = (x / length, y / length, z / length)
    radius = max(_angle(centre, v) + fov / 2 for v, (_, _, fov) in zip(vectors, fields, strict=True))
    ra = math.degrees(math.atan2(centre[1], centre[0])) % 360.0
    dec = math.degrees(math.asin(max(-1.0, min(1.0, centre[2]))))
    radius = min(radius, 180.0)
    return {
        "s_ra": ra,
        "s_dec": dec,
        "s_fov": float(f"{2 * radius:.6g}"),
        "s_region": circle(ra, dec, radius) if radius else None,
    }


def _vector(ra: float, dec: float) -> tuple[float, float, float]:
    a, d = math.radians(ra), math.radians(dec)
    return math.cos(d) * math.cos(a), math.cos(d) * math.sin(a), math.sin(d)


def _angle(one: Sequence[float], other: Sequence[float]) -> float:
    """Degrees between two unit vectors, good for small angles, too."""
    chord = math.dist(one, other) / 2
    return math.degrees(2 * math.asin(min(1.0, chord)))


def _of_image(path: Path) -> dict[str, Any]:
    """Centre, extent and outline of the first image with a celestial WCS; {} if the file has none."""
    import warnings

    from astropy.io import fits
    from astropy.wcs import WCS, FITSFixedWarning

    try:
        with warnings.catch_warnings(), fits.open(path) as hdus:
            warnings.simplefilter("ignore", FITSFixedWarning)
            for hdu in hdus:
                if hdu.is_image and hdu.header.get("NAXIS", 0) >= 2:
                    wcs = WCS(hdu.header)
                    if wcs.has_celestial:
                        return _outline(wcs.celestial)
    except (OSError, ValueError, KeyError):
        return {}
    return {}


def _outline(wcs: Any) -> dict[str, Any]:
    width, height = (int(n) for n in wcs.pixel_shape)
    centre = wcs.pixel_to_world((width - 1) / 2, (height - 1) / 2).icrs
    corners = wcs.pixel_to_world(
        [-0.5, width - 0.5, width - 0.5, -0.5], [-0.5, -0.5, height - 0.5, height - 0.5]
    ).icrs
    pairs = [(float(ra), float(dec)) for ra, dec in zip(corners.ra.deg, corners.dec.deg, strict=True)]
    if not all(math.isfinite(value) for pair in pairs for value in pair):
        return {}
    radius = float(centre.separation(corners).deg.max())
    return {
        "s_ra": float(centre.ra.deg),
        "s_dec": float(centre.dec.deg),
        "s_fov": float(f"{2 * radius:.6g}"),
        "s_region": polygon(*(value for pair in pairs for value in pair)),
        "s_xel1": width,
        "s_xel2": height,
    }
