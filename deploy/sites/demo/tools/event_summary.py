"""Counts, energies, pointing and times of event lists, as JSON and as text.  Needs astropy only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from astropy import units
from astropy.io import fits
from astropy.time import Time
from vogate_tool import Input, Job, ToolFailure, plural, progress, write_json

MAXIMUM_BINS = 200


def main(job: Job) -> None:
    edges = energy_edges(
        job.get("energy_min", 0.1), job.get("energy_max", 100.0), job.get("bins_per_decade", 5)
    )
    inputs = job.inputs.get("observations", ())
    if not inputs:
        raise ToolFailure("No observation was given.")
    observations = []
    for number, item in enumerate(inputs):
        progress(number / len(inputs), f"Reading {item.title or item.id} ({number + 1} of {len(inputs)})")
        observations.append(summary(item, edges))
    counts = np.sum([observation["histogram"] for observation in observations], axis=0)
    result = {
        "kind": "event-summary",
        "title": f"Events of {plural(len(observations), 'observation')}",
        "events": sum(observation["events"] for observation in observations),
        "energy_edges_TeV": edges,
        "histogram": counts,
        "observations": observations,
        **job.record(),
    }
    write_json("summary.json", result)
    Path("summary.txt").write_text(as_text(result, edges), encoding="utf-8")
    progress(1.0, "Done")


def energy_edges(low: float, high: float, per_decade: int) -> np.ndarray:
    """Edges of bins of equal width in log10(energy/TeV); the last bin may reach beyond `high`."""
    if not 0 < low < high:
        raise ToolFailure("The lowest energy must be below the highest.")
    bins = int(np.ceil(np.log10(high / low) * per_decade - 1e-9))
    if bins > MAXIMUM_BINS:
        raise ToolFailure(f"That makes {bins} energy bins; at most {MAXIMUM_BINS} are possible.")
    return low * 10 ** (np.arange(bins + 1) / per_decade)


def summary(item: Input, edges: np.ndarray) -> dict[str, Any]:
    """What one event list holds; energies in TeV, angles in degrees (ICRS), times in UTC."""
    try:
        with fits.open(item.path) as hdus:
            events = hdus["EVENTS"]
            header, energy = events.header, np.asarray(events.data["ENERGY"], dtype=float)
            energy *= units.Unit(events.columns["ENERGY"].unit or "TeV").to("TeV")
    except (OSError, KeyError) as error:
        raise ToolFailure(f"{item.title or item.id} is no event list in FITS form ({error}).") from None
    return {
        "id": item.id,
        "obs_id": str(header.get("OBS_ID", "")),
        "object": str(header.get("OBJECT", "")),
        "ra_pnt": header.get("RA_PNT"),
        "dec_pnt": header.get("DEC_PNT"),
        "t_start": utc(header, "TSTART"),
        "t_stop": utc(header, "TSTOP"),
        "livetime_s": header.get("LIVETIME"),
        "events": len(energy),
        "energy_min_TeV": energy.min() if len(energy) else None,
        "energy_median_TeV": np.median(energy) if len(energy) else None,
        "energy_max_TeV": energy.max() if len(energy) else None,
        "histogram": np.histogram(energy, bins=edges)[0],
    }


def utc(header: fits.Header, keyword: str) -> str | None:
    """A mission time as UTC in ISO form, by MJDREF and TIMESYS (not DATE-OBS, whose scale varies)."""
    if keyword not in header or "MJDREFI" not in header:
        return None
    seconds = header["MJDREFF"] * 86400.0 + header[keyword]
    scale = str(header.get("TIMESYS", "TT")).strip().lower()
    time = Time(header["MJDREFI"], seconds / 86400.0, format="mjd", scale=scale)
    return time.utc.isot + "Z"


def as_text(result: dict[str, Any], edges: np.ndarray) -> str:
    lines = [result["title"], ""]
    if result["notice"]:
        lines += [result["notice"], ""]
    form = "{:>10}  {:<20} {:>9} {:>9}  {:<24} {:>8}"
    lines.append(form.format("obs_id", "object", "ra/deg", "dec/deg", "start (UTC)", "events"))
    for row in result["observations"]:
        angles = [f"{row[key]:.4f}" if row[key] is not None else "" for key in ("ra_pnt", "dec_pnt")]
        start = row["t_start"] or ""
        lines.append(form.format(row["obs_id"], row["object"][:20], *angles, start, row["events"]))
    lines += ["", f"{'energy/TeV':>21} {'events':>9}"]
    for low, high, count in zip(edges[:-1], edges[1:], result["histogram"]):
        lines.append(f"{low:10.4g}-{high:<10.4g} {count:9d}")
    lines += ["", f"{result['tool']}, job {result['job']}", "", result["attribution"]]
    return "\n".join(lines).rstrip() + "\n"
