"""The simulated archive: labelled, the same every time, and gammapy finds in it what was put in."""

from __future__ import annotations

import shutil
import subprocess
import warnings
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from gateway.vo.errors import UsageError
from obscore import profile
from obscore.checksums import sha256_of
from obscore.rows import RowMaker
from obscore.simulation import archive, events, instrument, sky
from tests.support.shared import REPOSITORY

gammapy = pytest.importorskip("gammapy", reason="the demo extra is not installed")

PROFILE = REPOSITORY / "deploy/sites/demo/collections/simulated.yaml"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("home") / "simulated"
    assert archive.make(made, observations=16) == 16
    return made


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The archive in the size that a new gateway gets."""
    made = tmp_path_factory.mktemp("whole") / "simulated"
    archive.make(made)
    return made


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_by_default_there_are_forty_observations_of_four_targets() -> None:
    runs = sky.schedule(archive.OBSERVATIONS)
    assert len(runs) >= 40
    assert len({run.source.name for run in runs}) == 4
    assert len({run.obs_id for run in runs}) == len(runs)
    assert all(run.altitude > 40 for run in runs)
    assert all(np.mean(source.nights) == pytest.approx(1) for source in sky.SOURCES)


def test_the_same_seed_gives_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    archive.make(tmp_path / "again", observations=16)
    one = {path.relative_to(folder): sha256_of(path) for path in files(folder)}
    two = {path.relative_to(tmp_path / "again"): sha256_of(path) for path in files(tmp_path / "again")}
    assert one == two
    archive.make(tmp_path / "again", observations=16, seed=1)
    other = {path.relative_to(tmp_path / "again"): sha256_of(path) for path in files(tmp_path / "again")}
    assert set(other) == set(one)
    assert all(other[name] != digest for name, digest in one.items() if name.parts[0] == "data")


def test_every_header_says_that_it_is_simulated(folder: Path) -> None:
    for path in folder.rglob("*.fits.gz"):
        with fits.open(path) as hdus:
            for hdu in hdus:
                assert hdu.header["SIMULATD"] is True
                assert "SIMULATED" in hdu.header["INSTRUME"]
                assert any("SIMULATED" in str(line) for line in hdu.header["COMMENT"])


def test_the_terms_say_so_too_and_what_was_put_in(folder: Path) -> None:
    text = (folder / "README.txt").read_text(encoding="utf-8")
    assert text.startswith("SIMULATED DATA")
    for source in sky.SOURCES:
        assert source.name in text


def test_every_file_becomes_a_row(folder: Path) -> None:
    described = profile.read(PROFILE)
    assert described.collection == archive.COLLECTION
    maker = RowMaker(described, folder, "vogate.demo")
    rows = [maker.row(path) for path in sorted(folder.glob(described.pattern))]
    assert [row.warnings for row in rows] == [[]] * 16
    assert {row.values["target_name"] for row in rows} == {source.name for source in sky.SOURCES}
    assert {target.name for target in described.targets} == {source.name for source in sky.SOURCES}
    for row in rows:
        assert row.values["s_fov"] == 5.0
        assert row.values["obs_title"].startswith("SIMULATED")
        assert row.values["t_max"] - row.values["t_min"] == pytest.approx(sky.RUN_SECONDS / 86400, rel=1e-6)


def test_fitsverify_has_no_complaint(folder: Path) -> None:
    if shutil.which("fitsverify") is None:
        pytest.skip("fitsverify is not installed")
    paths = [folder / "obs-index.fits.gz", folder / "hdu-index.fits.gz", *sorted(folder.glob("data/*"))[:2]]
    for path in paths:
        done = subprocess.run(["fitsverify", "-q", str(path)], capture_output=True, text=True, check=False)
        assert "OK" in done.stdout, done.stdout


def test_nothing_of_others_is_removed(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work", encoding="utf-8")
    with pytest.raises(UsageError, match="holds other files"):
        archive.make(tmp_path, observations=4)
    assert (tmp_path / "thesis.tex").exists()


@pytest.mark.parametrize("count", [0, 3, 1000])
def test_impossible_numbers_are_refused(tmp_path: Path, count: int) -> None:
    with pytest.raises(UsageError):
        archive.make(tmp_path / "x", observations=count)


def test_numbers_of_events_are_those_that_gammapy_expects(folder: Path) -> None:
    """Counts of the source against an integral by gammapy's own effective area and power law."""
    from astropy import units as u
    from gammapy.modeling.models import PowerLawSpectralModel

    run = sky.schedule(16)[0]
    tables = instrument.responses(run.zenith)
    model = PowerLawSpectralModel(
        index=run.source.index,
        amplitude=run.source.amplitude * run.factor * u.Unit("cm-2 s-1 TeV-1"),
        reference=1 * u.TeV,
    )
    edges = np.geomspace(*instrument.ENERGY_TRUE, 2001) * u.TeV
    middle = np.sqrt(edges[1:] * edges[:-1])
    area = tables.aeff.evaluate(energy_true=middle, offset=sky.WOBBLE * u.deg)
    seconds = sky.RUN_SECONDS * instrument.DEAD_TIME_FRACTION * u.s
    expected = (model.integral(edges[:-1], edges[1:]) * area * seconds).to_value("").sum()
    assert events.expected_source_counts(run) == pytest.approx(expected, rel=0.01)
    drawn = [events.draw(run, seed).from_source for seed in range(40)]
    assert np.mean(drawn) == pytest.approx(expected, abs=4 * np.sqrt(expected / 40) + 0.01 * expected)


def test_the_background_is_that_of_the_response(folder: Path) -> None:
    from astropy import units as u

    run = sky.schedule(16)[0]
    table = instrument.responses(run.zenith).bkg
    expected = 0.0
    energy = table.axes["energy"]
    solid = np.radians(0.2) ** 2
    rate = table.data * u.Unit("s-1 MeV-1 sr-1")
    for number, width in enumerate(energy.bin_width):
        expected += float((rate[number].sum() * solid * u.sr * width).to_value("s-1")) * sky.RUN_SECONDS
    assert expected == pytest.approx(instrument.BACKGROUND_RATE * sky.RUN_SECONDS, rel=0.03)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["Crab Nebula", "Sgr A*"])
def test_gammapy_finds_the_spectrum_that_was_put_in(whole: Path, name: str) -> None:
    """Reflected regions and a forward-folded power law, as the spectrum tool does it."""
    warnings.simplefilter("ignore")
    from astropy import units as u
    from astropy.coordinates import SkyCoord
    from gammapy.data import DataStore
    from gammapy.datasets import Datasets, SpectrumDataset
    from gammapy.makers import ReflectedRegionsBackgroundMaker, SafeMaskMaker, SpectrumDatasetMaker
    from gammapy.maps import MapAxis, RegionGeom
    from gammapy.modeling import Fit
    from gammapy.modeling.models import PowerLawSpectralModel, SkyModel
    from regions import CircleSkyRegion

    source = next(source for source in sky.SOURCES if source.name == name)
    store = DataStore.from_dir(whole)
    chosen = store.obs_table[store.obs_table["TARGET_NAME"] == name]["OBS_ID"]
    region = CircleSkyRegion(SkyCoord(source.ra, source.dec, unit="deg"), 0.11 * u.deg)
    energy = MapAxis.from_energy_bounds("0.1 TeV", "50 TeV", nbin=10, per_decade=True, name="energy")
    true = MapAxis.from_energy_bounds("0.05 TeV", "100 TeV", nbin=20, per_decade=True, name="energy_true")
    empty = SpectrumDataset.create(RegionGeom.create(region, axes=[energy]), energy_axis_true=true)
    dataset_maker = SpectrumDatasetMaker(
        containment_correction=True, selection=["counts", "exposure", "edisp"]
    )
    background, safe = (
        ReflectedRegionsBackgroundMaker(),
        SafeMaskMaker(methods=["aeff-max"], aeff_percent=10),
    )
    datasets = Datasets()
    for observation in store.get_observations(chosen):
        made = dataset_maker.run(empty.copy(name=str(observation.obs_id)), observation)
        datasets.append(safe.run(background.run(made, observation), observation))
    stacked = datasets.stack_reduce(name="stacked")
    spectrum = PowerLawSpectralModel(
        index=2, amplitude=1e-12 * u.Unit("cm-2 s-1 TeV-1"), reference=sky.REFERENCE_ENERGY * u.TeV
    )
    stacked.models = [SkyModel(spectrum)]
    assert Fit().run([stacked]).success
    for parameter, truth in ((spectrum.index, source.index), (spectrum.amplitude, source.amplitude)):
        assert abs(parameter.value - truth) < 3 * parameter.error
    assert spectrum.index.error < 0.3
    assert spectrum.amplitude.error < 0.3 * source.amplitude
