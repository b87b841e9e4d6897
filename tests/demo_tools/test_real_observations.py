"""The gamma-ray tools on the H.E.S.S. public test data release."""

from __future__ import annotations

import pytest

from tests.demo_tools import runs

pytestmark = [pytest.mark.slow, pytest.mark.real_data]


@pytest.fixture(autouse=True)
def _gammapy():
    pytest.importorskip("gammapy")


def test_the_crab_nebula_has_its_known_spectrum(tmp_path, real_observations):
    """Aharonian et al. 2006, A&A 457, 899: index 2.63; the release's own note: 10 to 25 % on fluxes."""
    inputs = {"observations": real_observations["Crab Nebula"]}
    assert len(inputs["observations"]) == 4
    done = runs.run(tmp_path, "spectrum", inputs, ogip="stacked")
    result = done.json("spectrum.json")
    values = {p["name"]: p["value"] for p in result["model"]["parameters"]}
    assert values["index"] == pytest.approx(2.63, abs=0.15)
    assert values["amplitude"] == pytest.approx(3.6e-11, rel=0.3)
    assert result["significance"] > 30
    assert result["warnings"] == []
    assert [complaint for path in done.fits for complaint in runs.fits_complaints(path)] == []


def test_a_flare_is_no_steady_source_and_the_tool_says_so(tmp_path, real_observations):
    inputs = {"observations": real_observations["PKS 2155-304"]}
    assert len(inputs["observations"]) == 21
    result = runs.run(tmp_path, "spectrum", inputs, ogip="none", points_per_decade=1).json("spectrum.json")
    assert result["n_on"] > 10000
    assert any("does not describe the data" in warning for warning in result["warnings"])
    assert result["fit"]["probability"] < 1e-4


def test_the_flare_shows_in_the_light_curve(tmp_path, real_observations):
    files = real_observations["PKS 2155-304"]
    inputs = {"observations": [files[2], files[3], files[13], files[14]]}
    result = runs.run(tmp_path, "light_curve", inputs).json("lightcurve.json")
    fluxes = [point["flux"] for point in result["points"]]
    assert len(fluxes) == 4
    assert max(fluxes) > 3 * min(fluxes)
    assert result["constant"]["probability"] < 1e-4
