"""Small collections on disk: event lists with just enough in them, their index table, a profile."""

from __future__ import annotations

import gzip
import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

from obscore.profile import Profile, read

HEADER: dict[str, Any] = {
    "TSTART": 101962602.0,
    "TSTOP": 101964284.0,
    "MJDREFI": 51910,
    "MJDREFF": 0.000742870370370241,
    "TIMESYS": "TT",
    "TIMEUNIT": "s",
    "ONTIME": 1682.0,
    "LIVETIME": 1521.0,
    "RA_PNT": 83.63,
    "DEC_PNT": 22.51,
    "OBJECT": "custom",
    "TELESCOP": "TEST",
    "INSTRUME": "Test array",
}

PROFILE = """\
collection: little
title: Little collection
terms: TERMS.txt
citation: Cite the little collection.
rights: Free.
reference: https://example.org/paper
home: https://example.org/
files:
  pattern: events/run_*.fits.gz
  auxiliary: [index.fits]
tables:
  obs:
    file: index.fits
    key: OBS_ID
    value: = EVENTS.OBS_ID
targets:
  Crab Nebula:
    ra: 83.633
    dec: 22.014
    spellings: [Crab]
    aliases: [M 1]
  Empty field:
columns:
  dataproduct_type: event
  calib_level: 2
  obs_id: = text(EVENTS.OBS_ID)
  target_name: = target(obs.TARGET)
  s_ra: = icrs_ra(EVENTS, EVENTS.RA_PNT, EVENTS.DEC_PNT)
  s_dec: = icrs_dec(EVENTS, EVENTS.RA_PNT, EVENTS.DEC_PNT)
  s_fov: = 2 * max(AEFF.THETA_HI)
  s_region: = circle(s_ra, s_dec, max(AEFF.THETA_HI))
  t_min: = mjd_utc(EVENTS, EVENTS.TSTART)
  t_max: = mjd_utc(EVENTS, EVENTS.TSTOP)
  t_exptime: = EVENTS.LIVETIME
  em_min: = wavelength(100, 'TeV')
  em_max: = wavelength(obs.LOWEST, 'TeV')
  s_xel1: -1
  facility_name: = EVENTS.TELESCOP
  obs_title: = say('Run {} of {}', obs_id, target_name)
  data_rights: public
"""


@dataclass
class LittleCollection:
    """A collection in a folder; `ingest` and change it at will."""

    folder: Path
    profile_text: str = PROFILE
    ids: list[int | str] = field(default_factory=list)

    def __post_init__(self) -> None:
        (self.folder / "events").mkdir(parents=True)
        (self.folder / "TERMS.txt").write_text("Be nice.\n", encoding="utf-8")

    def add(self, obs_id: int | str, *, drop: tuple[str, ...] = (), irf: bool = True, **header: Any) -> Path:
        """Write one event list; keywords in `drop` are left out."""
        hdu = fits.BinTableHDU.from_columns(
            [fits.Column("TIME", "1D", array=np.arange(5.0)), fits.Column("ENERGY", "1E", array=np.ones(5))],
            name="EVENTS",
        )
        for key, value in {**HEADER, "OBS_ID": obs_id, **header}.items():
            if key not in drop:
                hdu.header[key] = value
        hdus = [fits.PrimaryHDU(), hdu]
        if irf:
            edges = np.array([[0.5, 1.0, 1.5, 2.0, 2.5]])
            hdus.append(
                fits.BinTableHDU.from_columns([fits.Column("THETA_HI", "5E", array=edges)], name="AEFF")
            )
        plain = io.BytesIO()
        fits.HDUList(hdus).writeto(plain)
        path = self.folder / "events" / f"run_{obs_id}.fits.gz"
        path.write_bytes(gzip.compress(plain.getvalue(), mtime=0))
        if obs_id not in self.ids:
            self.ids.append(obs_id)
        self.write_index()
        return path

    def write_index(self) -> None:
        columns = [
            fits.Column("OBS_ID", "12A", array=[str(one) for one in self.ids]),
            fits.Column("TARGET", "12A", array=["Crab"] * len(self.ids)),
            fits.Column("LOWEST", "1D", array=[0.5] * len(self.ids)),
        ]
        path = self.folder / "index.fits"
        before = path.read_bytes() if path.exists() else b""
        plain = io.BytesIO()
        fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU.from_columns(columns)]).writeto(plain)
        if plain.getvalue() != before:
            path.write_bytes(plain.getvalue())

    @property
    def profile(self) -> Profile:
        path = self.folder.parent / "little.yaml"
        path.write_text(self.profile_text, encoding="utf-8")
        return read(path)
