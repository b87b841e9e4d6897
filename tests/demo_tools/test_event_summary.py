"""The event summary against a count of our own."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.table import Table

from tests.demo_tools import runs


def test_counts_energies_and_histogram(tmp_path, simulated):
    path = simulated["Crab Nebula"]
    result = runs.run(tmp_path, "event_summary", {"observations": [path]}, bins_per_decade=2).json(
        "summary.json"
    )
    energy = Table.read(path, hdu="EVENTS")["ENERGY"]
    (row,) = result["observations"]
    assert row["events"] == result["events"] == len(energy)
    assert row["energy_max_TeV"] == pytest.approx(energy.max())
    assert len(result["histogram"]) == 6
    inside = (energy >= 0.1) & (energy <= 100)
    assert sum(result["histogram"]) == np.sum(inside)
    assert row["t_start"].startswith("2011-")
    assert row["t_start"].endswith("Z")


def test_the_text_has_a_line_per_observation(tmp_path, simulated):
    done = runs.run(tmp_path, "event_summary", {"observations": [simulated["Sgr A*"], simulated["LS 5039"]]})
    text = (done.folder / "summary.txt").read_text(encoding="utf-8")
    for row in done.json("summary.json")["observations"]:
        line = next(line for line in text.splitlines() if line.strip().startswith(row["obs_id"]))
        assert row["object"] in line
        assert line.endswith(str(row["events"]))
    assert text.rstrip().endswith(runs.TERMS)
