"""Runs as files: GADF DL3, one file per observation, and the two index tables.

The files of one seed are the same byte for byte whenever and wherever they are made with the same
versions of numpy and gammapy.
"""

from __future__ import annotations

import gzip
import io
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

from obscore.simulation import instrument, sky
from obscore.simulation.events import Events
from obscore.simulation.instrument import Responses

NOTICE = "SIMULATED DATA: made by a program, not observed. Not for science."
ORIGIN, TELESCOPE, INSTRUMENT = "vogate simulation", "SIMARRAY", "SIMULATED IACT array"

_TIME = {
    "MJDREFI": (sky.MJDREFI, "int part of reference MJD"),
    "MJDREFF": (sky.MJDREFF, "fractional part of reference MJD"),
    "TIMEUNIT": ("s", "time unit"),
    "TIMESYS": ("TT", "time scale"),
    "TIMEREF": ("LOCAL", "time reference frame"),
}
_GADF = {
    "HDUCLASS": ("GADF", "data format"),
    "HDUDOC": ("https://github.com/open-gamma-ray-astro/gamma-astro-data-formats", ""),
    "HDUVERS": ("0.3", "its version"),
}


def file_name(run: sky.Run) -> str:
    return f"simulated_obs_id_{run.obs_id:06d}.fits.gz"


def observation_hdus(run: sky.Run, events: Events, tables: Responses, seed: int) -> fits.HDUList:
    """Event list, good time interval and responses of a run."""
    hdus = [fits.PrimaryHDU(), _events(run, events, seed), _gti(run)]
    for name, table in (
        ("AEFF", tables.aeff),
        ("EDISP", tables.edisp),
        ("PSF", tables.psf),
        ("BKG", tables.bkg),
    ):
        hdu = table.to_table_hdu(format="gadf-dl3")
        hdu.name = name
        _narrow(hdu)
        hdu.header["OBS_ID"] = (run.obs_id, "observation number")
        hdu.header["LO_THRES"] = (instrument.safe_energy(run.zenith), "[TeV] low energy threshold")
        hdu.header["HI_THRES"] = (instrument.ENERGY_TRUE[1], "[TeV] high energy threshold")
        hdus.append(hdu)
    for hdu in hdus:
        mark(hdu.header)
    return fits.HDUList(hdus)


def mark(header: fits.Header) -> None:
    """What every header says: that nobody observed this."""
    header["ORIGIN"] = (ORIGIN, "who made this file")
    header["TELESCOP"] = (TELESCOPE, "an imaginary observatory")
    header["INSTRUME"] = (INSTRUMENT, "an imaginary instrument")
    header["SIMULATD"] = (True, "these data are simulated")
    header["COMMENT"] = NOTICE


def _events(run: sky.Run, events: Events, seed: int) -> fits.BinTableHDU:
    columns = [
        fits.Column("EVENT_ID", "1K", array=np.arange(1, len(events.time) + 1)),
        fits.Column("TIME", "1D", unit="s", array=events.time),
        fits.Column("RA", "1E", unit="deg", array=events.ra),
        fits.Column("DEC", "1E", unit="deg", array=events.dec),
        fits.Column("ENERGY", "1E", unit="TeV", array=events.energy),
    ]
    hdu = fits.BinTableHDU.from_columns(columns, name="EVENTS")
    header = hdu.header
    _fill(header, _GADF | {"HDUCLAS1": ("EVENTS", "class of the extension")})
    _fill(header, {"CREATOR": ("vogate simulate", "program that made the file")})
    _fill(header, observation_keywords(run) | _TIME)
    _fill(header, truth_keywords(run, seed))
    return hdu


def observation_keywords(run: sky.Run) -> dict[str, tuple[Any, str]]:
    """Header keywords about a run, by name with comment."""
    return {
        "OBS_ID": (run.obs_id, "observation number"),
        "TSTART": (run.start, "[s] start, mission time"),
        "TSTOP": (run.stop, "[s] end, mission time"),
        "ONTIME": (sky.RUN_SECONDS, "[s] good time, dead time included"),
        "LIVETIME": (sky.RUN_SECONDS * instrument.DEAD_TIME_FRACTION, "[s] live time"),
        "DEADC": (instrument.DEAD_TIME_FRACTION, "live time over time"),
        "OBJECT": (run.source.name, "simulated object"),
        "RA_OBJ": (run.source.ra, "[deg] right ascension of the object"),
        "DEC_OBJ": (run.source.dec, "[deg] declination of the object"),
        "RA_PNT": (run.ra, "[deg] right ascension of the pointing"),
        "DEC_PNT": (run.dec, "[deg] declination of the pointing"),
        "ALT_PNT": (run.altitude, "[deg] mean altitude of the pointing"),
        "AZ_PNT": (run.azimuth, "[deg] mean azimuth of the pointing"),
        "RADECSYS": ("ICRS", "equatorial system"),
        "EQUINOX": (2000.0, "base equinox"),
        "OBS_MODE": ("POINTING", "observation mode"),
        "N_TELS": (4, "number of telescopes"),
        "TELLIST": ("1,2,3,4", "telescopes"),
        "GEOLON": (sky.SITE_LONGITUDE, "[deg] longitude of the observatory"),
        "GEOLAT": (sky.SITE_LATITUDE, "[deg] latitude of the observatory"),
        "ALTITUDE": (sky.SITE_ALTITUDE, "[m] altitude of the observatory"),
        "EUNIT": ("TeV", "energy unit"),
        "EV_CLASS": ("simulated", "event class"),
    }


def truth_keywords(run: sky.Run, seed: int) -> dict[str, tuple[Any, str]]:
    """What was put in: a power law, amplitude * (E / 1 TeV) ** -index."""
    return {
        "SIM_INDX": (run.source.index, "index of the simulated power law"),
        "SIM_AMPL": (run.source.amplitude * run.factor, "[cm-2 s-1 TeV-1] amplitude, 1 TeV"),
        "SIM_SEED": (seed, "seed of the random numbers"),
    }


def _gti(run: sky.Run) -> fits.BinTableHDU:
    columns = [
        fits.Column("START", "1D", unit="s", array=[run.start]),
        fits.Column("STOP", "1D", unit="s", array=[run.stop]),
    ]
    hdu = fits.BinTableHDU.from_columns(columns, name="GTI")
    _fill(hdu.header, _GADF | {"HDUCLAS1": ("GTI", "class of the extension")} | _TIME)
    hdu.header["OBS_ID"] = (run.obs_id, "observation number")
    return hdu


def index_tables(
    runs: list[sky.Run], counts: dict[int, int], folder: str
) -> tuple[fits.HDUList, fits.HDUList]:
    """obs-index and hdu-index of all runs (GADF 0.3, data storage)."""
    return _obs_index(runs, counts), _hdu_index(runs, folder)


def _obs_index(runs: list[sky.Run], counts: dict[int, int]) -> fits.HDUList:
    rows = [
        {name: value for name, (value, _) in observation_keywords(run).items()}
        | {
            "ZEN_PNT": run.zenith,
            "TARGET_NAME": run.source.name,
            "QUALITY": 0,
            "EVENT_COUNT": counts[run.obs_id],
            "SAFE_ENERGY_LO": instrument.safe_energy(run.zenith),
            "SAFE_ENERGY_HI": instrument.ENERGY_RECO[1],
        }
        for run in runs
    ]
    units = dict.fromkeys(("TSTART", "TSTOP", "ONTIME", "LIVETIME"), "s")
    units |= dict.fromkeys(("RA_OBJ", "DEC_OBJ", "RA_PNT", "DEC_PNT", "ALT_PNT", "AZ_PNT", "ZEN_PNT"), "deg")
    units |= dict.fromkeys(("SAFE_ENERGY_LO", "SAFE_ENERGY_HI"), "TeV")
    left_out = {"RADECSYS", "EQUINOX", "EUNIT", "GEOLON", "GEOLAT", "ALTITUDE", "EV_CLASS"}
    names = [name for name in rows[0] if name not in left_out]
    hdu = fits.BinTableHDU.from_columns(
        [_column(name, [row[name] for row in rows], units.get(name)) for name in names], name="OBS_INDEX"
    )
    _fill(hdu.header, _GADF | {"HDUCLAS1": ("INDEX", "class"), "HDUCLAS2": ("OBS", "subclass")} | _TIME)
    return _listed(hdu)


def _hdu_index(runs: list[sky.Run], folder: str) -> fits.HDUList:
    kinds = [
        ("events", "events", "EVENTS"),
        ("gti", "gti", "GTI"),
        ("aeff", "aeff_2d", "AEFF"),
        ("edisp", "edisp_2d", "EDISP"),
        ("psf", "psf_table", "PSF"),
        ("bkg", "bkg_3d", "BKG"),
    ]
    rows = [(run.obs_id, *kind[:2], folder, file_name(run), kind[2]) for run in runs for kind in kinds]
    names = ["OBS_ID", "HDU_TYPE", "HDU_CLASS", "FILE_DIR", "FILE_NAME", "HDU_NAME"]
    hdu = fits.BinTableHDU.from_columns(
        [_column(name, [row[place] for row in rows]) for place, name in enumerate(names)], name="HDU_INDEX"
    )
    _fill(hdu.header, _GADF | {"HDUCLAS1": ("INDEX", "class"), "HDUCLAS2": ("HDU", "subclass")})
    return _listed(hdu)


def _listed(hdu: fits.BinTableHDU) -> fits.HDUList:
    hdus = fits.HDUList([fits.PrimaryHDU(), hdu])
    for one in hdus:
        mark(one.header)
    return hdus


def write(hdus: fits.HDUList, path: Path) -> int:
    """Write a compressed FITS file without time stamps in it; its size in bytes."""
    plain = io.BytesIO()
    hdus.writeto(plain)
    packed = gzip.compress(plain.getvalue(), compresslevel=6, mtime=0)
    path.write_bytes(packed)
    return len(packed)


def _column(name: str, values: list[Any], unit: str | None = None) -> fits.Column:
    if isinstance(values[0], str):
        return fits.Column(name, f"{max(len(value) for value in values)}A", array=np.array(values))
    kind = "1K" if isinstance(values[0], int) else "1D"
    return fits.Column(name, kind, unit=unit, array=np.array(values))


def _fill(header: fits.Header, keywords: dict[str, tuple[Any, str]]) -> None:
    for name, card in keywords.items():
        header[name] = card


def _narrow(hdu: fits.BinTableHDU) -> None:
    """Leave out what gammapy writes empty: unit keywords of columns without unit."""
    for card in [card for card in hdu.header.cards if card.keyword.startswith("TUNIT") and not card.value]:
        del hdu.header[card.keyword]
