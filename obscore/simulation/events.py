"""Drawing the events of a run: source and background, through the models of the responses."""

from __future__ import annotations

from dataclasses import dataclass

import astropy.units as u
import numpy as np
import numpy.typing as npt
from astropy.coordinates import SkyCoord

from obscore.simulation import instrument, sky
from obscore.simulation.instrument import Array


@dataclass(frozen=True)
class Events:
    """Events of one run, in the order of their times."""

    time: Array
    """Mission seconds."""
    ra: Array
    dec: Array
    """Degrees ICRS."""
    energy: Array
    """Reconstructed energy, TeV."""
    from_source: int
    """How many of them are of the source (nothing in the files tells them apart)."""


def draw(run: sky.Run, seed: int) -> Events:
    """The events of a run; the same for the same seed and run."""
    random = np.random.default_rng([seed, run.obs_id])
    signal = _source(run, random)
    noise = _background(run, random)
    ra, dec, energy = (np.concatenate(pair) for pair in zip(signal, noise))
    time = np.sort(random.uniform(run.start, run.stop, len(ra)))
    order = random.permutation(len(ra))
    return Events(time, ra[order], dec[order], energy[order], len(signal[0]))


def expected_source_counts(run: sky.Run) -> float:
    """Mean number of events of the source, of all reconstructed energies."""
    energy, rate = _source_rate(run)
    return float(np.trapezoid(rate, energy)) * _live_seconds()


def _live_seconds() -> float:
    return sky.RUN_SECONDS * instrument.DEAD_TIME_FRACTION


def _source_rate(run: sky.Run) -> tuple[Array, Array]:
    """True energies (TeV) and events per s and TeV."""
    energy = np.geomspace(*instrument.ENERGY_TRUE, 4001)
    flux = run.source.amplitude * run.factor * (energy / sky.REFERENCE_ENERGY) ** -run.source.index
    area = instrument.effective_area(energy, sky.WOBBLE, run.zenith) * 1e4
    return energy, flux * area


def _source(run: sky.Run, random: np.random.Generator) -> tuple[Array, Array, Array]:
    energy, rate = _source_rate(run)
    count = random.poisson(expected_source_counts(run))
    true = _from_density(energy, rate, count, random)
    sigma = instrument.psf_width(true)
    place = SkyCoord(run.source.ra, run.source.dec, unit="deg")
    ra, dec = _around(place, random.rayleigh(sigma), random)
    migration = random.normal(1.0, instrument.ENERGY_RESOLUTION, count)
    reco = true * migration
    low, high = instrument.MIGRATION
    kept = (migration > low) & (migration < high) & _inside(reco)
    return ra[kept], dec[kept], reco[kept]


def _background(run: sky.Run, random: np.random.Generator) -> tuple[Array, Array, Array]:
    """Background rates are per time, not per live time (GADF 0.3, background)."""
    count = random.poisson(instrument.BACKGROUND_RATE * sky.RUN_SECONDS)
    energy = np.geomspace(*instrument.ENERGY_RECO, 4001)
    reco = _from_density(energy, instrument.background_shape(energy, run.zenith), count, random)
    offset = np.linspace(0, instrument.FIELD_RADIUS, 2001)
    distance = _from_density(offset, offset * instrument.background_profile(offset), count, random)
    ra, dec = _around(SkyCoord(run.ra, run.dec, unit="deg"), distance, random)
    return ra, dec, reco


def _inside(energy: Array) -> npt.NDArray[np.bool_]:
    low, high = instrument.ENERGY_RECO
    return (energy > low) & (energy < high)


def _from_density(x: Array, density: Array, count: int, random: np.random.Generator) -> Array:
    """`count` values of x with a tabulated density (linear between its points)."""
    steps = 0.5 * (density[1:] + density[:-1]) * np.diff(x)
    total = np.concatenate([[0.0], np.cumsum(steps)])
    return np.interp(random.uniform(0, total[-1], count), total, x)


def _around(centre: SkyCoord, distance: Array, random: np.random.Generator) -> tuple[Array, Array]:
    """Positions at distances (degrees) from a centre, in random directions."""
    angle = random.uniform(0, 360, len(distance))
    placed = centre.directional_offset_by(angle * u.deg, distance * u.deg)
    return np.asarray(placed.ra.deg), np.asarray(placed.dec.deg)
