"""The gamma-ray tools on small simulated observations, whose truth is in their headers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.io.votable import parse_single_table
from astropy.table import Table

from tests.demo_tools import runs

pytestmark = pytest.mark.slow

CRAB = "Crab Nebula"


@pytest.fixture(scope="module")
def spectrum(simulated, tmp_path_factory) -> runs.Done:
    return runs.run(tmp_path_factory.mktemp("spectrum"), "spectrum", {"observations": [simulated[CRAB]]})


def test_the_fitted_spectrum_is_the_simulated_one(spectrum, simulated):
    truth = fits.getheader(simulated[CRAB], "EVENTS")
    found = {p["name"]: p for p in spectrum.json("spectrum.json")["model"]["parameters"]}
    index, amplitude = found["index"], found["amplitude"]
    assert abs(index["value"] - truth["SIM_INDX"]) < 3 * index["error"] < 1.0
    assert abs(amplitude["value"] - truth["SIM_AMPL"]) < 3 * amplitude["error"] < truth["SIM_AMPL"]
    assert amplitude["unit"] == "cm-2 s-1 TeV-1"


def test_a_log_parabola_finds_no_curvature_where_there_is_none(spectrum, simulated, tmp_path):
    """It has the power law within it: it fits as well or better, by little, with a curvature that agrees with zero."""
    inputs = {"observations": [simulated[CRAB]]}
    curved = runs.run(tmp_path / "run", "spectrum", inputs, model="log-parabola", ogip="none").json(
        "spectrum.json"
    )
    found = {p["name"]: p for p in curved["model"]["parameters"]}
    assert abs(found["beta"]["value"]) < 3 * found["beta"]["error"] < 1.5
    straight = spectrum.json("spectrum.json")["fit"]
    assert curved["fit"]["dof"] == straight["dof"] - 1
    assert straight["stat"] - 9 < curved["fit"]["stat"] <= straight["stat"] + 0.01
    assert len(curved["model"]["curve"]["dnde"]) == len(curved["model"]["curve"]["energy"]) > 10


def test_counts_agree_with_a_count_by_hand(spectrum, simulated):
    from astropy.coordinates import SkyCoord

    result = spectrum.json("spectrum.json")
    events = Table.read(simulated[CRAB], hdu="EVENTS")
    low, high = result["energy_range"]
    place = SkyCoord(events["RA"], events["DEC"], unit="deg")
    near = place.separation(SkyCoord(result["ra"], result["dec"], unit="deg")).deg < result["radius_deg"]
    assert result["n_on"] == np.sum(near & (events["ENERGY"] >= low) & (events["ENERGY"] < high))
    assert result["excess"] == pytest.approx(result["n_on"] - result["alpha"] * result["n_off"])


def test_the_significance_is_that_of_li_and_ma(spectrum):
    r = spectrum.json("spectrum.json")
    on, off, alpha = r["n_on"], r["n_off"], r["alpha"]
    term_on = on * np.log((1 + alpha) / alpha * on / (on + off))
    term_off = off * np.log((1 + alpha) * off / (on + off))
    assert r["significance"] == pytest.approx(np.sqrt(2 * (term_on + term_off)), rel=1e-4)


def test_flux_points_are_the_same_in_every_form(spectrum):
    points = spectrum.json("spectrum.json")["points"]
    votable = parse_single_table(spectrum.folder / "flux_points.vot").to_table()
    for table in (
        votable, Table.read(spectrum.folder / "flux_points.fits"), Table.read(spectrum.folder / "flux_points.ecsv")
    ):  # fmt: skip
        assert len(table) == len(points) > 3
        np.testing.assert_allclose(table["dnde"], [point["dnde"] for point in points])
        assert table["e_ref"].unit == "TeV"
        assert (
            table["dnde"].unit.to_string("fits") == "TeV-1 s-1 cm-2" or table["dnde"].unit == "cm-2 s-1 TeV-1"
        )


def test_points_below_two_sigma_are_upper_limits(spectrum):
    for point in spectrum.json("spectrum.json")["points"]:
        significance = point["sqrt_ts"] or 0.0
        assert point["is_ul"] == (significance < 2)
        assert point["dnde_ul"] > (point["dnde"] or 0.0)


def test_ogip_files_are_read_by_gammapy_and_hold_the_counts(spectrum):
    from gammapy.datasets import SpectrumDatasetOnOff

    read = SpectrumDatasetOnOff.read(spectrum.folder / "ogip" / "stacked_pha.fits", format="ogip")
    result = spectrum.json("spectrum.json")
    assert read.info_dict()["counts"] == result["n_on"]
    assert read.info_dict()["counts_off"] == result["n_off"]
    header = fits.getheader(spectrum.folder / "ogip" / "stacked_pha.fits", "SPECTRUM")
    assert (header["HDUCLASS"], header["RESPFILE"], header["ANCRFILE"]) == (
        "OGIP", "stacked_rmf.fits", "stacked_arf.fits",
    )  # fmt: skip


def test_every_fits_product_is_verified_and_signed(spectrum):
    assert len(spectrum.fits) == 9
    for path in spectrum.fits:
        assert runs.fits_complaints(path) == []
        header = fits.getheader(path)
        assert header["CREATOR"] == "spectrum@1.0"
        assert header["PROVURL"] == "http://testserver/provenance/abcdefghijklmnopqrstuvwxyz.json"
        assert runs.TERMS in str(header["COMMENT"])
        assert any("ivo://test/c?" in line for line in header["HISTORY"])


def test_json_products_name_their_origin(spectrum, simulated):
    result = spectrum.json("spectrum.json")
    assert result["inputs"][0]["id"] == f"ivo://test/c?{simulated[CRAB].name}"
    assert len(result["inputs"][0]["sha256"]) == 64
    assert result["attribution"] == runs.TERMS
    assert result["tool"] == "spectrum@1.0"


def test_light_curve_has_a_point_per_observation_and_agrees_with_the_model(tmp_path, simulated):
    done = runs.run(tmp_path, "light_curve", {"observations": [simulated[CRAB]]})
    result = done.json("lightcurve.json")
    (point,) = result["points"]
    truth = fits.getheader(simulated[CRAB], "EVENTS")
    low, high = result["energy_range_TeV"]
    slope = 1 - truth["SIM_INDX"]
    expected = truth["SIM_AMPL"] * (high**slope - low**slope) / slope
    assert abs(point["flux"] - expected) < 3 * point["flux_err"] < expected
    assert point["t_stop_mjd"] - point["t_start_mjd"] == pytest.approx(1680 / 86400, rel=1e-3)
    assert [complaint for path in done.fits for complaint in runs.fits_complaints(path)] == []


def test_light_curve_in_minutes_divides_the_observation(tmp_path, simulated):
    result = runs.run(
        tmp_path, "light_curve", {"observations": [simulated[CRAB]]}, binning="minutes", bin_minutes=14
    ).json("lightcurve.json")
    first, second = result["points"]
    assert first["t_stop_mjd"] <= second["t_start_mjd"] + 1e-9
    assert first["n_on"] + second["n_on"] > 0
    assert result["constant"]["dof"] == 1


def test_counts_map_counts_every_event_in_the_field(tmp_path, simulated):
    done = runs.run(
        tmp_path, "counts_map", {"observations": [simulated[CRAB]]}, width=3, energy_min="300 GeV"
    )
    result = done.json("counts_map.json")
    image = fits.getdata(tmp_path / "counts_map.fits")
    assert image.sum() == result["counts"]
    events = Table.read(simulated[CRAB], hdu="EVENTS")
    assert 0 < result["counts"] <= np.sum(events["ENERGY"] >= 0.3)
    assert result["energy_range"] == [0.3, 100.0]
    assert np.hypot(result["peak"]["ra"] - result["ra"], result["peak"]["dec"] - result["dec"]) < 0.1
    assert [complaint for path in done.fits for complaint in runs.fits_complaints(path)] == []


def test_the_command_line_runs_and_reports_progress(tmp_path, simulated):
    done = runs.run_command(tmp_path, "counts_map", {"observations": [simulated[CRAB]]}, bin_size=0.05)
    assert done.returncode == 0, done.stderr
    steps = [line for line in (tmp_path / "progress.jsonl").read_text().splitlines() if '"progress"' in line]
    assert '"progress": 1.0' in steps[-1]
    assert len(steps) > 3


# -- failures: one plain sentence each ------------------------------------------------------------------


@pytest.fixture(scope="module")
def without_responses(simulated, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("bare") / "bare.fits"
    with fits.open(simulated[CRAB]) as hdus:
        kept = [hdu.copy() for hdu in hdus if hdu.name in ("PRIMARY", "EVENTS", "GTI", "POINTING")]
        fits.HDUList(kept).writeto(path)
    return path


def test_missing_responses_are_named(tmp_path, without_responses):
    said = runs.failure(tmp_path, "spectrum", {"observations": [without_responses]})
    assert said == (
        "bare.fits has no instrument response (AEFF and EDISP); choose observations with IRFs, "
        "or use the event summary."
    )


def test_a_counts_map_needs_no_responses(tmp_path, without_responses):
    done = runs.run(tmp_path, "counts_map", {"observations": [without_responses]}, bin_size=0.05)
    assert done.json("counts_map.json")["counts"] > 0


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({"ra": 200.0, "dec": -40.0}, "outside the field of view"),
        ({"exclusion_radius": 2.0}, "No OFF region fits"),
        ({"energy_min": 90.0, "energy_max": 95.0, "safe_range": "none"}, "no event in the region"),
        ({"ra": 83.63}, "Give both right ascension and declination"),
    ],
    ids=["outside", "no OFF", "no events", "half a position"],
)
def test_an_impossible_spectrum_says_why(tmp_path, simulated, parameters, sentence):
    said = runs.failure(tmp_path, "spectrum", {"observations": [simulated[CRAB]]}, **parameters)
    assert sentence in said
    assert "\n" not in said


def test_different_targets_need_a_position(tmp_path, simulated):
    said = runs.failure(tmp_path, "light_curve", {"observations": [simulated[CRAB], simulated["LS 5039"]]})
    assert said.startswith("The observations have different targets (Crab Nebula and LS 5039)")


def test_an_empty_map_and_a_huge_one_are_refused(tmp_path, simulated):
    inputs = {"observations": [simulated[CRAB]]}
    assert "No event" in runs.failure(tmp_path / "a", "counts_map", inputs, ra=10.0, dec=0.0)
    assert "4000 x 4000" in runs.failure(tmp_path / "b", "counts_map", inputs, width=20, bin_size=0.005)


def test_a_file_of_another_kind_ends_with_one_sentence_on_stderr(tmp_path):
    path = tmp_path / "note.fits"
    path.write_text("no FITS at all")
    done = runs.run_command(tmp_path / "run", "event_summary", {"observations": [path]})
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1].startswith("note.fits is no event list in FITS form")
    assert "Traceback" not in done.stderr
