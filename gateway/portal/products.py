"""Spectra and light curves, from the JSON that tools write to what pages print beside the plots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from gateway.portal.numbers import (
    BAD_FIT_P_VALUE,
    asymmetric_text,
    chi2_p_value,
    is_number,
    measurement_text,
    number_text,
    unit_text,
)

MJD_EPOCH = datetime(1858, 11, 17)
SECONDS_PER_HOUR = 3600


@dataclass(frozen=True)
class Numbers:
    """A table of texts: what a plot shows, for reading and for those who cannot see it."""

    title: str
    names: tuple[str, ...]
    units: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Product:
    """What stands beside a plot."""

    headline: str
    """The result in a line, read out in place of the plot."""
    facts: tuple[tuple[str, str], ...]
    parameters: Numbers | None
    points: Numbers
    warnings: tuple[str, ...]
    attribution: str = ""
    notice: str = ""


def product(kind: str, data: Any) -> Product:
    """The texts of a spectrum or light curve.

    Raises
    ------
    ValueError
        If the data are not of that kind.
    """
    if not isinstance(data, Mapping) or not isinstance(data.get("points", []), Sequence):
        raise ValueError("the file is not in the form that the viewer knows")
    return _spectrum(data) if kind == "spectrum" else _light_curve(data)


def _warnings(data: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(str(one) for one in data.get("warnings") or ())


def fit_warnings(fit: Mapping[str, Any]) -> tuple[str, ...]:
    """Why the fit must not be trusted, if it must not."""
    found = []
    if fit.get("success") is False:
        message = str(fit.get("message") or "").rstrip(". ")
        found.append(f"The fit did not converge{f' ({message})' if message else ''}.")
    stat, dof = fit.get("stat"), fit.get("dof")
    if is_number(stat) and is_number(dof) and dof > 0:
        p_value = chi2_p_value(stat, int(dof))
        if p_value < BAD_FIT_P_VALUE:
            found.append(
                f"The model does not describe the data: stat/dof = {stat:.1f}/{dof:g} "
                f"(p {_p_text(p_value)}). Parameters and their errors mean little."
            )
    return tuple(found)


def _p_text(p_value: float) -> str:
    return "< 10⁻¹⁰" if p_value < 1e-10 else f"= {number_text(p_value, 2)}"


def _spectrum(data: Mapping[str, Any]) -> Product:
    model, fit = data.get("model") or {}, data.get("fit") or {}
    energy_unit, flux_unit = unit_text(data.get("energy_unit")), unit_text(data.get("flux_unit"))
    parameters = model.get("parameters") or []
    rows = tuple(
        (
            str(one.get("name", "")),
            measurement_text(one.get("value"), one.get("error")),
            "" if is_number(one.get("error")) and one["error"] > 0 else "fixed",
            unit_text(one.get("unit")),
        )
        for one in parameters
    )
    headline = "; ".join(f"{name} {value} {unit}".strip() for name, value, fixed, unit in rows if not fixed)
    return Product(
        headline=f"{model.get('name', 'Model')}: {headline}" if headline else "Flux points",
        facts=_spectrum_facts(data, fit, energy_unit),
        parameters=Numbers(
            f"Model: {model.get('name', '')}", ("Parameter", "Value", "", "Unit"), ("",) * 4, rows
        )
        if rows
        else None,
        points=_flux_points(data.get("points") or [], energy_unit, flux_unit),
        warnings=(*fit_warnings(fit), *_warnings(data)),
        attribution=str(data.get("attribution") or ""),
        notice=str(data.get("notice") or ""),
    )


def _spectrum_facts(
    data: Mapping[str, Any], fit: Mapping[str, Any], energy_unit: str
) -> tuple[tuple[str, str], ...]:
    facts = []
    if is_number(fit.get("stat")):
        dof = fit.get("dof")
        text = f"{fit['stat']:.1f} / {dof:g}" if is_number(dof) else f"{fit['stat']:.1f}"
        if is_number(dof) and dof > 0:
            text += f" (p {_p_text(chi2_p_value(fit['stat'], int(dof)))})"
        facts.append(("stat / dof", text))
    if is_number(data.get("significance")):
        facts.append(("Significance", f"{data['significance']:.1f} σ"))
    if is_number(data.get("n_on")) and is_number(data.get("n_off")):
        alpha = data.get("alpha")
        text = f"{data['n_on']:g} on, {data['n_off']:g} off"
        facts.append(("Events", text + (f" (α = {number_text(alpha)})" if is_number(alpha) else "")))
    if is_number(data.get("livetime_s")):
        facts.append(("Live time", f"{data['livetime_s'] / SECONDS_PER_HOUR:.2f} h"))
    limits = data.get("energy_range")
    if isinstance(limits, Sequence) and len(limits) == 2:
        facts.append(("Energy range", f"{number_text(limits[0])} to {number_text(limits[1])} {energy_unit}"))
    return tuple(facts)


def _flux(point: Mapping[str, Any], name: str = "dnde") -> str:
    low, high = point.get(f"{name}_errn"), point.get(f"{name}_errp")
    if is_number(low) and is_number(high):
        return asymmetric_text(point.get(name), low, high)
    return measurement_text(point.get(name), point.get(f"{name}_err"))


def _flux_points(points: Sequence[Mapping[str, Any]], energy_unit: str, flux_unit: str) -> Numbers:
    rows = tuple(
        (
            number_text(one.get("e_ref")),
            f"{number_text(one.get('e_min'))} – {number_text(one.get('e_max'))}",
            f"< {number_text(one.get('dnde_ul'))}" if one.get("is_ul") else _flux(one),
            number_text(one.get("sqrt_ts"), 2),
        )
        for one in points
    )
    return Numbers(
        "Flux points", ("Energy", "Range", "dN/dE", "√TS"), (energy_unit, energy_unit, flux_unit, ""), rows
    )


def date_text(mjd: Any) -> str:
    """An MJD as date and time, in its own scale."""
    if not is_number(mjd):
        return "–"
    return (MJD_EPOCH + timedelta(days=mjd)).strftime("%Y-%m-%d %H:%M")


def _constant_facts(constant: Mapping[str, Any], unit: str) -> list[tuple[str, str]]:
    """The fit of a constant flux, by which a reader judges whether the source varies."""
    mean, stat, dof = constant.get("mean"), constant.get("stat"), constant.get("dof")
    facts = []
    if is_number(mean):
        facts.append(("Mean flux", f"{measurement_text(mean, constant.get('mean_err'))} {unit}".strip()))
    if is_number(stat) and is_number(dof) and dof > 0:
        p_value = chi2_p_value(stat, int(dof))
        verdict = "variable" if p_value < BAD_FIT_P_VALUE else "compatible with a constant flux"
        facts.append(("Constant, stat / dof", f"{stat:.1f} / {dof:g} (p {_p_text(p_value)}): {verdict}"))
    return facts


def _light_curve(data: Mapping[str, Any]) -> Product:
    points = data.get("points") or []
    scale = str(data.get("time_scale") or "").upper()
    rows = tuple(
        (
            str(one.get("obs_id") or ""),
            f"{one['t_start_mjd']:.5f}" if is_number(one.get("t_start_mjd")) else "–",
            date_text(one.get("t_start_mjd")),
            f"{(one['t_stop_mjd'] - one['t_start_mjd']) * 1440:.1f}"
            if is_number(one.get("t_start_mjd")) and is_number(one.get("t_stop_mjd"))
            else "–",
            f"< {number_text(one.get('flux_ul'))}" if one.get("is_ul") else _flux(one, "flux"),
            number_text(one.get("sqrt_ts"), 2),
        )
        for one in points
    )
    facts = [("Points", f"{len(rows)} ({sum(bool(one.get('is_ul')) for one in points)} upper limits)")]
    facts += _constant_facts(data.get("constant") or {}, unit_text(data.get("flux_unit")))
    energies = data.get("energy_range_TeV") or data.get("energy_range")
    if isinstance(energies, Sequence) and len(energies) == 2:
        unit = unit_text(data.get("energy_unit") or "TeV")
        facts.append(("Energy range", f"{number_text(energies[0])} to {number_text(energies[1])} {unit}"))
    return Product(
        headline=f"Light curve of {len(rows)} points",
        facts=tuple(facts),
        parameters=None,
        points=Numbers(
            "Light curve",
            ("Observation", "Start", "Start", "Length", "Flux", "√TS"),
            ("", f"MJD {scale}".strip(), scale, "min", unit_text(data.get("flux_unit")), ""),
            rows,
        ),
        warnings=_warnings(data),
        attribution=str(data.get("attribution") or ""),
        notice=str(data.get("notice") or ""),
    )
