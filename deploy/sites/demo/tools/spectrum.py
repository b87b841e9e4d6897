"""Energy spectrum of a source: reflected regions, forward-folded model, flux points."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import astropy.units as u
import gammaray
import numpy as np
import ogip
import spectrum_plots
from astropy.table import Table
from gammapy.datasets import Datasets, SpectrumDatasetOnOff
from gammapy.estimators import FluxPointsEstimator
from gammapy.modeling.models import SkyModel
from gammaray import FLUX_UNIT, Run, Selection
from products import write_tables
from vogate_tool import Job, progress, write_json

UPPER_LIMIT_SIGMA = 2
"""Points below this significance are shown as upper limits, which are at this number of sigmas (95.45 %)."""

UCDS = {
    "e_ref": "em.energy",
    "e_min": "em.energy;stat.min",
    "e_max": "em.energy;stat.max",
    "dnde": "phot.flux.density;em.gamma",
    "dnde_err": "stat.error;phot.flux.density;em.gamma",
    "dnde_errp": "stat.error;phot.flux.density;em.gamma;stat.max",
    "dnde_errn": "stat.error;phot.flux.density;em.gamma;stat.min",
    "dnde_ul": "phot.flux.density;em.gamma;stat.max",
    "ts": "stat.value",
    "sqrt_ts": "stat.snr",
    "is_ul": "meta.code",
}


def main(job: Job) -> None:
    """Run the tool: products in the current folder."""
    runs = gammaray.read_runs(job, ("aeff", "edisp"), share=0.1)
    center, name = gammaray.target(job, runs)
    chosen = Selection(center, job.get("radius", 0.11) * u.deg, name)
    axes = gammaray.energy_axes(job.get("energy_min", 0.1), job.get("energy_max", 40.0))
    gammaray.extract(job, runs, chosen, axes, (0.15, 0.4))
    datasets = gammaray.usable(runs, chosen.warnings)
    progress(0.42, "Fitting the model")
    model = gammaray.spectral_model(job, job.get("model", "power-law"), job.get("reference", 1.0))
    outcome = gammaray.fit(datasets, model)
    chosen.warnings += outcome.complaints()
    progress(0.55, "Computing flux points")
    stacked = datasets.stack_reduce(name="stacked")
    stacked.models = [model]
    points = flux_points(stacked, job.get("points_per_decade", 5))
    progress(0.8, "Writing spectra and tables")
    times = gammaray.times([run for run in runs if run.dataset is not None])
    result = describe(job, chosen, model, outcome, stacked, points, times)
    write_json("spectrum.json", result)
    tables(job, points, result)
    ogip_files(job, runs, stacked, chosen)
    progress(0.9, "Drawing")
    spectrum_plots.spectrum(job, result)
    spectrum_plots.counts(job, result, stacked)
    spectrum_plots.regions(job, result, runs, chosen)
    progress(1.0, "Done")


def flux_points(stacked: SpectrumDatasetOnOff, per_decade: int) -> Table:
    """Flux points of the stacked spectrum, in bins that are whole bins of the energy axis.

    Likelihood profiles of the model's norm in each bin, its shape fixed.  Columns as in the gamma-astro-data-formats
    flux point table with SED_TYPE dnde; flux in cm-2 s-1 TeV-1.
    """
    edges = point_edges(stacked, per_decade)
    estimator = FluxPointsEstimator(
        energy_edges=edges,
        source="source",
        selection_optional=["errn-errp", "ul"],
        n_sigma_ul=UPPER_LIMIT_SIGMA,
    )
    found = estimator.run(Datasets([stacked])).to_table(sed_type="dnde")
    table = Table({name: _in_our_unit(found[name]) for name in UCDS if name in found.colnames})
    table["is_ul"] = ~(np.nan_to_num(table["sqrt_ts"]) >= UPPER_LIMIT_SIGMA)
    table = table[np.isfinite(table["dnde_ul"])]
    table.meta["SED_TYPE"] = "dnde"
    table.meta["UL_CONF"] = float(found.meta.get("UL_CONF", 0.9544997))
    return table


def _in_our_unit(column: Any) -> Any:
    """Energies in TeV, fluxes in cm-2 s-1 TeV-1, ratios without a unit."""
    if column.unit is None or u.Unit(column.unit) == u.dimensionless_unscaled:
        return np.asarray(column)
    quantity = column.quantity
    return quantity.to(FLUX_UNIT if quantity.unit.is_equivalent(FLUX_UNIT) else u.TeV)


def point_edges(stacked: SpectrumDatasetOnOff, per_decade: int) -> u.Quantity:
    """Every n-th edge of the energy axis, from the first bin in the safe range to the last one."""
    axis = stacked.counts.geom.axes["energy"]
    safe = np.flatnonzero(stacked.mask_safe.data[:, 0, 0])
    step = max(1, round(10 / per_decade))
    numbers = list(range(int(safe[0]), int(safe[-1]) + 2, step))
    if numbers[-1] != safe[-1] + 1:
        numbers.append(int(safe[-1]) + 1)
    return axis.edges[numbers]


def describe(
    job: Job,
    chosen: Selection,
    model: SkyModel,
    outcome: gammaray.FitSummary,
    stacked: SpectrumDatasetOnOff,
    points: Table,
    times: tuple[float, float],
) -> dict[str, Any]:
    """The JSON form of a spectrum (README.md)."""
    counts = gammaray.statistics(stacked)
    low, high = gammaray.fit_range(stacked)
    title = (
        f"Spectrum of {chosen.name}"
        if chosen.name
        else f"Spectrum at {chosen.center.to_string('hmsdms', precision=0)}"
    )
    free = model.spectral_model.parameters.free_parameters
    return {
        "kind": "spectrum",
        "title": title,
        "target": chosen.name,
        "ra": chosen.center.ra.deg,
        "dec": chosen.center.dec.deg,
        "radius_deg": chosen.radius.to_value("deg"),
        "energy_unit": "TeV",
        "flux_unit": "cm-2 s-1 TeV-1",
        "model": {
            "name": job.get("model", "power-law"),
            "parameters": gammaray.parameters(model),
            "covariance": {
                "parameters": free.names,
                "matrix": model.covariance.get_subcovariance(free).data,
            },
            "curve": curve(model, low, high),
        },
        "points": [{name: _plain(row[name]) for name in points.colnames} for row in points],
        "ul_confidence": points.meta["UL_CONF"],
        "fit": {
            "stat": outcome.stat,
            "dof": outcome.dof,
            "probability": outcome.probability,
            "success": outcome.success,
            "message": outcome.message,
        },
        **counts,
        "t_min": times[0],
        "t_max": times[1],
        "energy_range": [low, high],
        "warnings": chosen.warnings + gammaray.few_off(counts),
        **job.record(),
    }


def curve(model: SkyModel, low: float, high: float) -> dict[str, Any]:
    """The model between two energies with its 1 sigma band."""
    energy = np.geomspace(low, high, 60) * u.TeV
    found = model.spectral_model.evaluate_error(energy)
    value, down, up = (part.to_value(FLUX_UNIT) for part in found)
    return {"energy": energy.value, "dnde": value, "dnde_lo": value - down, "dnde_hi": value + up}


def tables(job: Job, points: Table, result: dict[str, Any]) -> None:
    """Flux points as FITS, ECSV and VOTable."""
    params = gammaray.table_params(result)
    write_tables("flux_points", points, job, title=result["title"], ucds=UCDS, params=params)


def ogip_files(job: Job, runs: Sequence[Run], stacked: SpectrumDatasetOnOff, chosen: Selection) -> None:
    """OGIP spectra of the sum, of each observation, of both, or of none."""
    wanted = job.get("ogip", "both")
    mission = str(runs[0].obs.events.table.meta.get("TELESCOP", "unknown"))
    folder = Path("ogip")
    used = [run for run in runs if run.dataset is not None]
    common = {"target": chosen.name, "mission": mission}
    if wanted in ("stacked", "both"):
        joint = used[0].obs_id if len(used) == 1 else f"sum of {len(used)}"
        ogip.write(stacked, folder, "stacked", job, obs_id=joint, **common)
    if wanted in ("observations", "both"):
        stems = [re.sub(r"[^A-Za-z0-9._-]", "_", run.obs_id) for run in used]
        for number, (run, stem) in enumerate(zip(used, stems)):
            # Observations of two collections may have one number.
            unique = stem if stems.count(stem) == 1 else f"{stem}-{number + 1}"
            ogip.write(run.dataset, folder, f"obs_{unique}", job, obs_id=run.obs_id, **common)


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value
