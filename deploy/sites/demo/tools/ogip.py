"""Spectra as OGIP files (PHA, BKG, ARF, RMF) that XSPEC, Sherpa and gammapy read.

gammapy's writer leaves some of what OGIP 92-007 and CAL/GEN/92-002 ask for: energies in keV, areas in
cm2, QUALITY as a short integer, BACKSCAL as a real number, the first channel, the mission's name.
"""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
from astropy import units as u
from astropy.io import fits
from gammapy.datasets import SpectrumDatasetOnOff
from products import write_fits
from vogate_tool import Job

BAD_CHANNEL = 5
"""OGIP 92-007: set bad by the user (here: outside the safe energy range)."""


def write(
    dataset: SpectrumDatasetOnOff,
    folder: Path,
    stem: str,
    job: Job,
    *,
    target: str,
    mission: str,
    obs_id: str,
) -> list[Path]:
    """Write `<stem>_pha.fits`, `_bkg.fits`, `_arf.fits`, `_rmf.fits`; the paths are returned."""
    folder.mkdir(exist_ok=True)
    scratch = folder / f"{stem}.fits"
    logging.getLogger("gammapy").setLevel(logging.ERROR)
    dataset.write(scratch, format="ogip", overwrite=True)
    written = []
    for kind in ("pha", "bkg", "arf", "rmf"):
        source = scratch if kind == "pha" else folder / f"{stem}_{kind}.fits"
        if not source.exists():
            continue
        with fits.open(source, memmap=False) as hdus:
            corrected = fits.HDUList([_corrected(hdu, stem, kind, target, mission, obs_id) for hdu in hdus])
            path = folder / f"{stem}_{kind}.fits"
            write_fits(path, corrected, job, target)
        written.append(path)
    scratch.unlink()
    return written


def _corrected(hdu: fits.hdu.base._BaseHDU, stem: str, kind: str, target: str, mission: str, obs_id: str):
    if hdu.name == "SPECTRUM":
        hdu = _spectrum(hdu, stem, kind)
        hdu.header["OBS_ID"] = (obs_id, "observation, or observations")
    if isinstance(hdu, fits.BinTableHDU):
        _to_kev(hdu)
        if hdu.name in ("SPECTRUM", "EBOUNDS", "SPECRESP", "MATRIX"):
            hdu.header["TELESCOP"] = (mission, "mission")
            hdu.header["INSTRUME"] = (hdu.header.get("INSTRUME") or mission).replace("unknown", mission)
            hdu.header["FILTER"] = "NONE"
            if target:
                hdu.header["OBJECT"] = (target, "target")
    if hdu.name == "MATRIX":
        hdu.header["HDUVERS"] = "1.3.0"
        hdu.header["HDUCLAS3"] = ("REDIST", "redistribution only, without area")
        hdu.header["LO_THRES"] = (0.0, "lowest probability kept")
    return hdu


def _spectrum(hdu: fits.BinTableHDU, stem: str, kind: str) -> fits.BinTableHDU:
    data = hdu.data
    quality = np.where(data["QUALITY"], BAD_CHANNEL, 0).astype(np.int16)
    columns = [
        fits.Column("CHANNEL", "I", array=data["CHANNEL"]),
        fits.Column("COUNTS", "J", unit="count", array=data["COUNTS"]),
        fits.Column("QUALITY", "I", array=quality),
        fits.Column("BACKSCAL", "E", array=np.asarray(data["BACKSCAL"], dtype=np.float32)),
    ]
    kept = hdu.header.copy(strip=True)
    new = fits.BinTableHDU.from_columns(columns, header=kept, name="SPECTRUM")
    header = new.header
    header["TLMIN1"] = (int(data["CHANNEL"].min()), "first channel")
    header["TLMAX1"] = (int(data["CHANNEL"].max()), "last channel")
    header["AREASCAL"], header["CORRSCAL"], header["CORRFILE"] = 1.0, 0.0, "NONE"
    header["ANCRFILE"], header["RESPFILE"] = f"{stem}_arf.fits", f"{stem}_rmf.fits"
    header["BACKFILE"] = f"{stem}_bkg.fits" if kind == "pha" else "NONE"
    header["STAT_ERR"], header["SYS_ERR"] = 0, 0
    return new


def _to_kev(hdu: fits.BinTableHDU) -> None:
    """Convert energies to keV and areas to cm2, in place."""
    for column in hdu.columns:
        if not column.unit:
            continue
        for wanted in ("keV", "cm2"):
            unit = u.Unit(column.unit)
            if unit.is_equivalent(wanted) and unit != u.Unit(wanted):
                hdu.data[column.name] = hdu.data[column.name] * unit.to(wanted)
                hdu.header[f"TUNIT{hdu.columns.names.index(column.name) + 1}"] = wanted
                column.unit = wanted
