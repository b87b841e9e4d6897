"""The 105 observations of H.E.S.S. DL3 DR1 through the demo site's profile."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.table import Table
from astropy.time import Time

from obscore import profile
from obscore.rows import RowMaker
from tests.support.shared import REPOSITORY, shared_folder

pytestmark = pytest.mark.real_data


@pytest.fixture(scope="module")
def folder() -> Path:
    return shared_folder("data/hess-dl3-dr1")


@pytest.fixture(scope="module")
def rows(folder: Path) -> dict[str, dict[str, Any]]:
    """ObsCore rows by obs_id."""
    described = profile.read(REPOSITORY / "deploy/sites/demo/collections/hess-dl3-dr1.yaml")
    maker = RowMaker(described, folder, "vogate.demo")
    made = [maker.row(path) for path in sorted(folder.glob(described.pattern))]
    assert [row.warnings for row in made if row.warnings] == []
    return {row.values["obs_id"]: row.values for row in made}


def test_there_is_a_row_for_each_observation(rows: dict[str, dict[str, Any]], folder: Path) -> None:
    index = Table.read(folder / "obs-index.fits.gz")
    assert set(rows) == {str(one) for one in index["OBS_ID"]}
    assert len(rows) == 105


def test_a_cone_on_pks_2155_meets_21_footprints(rows: dict[str, dict[str, Any]]) -> None:
    shapes = [row["s_region"].split() for row in rows.values()]
    assert {(kind, frame) for kind, frame, *_ in shapes} == {("CIRCLE", "ICRS")}
    ra, dec, radius = np.array([[float(number) for number in shape[2:]] for shape in shapes]).T
    target = SkyCoord(329.717, -30.226, unit="deg")
    met = SkyCoord(ra, dec, unit="deg").separation(target).deg <= radius + 0.001
    assert met.sum() == 21
    assert {row["target_name"] for row, hit in zip(rows.values(), met) if hit} == {"PKS 2155-304"}


def test_times_are_utc(rows: dict[str, dict[str, Any]], folder: Path) -> None:
    """DATE-OBS and TIME-OBS of the index are an independent statement of the start, in TT."""
    index = Table.read(folder / "obs-index.fits.gz")
    for entry in index:
        row = rows[str(entry["OBS_ID"])]
        start = Time(f"{entry['DATE-OBS']}T{entry['TIME-OBS']}", scale="tt")
        stop = Time(f"{entry['DATE-END']}T{entry['TIME-END']}", scale="tt")
        assert abs(row["t_min"] - start.utc.mjd) * 86400 < 0.01
        assert abs(row["t_max"] - stop.utc.mjd) * 86400 < 0.01
        assert (start.mjd - row["t_min"]) * 86400 > 64  # reading TT as UTC would be this wrong


def test_fields_and_energies(rows: dict[str, dict[str, Any]], folder: Path) -> None:
    index = Table.read(folder / "obs-index.fits.gz")
    lowest = dict(zip(map(str, index["OBS_ID"]), index["SAFE_ENERGY_LO"]))
    for obs_id, row in rows.items():
        assert row["s_fov"] == 5.0
        assert row["dataproduct_type"] == "event"
        assert [row[name] for name in ("s_xel1", "s_xel2", "t_xel", "em_xel", "pol_xel")] == [-1] * 5
        assert row["o_ucd"] is None
        assert row["em_min"] == pytest.approx(1.239842e-20, rel=1e-6)
        assert row["em_max"] == pytest.approx(1.239842e-18 / lowest[obs_id], rel=1e-6)
        assert row["em_min"] < row["em_max"]


def test_positions_are_icrs_though_the_headers_are_fk5(rows: dict[str, dict[str, Any]], folder: Path) -> None:
    path = folder / "data/hess_dl3_dr1_obs_id_020136.fits.gz"
    header = fits.getheader(path, "EVENTS")
    expected = SkyCoord(header["RA_PNT"], header["DEC_PNT"], unit="deg", frame="fk5", equinox="J2000").icrs
    row = rows["20136"]
    assert SkyCoord(row["s_ra"], row["s_dec"], unit="deg").separation(expected).arcsec < 1e-6


def test_targets_have_the_release_s_names(rows: dict[str, dict[str, Any]]) -> None:
    names = [row["target_name"] for row in rows.values()]
    counts = {name: names.count(name) for name in set(names)}
    assert counts == {
        "Crab Nebula": 4,
        "PKS 2155-304": 21,
        "MSH 15-52": 20,
        "RX J1713.7-3946": 15,
        "Off data": 45,
    }
    assert sum("(steady)" in row["obs_title"] for row in rows.values()) == 6
