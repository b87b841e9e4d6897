"""What the gammapy tools share: observations from files, the target, ON and OFF spectra, the fit.

Imported after `vogate_tool.progress` has said that the libraries are being loaded: gammapy takes two seconds.
"""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

# No tool asks the network for Earth orientation data: nothing here needs them.
os.environ.setdefault("GAMMAPY_DATA", "")

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord
from astropy.utils import iers
from gammapy.data import Observation
from gammapy.datasets import Datasets, SpectrumDataset, SpectrumDatasetOnOff
from gammapy.makers import ReflectedRegionsBackgroundMaker, SafeMaskMaker, SpectrumDatasetMaker
from gammapy.maps import MapAxis, RegionGeom, WcsGeom
from gammapy.modeling import Fit
from gammapy.modeling.models import LogParabolaSpectralModel, PowerLawSpectralModel, SkyModel
from regions import CircleSkyRegion
from scipy.stats import chi2
from vogate_tool import Input, Job, ToolFailure, listed, plural, progress

# For each covariance gammapy tries to import ray, which no tool uses: a search of all folders, thousands of times a fit.
sys.modules.setdefault("ray", None)  # type: ignore[arg-type]
iers.conf.auto_download = False
iers.conf.auto_max_age = None
warnings.filterwarnings("ignore", category=UserWarning)
warnings.filterwarnings("ignore", category=RuntimeWarning)
logging.getLogger("gammapy").setLevel(logging.ERROR)

BAD_FIT = 1e-4
"""Probability of the fit statistic below which a fit is called bad (chi-square with its degrees of freedom)."""
FLUX_UNIT = u.Unit("TeV-1 s-1 cm-2")


@dataclass
class Run:
    """One observation with what came of it."""

    obs: Observation
    source: Input
    obs_id: str
    dataset: SpectrumDatasetOnOff | None = None


@dataclass
class Selection:
    """The target and the regions of an aperture analysis."""

    center: SkyCoord
    radius: u.Quantity
    name: str = ""
    warnings: list[str] = field(default_factory=list)

    @property
    def region(self) -> CircleSkyRegion:
        return CircleSkyRegion(self.center, self.radius)


def read_runs(job: Job, needed: Sequence[str], share: float) -> list[Run]:
    """Open the observations; `share` is the part of the progress bar that this takes.

    Parameters
    ----------
    needed
        Instrument responses that the analysis cannot do without: aeff, edisp, psf, bkg.
    """
    inputs = job.inputs.get("observations", ())
    if not inputs:
        raise ToolFailure("No observation was given.")
    runs = []
    for number, item in enumerate(inputs):
        label = item.title or item.id
        progress(0.05 + share * number / len(inputs), f"Reading {label} ({number + 1} of {len(inputs)})")
        runs.append(_read(item, label, needed))
    return runs


def _read(item: Input, label: str, needed: Sequence[str]) -> Run:
    try:
        obs = Observation.read(item.path)
        events = obs.events
    except (OSError, KeyError, ValueError, IndexError) as error:
        raise ToolFailure(
            f"{label} is no observation in DL3 form ({' '.join(str(error).split())[:120]})."
        ) from None
    if events is None:
        raise ToolFailure(f"{label} has no EVENTS extension.")
    if obs.gti is None:
        raise ToolFailure(f"{label} has no GTI extension, so its exposure is not known.")
    missing = [name.upper() for name in needed if name not in obs.available_irfs]
    if missing:
        raise ToolFailure(
            f"{label} has no instrument response ({listed(missing)}); choose observations with IRFs, "
            "or use the event summary."
        )
    return Run(obs, item, str(events.table.meta.get("OBS_ID", obs.obs_id)))


def target(job: Job, runs: Sequence[Run]) -> tuple[SkyCoord, str]:
    """The position asked for, else the target that the observations' headers agree on."""
    ra, dec = job.get("ra"), job.get("dec")
    if (ra is None) != (dec is None):
        raise ToolFailure("Give both right ascension and declination, or neither.")
    headers = [run.obs.events.table.meta for run in runs]
    names = list(dict.fromkeys(str(h.get("OBJECT", "")).strip() for h in headers))
    if ra is not None:
        center = SkyCoord(ra, dec, unit="deg", frame="icrs")
        close = [h for h in headers if _object(h) is not None and _object(h).separation(center).deg < 0.1]
        return center, names[0] if len(names) == 1 and len(close) == len(headers) else ""
    positions = [_object(header) for header in headers]
    if any(position is None for position in positions):
        raise ToolFailure(
            "The observations do not say where their target is; give right ascension and declination."
        )
    spread = max(position.separation(positions[0]).deg for position in positions)
    if spread > 0.1:
        raise ToolFailure(
            f"The observations have different targets ({listed(names)}); give right ascension and declination."
        )
    return positions[0], names[0] if len(names) == 1 else ""


def _object(header: dict) -> SkyCoord | None:
    try:
        return SkyCoord(float(header["RA_OBJ"]), float(header["DEC_OBJ"]), unit="deg", frame="icrs")
    except (KeyError, TypeError, ValueError):
        return None


def offset(run: Run, center: SkyCoord) -> u.Quantity:
    """Angle between a position and the pointing."""
    return run.obs.get_pointing_icrs(run.obs.tmid).separation(center).to("deg")


def field_radius(run: Run) -> u.Quantity:
    """How far from the pointing the effective area is known."""
    return run.obs.aeff.axes["offset"].edges.max().to("deg")


def energy_axes(low: float, high: float, per_decade: int = 10) -> tuple[MapAxis, MapAxis]:
    """Axes of measured and of true energy (TeV); the true one reaches well beyond the measured."""
    measured = MapAxis.from_energy_bounds(
        low, high, nbin=per_decade, per_decade=True, unit="TeV", name="energy"
    )
    true = MapAxis.from_energy_bounds(
        min(low / 2, 0.05), max(2.5 * high, 100), nbin=20, per_decade=True, unit="TeV", name="energy_true"
    )
    return measured, true


def extract(
    job: Job, runs: list[Run], chosen: Selection, axes: tuple[MapAxis, MapAxis], span: tuple[float, float]
) -> None:
    """ON and OFF counts with reduced responses for each run (reflected regions; Berge et al. 2007, A&A 466, 1219).

    Runs that cannot be used lose their dataset and leave a warning; ToolFailure if none can.
    """
    makers = _Makers(job, chosen, axes)
    outside, without_off = [], []
    for number, run in enumerate(runs):
        progress(
            span[0] + (span[1] - span[0]) * number / len(runs),
            f"Extracting spectra of {run.obs_id} ({number + 1} of {len(runs)})",
        )
        if offset(run, chosen.center) + chosen.radius > field_radius(run):
            outside.append(run.obs_id)
            continue
        dataset = makers.run(run, f"{run.obs_id}-{number}")
        if dataset.counts_off is None:
            without_off.append(run.obs_id)
            continue
        run.dataset = dataset
    _report(runs, outside, without_off, chosen)


def _report(runs: list[Run], outside: list[str], without_off: list[str], chosen: Selection) -> None:
    place = f"RA {chosen.center.ra.deg:.4f}, Dec {chosen.center.dec.deg:.4f} deg"
    if len(outside) == len(runs):
        raise ToolFailure(f"The region at {place} is outside the field of view of all observations.")
    if len(outside) + len(without_off) == len(runs):
        raise ToolFailure(
            f"No OFF region fits around the region at {place}: it is too near to the pointing positions, or the "
            "region or the exclusion radius is too large."
        )
    if outside:
        chosen.warnings.append(f"The region is outside the field of view of {listed(outside)}: left out.")
    if without_off:
        chosen.warnings.append(f"No OFF region fits in {listed(without_off)}: left out.")


class _Makers:
    """gammapy's makers, set up once."""

    def __init__(self, job: Job, chosen: Selection, axes: tuple[MapAxis, MapAxis]) -> None:
        geom = RegionGeom.create(chosen.region, axes=[axes[0]])
        self.empty = SpectrumDataset.create(geom=geom, energy_axis_true=axes[1])
        self.background = ReflectedRegionsBackgroundMaker(exclusion_mask=exclusion(job, chosen.center))
        self.safe = safe_mask(job)

    def run(self, run: Run, name: str) -> SpectrumDatasetOnOff:
        # Responses made for a fixed aperture contain the loss already.
        contained = run.obs.psf is None or getattr(run.obs.aeff, "is_pointlike", False)
        maker = SpectrumDatasetMaker(
            containment_correction=not contained, selection=["counts", "exposure", "edisp"]
        )
        dataset = maker.run(self.empty.copy(name=name), run.obs)
        dataset = self.background.run(dataset, run.obs)
        if self.safe is not None and dataset.counts_off is not None:
            dataset = self.safe.run(dataset, run.obs)
        return dataset


def exclusion(job: Job, center: SkyCoord):
    """The part of the sky where no background is taken from: a disc around the target."""
    radius = job.get("exclusion_radius", 0.3)
    if radius <= 0:
        return None
    geom = WcsGeom.create(skydir=center, width=2 * radius + 1.0, binsz=0.02, proj="TAN", frame="icrs")
    return ~geom.region_mask([CircleSkyRegion(center, radius * u.deg)])


def safe_mask(job: Job) -> SafeMaskMaker | None:
    """Where the responses are good enough to be used."""
    method = job.get("safe_range", "aeff-max")
    if method == "none":
        return None
    return SafeMaskMaker(methods=[method], aeff_percent=job.get("aeff_percent", 10.0))


def usable(runs: Sequence[Run], warned: list[str]) -> Datasets:
    """The datasets that have bins in the energy range; ToolFailure if there are none, or no events."""
    found, empty = Datasets(), []
    for run in runs:
        if run.dataset is None:
            continue
        if run.dataset.mask_safe is not None and not run.dataset.mask_safe.data.any():
            empty.append(run.obs_id)
            run.dataset = None
        else:
            found.append(run.dataset)
    if not found:
        raise ToolFailure("No observation has a safe energy range that overlaps the energies asked for.")
    if empty:
        warned.append(
            f"The safe energy range of {listed(empty)} does not overlap the energies asked for: left out."
        )
    if not sum(in_range(dataset, dataset.counts) for dataset in found):
        raise ToolFailure("There is no event in the region within the energy range.")
    return found


def in_range(dataset: SpectrumDatasetOnOff, counts) -> float:
    """Sum of a counts spectrum over the safe bins."""
    mask = dataset.mask_safe.data if dataset.mask_safe is not None else np.ones(counts.data.shape, bool)
    return float(counts.data[mask].sum())


def spectral_model(job: Job, name: str, reference: float) -> SkyModel:
    """The model that the fit starts from."""
    start = {"amplitude": 1e-12 * FLUX_UNIT, "reference": reference * u.TeV}
    if name == "log-parabola":
        model = LogParabolaSpectralModel(alpha=2.5, beta=0.1, **start)
    else:
        model = PowerLawSpectralModel(index=2.5, **start)
    return SkyModel(spectral_model=model, name="source")


@dataclass
class FitSummary:
    """A fit's outcome."""

    stat: float
    dof: int
    success: bool
    message: str
    probability: float

    def complaints(self) -> list[str]:
        found = []
        if not self.success:
            found.append(f"The fit did not converge ({self.message}); do not trust its errors.")
        if self.dof > 0 and self.probability < BAD_FIT:
            found.append(
                f"The model does not describe the data: stat/dof = {self.stat:.0f}/{self.dof}. "
                "The source may vary, or have another spectral shape."
            )
        if self.dof <= 0:
            found.append("There are not more energy bins than free parameters.")
        return found


def fit(datasets: Datasets, model: SkyModel) -> FitSummary:
    """Joint forward-folding fit to all datasets (wstat: Poisson data with measured Poisson background)."""
    datasets.models = [model]
    _start_amplitude(datasets, model)
    result = Fit().run(datasets)
    bins = sum(int(d.mask.data.sum()) if d.mask is not None else d.counts.data.size for d in datasets)
    dof = bins - len(datasets.models.parameters.free_parameters)
    stat = float(datasets.stat_sum())
    probability = float(chi2.sf(stat, dof)) if dof > 0 else 1.0
    return FitSummary(stat, dof, bool(result.success), " ".join(str(result.message).split()), probability)


def _start_amplitude(datasets: Datasets, model: SkyModel) -> None:
    """Scale the model to the measured excess, so that the minimiser starts near the answer."""
    excess = sum(
        float(np.sum(d.excess.data[d.mask.data] if d.mask is not None else d.excess.data)) for d in datasets
    )
    predicted = sum(
        float(np.sum(d.npred_signal().data[d.mask.data] if d.mask is not None else d.npred_signal().data))
        for d in datasets
    )
    if excess > 0 and predicted > 0:
        model.spectral_model.amplitude.value *= excess / predicted


def parameters(model: SkyModel) -> list[dict[str, object]]:
    """The model's parameters with errors, for the JSON form; units as VOUnit strings."""
    return [
        {
            "name": parameter.name,
            "value": parameter.value,
            "error": None if parameter.frozen else parameter.error,
            "unit": unit_text(parameter.unit),
            "frozen": parameter.frozen,
        }
        for parameter in model.spectral_model.parameters
    ]


def unit_text(unit: u.UnitBase) -> str:
    """`cm-2 s-1 TeV-1` in that order, whatever order astropy keeps."""
    unit = u.Unit(unit)
    if unit == FLUX_UNIT:
        return "cm-2 s-1 TeV-1"
    return unit.to_string("fits") if unit != u.dimensionless_unscaled else ""


def statistics(stacked: SpectrumDatasetOnOff) -> dict[str, object]:
    """Counts in the safe range and their significance (Li & Ma 1983, equation 17)."""
    info = stacked.info_dict()
    alpha = float(info["alpha"])
    return {
        "livetime_s": float(info["livetime"].to_value("s")),
        "n_on": int(info["counts"]),
        "n_off": int(info["counts_off"]),
        "alpha": alpha,
        "excess": float(info["excess"]),
        "significance": float(info["sqrt_ts"]),
    }


def fit_range(dataset: SpectrumDatasetOnOff) -> tuple[float, float]:
    """Lowest and highest energy (TeV) that enter the fit."""
    axis = dataset.counts.geom.axes["energy"]
    safe = np.flatnonzero(dataset.mask_safe.data[:, 0, 0])
    edges = axis.edges.to_value("TeV")
    return float(edges[safe[0]]), float(edges[safe[-1] + 1])


def few_off(stacked: dict[str, object]) -> list[str]:
    if int(str(stacked["n_off"])) < 10:
        return [f"Only {plural(int(str(stacked['n_off'])), 'OFF event')}: the background is poorly known."]
    return []


def times(runs: Sequence[Run]) -> tuple[float, float]:
    """Begin of the first and end of the last good time interval, MJD in UTC."""
    start = min(run.obs.gti.time_start.utc.mjd.min() for run in runs)
    stop = max(run.obs.gti.time_stop.utc.mjd.max() for run in runs)
    return float(start), float(stop)


def table_params(result: dict[str, Any]) -> list[tuple[str, Any, str, str]]:
    """What a table of results says about the whole of it: name, value, unit, UCD."""
    return [
        ("ra", result["ra"], "deg", "pos.eq.ra"),
        ("dec", result["dec"], "deg", "pos.eq.dec"),
        ("livetime", result["livetime_s"], "s", "time.duration;obs.exposure"),
        ("t_min", result["t_min"], "d", "time.start;obs.exposure"),
        ("t_max", result["t_max"], "d", "time.end;obs.exposure"),
    ]
