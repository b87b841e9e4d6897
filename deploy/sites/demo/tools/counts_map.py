"""Counts map: where on the sky the events came from, in an energy range."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import astropy.units as u
import gammaray
import numpy as np
from astropy.coordinates import SkyCoord
from astropy.io import fits
from gammapy.data import EventList
from gammapy.maps import Map, WcsGeom
from gammaray import Run
from matplotlib.colors import PowerNorm
from matplotlib.ticker import MaxNLocator, ScalarFormatter
from plotting import plt, save
from products import write_fits
from vogate_tool import Job, ToolFailure, listed, plural, progress, write_json

MAX_PIXELS = 2000
"""Pixels along a side: finer bins over a wider field would not be looked at."""


def main(job: Job) -> None:
    """Run the tool: products in the current folder."""
    runs = gammaray.read_runs(job, (), share=0.3)
    center, name = gammaray.target(job, runs)
    counts, used, warned = fill(job, runs, empty_map(job, center), center)
    total = int(counts.data.sum())
    if total == 0:
        raise ToolFailure("No event of these observations is in the map and the energy range asked for.")
    progress(0.75, "Writing the map")
    smoothed = smooth(counts, job.get("smoothing", 0.06))
    result = describe(job, center, name, counts, used, warned)
    write_image("counts_map.fits", counts.data.astype(np.int32), counts, job, result, "count")
    if smoothed is not counts:
        write_image("smoothed_map.fits", smoothed.data.astype(np.float32), counts, job, result, "count deg-2")
    write_json("counts_map.json", result)
    progress(0.85, "Drawing")
    draw(job, result, smoothed, [run for run in runs if run.obs_id in used])
    progress(1.0, "Done")


def empty_map(job: Job, center: SkyCoord) -> Map:
    """A square map in gnomonic projection around the centre."""
    width, bin_size = job.get("width", 3.0), job.get("bin_size", 0.02)
    pixels = round(width / bin_size)
    if pixels > MAX_PIXELS:
        raise ToolFailure(
            f"A map of {width:g} deg in bins of {bin_size:g} deg has {pixels} x {pixels} pixels; at most "
            f"{MAX_PIXELS} along a side are possible. Choose larger bins or a smaller map."
        )
    geom = WcsGeom.create(skydir=center, npix=(pixels, pixels), binsz=bin_size, proj="TAN", frame="icrs")
    return Map.from_geom(geom, dtype=np.float32)


def select(job: Job, run: Run) -> EventList:
    """The events of a run within the energies and the offset from its pointing that are asked for."""
    energies = [job.get("energy_min", 0.1), job.get("energy_max", 100.0)] * u.TeV
    events = run.obs.events.select_energy(energies)
    pointing = run.obs.get_pointing_icrs(run.obs.tmid)
    near = events.radec.separation(pointing).deg <= job.get("offset_max", 2.5)
    return events.select_row_subset(np.flatnonzero(near))


def fill(
    job: Job, runs: Sequence[Run], counts: Map, center: SkyCoord
) -> tuple[Map, dict[str, int], list[str]]:
    """Count the events of all runs; the events in the map by obs_id, and warnings about runs with none."""
    used: dict[str, int] = {}
    outside: list[str] = []
    for number, run in enumerate(runs):
        progress(
            0.35 + 0.4 * number / len(runs), f"Counting events of {run.obs_id} ({number + 1} of {len(runs)})"
        )
        before = counts.data.sum(dtype=np.float64)
        counts.fill_events(select(job, run))
        found = int(counts.data.sum(dtype=np.float64) - before)
        if found:
            used[run.obs_id] = used.get(run.obs_id, 0) + found
        else:
            outside.append(run.obs_id)
    return counts, used, [f"No event of {listed(outside)} is in the map."] if outside else []


def smooth(counts: Map, width: float) -> Map:
    """Counts per square degree, smoothed by a Gaussian of `width` degrees (sigma); the counts where it is 0."""
    if width <= 0:
        return counts
    smoothed = counts.smooth(width * u.deg, kernel="gauss")
    smoothed.data = smoothed.data / counts.geom.solid_angle().to_value("deg2")
    return smoothed


def describe(
    job: Job, center: SkyCoord, name: str, counts: Map, used: dict[str, int], warned: list[str]
) -> dict[str, Any]:
    """What the map holds, in numbers (README.md)."""
    title = f"Counts map of {name}" if name else f"Counts map at {center.to_string('hmsdms', precision=0)}"
    row, column = np.unravel_index(int(np.argmax(smooth(counts, 0.06).data)), counts.data.shape)
    peak = counts.geom.pix_to_coord((column, row))
    return {
        "kind": "counts_map",
        "title": title,
        "target": name,
        "ra": center.ra.deg,
        "dec": center.dec.deg,
        "width_deg": float(counts.geom.width[0].squeeze().to_value("deg")),
        "bin_size_deg": float(counts.geom.pixel_scales[0].to_value("deg")),
        "energy_range": [job.get("energy_min", 0.1), job.get("energy_max", 100.0)],
        "energy_unit": "TeV",
        "counts": int(counts.data.sum(dtype=np.float64)),
        "maximum": int(counts.data.max()),
        "peak": {"ra": float(peak[0].to_value("deg")), "dec": float(peak[1].to_value("deg"))},
        "observations": [{"obs_id": obs_id, "counts": found} for obs_id, found in used.items()],
        "warnings": warned,
        **job.record(),
    }


def write_image(
    path: str, data: np.ndarray, counts: Map, job: Job, result: dict[str, Any], unit: str
) -> None:
    """A FITS image with its celestial WCS in the primary HDU."""
    header = counts.geom.wcs.to_header()
    hdu = fits.PrimaryHDU(data, header)
    hdu.header["BUNIT"] = (
        unit,
        "events per pixel" if unit == "count" else "smoothed surface density of events",
    )
    low, high = result["energy_range"]
    hdu.header["E_MIN"] = (low, "[TeV] lowest energy")
    hdu.header["E_MAX"] = (high, "[TeV] highest energy")
    hdu.header["RADESYS"] = "ICRS"
    write_fits(path, fits.HDUList([hdu]), job, result["target"])


def draw(job: Job, result: dict[str, Any], shown: Map, runs: Sequence[Run]) -> None:
    """The map with a colour bar, a coordinate grid, and the pointings."""
    figure = plt.figure(figsize=(8.4, 7.2))
    axes = figure.add_axes((0.13, 0.1, 0.7, 0.8), projection=shown.geom.wcs)
    smoothed = job.get("smoothing", 0.06) > 0
    top = float(np.percentile(shown.data, 99.95)) if smoothed else float(shown.data.max())
    # A square-root scale shows the field as well as the source.
    scale = PowerNorm(0.5, vmin=0, vmax=top or 1, clip=True)
    image = axes.imshow(shown.data, origin="lower", cmap="inferno", norm=scale, interpolation="nearest")
    axes.coords.grid(color="white", alpha=0.25, ls=":")
    axes.coords[0].set_axislabel("Right ascension (ICRS)")
    axes.coords[1].set_axislabel("Declination (ICRS)")
    for axis in axes.coords:
        axis.set_ticklabel(simplify=False)  # not 23°30', 00', 22°30'
    each = [run.obs.get_pointing_icrs(run.obs.tmid) for run in runs]
    pointings = SkyCoord([p.ra.deg for p in each], [p.dec.deg for p in each], unit="deg", frame="icrs")
    inside = shown.geom.contains(pointings)
    axes.scatter(
        pointings.ra.deg[inside], pointings.dec.deg[inside], transform=axes.get_transform("icrs"), marker="+",
        color="#7fe3ff", s=60, lw=1.5, label="pointing",
    )  # fmt: skip
    if inside.any():
        axes.legend(loc="upper left", fontsize=9, labelcolor="white")
    bar = figure.colorbar(image, cax=figure.add_axes((0.855, 0.1, 0.025, 0.8)))
    bar.locator, bar.formatter = MaxNLocator(6), ScalarFormatter(useMathText=True)
    bar.formatter.set_powerlimits((-2, 4))
    bar.update_ticks()
    bar.set_label(
        f"Events per square degree (Gaussian, $\\sigma$ = {job.get('smoothing', 0.06):g} deg)"
        if smoothed
        else "Events per pixel"
    )
    low, high = result["energy_range"]
    axes.set_title(result["title"])
    axes.text(
        0.985, 0.015,
        f"{result['counts']} events, {plural(len(runs), 'observation')}, {low:g} to {high:g} TeV",
        transform=axes.transAxes, ha="right", va="bottom", color="white", fontsize=9,
    )  # fmt: skip
    save(figure, "counts_map", job, result["title"])
