"""Sources in an image, found by source-extractor (Bertin & Arnouts 1996, A&AS 117, 393)."""

from __future__ import annotations

import subprocess
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from astropy import units as u
from astropy.io import fits
from astropy.table import Table
from astropy.wcs import WCS, FITSFixedWarning
from products import write_fits, write_tables
from vogate_tool import Input, Job, ToolFailure, listed, progress, write_json

PROGRAM = "source-extractor"
SCRATCH = Path("extraction")
"""Its files have names of ours: the program reads `[`, `]` and commas in names as its own syntax."""

MEASURED = {
    "NUMBER": ("number", "", "meta.id"),
    "X_IMAGE": ("x", "pix", "pos.cartesian.x;instr.det"),
    "Y_IMAGE": ("y", "pix", "pos.cartesian.y;instr.det"),
    "FLUX_AUTO": ("flux", "", "phot.count"),
    "FLUXERR_AUTO": ("flux_err", "", "stat.error;phot.count"),
    "MAG_AUTO": ("magnitude", "mag", "phot.mag"),
    "MAGERR_AUTO": ("magnitude_err", "mag", "stat.error;phot.mag"),
    "A_IMAGE": ("a", "pix", "phys.angSize.smajAxis;instr.det"),
    "B_IMAGE": ("b", "pix", "phys.angSize.sminAxis;instr.det"),
    "THETA_IMAGE": ("theta", "deg", "pos.posAng;instr.det"),
    "FWHM_IMAGE": ("fwhm", "pix", "phys.angSize;instr.det"),
    "ELLIPTICITY": ("ellipticity", "", "src.ellipticity"),
    "FLUX_MAX": ("peak", "", "phot.count;stat.max"),
    "ISOAREA_IMAGE": ("area", "pix2", "phys.angArea;instr.det"),
    "FLAGS": ("flags", "", "meta.code.qual"),
}

# A 3x3 smoothing kernel before detection, and no neural network: its classes suit optical images only.
KERNEL = "CONV NORM\n1 2 1\n2 4 2\n1 2 1\n"


def main(job: Job) -> None:
    """Run the tool: products in the current folder."""
    item = job.inputs["image"][0]
    progress(0.1, f"Reading {item.title or item.id}")
    data, header = read_image(item, str(job.get("extension", "")).strip())
    SCRATCH.mkdir(exist_ok=True)
    fits.PrimaryHDU(data.astype(np.float32), scalar_header(header)).writeto(
        SCRATCH / "image.fits", overwrite=True
    )
    progress(0.3, "Extracting sources")
    settings = write_settings(job)
    found, background, noise = extract(settings)
    if not len(found) and not job.get("allow_empty", False):
        raise ToolFailure(
            f"No source is above {job.get('threshold', 1.5):g} sigma in {job.get('min_area', 5)} connected pixels; "
            "lower the threshold or the area."
        )
    progress(0.7, "Writing the catalogue")
    catalogue = columns(found, sky_positions(found, header), str(header.get("BUNIT", "")).strip())
    title = f"Sources in {item.title or item.id}"
    ucds = {"ra": "pos.eq.ra;meta.main", "dec": "pos.eq.dec;meta.main"}
    ucds |= {name: ucd for name, _, ucd in MEASURED.values()}
    write_tables("catalogue", catalogue, job, title=title, ucds=ucds)
    with fits.open(SCRATCH / "check.fits") as check:
        write_fits("check.fits", fits.HDUList([check[0].copy()]), job)
    write_json("sources.json", describe(job, title, catalogue, data.shape, background, noise))
    for path in SCRATCH.iterdir():
        path.unlink()
    SCRATCH.rmdir()
    progress(1.0, "Done")


def read_image(item: Input, wanted: str) -> tuple[np.ndarray, fits.Header]:
    """The first image of two dimensions, or the one of this name or number."""
    label = item.title or item.id
    try:
        with fits.open(item.path, memmap=False) as hdus:
            images = {}
            for number, hdu in enumerate(hdus):
                is_image = isinstance(hdu, fits.PrimaryHDU | fits.ImageHDU | fits.CompImageHDU)
                if is_image and hdu.data is not None and np.squeeze(hdu.data).ndim == 2:
                    images[number] = hdu
            if not images:
                raise ToolFailure(f"{label} has no image of two dimensions.")
            for number, hdu in images.items():
                if not wanted or wanted == str(number) or wanted.upper() == hdu.name.upper():
                    return np.squeeze(np.asarray(hdu.data, dtype=float)), hdu.header.copy()
            known = listed(f"{hdu.name or 'without a name'} ({number})" for number, hdu in images.items())
    except OSError as error:
        raise ToolFailure(f"{label} is no FITS file ({' '.join(str(error).split())[:120]}).") from None
    raise ToolFailure(f"{label} has no image {wanted!r}; it has {known}.")


def scalar_header(header: fits.Header) -> fits.Header:
    """What the program needs to know: the celestial coordinates."""
    world = celestial(header)
    return world.to_header() if world is not None else fits.Header()


def celestial(header: fits.Header) -> WCS | None:
    """The image's celestial coordinates, if it has any."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FITSFixedWarning)
        world = WCS(header)
    return world.celestial if world.has_celestial else None


def write_settings(job: Job) -> list[str]:
    """The program's files in the scratch folder, and its arguments."""
    (SCRATCH / "columns.param").write_text(
        "\n".join(MEASURED) + "\nBACKGROUND\nTHRESHOLD\n", encoding="ascii"
    )
    (SCRATCH / "kernel.conv").write_text(KERNEL, encoding="ascii")
    settings = {
        "CATALOG_NAME": SCRATCH / "catalogue.fits",
        "CATALOG_TYPE": "FITS_1.0",
        "PARAMETERS_NAME": SCRATCH / "columns.param",
        "FILTER": "Y",
        "FILTER_NAME": SCRATCH / "kernel.conv",
        "DETECT_TYPE": "CCD",
        "DETECT_MINAREA": job.get("min_area", 5),
        "DETECT_THRESH": job.get("threshold", 1.5),
        "ANALYSIS_THRESH": job.get("threshold", 1.5),
        "DEBLEND_MINCONT": job.get("deblend_contrast", 0.005),
        "BACK_SIZE": job.get("background_size", 64),
        "MAG_ZEROPOINT": job.get("zero_point", 0.0),
        "GAIN": job.get("gain", 0.0),
        "CHECKIMAGE_TYPE": job.get("check_image", "SEGMENTATION"),
        "CHECKIMAGE_NAME": SCRATCH / "check.fits",
        "WEIGHT_TYPE": "NONE",
        "VERBOSE_TYPE": "NORMAL",
        "WRITE_XML": "N",
        "NTHREADS": 1,
    }
    (SCRATCH / "default.sex").write_text("", encoding="ascii")
    arguments = [PROGRAM, str(SCRATCH / "image.fits"), "-c", str(SCRATCH / "default.sex")]
    for name, value in settings.items():
        arguments += [f"-{name}", str(value)]
    return arguments


def extract(arguments: list[str]) -> tuple[Table, float, float]:
    """Run the program: what it found, the background and its noise."""
    try:
        done = subprocess.run(arguments, capture_output=True, text=True, errors="replace", check=False)
    except FileNotFoundError:
        raise ToolFailure(f"The program {PROGRAM} is not installed here.") from None
    print(done.stdout + done.stderr, flush=True)
    catalogue = SCRATCH / "catalogue.fits"
    if done.returncode or not catalogue.exists():
        words = [line.strip() for line in (done.stdout + done.stderr).splitlines() if "rror" in line]
        raise ToolFailure(f"{PROGRAM} failed: {words[-1][:200] if words else 'see the log'}.")
    background, noise = float("nan"), float("nan")
    for line in (done.stderr + done.stdout).replace("/", " ").splitlines():
        words = line.split()
        if "Background:" in words and "RMS:" in words:
            background = float(words[words.index("Background:") + 1])
            noise = float(words[words.index("RMS:") + 1])
    with fits.open(catalogue) as hdus:
        tables = [hdu for hdu in hdus if isinstance(hdu, fits.BinTableHDU)]
        if not tables or tables[-1].data is None:
            return Table(names=list(MEASURED)), background, noise
        return Table(np.array(tables[-1].data), copy=True), background, noise


def sky_positions(found: Table, header: fits.Header) -> tuple[np.ndarray, np.ndarray] | None:
    """ICRS positions in degrees by astropy's WCS; None without celestial coordinates."""
    world = celestial(header)
    if world is None or not len(found):
        return None
    place = world.pixel_to_world(np.asarray(found["X_IMAGE"]) - 1, np.asarray(found["Y_IMAGE"]) - 1).icrs
    return place.ra.deg, place.dec.deg


def columns(found: Table, positions: tuple[np.ndarray, np.ndarray] | None, unit: str) -> Table:
    """The catalogue with our names and units, the brightest source first."""
    table = Table()
    for theirs, (name, column_unit, _) in MEASURED.items():
        table[name] = np.asarray(found[theirs])
        if column_unit:
            table[name].unit = column_unit
    for name in ("flux", "flux_err", "peak"):
        try:
            table[name].unit = u.Unit(unit) if unit else None
        except ValueError:
            table[name].unit = None
    if positions is not None:
        table.add_column(positions[0] * u.deg, name="ra", index=1)
        table.add_column(positions[1] * u.deg, name="dec", index=2)
    return table[np.argsort(np.asarray(table["flux"]))[::-1]]


def describe(
    job: Job, title: str, catalogue: Table, shape: tuple[int, ...], background: float, noise: float
) -> dict[str, Any]:
    """The JSON form (README.md)."""
    names = ("number", "ra", "dec", "x", "y", "flux", "flux_err", "magnitude")
    return {
        "kind": "source-extraction",
        "title": title,
        "image": [shape[1], shape[0]],
        "sources": len(catalogue),
        "threshold": job.get("threshold", 1.5),
        "background": background,
        "background_rms": noise,
        "brightest": [
            {name: row[name].item() if name in catalogue.colnames else None for name in names}
            for row in catalogue[:20]
        ],
        "warnings": [],
        **job.record(),
    }
