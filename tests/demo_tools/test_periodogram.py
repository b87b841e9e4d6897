"""The periodogram finds a period that was put in, and astropy's own numbers."""

from __future__ import annotations

import numpy as np
import pytest
from astropy import units as u
from astropy.io.votable import parse_single_table
from astropy.table import Table
from astropy.timeseries import LombScargle

from tests.demo_tools import runs

PERIOD = 0.7365


def series(**names: str) -> Table:
    generator = np.random.default_rng(3)
    time = np.sort(generator.uniform(55000, 55030, 120))
    value = 10 + np.sin(2 * np.pi * time / PERIOD) + generator.normal(0, 0.4, 120)
    columns = {"time": "mjd", "value": "flux", "error": "flux_err"} | names
    return Table({columns["time"]: time * u.d, columns["value"]: value, columns["error"]: np.full(120, 0.4)})


def write(tmp_path, table: Table, form: str):
    path = tmp_path / f"table.{form}"
    kinds = {"fits": "fits", "vot": "votable", "ecsv": "ascii.ecsv", "csv": "ascii.csv"}
    table.write(path, format=kinds[form])
    return path


@pytest.mark.parametrize("form", ["fits", "vot", "ecsv", "csv"])
def test_the_period_is_found_in_every_form_of_table(tmp_path, form):
    done = runs.run(tmp_path / "run", "periodogram", {"table": [write(tmp_path, series(), form)]})
    result = done.json("periodogram.json")
    assert result["best"]["period"] == pytest.approx(PERIOD, rel=2e-3)
    assert result["best"]["false_alarm_probability"] < 1e-6
    assert (result["time_column"], result["value_column"], result["error_column"]) == (
        "mjd",
        "flux",
        "flux_err",
    )
    assert len(result["peaks"]) == 5
    assert bool(result["warnings"]) == (form == "csv")  # CSV has no units


def test_power_and_probability_are_astropys(tmp_path):
    table = series()
    done = runs.run(tmp_path / "run", "periodogram", {"table": [write(tmp_path, table, "ecsv")]})
    result = done.json("periodogram.json")
    direct = LombScargle(*(np.asarray(table[name]) for name in ("mjd", "flux", "flux_err")))
    best = result["best"]
    assert best["power"] == pytest.approx(direct.power(best["frequency"]), rel=1e-3)
    probability = direct.false_alarm_probability(best["power"], maximum_frequency=result["frequency_max"])
    assert best["false_alarm_probability"] == pytest.approx(probability, rel=0.2)
    saved = parse_single_table(done.folder / "periodogram.vot").to_table()
    assert saved["frequency"].unit == u.d**-1
    assert saved["power"].max() == pytest.approx(best["power"])
    assert max(result["curve"]["power"]) == pytest.approx(best["power"])
    assert len(result["curve"]["power"]) <= 2000
    assert [complaint for path in done.fits for complaint in runs.fits_complaints(path)] == []


def test_noise_has_no_significant_peak(tmp_path):
    table = series()
    table["flux"] = np.random.default_rng(5).normal(0, 1, len(table))
    result = runs.run(
        tmp_path / "run", "periodogram", {"table": [write(tmp_path, table, "ecsv")]}, error_column="flux_err"
    ).json("periodogram.json")
    assert result["best"]["false_alarm_probability"] > 1e-3


def test_columns_and_periods_can_be_chosen(tmp_path):
    table = series(time="when", value="what", error="wobble")
    table["when"] = table["when"].to("h")
    result = runs.run(
        tmp_path / "run", "periodogram", {"table": [write(tmp_path, table, "ecsv")]},
        time_column="WHEN", value_column="what", error_column="wobble", period_min="12 h", period_max="2 d", peaks=1,
    ).json("periodogram.json")  # fmt: skip
    assert result["best"]["period"] == pytest.approx(PERIOD, rel=2e-3)
    assert result["frequency_min"] == pytest.approx(0.5)
    assert len(result["peaks"]) == 1


@pytest.mark.slow
def test_our_own_light_curves_are_read_as_they_are(tmp_path, simulated):
    curve = runs.run(
        tmp_path / "curve", "light_curve", {"observations": [simulated["Crab Nebula"]]}, binning="minutes", bin_minutes=3
    )  # fmt: skip
    for name in ("lightcurve.vot", "lightcurve.fits", "lightcurve.ecsv"):
        result = runs.run(tmp_path / name, "periodogram", {"table": [curve.folder / name]}).json(
            "periodogram.json"
        )
        assert result["n"] == len(curve.json("lightcurve.json")["points"])
        assert result["time_column"] == "t_start_mjd and t_stop_mjd"
        assert (result["value_column"], result["error_column"]) == ("flux", "flux_err")


@pytest.mark.parametrize(
    ("change", "parameters", "sentence"),
    [
        (lambda t: t[:4], {}, "A period cannot be searched for in 4 points; at least 6 are needed."),
        (
            lambda t: t,
            {"value_column": "fluxx"},
            "There is no column 'fluxx'; there are mjd, flux and flux_err.",
        ),
        (lambda t: t["mjd", "flux_err"], {}, "Say which column holds the values"),
        (lambda t: t, {"period_min": 1e-7}, "frequencies; at most 5000000 are possible"),
        (lambda t: t, {"period_min": 40.0}, "The shortest period (40 d) must be below the longest"),
    ],
)
def test_what_cannot_be_searched_is_said(tmp_path, change, parameters, sentence):
    path = write(tmp_path, change(series()), "ecsv")
    assert sentence in runs.failure(tmp_path / "run", "periodogram", {"table": [path]}, **parameters)


def test_what_is_no_table_is_said(tmp_path):
    path = tmp_path / "x.fits"
    path.write_bytes(b"\x00\x01\x02")
    assert "is no table in FITS, VOTable, ECSV or CSV form" in runs.failure(
        tmp_path / "run", "periodogram", {"table": [path]}
    )
