"""Coordinate systems that geometries may name; all computing is in ICRS."""

from __future__ import annotations

from tap.adql.shapes import ShapeError, lon_lat, unit_vector

_SAME = frozenset({"", "ICRS", "FK5", "J2000", "UNKNOWN", "UNKNOWNFRAME"})
"""Frames taken as ICRS; FK5 J2000 is within 0.02 arcseconds of it."""

# Rows of the rotation from ICRS to galactic coordinates (Hipparcos Catalogue, vol. 1, section 1.5.3).
_GALACTIC = (
    (-0.0548755604162154, -0.8734370902348850, -0.4838350155487132),
    (+0.4941094278755837, -0.4448296299600112, +0.7469822444972189),
    (-0.8676661490190047, -0.1980763734312015, +0.4559837761750669),
)


def is_galactic(frame: str) -> bool:
    """Whether positions need turning from galactic coordinates; others known are taken as ICRS.

    Raises
    ------
    ShapeError
        For a frame that is not supported.
    """
    word = frame.split()[0].upper() if frame.split() else ""
    if word in _SAME:
        return False
    if word in ("GALACTIC", "GALACTIC_II", "GAL"):
        return True
    raise ShapeError(f"Coordinates in {frame} are not supported; this service has ICRS and GALACTIC.")


def from_galactic(coordinates: list[float]) -> list[float]:
    """Galactic longitudes and latitudes (l, b, l, b, ...) as ICRS right ascensions and declinations, in degrees."""
    result: list[float] = []
    for lon, lat in zip(coordinates[::2], coordinates[1::2]):
        v = unit_vector(lon, lat)
        x, y, z = (sum(_GALACTIC[row][column] * v[row] for row in range(3)) for column in range(3))
        result += lon_lat((x, y, z))
    return result
