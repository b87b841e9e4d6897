"""What the simulated archive observes: four point sources with power-law spectra, and a schedule."""

from __future__ import annotations

import math
from dataclasses import dataclass

SITE_LONGITUDE, SITE_LATITUDE, SITE_ALTITUDE = 16.5, -23.27, 1835.0
"""Of the imaginary observatory: degrees east, degrees north, metres."""

REFERENCE_ENERGY = 1.0
"""TeV, of the amplitudes."""

MJDREFI, MJDREFF = 51910, 0.000742870370370241
"""MJD in TT from which mission seconds count: 2001-01-01T00:00:00 UTC."""
TT_MINUS_UTC = 32.184 + 34.0
"""Seconds, from 2009 to mid 2012, when the simulated observations are."""

RUN_SECONDS, GAP_SECONDS = 1680.0, 120.0
RUNS_PER_NIGHT = 3
WOBBLE = 0.5
"""Degrees from the target to the pointing."""


@dataclass(frozen=True)
class Source:
    """A point source: amplitude * (E / 1 TeV) ** -index, times a factor for each night."""

    name: str
    ra: float
    dec: float
    """Degrees ICRS."""
    index: float
    amplitude: float
    """cm-2 s-1 TeV-1 at 1 TeV, averaged over nights."""
    nights: tuple[float, ...] = (1.0,)
    """Factors of the flux, night by night, then from the first again; their mean is 1."""


SOURCES = (
    Source("Crab Nebula", 83.633076, 22.014493, 2.6, 3.5e-11),
    Source("PKS 2155-304", 329.716938, -30.225588, 3.2, 1.0e-11, (0.4, 1.9, 1.1, 0.6)),
    Source("LS 5039", 276.562762, -14.848449, 2.2, 3.0e-12),
    Source("Sgr A*", 266.416837, -29.007811, 2.1, 2.5e-12),
)


@dataclass(frozen=True)
class Run:
    """One observation to simulate."""

    obs_id: int
    source: Source
    factor: float
    """Flux of the source in this night, relative to its amplitude."""
    ra: float
    dec: float
    """Pointing, degrees ICRS."""
    start: float
    """Mission seconds (TT after MJDREF)."""
    altitude: float
    azimuth: float
    """Of the pointing at the middle of the run, degrees."""

    @property
    def stop(self) -> float:
        return self.start + RUN_SECONDS

    @property
    def zenith(self) -> float:
        return 90.0 - self.altitude


def schedule(count: int) -> list[Run]:
    """`count` runs, as evenly shared between the sources as that goes.

    The runs of a night follow each other around the time when the source is highest; the pointing goes
    around the source (north, south, east, west) so that the background can be taken from its reflections.
    """
    runs = []
    for number, source in enumerate(SOURCES):
        share = count // len(SOURCES) + (number < count % len(SOURCES))
        for turn in range(share):
            night, of_night = divmod(turn, RUNS_PER_NIGHT)
            runs.append(_run(source, 100 * (number + 1) + turn + 1 + 900000, turn, night, of_night))
    return runs


def _run(source: Source, obs_id: int, turn: int, night: int, of_night: int) -> Run:
    ra, dec = _pointing(source, turn)
    highest = _first_night(source) + night * 0.99726957  # a sidereal day later each night
    middle = highest + (of_night - (RUNS_PER_NIGHT - 1) / 2) * (RUN_SECONDS + GAP_SECONDS) / 86400
    altitude, azimuth = _horizontal(ra, dec, middle)
    seconds = (middle - MJDREFI - MJDREFF) * 86400 + TT_MINUS_UTC - RUN_SECONDS / 2
    return Run(
        obs_id=obs_id,
        source=source,
        factor=source.nights[night % len(source.nights)],
        ra=ra,
        dec=dec,
        start=float(round(seconds)),
        altitude=altitude,
        azimuth=azimuth,
    )


def _pointing(source: Source, turn: int) -> tuple[float, float]:
    """Half a degree north, south, east, west of the source, in turn."""
    angle = math.radians((0.0, 180.0, 90.0, 270.0)[turn % 4])
    lat, step = math.radians(source.dec), math.radians(WOBBLE)
    sine = math.sin(lat) * math.cos(step) + math.cos(lat) * math.sin(step) * math.cos(angle)
    dec = math.asin(sine)
    east = math.atan2(math.sin(angle) * math.sin(step) * math.cos(lat), math.cos(step) - math.sin(lat) * sine)
    return (source.ra + math.degrees(east)) % 360, math.degrees(dec)


def _sidereal(mjd: float) -> float:
    """Local sidereal time in degrees (Meeus, Astronomical Algorithms, 12.4, to a second)."""
    return (280.46061837 + 360.98564736629 * (mjd - 51544.5) + SITE_LONGITUDE) % 360


def _first_night(source: Source) -> float:
    """MJD (UTC) in 2011 at which the source culminates nearest to local midnight."""
    best, distance = 0.0, 1.0
    for day in range(365):
        midnight = 55562.0 + day - SITE_LONGITUDE / 360
        wait = ((source.ra - _sidereal(midnight) + 180) % 360 - 180) / 360.98564736629
        if abs(wait) < distance:
            best, distance = midnight + wait, abs(wait)
    return best


def _horizontal(ra: float, dec: float, mjd: float) -> tuple[float, float]:
    """Altitude and azimuth (north through east) without refraction, degrees."""
    hour_angle = math.radians(_sidereal(mjd) - ra)
    lat, delta = math.radians(SITE_LATITUDE), math.radians(dec)
    sine = math.sin(lat) * math.sin(delta) + math.cos(lat) * math.cos(delta) * math.cos(hour_angle)
    azimuth = math.atan2(
        -math.sin(hour_angle) * math.cos(delta),
        math.sin(delta) * math.cos(lat) - math.cos(delta) * math.sin(lat) * math.cos(hour_angle),
    )
    return math.degrees(math.asin(sine)), math.degrees(azimuth) % 360
