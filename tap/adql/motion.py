"""Positions of moving stars at other epochs: uniform motion in space (The Hipparcos Catalogue, vol. 1, 1.5.5)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

KM_S = 4.740470446
"""One astronomical unit a Julian year, in km/s."""
_MAS = np.pi / (180.0 * 3600e3)


def propagated(
    ra: Floats, dec: Floats, parallax: Floats, pm_ra: Floats, pm_dec: Floats, velocity: Floats, years: Floats
) -> Floats:
    """Six astrometric parameters after some years.

    Parameters
    ----------
    ra, dec
        Degrees, shape (n,).
    parallax
        Milliarcseconds; where it is not positive, the radial velocity has no effect.
    pm_ra, pm_dec
        Proper motion in mas/yr, the first with the cosine of the declination.
    velocity
        Radial velocity, km/s.
    years
        Julian years from the reference epoch.

    Returns
    -------
    The same six, in the same units, shape (n, 6).
    """
    a, d = np.radians(ra), np.radians(dec)
    zero = np.zeros_like(a)
    r = np.stack([np.cos(d) * np.cos(a), np.cos(d) * np.sin(a), np.sin(d)], 1)
    east = np.stack([-np.sin(a), np.cos(a), zero], 1)
    north = np.stack([-np.sin(d) * np.cos(a), -np.sin(d) * np.sin(a), np.cos(d)], 1)
    mu = (pm_ra[:, None] * east + pm_dec[:, None] * north) * _MAS
    distant = parallax > 0
    radial = np.where(distant, velocity * parallax / KM_S, 0.0) * _MAS
    square = (mu * mu).sum(1)
    ahead = 1.0 + radial * years
    f = 1.0 / np.sqrt(1.0 + 2.0 * radial * years + (square + radial**2) * years**2)
    u = (r * ahead[:, None] + mu * years[:, None]) * f[:, None]
    moved = (mu * ahead[:, None] - r * (square * years)[:, None]) * (f**3)[:, None]
    lon, lat = np.arctan2(u[:, 1], u[:, 0]), np.arctan2(u[:, 2], np.hypot(u[:, 0], u[:, 1]))
    east = np.stack([-np.sin(lon), np.cos(lon), zero], 1)
    north = np.stack([-np.sin(lat) * np.cos(lon), -np.sin(lat) * np.sin(lon), np.cos(lat)], 1)
    near = parallax * f
    with np.errstate(divide="ignore", invalid="ignore"):
        speed = (radial + (square + radial**2) * years) * f**2 / _MAS * KM_S / near
    speed = np.where(distant, speed, velocity)
    longitude = np.mod(np.degrees(lon), 360.0)
    longitude[longitude >= 360.0] = 0.0
    return np.stack(
        [
            longitude,
            np.degrees(lat),
            near,
            (moved * east).sum(1) / _MAS,
            (moved * north).sum(1) / _MAS,
            speed,
        ],
        1,
    )
