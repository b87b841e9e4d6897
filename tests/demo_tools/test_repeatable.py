"""A tool gives the same products again (spectra with their OGIP files: test_figures.py)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.io.fits import FITSDiff
from astropy.table import Table

from tests.conftest import require
from tests.demo_tools import runs

STAMPS = ["DATE", "CHECKSUM", "DATASUM"]
DRAWINGS = (".png", ".pdf")


def same(one: Path, other: Path) -> bool:
    """Equal bytes, or equal FITS but for the time of writing."""
    if one.read_bytes() == other.read_bytes():
        return True
    return one.suffix == ".fits" and bool(
        FITSDiff(str(one), str(other), ignore_keywords=STAMPS, ignore_comments=STAMPS).identical
    )


def assert_repeatable(
    folder: Path, tool: str, inputs: Mapping[str, list[Path]], **parameters: object
) -> None:
    first, second = (
        runs.run(folder / turn, tool, inputs, **parameters).folder for turn in ("first", "second")
    )
    products = [p for p in first.rglob("*") if p.is_file() and not p.parent.name.startswith("matplotlib-")]
    compared = [path for path in products if path.suffix not in DRAWINGS and path.name != "job.json"]
    assert compared
    assert [p.name for p in compared if not same(p, second / p.relative_to(first))] == []


@pytest.mark.parametrize("tool", ["counts_map", "event_summary", "light_curve"])
def test_observations(tmp_path: Path, simulated: dict[str, Path], tool: str) -> None:
    assert_repeatable(tmp_path, tool, {"observations": [simulated["Crab Nebula"]]})


def test_tables(tmp_path: Path) -> None:
    generator = np.random.default_rng(5)
    time = np.sort(generator.uniform(55000, 55030, 100))
    table = Table({"mjd": time, "flux": np.sin(time * 9) + generator.normal(0, 0.3, 100)})
    path = tmp_path / "table.fits"
    table.write(path)
    assert_repeatable(tmp_path / "periodogram", "periodogram", {"table": [path]})
    assert_repeatable(tmp_path / "filter", "filter_table", {"table": [path]}, condition="flux > 0")


def test_images(tmp_path: Path) -> None:
    require("source-extractor", "source-extractor")
    y, x = np.mgrid[0:100, 0:100]
    noise = np.random.default_rng(7).normal(100.0, 2.0, (100, 100))
    source = 3000 * np.exp(-((x - 40) ** 2 + (y - 60) ** 2) / 8.0) / 25
    path = tmp_path / "image.fits"
    fits.PrimaryHDU((noise + source).astype(np.float32)).writeto(path)
    assert_repeatable(tmp_path, "source_extraction", {"image": [path]}, threshold=5)
