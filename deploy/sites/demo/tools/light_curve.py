"""Light curve of a source: its flux in an energy range, for each observation or in bins of time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import astropy.units as u
import gammaray
import numpy as np
from astropy.table import Table
from astropy.time import Time
from gammapy.datasets import Datasets, SpectrumDatasetOnOff
from gammapy.estimators import FluxPointsEstimator
from gammapy.modeling.models import SkyModel
from gammaray import Run, Selection
from plotting import BLUE, GREY, plt, save
from products import write_tables
from vogate_tool import Job, ToolFailure, listed, progress, write_json

UPPER_LIMIT_SIGMA = 2
"""Points below this significance are shown as upper limits, which are at this number of sigmas (95.45 %)."""
DETECTION_SIGMA = 5
"""From this significance on the spectral index can be fitted."""
INTEGRAL_UNIT = u.Unit("cm-2 s-1")

UCDS = {
    "obs_id": "meta.id;obs",
    "t_start_mjd": "time.start",
    "t_stop_mjd": "time.end",
    "flux": "phot.flux;em.gamma",
    "flux_err": "stat.error;phot.flux;em.gamma",
    "flux_errn": "stat.error;phot.flux;em.gamma;stat.min",
    "flux_errp": "stat.error;phot.flux;em.gamma;stat.max",
    "flux_ul": "phot.flux;em.gamma;stat.max",
    "is_ul": "meta.code",
    "sqrt_ts": "stat.snr",
    "n_on": "meta.number",
    "n_off": "meta.number",
    "alpha": "arith.ratio",
    "livetime_s": "time.duration;obs.exposure",
}


@dataclass
class Bin:
    """What makes one point: runs (or parts of them) in an interval of time."""

    label: str
    start: float
    stop: float
    datasets: list[SpectrumDatasetOnOff]


def main(job: Job) -> None:
    """Run the tool: products in the current folder."""
    runs = gammaray.read_runs(job, ("aeff", "edisp"), share=0.1)
    center, name = gammaray.target(job, runs)
    chosen = Selection(center, job.get("radius", 0.11) * u.deg, name)
    low, high = job.get("energy_min", 1.0), job.get("energy_max", 40.0)
    runs = split_runs(job, runs)
    gammaray.extract(job, runs, chosen, gammaray.energy_axes(low, high, per_decade=10), (0.15, 0.5))
    datasets = gammaray.usable(runs, chosen.warnings)
    chosen.warnings += thresholds(runs, low)
    bins = [one for one in time_bins(job, runs) if one.datasets]
    progress(0.5, "Choosing the spectral index")
    model = source_model(job, datasets, chosen.warnings)
    points = []
    for number, one in enumerate(bins):
        progress(0.52 + 0.35 * number / len(bins), f"Flux of {one.label} ({number + 1} of {len(bins)})")
        points.append(flux_point(one, model, low * u.TeV, high * u.TeV, chosen.warnings))
    found = [point for point in points if point is not None]
    if not found:
        raise ToolFailure("No observation has a flux or an upper limit in this energy range.")
    progress(0.88, "Writing the table")
    result = describe(job, chosen, model, found, (low, high))
    write_json("lightcurve.json", result)
    write_table(job, result)
    progress(0.93, "Drawing")
    draw(job, result)
    progress(1.0, "Done")


def split_runs(job: Job, runs: list[Run]) -> list[Run]:
    """Each run in parts of `bin_minutes` where that is asked for; the runs themselves otherwise."""
    if job.get("binning", "observation") != "minutes":
        return runs
    step = job.get("bin_minutes", 10.0) * 60.0
    parts: list[Run] = []
    for run in runs:
        start, stop = run.obs.gti.time_start.min(), run.obs.gti.time_stop.max()
        count = max(1, round((stop - start).to_value("s") / step))
        edges = start + np.linspace(0, 1, count + 1) * (stop - start)
        for number in range(count):
            part = run.obs.select_time(Time([edges[number], edges[number + 1]]))
            if len(part.gti.table) and part.gti.time_sum.to_value("s") > 1:
                parts.append(Run(part, run.source, run.obs_id))
    return parts


def time_bins(job: Job, runs: Sequence[Run]) -> list[Bin]:
    """One bin for each run, or for each night (noon to noon, UTC), in order of time."""
    nightly = job.get("binning", "observation") == "night"
    bins: dict[object, Bin] = {}
    for number, run in enumerate(runs):
        if run.dataset is None:
            continue
        start, stop = gammaray.times([run])
        night = int(np.floor(start - 0.5))
        one = bins.setdefault(night if nightly else number, Bin(run.obs_id, start, stop, []))
        if one.datasets and nightly:
            one.label = f"{one.label},{run.obs_id}"
        one.start, one.stop = min(one.start, start), max(one.stop, stop)
        one.datasets.append(run.dataset)
    return sorted(bins.values(), key=lambda one: one.start)


def thresholds(runs: Sequence[Run], low: float) -> list[str]:
    """A warning where the safe energies of an observation begin above the flux's lowest energy."""
    late: dict[str, float] = {}
    for run in runs:
        if run.dataset is not None and run.dataset.mask_safe is not None:
            first = gammaray.fit_range(run.dataset)[0]
            if first > 1.01 * low:
                late[run.obs_id] = first
    if not late:
        return []
    return [
        f"The safe energies of {listed(late)} begin above {low:g} TeV (at most at {max(late.values()):.2g} TeV): "
        "their fluxes are extrapolated down with the spectral index."
    ]


def source_model(job: Job, datasets: Datasets, warned: list[str]) -> SkyModel:
    """The spectral shape that turns counts into fluxes: a power law of given index, or of the fitted one."""
    model = gammaray.spectral_model(job, "power-law", job.get("reference", 1.0))
    index = model.spectral_model.index
    if job.get("index") is not None:
        index.value = job.get("index")
    else:
        stacked = datasets.stack_reduce(name="all")
        if gammaray.statistics(stacked)["significance"] >= DETECTION_SIGMA:
            outcome = gammaray.fit(Datasets([stacked]), model)
            if not outcome.success or not 0.5 < index.value < 8:
                warned.append("The spectral index could not be fitted: 2.5 is used.")
                index.value, index.error = 2.5, 0
        else:
            warned.append("The source is too faint for its spectral index to be fitted: 2.5 is used.")
            index.value = 2.5
    index.frozen = True
    return model


def flux_point(
    one: Bin, model: SkyModel, low: u.Quantity, high: u.Quantity, warned: list[str]
) -> dict[str, Any] | None:
    """Integral flux of one bin, from the likelihood profile of the model's norm; None where there is none."""
    stacked = Datasets(one.datasets).stack_reduce(name="bin")
    stacked.models = [model.copy(name="source")]
    estimator = FluxPointsEstimator(
        energy_edges=u.Quantity([low, high]),
        source="source",
        selection_optional=["errn-errp", "ul"],
        n_sigma_ul=UPPER_LIMIT_SIGMA,
        reoptimize=False,
    )
    row = estimator.run(Datasets([stacked])).to_table(sed_type="flux")[0]
    counts = gammaray.statistics(stacked)
    point = {
        "obs_id": one.label,
        "t_start_mjd": one.start,
        "t_stop_mjd": one.stop,
        **{
            name: float(row[name])
            for name in ("flux", "flux_err", "flux_errn", "flux_errp", "flux_ul", "sqrt_ts")
        },
        **{name: counts[name] for name in ("n_on", "n_off", "alpha", "livetime_s")},
    }
    point["is_ul"] = not point["sqrt_ts"] >= UPPER_LIMIT_SIGMA
    if not np.isfinite(point["flux_ul"]):
        warned.append(f"{one.label} has no exposure in this energy range: left out.")
        return None
    return point


def constant_fit(points: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Weighted mean of the fluxes, and chi-square of the hypothesis that the flux is constant."""
    flux = np.array([point["flux"] for point in points])
    error = np.array([point["flux_err"] for point in points])
    good = np.isfinite(flux) & np.isfinite(error) & (error > 0)
    if not good.any():
        return {}
    weight = 1 / error[good] ** 2
    mean = float(np.sum(flux[good] * weight) / np.sum(weight))
    stat, dof = float(np.sum((flux[good] - mean) ** 2 * weight)), int(good.sum()) - 1
    probability = float(gammaray.chi2.sf(stat, dof)) if dof > 0 else 1.0
    return {
        "mean": mean, "mean_err": float(np.sum(weight) ** -0.5), "stat": stat, "dof": dof, "probability": probability,
    }  # fmt: skip


def describe(
    job: Job, chosen: Selection, model: SkyModel, points: list[dict[str, Any]], energies: tuple[float, float]
) -> dict[str, Any]:
    """The JSON form of a light curve (README.md)."""
    place = chosen.name or chosen.center.to_string("hmsdms", precision=0)
    return {
        "kind": "lightcurve",
        "title": f"Light curve of {place}" if chosen.name else f"Light curve at {place}",
        "target": chosen.name,
        "ra": chosen.center.ra.deg,
        "dec": chosen.center.dec.deg,
        "radius_deg": chosen.radius.to_value("deg"),
        "flux_unit": "cm-2 s-1",
        "energy_range_TeV": list(energies),
        "energy_range": list(energies),
        "energy_unit": "TeV",
        "index": model.spectral_model.index.value,
        "index_error": model.spectral_model.index.error or None,
        "time_scale": "UTC",
        "time_reference": "MJD",
        "binning": job.get("binning", "observation"),
        "points": points,
        "constant": constant_fit(points),
        "ul_confidence": 0.9544997,
        "livetime_s": sum(point["livetime_s"] for point in points),
        "t_min": min(point["t_start_mjd"] for point in points),
        "t_max": max(point["t_stop_mjd"] for point in points),
        "warnings": list(dict.fromkeys(chosen.warnings)),
        **job.record(),
    }


def write_table(job: Job, result: dict[str, Any]) -> None:
    """The points as FITS, ECSV and VOTable."""
    units = {
        "t_start_mjd": u.d, "t_stop_mjd": u.d, "livetime_s": u.s,
        **dict.fromkeys(("flux", "flux_err", "flux_errn", "flux_errp", "flux_ul"), INTEGRAL_UNIT),
    }  # fmt: skip
    table = Table()
    for name in UCDS:
        table[name] = [point[name] for point in result["points"]]
        if name in units:
            table[name].unit = units[name]
    params = gammaray.table_params(result)
    low, high = result["energy_range_TeV"]
    params += [("e_min", low, "TeV", "em.energy;stat.min"), ("e_max", high, "TeV", "em.energy;stat.max")]
    times = ("t_start_mjd", "t_stop_mjd")
    write_tables(
        "lightcurve", table, job, title=result["title"], ucds=UCDS, params=params, time_columns=times
    )


def draw(job: Job, result: dict[str, Any]) -> None:
    """Flux against time; long gaps are cut out of the axis."""
    points = result["points"]
    groups = _groups(points)
    widths = [max(group[-1]["t_stop_mjd"] - group[0]["t_start_mjd"], 1e-3) for group in groups]
    floor = sum(widths) / 8
    figure, axes = plt.subplots(
        1, len(groups), sharey=True, figsize=(9.2, 5.0), squeeze=False,
        gridspec_kw={"width_ratios": [max(width, floor) for width in widths], "wspace": 0.06},
    )  # fmt: skip
    figure.subplots_adjust(left=0.1, right=0.97, top=0.88, bottom=0.2)
    scale = 10.0 ** np.floor(np.log10(max(abs(point["flux_ul"]) for point in points)))
    for axis, group in zip(axes[0], groups):
        _draw_points(axis, group, scale)
        if result["constant"]:
            axis.axhline(result["constant"]["mean"] / scale, color=BLUE, ls="--", lw=1, label="mean")
        axis.grid(alpha=0.25, lw=0.6)
        axis.ticklabel_format(axis="x", useOffset=False, style="plain")
        axis.tick_params(axis="x", labelrotation=35, labelsize=8.5)
        axis.locator_params(axis="x", nbins=4 if len(groups) > 1 else 8)
    low, high = result["energy_range_TeV"]
    axes[0][0].set_ylabel(
        f"Flux ({low:g} to {high:g} TeV)\n[$10^{{{int(np.log10(scale))}}}$ cm$^{{-2}}$ s$^{{-1}}$]"
    )
    figure.supxlabel("Time (MJD, UTC)", fontsize=11, y=0.035)
    figure.suptitle(result["title"], fontsize=13, fontweight="bold", y=0.96)
    fit = result["constant"]
    if fit.get("dof", 0) > 0:
        axes[0][-1].set_title(
            f"dashed: weighted mean; constant: $\\chi^2$/dof = {fit['stat']:.0f}/{fit['dof']}",
            fontsize=9,
            loc="right",
            fontweight="normal",
        )
    save(figure, "lightcurve", job, result["title"])


def _groups(points: Sequence[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Points in runs of neighbours: at most four groups, divided at the longest gaps that are worth a cut."""
    ordered = sorted(points, key=lambda point: point["t_start_mjd"])
    length = float(np.median([point["t_stop_mjd"] - point["t_start_mjd"] for point in ordered]))
    gaps = sorted(
        ((b["t_start_mjd"] - a["t_stop_mjd"], i + 1) for i, (a, b) in enumerate(zip(ordered, ordered[1:]))),
        reverse=True,
    )
    cuts = sorted(index for gap, index in gaps[:3] if gap > 10 * length)
    return [list(part) for part in np.split(np.array(ordered, dtype=object), cuts)]


def _draw_points(axis: Any, points: Sequence[dict[str, Any]], scale: float) -> None:
    for point in points:
        middle = (point["t_start_mjd"] + point["t_stop_mjd"]) / 2
        half = (point["t_stop_mjd"] - point["t_start_mjd"]) / 2
        if point["is_ul"]:
            limit = point["flux_ul"] / scale
            axis.errorbar(
                middle,
                limit,
                xerr=half,
                yerr=0.15 * abs(limit),
                uplims=True,
                color=GREY,
                ms=0,
                lw=1.2,
                capsize=2,
            )
            continue
        errors = [[point["flux_errn"] / scale], [point["flux_errp"] / scale]]
        axis.errorbar(
            middle, point["flux"] / scale, xerr=half, yerr=errors, fmt="o", color="black", ms=4.5, lw=1.2
        )
