"""Responses of the imaginary telescope array: analytic models, tabulated as gammapy's classes.

The effective area has the form of Abramowski et al. (2010), appendix B; threshold and area grow with the
zenith angle as the path through the atmosphere does.  The energy dispersion is Gaussian, the point spread
function a Gaussian that narrows with energy, the background a power law under a Gaussian camera.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import astropy.units as u
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

FIELD_RADIUS = 2.5
"""Degrees; there are no events outside."""
ENERGY_TRUE = (0.05, 100.0)
ENERGY_RECO = (0.1, 100.0)
"""TeV."""
ENERGY_RESOLUTION = 0.15
"""Standard deviation of reconstructed over true energy."""
MIGRATION = (0.2, 2.2)
DEAD_TIME_FRACTION = 0.95
"""Live time over time (DEADC)."""
BACKGROUND_RATE = 2.5
"""Events per second in the whole field, at the zenith."""

_AREA, _SLOPE, _THRESHOLD = 6.85e5, 0.0891, 0.5
"""m2, -, TeV: at the zenith (with the energy of the slope in MeV)."""
_ACCEPTANCE, _BACKGROUND_WIDTH = 1.5, 1.4
"""Degrees: standard deviations across the field of view."""
_BACKGROUND_INDEX = 2.7


def threshold(zenith: float) -> float:
    """Energy, in TeV, that governs the onset of the effective area at a zenith angle in degrees."""
    return float(_THRESHOLD * np.cos(np.radians(zenith)) ** -2.5)


def effective_area(energy: Array, offset: Array | float, zenith: float) -> Array:
    """m2 at true energies (TeV) and offsets from the pointing (degrees)."""
    area = (
        _AREA / np.cos(np.radians(zenith)) * (energy * 1e6) ** -_SLOPE * np.exp(-threshold(zenith) / energy)
    )
    return area * np.exp(-0.5 * (np.asarray(offset) / _ACCEPTANCE) ** 2)


def psf_width(energy: Array) -> Array:
    """Standard deviation of each coordinate, in degrees, at true energies in TeV."""
    return 0.035 + 0.030 * np.asarray(energy) ** -0.4


def background_shape(energy: Array, zenith: float) -> Array:
    """Spectrum of the background, without its normalisation, at reconstructed energies in TeV."""
    return energy**-_BACKGROUND_INDEX * np.exp(-0.8 * threshold(zenith) / energy)


def background_profile(offset: Array) -> Array:
    """Background across the field of view, 1 in its centre and 0 outside."""
    return np.where(offset <= FIELD_RADIUS, np.exp(-0.5 * (offset / _BACKGROUND_WIDTH) ** 2), 0.0)


def background_norm(zenith: float) -> float:
    """Events per s, TeV and square degree in the centre where `background_shape` is 1."""
    energy = np.geomspace(*ENERGY_RECO, 4001)
    spectrum = float(np.trapezoid(background_shape(energy, zenith), energy))
    field = 2 * np.pi * _BACKGROUND_WIDTH**2 * (1 - np.exp(-0.5 * (FIELD_RADIUS / _BACKGROUND_WIDTH) ** 2))
    return BACKGROUND_RATE / (spectrum * float(field))


def safe_energy(zenith: float) -> float:
    """TeV: lowest energy with a tenth of the largest effective area, in the middle of the field."""
    energy = np.geomspace(*ENERGY_TRUE, 4001)
    area = effective_area(energy, 0.0, zenith)
    return float(energy[np.argmax(area > 0.1 * area.max())])


@dataclass(frozen=True)
class Responses:
    """The four response tables of a run, as gammapy objects."""

    aeff: Any
    edisp: Any
    psf: Any
    bkg: Any


def responses(zenith: float) -> Responses:
    """Tabulate the models at a zenith angle in degrees."""
    from gammapy.irf import PSF3D, Background3D, EffectiveAreaTable2D, EnergyDispersion2D
    from gammapy.maps import MapAxis

    offset = MapAxis.from_edges(np.linspace(0, FIELD_RADIUS, 6), unit="deg", name="offset")

    def energies(count: int) -> Any:
        return MapAxis.from_energy_bounds(*ENERGY_TRUE * u.TeV, nbin=count, name="energy_true")

    fine, medium = energies(66), energies(33)
    area = effective_area(
        fine.center.to_value("TeV")[:, None], offset.center.to_value("deg")[None, :], zenith
    )
    migra = MapAxis.from_edges(np.linspace(*MIGRATION, 81), name="migra")
    return Responses(
        aeff=EffectiveAreaTable2D(axes=[fine, offset], data=area, unit="m2"),
        edisp=EnergyDispersion2D.from_gauss(
            energy_axis_true=medium, migra_axis=migra, offset_axis=offset, bias=0.0, sigma=ENERGY_RESOLUTION
        ),
        psf=_psf(PSF3D, MapAxis, medium, offset),
        bkg=_background(Background3D, MapAxis, zenith),
    )


def _psf(kind: Any, axis: Any, energy: Any, offset: Any) -> Any:
    edges = np.concatenate([np.linspace(0, 0.3, 61), np.linspace(0.32, 0.7, 20)])
    rad = axis.from_edges(edges, unit="deg", name="rad")
    sigma = psf_width(energy.center.to_value("TeV"))[:, None]
    radius = rad.center.to_value("deg")[None, :]
    density = np.exp(-0.5 * (radius / sigma) ** 2) / (2 * np.pi * np.radians(sigma) ** 2)
    data = np.repeat(density[:, None, :], offset.nbin, axis=1)
    return kind(axes=[energy, offset, rad], data=data, unit="sr-1")


def _background(kind: Any, axis: Any, zenith: float) -> Any:
    energy = axis.from_energy_bounds(*ENERGY_RECO * u.TeV, nbin=30, name="energy")
    edges = np.linspace(-FIELD_RADIUS, FIELD_RADIUS, 26)
    lon = axis.from_edges(edges, unit="deg", name="fov_lon")
    lat = axis.from_edges(edges, unit="deg", name="fov_lat")
    shape = background_shape(energy.center.to_value("TeV"), zenith) * background_norm(zenith)
    middle = lon.center.to_value("deg")
    profile = background_profile(np.hypot(middle[:, None], middle[None, :]))
    density = shape[:, None, None] * profile[None, :, :] * u.Unit("s-1 TeV-1 deg-2")
    return kind(axes=[energy, lon, lat], data=density.to_value("s-1 MeV-1 sr-1"), unit="s-1 MeV-1 sr-1")
