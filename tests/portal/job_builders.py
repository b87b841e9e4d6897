"""Tools and jobs for the tests of the pages, made through the models, with result files written by hand."""

from __future__ import annotations

import hashlib
import json
import struct
import zlib
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.table import Table
from astropy.wcs import WCS

from uws.access import session_digest
from uws.inputs import ResolvedInput
from uws.models import Job, JobInput, JobResult, Rights, now
from uws.phases import Phase

SPECTRUM_TOOL = """\
name: spectrum
version: "1.2"
title: Spectrum
summary: Energy spectrum of a source with reflected regions
description: Extracts counts in an on region and in reflected off regions, and fits a model.
reference: https://example.org/spectrum
category: Gamma-ray astronomy
argv: [/bin/true]
inputs:
  obs: {title: Observations, help: Event lists, product_types: [event], min: 1, max: 200}
parameters:
  ra: {type: float, title: Right ascension, unit: deg, required: true, min: 0, max: 360, group: Source,
       default_from: [s_ra mean_angle]}
  dec: {type: float, title: Declination, unit: deg, required: true, min: -90, max: 90, group: Source,
        default_from: [s_dec mean]}
  radius: {type: float, title: Radius of the on region, unit: deg, default: 0.11, min: 0.01, max: 1, group: Source}
  model:
    type: string
    title: Model
    default: pl
    group: Fit
    options: [{value: pl, label: Power law}, {value: lp, label: Log-parabola}]
  beta: {type: float, title: Curvature, default: 0.1, min: -2, max: 2, group: Fit, when: {model: lp}}
  energy_min: {type: float, title: Lowest energy, unit: TeV, default: 0.5, min: 0.01, max: 100, group: Fit}
  containment: {type: boolean, title: Correct for containment, default: true, group: Fit}
  bins: {type: integer, title: Bins per decade, default: 6, min: 1, max: 20, advanced: true}
outputs:
  spectrum: {path: spectrum.json, title: Spectrum, media_type: application/json, role: main, preview: spectrum}
limits: {seconds: 300, max_seconds: 3600}
"""

BROKEN_TOOL = """\
name: gone
version: "0.1"
title: Unavailable tool
summary: Needs a program that no machine has
category: Tests
argv: [no-such-program-anywhere]
requires: {programs: [no-such-program-anywhere]}
outputs:
  out: {path: out.txt, title: Out, media_type: text/plain}
limits: {seconds: 10}
"""


def write_tools(folder: Path) -> Path:
    """A folder with the two tools."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "spectrum.yaml").write_text(SPECTRUM_TOOL)
    (folder / "gone.yaml").write_text(BROKEN_TOOL)
    return folder


def make_job(session_key: str = "", phase: Phase = Phase.COMPLETED, owner: Any = None, **fields: Any) -> Job:
    """A job in the database; of an account, a session, or of nobody."""
    rights = Rights.ACCOUNT if owner else Rights.SESSION if session_key else Rights.CAPABILITY
    started = now() - timedelta(seconds=100)
    values: dict[str, Any] = {
        "tool_name": "spectrum",
        "tool_version": "1.2",
        "tool_digest": "0" * 64,
        "run_id": "Crab, test",
        "rights": rights,
        "session": session_digest(session_key),
        "owner": owner,
        "phase": phase.value,
        "creation_time": started,
        "destruction": now() + timedelta(days=7),
        "parameters": {"ra": 83.633, "dec": 22.014, "radius": 0.11, "model": "lp", "beta": 0.2},
        "attempt": 1,
        "base_url": "http://testserver",
    }
    if phase not in (Phase.PENDING, Phase.QUEUED, Phase.HELD):
        values["start_time"] = started
    if phase in (Phase.COMPLETED, Phase.ERROR, Phase.ABORTED):
        values["end_time"] = started + timedelta(seconds=12)
    if phase is Phase.QUEUED:
        values["queued_at"] = started
    job = Job.objects.create(**{**values, **fields})
    for position, obs_id in enumerate((23523, 23526)):
        JobInput.objects.create(
            job=job,
            role="obs",
            position=position,
            identifier=f"ivo://vogate.demo/hess-dl3-dr1?{obs_id}",
            path=f"/data/{obs_id}.fits.gz",
            title=f"hess-dl3-dr1 {obs_id} (Crab)",
            terms="Cite the H.E.S.S. collaboration.",
        )
    write_log(job, "Reading 2 observations\nFitting\n")
    return job


def write_log(job: Job, text: str) -> None:
    job.attempt_folder.mkdir(parents=True, exist_ok=True)
    with (job.attempt_folder / "log.txt").open("a") as log:
        log.write(text)


def add_result(job: Job, file_name: str, content: bytes, media_type: str, **fields: Any) -> JobResult:
    """A result with its file."""
    job.results_folder.mkdir(parents=True, exist_ok=True)
    (job.results_folder / file_name).write_bytes(content)
    return JobResult.objects.create(
        job=job,
        name=fields.pop("name", file_name),
        position=job.results.count(),
        file_name=file_name,
        media_type=media_type,
        size=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        **fields,
    )


def spectrum_data(**changes: Any) -> dict[str, Any]:
    """A spectrum like that of the Crab: two flux points missing, the last one an upper limit."""
    energies = np.geomspace(0.6, 60, 9)
    edges = np.geomspace(0.6 / 1.33, 60 * 1.33, 10)
    flux = 4.26e-11 * energies**-2.63
    points = []
    for index, (energy, dnde) in enumerate(zip(energies, flux)):
        is_ul = index == 8
        points.append(
            {
                "e_ref": energy,
                "e_min": edges[index],
                "e_max": edges[index + 1],
                "dnde": dnde * (1 + 0.1 * (-1) ** index),
                "dnde_err": 0.2 * dnde,
                "dnde_errn": 0.18 * dnde,
                "dnde_errp": 0.22 * dnde * (1 + index),
                "dnde_ul": 2 * dnde,
                "is_ul": is_ul,
                "sqrt_ts": 0.8 if is_ul else 12.0 - index,
            }
        )
    curve = np.geomspace(0.5, 80, 60)
    model = 4.26e-11 * curve**-2.63
    return {
        "kind": "spectrum",
        "energy_unit": "TeV",
        "flux_unit": "cm-2 s-1 TeV-1",
        "model": {
            "name": "Power law",
            "parameters": [
                {"name": "index", "value": 2.628, "error": 0.061, "unit": ""},
                {"name": "amplitude", "value": 4.26e-11, "error": 0.22e-11, "unit": "cm-2 s-1 TeV-1"},
                {"name": "reference", "value": 1.0, "error": 0.0, "unit": "TeV"},
            ],
            "curve": {
                "energy": curve.tolist(),
                "dnde": model.tolist(),
                "dnde_lo": (0.9 * model).tolist(),
                "dnde_hi": (1.1 * model).tolist(),
            },
        },
        "points": points,
        "fit": {"stat": 95.2, "dof": 72, "success": True, "message": ""},
        "livetime_s": 6313.8,
        "n_on": 423,
        "n_off": 1211,
        "alpha": 0.083,
        "significance": 24.3,
        "energy_range": [0.5, 80],
        "warnings": [],
        "attribution": "H.E.S.S. collaboration (2018)",
        "notice": "",
        **changes,
    }


def light_curve_data() -> dict[str, Any]:
    points = [
        {
            "obs_id": str(23523 + i),
            "t_start_mjd": 53343.92 + 0.0225 * i,
            "t_stop_mjd": 53343.94 + 0.0225 * i,
            "flux": (2.1 + 0.3 * i % 2) * 1e-11,
            "flux_err": 0.25e-11,
            "flux_ul": 3e-11,
            "is_ul": i == 3,
            "sqrt_ts": 9.1,
        }
        for i in range(5)
    ]
    return {
        "kind": "lightcurve",
        "flux_unit": "cm-2 s-1",
        "points": points,
        "time_scale": "tt",
        "constant": {"mean": 2.4e-11, "mean_err": 0.1e-11, "stat": 4.99, "dof": 3},
        "warnings": [],
    }


def counts_map(size: int = 60) -> bytes:
    """A FITS image with a source in the middle of a field of 5 degrees around the Crab."""
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval = [83.633, 22.014]
    wcs.wcs.crpix = [(size + 1) / 2] * 2
    wcs.wcs.cdelt = [-5 / size, 5 / size]
    y, x = np.indices((size, size)) - (size - 1) / 2
    data = 40 * np.exp(-(x**2 + y**2) / 6) + 3 * np.exp(-(x**2 + y**2) / 500)
    image = fits.PrimaryHDU(data.astype(">f4"), header=wcs.to_header())
    image.header["BUNIT"] = "count"
    return _bytes(fits.HDUList([image]))


def event_table(rows: int = 40) -> bytes:
    table = Table({"EVENT_ID": np.arange(rows), "ENERGY": np.linspace(0.5, 20, rows)})
    table["ENERGY"].unit = "TeV"
    return _bytes(fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU(table, name="EVENTS")]))


def votable() -> bytes:
    from io import BytesIO

    table = Table({"e_ref": [1.0, 2.0], "dnde": [4e-11, np.nan], "name": ["a", "b"]})
    out = BytesIO()
    table.write(out, format="votable")
    return out.getvalue()


def picture(width: int = 320, height: int = 240) -> bytes:
    """A PNG of a gradient, by hand."""
    rows = b"".join(
        b"\0" + bytes(v for x in range(width) for v in (x * 255 // width, y * 255 // height, 90))
        for y in range(height)
    )

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def _bytes(hdus: fits.HDUList) -> bytes:
    from io import BytesIO

    out = BytesIO()
    hdus.writeto(out)
    return out.getvalue()


def full_job(session_key: str = "", **spectrum: Any) -> Job:
    """A completed job with one result of each kind."""
    job = make_job(session_key)
    add_result(job, "counts.fits", counts_map(), "image/fits", preview="fits-image", label="Counts map")
    add_result(job, "counts.png", picture(), "image/png", preview="image", role="preview")
    data = json.dumps(spectrum_data(**spectrum)).encode()
    add_result(job, "spectrum.json", data, "application/json", preview="spectrum", label="Spectrum")
    data = json.dumps(light_curve_data()).encode()
    add_result(job, "lightcurve.json", data, "application/json", preview="lightcurve", label="Light curve")
    add_result(
        job,
        "flux.vot",
        votable(),
        "application/x-votable+xml",
        preview="table",
        label="Flux points",
        role="table",
    )
    add_result(
        job, "events.fits", event_table(), "application/fits", preview="table", label="Events selected"
    )
    add_result(
        job, "fit.txt", b"Fit converged after 7 steps\n", "text/plain", preview="text", label="Fit report"
    )
    add_result(job, "pha_obs23523.fits", event_table(), "application/fits", role="ogip")
    return job


def resolve(identifier: str, caller: Any) -> ResolvedInput | None:
    """Stands for the archive: it has the observations 1 to 99 of one collection."""
    obs_id = identifier.rpartition("?")[2]
    if not identifier.startswith("ivo://vogate.demo/test?") or not (
        obs_id.isdigit() and 0 < int(obs_id) < 100
    ):
        return None
    return ResolvedInput(identifier, Path(__file__), "0" * 64, 1, "application/fits", f"test {obs_id}")


def rows(identifiers: Sequence[str], caller: Any) -> dict[str, dict[str, Any]]:
    """Stands for ivoa.obscore: all observations point at the Crab."""
    return {
        one: {"obs_collection": "test", "obs_id": one.rpartition("?")[2], "s_ra": 83.6, "s_dec": 22.0,
              "target_name": "Crab", "t_exptime": 1680.0, "obs_publisher_did": one}
        for one in identifiers
    }  # fmt: skip


def did(number: int) -> str:
    return f"ivo://vogate.demo/test?{number}"
