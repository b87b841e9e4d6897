"""The gamma-ray tools on the H.E.S.S. public test data release."""

from __future__ import annotations

import pytest

from tests.demo_tools import runs

pytestmark = [pytest.mark.slow, pytest.mark.real_data]


@pytest.fixture(autouse=True)
def _gammapy():
    pytest.importorskip("gammapy")


def test_the_flare_shows_in_the_light_curve(tmp_path, real_observations):
    files = real_observations["PKS 2155-304"]
    inputs = {"observations": [files[2], files[3], files[13], files[14]]}
    result = runs.run(tmp_path, "light_curve", inputs).json("lightcurve.json")
    fluxes = [point["flux"] for point in result["points"]]
    assert len(fluxes) == 4
    assert max(fluxes) > 3 * min(fluxes)
    assert result["constant"]["probability"] < 1e-4
