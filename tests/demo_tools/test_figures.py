"""The figures that the H.E.S.S. DL3 DR1 data have to give, and agreement with gammapy's own way to read them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.demo_tools import runs
from tests.support.shared import shared_folder

pytestmark = [pytest.mark.slow, pytest.mark.real_data]

Files = dict[str, list[Path]]
STEADY = slice(15, 21)
"""PKS 2155-304: the six observations of 2008, after the fifteen of the flare night."""


@pytest.fixture(autouse=True)
def _gammapy() -> None:
    pytest.importorskip("gammapy")


@pytest.fixture(scope="module")
def crab(real_observations: Files, tmp_path_factory: pytest.TempPathFactory) -> runs.Done:
    folder = tmp_path_factory.mktemp("crab") / "work"
    return runs.run(folder, "spectrum", {"observations": real_observations["Crab Nebula"]})


def parameter(result: dict, name: str) -> tuple[float, float]:
    (found,) = [one for one in result["model"]["parameters"] if one["name"] == name]
    return found["value"], found["error"]


def test_crab_nebula(crab: runs.Done) -> None:
    """Index 2.63 +- 0.06, amplitude 4.26 +- 0.22 in 1e-11 cm-2 s-1 TeV-1 at 1 TeV, stat/dof 95/72."""
    result = crab.json("spectrum.json")
    assert parameter(result, "index") == pytest.approx((2.63, 0.06), abs=0.005)
    assert np.array(parameter(result, "amplitude")) * 1e11 == pytest.approx((4.26, 0.22), abs=0.005)
    assert (round(result["fit"]["stat"]), result["fit"]["dof"]) == (95, 72)
    assert result["warnings"] == []


def test_pks_2155_when_steady(real_observations: Files, tmp_path: Path) -> None:
    """Index 3.37 +- 0.18."""
    files = real_observations["PKS 2155-304"][STEADY]
    result = runs.run(tmp_path / "work", "spectrum", {"observations": files}, ogip="none").json(
        "spectrum.json"
    )
    value, error = parameter(result, "index")
    assert value == pytest.approx(3.37, abs=0.005)
    assert error == pytest.approx(0.18, abs=0.006)


def test_pks_2155_flare_and_quiet_together(real_observations: Files, tmp_path: Path) -> None:
    """stat/dof about 8940/448: the sources of two epochs are no one spectrum, and the tool says so."""
    inputs = {"observations": real_observations["PKS 2155-304"]}
    parameters = {"ogip": "none", "points_per_decade": 1}
    result = runs.run(tmp_path / "work", "spectrum", inputs, **parameters).json("spectrum.json")
    assert result["fit"]["stat"] == pytest.approx(8940, abs=10)
    assert result["fit"]["dof"] == 448
    assert any("does not describe the data" in warning for warning in result["warnings"])


def test_a_single_file_is_read_as_the_data_store_reads_it(real_observations: Files) -> None:
    from gammapy.data import DataStore, Observation

    path = real_observations["Crab Nebula"][0]
    alone = Observation.read(path)
    (stored,) = DataStore.from_dir(shared_folder("data/hess-dl3-dr1")).get_observations([alone.obs_id])
    for name in ("aeff", "edisp", "psf", "bkg"):
        np.testing.assert_array_equal(getattr(alone, name).data, getattr(stored, name).data)
        assert type(getattr(alone, name)) is type(getattr(stored, name))
    np.testing.assert_array_equal(alone.events.energy, stored.events.energy)
    assert alone.observation_live_time_duration == stored.observation_live_time_duration
    assert alone.gti.time_start.utc == stored.gti.time_start.utc


def test_gammapy_fits_the_ogip_files_as_the_observations(crab: runs.Done) -> None:
    """The files alone, read back from keV and cm2, give the fit from which they were written."""
    from gammapy.datasets import Datasets, SpectrumDatasetOnOff
    from gammapy.modeling import Fit
    from gammapy.modeling.models import PowerLawSpectralModel, SkyModel

    paths = sorted((crab.folder / "ogip").glob("obs_*_pha.fits"))
    assert len(paths) == 4
    datasets = Datasets([SpectrumDatasetOnOff.read(path, name=path.stem) for path in paths])
    model = SkyModel(PowerLawSpectralModel(index=2, amplitude="1e-11 cm-2 s-1 TeV-1"), name="source")
    datasets.models = [model]
    Fit().run(datasets)
    result = crab.json("spectrum.json")
    assert model.spectral_model.index.value == pytest.approx(parameter(result, "index")[0], rel=1e-3)
    assert model.spectral_model.amplitude.value == pytest.approx(parameter(result, "amplitude")[0], rel=1e-3)
    assert datasets.stat_sum() == pytest.approx(result["fit"]["stat"], abs=0.05)


def test_ogip_files_have_the_units_and_types_of_the_standard(crab: runs.Done) -> None:
    from astropy.io import fits

    folder = crab.folder / "ogip"
    spectrum = fits.open(folder / "stacked_pha.fits")["SPECTRUM"]
    assert [spectrum.columns[name].format for name in ("CHANNEL", "COUNTS", "QUALITY", "BACKSCAL")] == list(
        "IJIE"
    )
    assert set(spectrum.data["QUALITY"]) == {0, 5}
    assert spectrum.header["TELESCOP"] == "HESS"
    area = fits.open(folder / "stacked_arf.fits")["SPECRESP"]
    assert [column.unit for column in area.columns] == ["keV", "keV", "cm2"]
    assert 1e8 < area.data["ENERG_HI"].max() < 1e12
    assert 1e8 < area.data["SPECRESP"].max() < 1e11
    bounds = fits.open(folder / "stacked_rmf.fits")["EBOUNDS"]
    assert bounds.columns["E_MIN"].unit == "keV"
    assert bounds.data["E_MIN"][0] == pytest.approx(1e8)


def test_every_picture_table_and_document_carries_job_tool_and_terms(crab: runs.Done) -> None:
    from astropy.io.votable import parse
    from astropy.table import Table
    from PIL import Image

    said = {}
    for path in crab.folder.glob("*.png"):
        with Image.open(path) as image:
            said[path.name] = " ".join(map(str, image.info.values()))
    votable = parse(crab.folder / "flux_points.vot")
    said["votable"] = " ".join(info.value for info in votable.resources[0].infos)
    table = Table.read(crab.folder / "flux_points.ecsv")
    said["ecsv"] = " ".join(map(str, table.meta["provenance"].values()))
    said["pdf"] = (crab.folder / "spectrum.pdf").read_bytes().decode("latin-1")
    assert len(said) == 6
    for name, text in said.items():
        for part in ("abcdefghijklmnopqrstuvwxyz", "spectrum@1.0", runs.TERMS):
            assert part in text, name


@pytest.mark.stilts
def test_votlint_finds_nothing_in_the_tables(crab: runs.Done) -> None:
    import subprocess

    from tests.conftest import require

    require("stilts", "stilts")
    command = ["stilts", "votlint", str(crab.folder / "flux_points.vot")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout + done.stderr == ""


def test_the_same_run_twice_leaves_the_same_files(
    crab: runs.Done, real_observations: Files, tmp_path: Path
) -> None:
    inputs = {"observations": real_observations["Crab Nebula"]}
    again = runs.run(tmp_path / "work", "spectrum", inputs)
    for path in crab.folder.rglob("*"):
        if path.is_file():
            assert (again.folder / path.relative_to(crab.folder)).read_bytes() == path.read_bytes(), path.name


def test_a_light_curve_is_what_gammapy_says_of_each_observation(
    real_observations: Files, tmp_path: Path
) -> None:
    """gammapy's own light curve estimator on datasets made by hand gives the same fluxes."""
    import astropy.units as u
    from astropy.coordinates import SkyCoord
    from gammapy.data import Observation
    from gammapy.datasets import Datasets, SpectrumDataset
    from gammapy.estimators import LightCurveEstimator
    from gammapy.makers import ReflectedRegionsBackgroundMaker, SafeMaskMaker, SpectrumDatasetMaker
    from gammapy.maps import MapAxis, RegionGeom, WcsGeom
    from gammapy.modeling.models import PowerLawSpectralModel, SkyModel
    from regions import CircleSkyRegion

    files = real_observations["PKS 2155-304"][:3]
    ours = runs.run(tmp_path / "work", "light_curve", {"observations": files}, index=3.0).json(
        "lightcurve.json"
    )
    center = SkyCoord(ours["ra"], ours["dec"], unit="deg")
    energy = MapAxis.from_energy_bounds("1 TeV", "40 TeV", nbin=10, per_decade=True)
    true = MapAxis.from_energy_bounds("0.05 TeV", "100 TeV", nbin=20, per_decade=True, name="energy_true")
    region = RegionGeom.create(CircleSkyRegion(center, 0.11 * u.deg), axes=[energy])
    around = WcsGeom.create(skydir=center, width=1.6, binsz=0.02, proj="TAN", frame="icrs")
    mask = ~around.region_mask([CircleSkyRegion(center, 0.3 * u.deg)])
    datasets = Datasets()
    for path in files:
        observation = Observation.read(path)
        empty = SpectrumDataset.create(region, energy_axis_true=true, name=path.stem)
        dataset = SpectrumDatasetMaker(
            containment_correction=True, selection=["counts", "exposure", "edisp"]
        ).run(empty, observation)
        dataset = ReflectedRegionsBackgroundMaker(exclusion_mask=mask).run(dataset, observation)
        datasets.append(SafeMaskMaker(methods=["aeff-max"], aeff_percent=10).run(dataset, observation))
    datasets.models = [
        SkyModel(PowerLawSpectralModel(index=3.0, amplitude="1e-11 cm-2 s-1 TeV-1"), name="source")
    ]
    estimator = LightCurveEstimator(energy_edges=[1, 40] * u.TeV, source="source", selection_optional=["ul"])
    theirs = estimator.run(datasets).to_table(sed_type="flux", format="lightcurve")
    for name in ("flux", "flux_err", "flux_ul"):
        expected = theirs[name].quantity.to_value("cm-2 s-1").ravel()
        np.testing.assert_allclose([point[name] for point in ours["points"]], expected, rtol=2e-3)
