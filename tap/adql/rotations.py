"""Rotations between coordinate systems, for `ivo_geom_transform` and the `vogate_` functions of coordinates.

FK4's elliptic terms of aberration (0.3 arcseconds) are left out, as a rotation cannot have them.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

FRAMES = {
    "ICRS": "icrs",
    "FK5": "fk5",
    "J2000": "fk5",
    "FK4": "fk4noeterms",
    "B1950": "fk4noeterms",
    "GALACTIC": "galactic",
    "GAL": "galactic",
    "SUPER_GALACTIC": "supergalactic",
    "ECLIPTIC": "barycentricmeanecliptic",
}
"""Names of the IVOA's vocabulary refframe (and usual short ones), and astropy's; equinoxes J2000 and B1950."""


@lru_cache(maxsize=128)
def matrix(source: str, target: str) -> tuple[float, ...]:
    """The rotation from one system to another, row by row.

    Parameters
    ----------
    source, target
        Keys of FRAMES.

    Returns
    -------
    Nine numbers; applied to a unit vector in `source`, they give the one in `target`.
    """
    if FRAMES[source] == FRAMES[target]:
        return (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
    from astropy.coordinates import SkyCoord  # loaded when first needed: it takes a third of a second

    axes = SkyCoord([0.0, 90.0, 0.0], [0.0, 0.0, 90.0], unit="deg", frame=FRAMES[source])
    columns = np.array(
        axes.transform_to(FRAMES[target]).represent_as("unitspherical").to_cartesian().xyz.value
    )
    # Rounding aside it is a rotation; the nearest one loses nothing when it is applied twice.
    u, _, v = np.linalg.svd(columns)
    return tuple(float(value) for value in (u @ v).ravel())


def turned(rotation: tuple[float, ...], lon: Floats, lat: Floats) -> tuple[Floats, Floats]:
    """Positions in degrees, shape (n,) each, in the other system; longitudes from 0 to 360."""
    a, d = np.radians(lon), np.radians(lat)
    v = np.stack([np.cos(d) * np.cos(a), np.cos(d) * np.sin(a), np.sin(d)])
    x, y, z = np.array(rotation).reshape(3, 3) @ v
    longitude = np.mod(np.degrees(np.arctan2(y, x)), 360.0)
    longitude[longitude >= 360.0] = 0.0
    return longitude, np.degrees(np.arctan2(z, np.hypot(x, y)))
