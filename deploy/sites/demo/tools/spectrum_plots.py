"""Pictures of a spectrum: energy spectrum with residuals, counts, and where ON and OFF were taken."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from gammapy.datasets import SpectrumDatasetOnOff
from gammapy.maps import Map, WcsGeom
from gammaray import Run, Selection
from matplotlib.patches import Circle
from matplotlib.ticker import FuncFormatter, NullFormatter
from plotting import BLUE, GREEN, GREY, ORANGE, plt, save
from vogate_tool import Job

_ENERGY_TICKS = FuncFormatter(lambda value, _: f"{value:g}")


def spectrum(job: Job, result: dict[str, Any]) -> None:
    """E2 dN/dE against energy: band, points, upper limits, and residuals below."""
    figure, (top, low) = plt.subplots(
        2, 1, figsize=(8.2, 6.6), sharex=True, height_ratios=(3.2, 1), gridspec_kw={"hspace": 0.06}
    )
    figure.subplots_adjust(left=0.14, right=0.97, top=0.92, bottom=0.11)
    line = {key: np.asarray(value, dtype=float) for key, value in result["model"]["curve"].items()}
    square = line["energy"] ** 2
    # A band that reaches below zero ends at a tenth of the curve on logarithmic axes.
    bottom = np.maximum(line["dnde_lo"], line["dnde"] / 10)
    top.fill_between(line["energy"], square * bottom, square * line["dnde_hi"], color=BLUE, alpha=0.22, lw=0)
    top.plot(line["energy"], square * line["dnde"], color=BLUE, lw=1.6, label=_model_label(result))
    _draw_points(top, low, result["points"], line)
    top.set(xscale="log", yscale="log", ylabel=r"$E^2\,dN/dE$  [TeV cm$^{-2}$ s$^{-1}$]")
    if np.log10(np.divide(*top.get_ylim()[::-1])) > 1.3:
        top.yaxis.set_minor_formatter(NullFormatter())
    top.set_title(result["title"])
    top.legend(loc="lower left", fontsize=9.5)
    top.grid(alpha=0.25, lw=0.6)
    low.axhline(0, color=BLUE, lw=1.2)
    low.set(xlabel="Energy [TeV]", ylabel="(data - model)\n/ model")
    low.set_ylim(-1.5, 1.5)
    low.grid(alpha=0.25, lw=0.6)
    low.xaxis.set_major_formatter(_ENERGY_TICKS)
    fit = result["fit"]
    top.text(
        0.975,
        0.96,
        f"stat/dof = {fit['stat']:.0f}/{fit['dof']}\n{result['n_on']} ON, {result['excess']:.0f} excess events\n"
        f"{result['significance']:.1f} $\\sigma$ in {result['livetime_s'] / 3600:.2f} h",
        transform=top.transAxes,
        ha="right",
        va="top",
        fontsize=9.5,
    )
    save(figure, "spectrum", job, result["title"], ("png", "pdf"))


def _draw_points(top: Any, low: Any, points: Sequence[dict[str, Any]], line: dict[str, np.ndarray]) -> None:
    def model(energy: float) -> float:
        return float(np.exp(np.interp(np.log(energy), np.log(line["energy"]), np.log(line["dnde"]))))

    for point in points:
        energy = point["e_ref"]
        x_error = [[energy - point["e_min"]], [point["e_max"] - energy]]
        if point["is_ul"]:
            top.errorbar(
                energy, energy**2 * point["dnde_ul"], xerr=x_error, yerr=0.3 * energy**2 * point["dnde_ul"],
                uplims=True, color=GREY, ms=0, lw=1.2, capsize=2,
            )  # fmt: skip
            continue
        errors = np.array([[point["dnde_errn"]], [point["dnde_errp"]]])
        style = {"fmt": "o", "color": "black", "ms": 4.5, "lw": 1.2}
        top.errorbar(energy, energy**2 * point["dnde"], xerr=x_error, yerr=energy**2 * errors, **style)
        expected = model(energy)
        low.errorbar(energy, point["dnde"] / expected - 1, xerr=x_error, yerr=errors / expected, **style)


def _model_label(result: dict[str, Any]) -> str:
    values = {p["name"]: p for p in result["model"]["parameters"]}
    label = []
    for name, symbol in (("index", r"\Gamma"), ("alpha", r"\alpha"), ("beta", r"\beta")):
        if name in values:
            label.append(f"${symbol} = {values[name]['value']:.2f} \\pm {values[name]['error']:.2f}$")
    amplitude, reference = values["amplitude"], values["reference"]["value"]
    power = int(np.floor(np.log10(amplitude["value"])))
    scale = 10.0**power
    label.append(
        f"$\\phi({reference:g}\\,$TeV$) = ({amplitude['value'] / scale:.2f} \\pm {amplitude['error'] / scale:.2f})"
        f"\\times 10^{{{power}}}$ cm$^{{-2}}$ s$^{{-1}}$ TeV$^{{-1}}$"
    )
    return f"{result['model']['name']}: " + ", ".join(label[:-1]) + "\n" + label[-1]


def counts(job: Job, result: dict[str, Any], stacked: SpectrumDatasetOnOff) -> None:
    """ON counts, background and what the model predicts, per energy bin of the sum."""
    figure, axes = plt.subplots(figsize=(8.2, 5.0))
    figure.subplots_adjust(left=0.1, right=0.97, top=0.9, bottom=0.14)
    axis = stacked.counts.geom.axes["energy"]
    edges, safe = axis.edges.to_value("TeV"), stacked.mask_safe.data[:, 0, 0]
    on = np.where(safe, stacked.counts.data[:, 0, 0], 0.0)
    background = np.where(safe, stacked.background.data[:, 0, 0], 0.0)
    predicted = np.where(safe, stacked.npred_signal().data[:, 0, 0], 0.0) + background
    centre = axis.center.to_value("TeV")
    shown = safe & (on > 0)
    axes.errorbar(
        centre[shown],
        on[shown],
        yerr=np.sqrt(on[shown]),
        fmt="o",
        color="black",
        ms=4,
        lw=1.1,
        label="ON events",
    )
    axes.stairs(predicted, edges, color=BLUE, lw=1.5, label="model + background")
    axes.stairs(background, edges, color=ORANGE, lw=1.3, label="background (OFF, scaled)")
    axes.set(xscale="log", yscale="log", xlabel="Reconstructed energy [TeV]", ylabel="Events per bin")
    axes.set_xlim(*result["energy_range"])
    axes.set_ylim(bottom=0.03)
    axes.xaxis.set_major_formatter(_ENERGY_TICKS)
    axes.grid(alpha=0.25, lw=0.6)
    axes.legend(fontsize=9.5)
    axes.set_title(result["title"].replace("Spectrum", "Counts", 1))
    save(figure, "counts", job, result["title"])


def regions(job: Job, result: dict[str, Any], runs: Sequence[Run], chosen: Selection) -> None:
    """Events around the target, with the ON region and the OFF regions of every observation."""
    used = [run for run in runs if run.dataset is not None]
    reach = max(run.obs.get_pointing_icrs(run.obs.tmid).separation(chosen.center).deg for run in used)
    width = 2 * (2 * reach * 0.75 + 0.6)
    geom = WcsGeom.create(skydir=chosen.center, width=width, binsz=width / 160, proj="TAN", frame="icrs")
    image = Map.from_geom(geom)
    for run in used:
        image.fill_events(run.obs.events)
    figure = plt.figure(figsize=(8.4, 6.6))
    axes = figure.add_axes((0.11, 0.11, 0.69, 0.81), projection=geom.wcs)
    smooth = image.smooth(0.06 / (width / 160)).data
    axes.imshow(smooth, origin="lower", cmap="Greys", vmin=0, vmax=np.percentile(smooth, 99.7))
    colours = plt.colormaps["turbo"](np.linspace(0.08, 0.92, len(used)))
    for run, colour in zip(used, colours):
        for region in _circles(run.dataset.counts_off.geom.region):
            _circle(axes, geom, region.center, region.radius.to_value("deg"), edgecolor=colour, lw=1.1)
        pointing = run.obs.get_pointing_icrs(run.obs.tmid)
        label = run.obs_id if len(used) <= 8 else None
        axes.plot(
            *geom.wcs.world_to_pixel(pointing), "+", color=colour, ms=9, mew=1.8, label=label, ls="none"
        )
    _circle(
        axes, geom, chosen.center, chosen.radius.to_value("deg"), edgecolor=GREEN, lw=2.2, label="ON region"
    )
    axes.coords.grid(color=GREY, alpha=0.35, ls=":")
    axes.coords[0].set_axislabel("Right ascension (ICRS)")
    axes.coords[1].set_axislabel("Declination (ICRS)")
    for axis in axes.coords:
        axis.set_ticklabel(simplify=False)  # not 23°30', 00', 22°30'
    axes.plot([], [], "o", mfc="none", color=GREY, ms=7, label="OFF regions")
    axes.plot([], [], "+", color=GREY, ms=9, label="pointings")
    axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0), fontsize=9)
    axes.set_title(f"ON and OFF regions, {len(used)} observation{'s' if len(used) > 1 else ''}")
    save(figure, "regions", job, result["title"])


def _circles(region: Any) -> list[Any]:
    """The circles of a compound of circles."""
    if hasattr(region, "region1"):
        return _circles(region.region1) + _circles(region.region2)
    return [region]


def _circle(axes: Any, geom: WcsGeom, center: Any, radius: float, **style: Any) -> None:
    x, y = geom.wcs.world_to_pixel(center)
    scale = float(np.mean(geom.pixel_scales.to_value("deg")))
    axes.add_patch(Circle((float(x), float(y)), radius / scale, fill=False, **style))
