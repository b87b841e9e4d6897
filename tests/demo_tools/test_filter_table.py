"""The table filter against numpy, its language against hostile texts, its files against astropy."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from hypothesis import given
from hypothesis import strategies as st

from tests.demo_tools import runs

sys.path.append(str(runs.TOOLS))
from table_expression import Condition, ConditionError

N = 50
GENERATOR = np.random.default_rng(1)
TABLE = {
    "rate": GENERATOR.uniform(0, 200, N),
    "quality": GENERATOR.integers(0, 3, N),
    "name": np.array(["Crab", "M 1", "it's"])[GENERATOR.integers(0, 3, N)],
    "flag": GENERATOR.random(N) < 0.5,
    "Flux err": GENERATOR.uniform(0, 1, N),
    "gap": np.where(np.arange(N) % 3 == 0, np.nan, np.arange(N, dtype=float)),
    "big": np.arange(N, dtype=np.int64) + 2**60,
    "vector": np.zeros((N, 2)),
}
RATE, QUALITY, NAME, FLAG, GAP = (TABLE[name] for name in ("rate", "quality", "name", "flag", "gap"))


def keep(text: str) -> np.ndarray:
    return Condition(text, list(TABLE)).keep(TABLE, N)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("rate > 100", RATE > 100),
        ("RATE>=100 AND quality<>0", (RATE >= 100) & (QUALITY != 0)),
        ("not (rate < 50 or flag)", ~((RATE < 50) | FLAG)),
        ("not not flag", FLAG),
        ("quality = 1 or quality == 2 and flag", (QUALITY == 1) | ((QUALITY == 2) & FLAG)),
        ("name in ('Crab', 'it''s')", (NAME == "Crab") | (NAME == "it's")),
        ("quality not in (0, 2)", QUALITY == 1),
        ('"Flux err" * 2 < 0.5', TABLE["Flux err"] * 2 < 0.5),
        ("-rate + 100 > -2 ** 2", -RATE + 100 > -4),
        ("2 ** 3 ** 2 = 512", np.ones(N, bool)),
        ("rate - 10 - 20 > 40", RATE - 30 > 40),
        ("rate / 2 / 2 > 30", RATE / 4 > 30),
        ("abs(rate - 100) < 10", abs(RATE - 100) < 10),
        ("log10(rate) > 1.5 and sqrt(rate) < 12", (np.log10(RATE) > 1.5) & (np.sqrt(RATE) < 12)),
        ("separation(rate, 0, 90, 0) < 20", abs(RATE - 90) < 20),
        ("sin(rate) > 0.5", np.sin(np.radians(RATE)) > 0.5),
        ("flag = true", FLAG),
        ("big = 1152921504606846979", TABLE["big"] == 1152921504606846979),
        ("gap > 10", GAP > 10),
        ("not gap > 10", (GAP <= 10)),
        ("missing(gap)", np.isnan(GAP)),
        ("gap > 10 or rate >= 0", np.ones(N, bool)),
        ("not (gap > 10 and rate < 0)", np.ones(N, bool)),
        ("log10(-rate) > 0", np.zeros(N, bool)),
    ],
)
def test_conditions_mean_what_numpy_says(text, expected):
    np.testing.assert_array_equal(keep(text), expected)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty"),
        ("rate >", "something is missing"),
        ("rate > 1 2", "'2' is not expected here"),
        ("(rate > 1", "')' is missing"),
        ("1 < rate < 2", "do not chain"),
        ("rat > 1", "no column rat; did you mean rate?"),
        ("ebs(rate) > 1", "no function ebs; did you mean abs?"),
        ("abs(rate, 1) > 1", "abs takes 1 argument"),
        ("rate", "no comparison"),
        ("rate and flag", "join comparisons"),
        ("name > 3", "a text cannot be compared with a number"),
        ("name + 1 > 3", "cannot be calculated with"),
        ("vector > 1", "more than one number per row"),
        ("rate > 1; import os", "';' is not expected here"),
        ("__import__('os') = 0", "no function __import__"),
        ("abs(rate).real = 0", "'.' is not expected here"),
        ("rate.__class__ = 1", "no column rate.__class__"),
        ("rate[0] > 1", "'[' is not expected here"),
        ("lambda: 1", "is not expected here"),
        ("(" * 100 + "1" + ")" * 100 + " = 1", "nested too deeply"),
        ("2 **" * 300 + "2 = 1", "nested too deeply"),
        ("1 = 1 " + "and 1 = 1 " * 400, "longer than 2000"),
        ("'open", "is not expected here"),
        ("0x10 > 1", "is not expected here"),
    ],
)
def test_what_is_not_of_the_language_is_refused_with_a_reason(text, message):
    with pytest.raises(
        ConditionError,
        match=message.replace("(", r"\(").replace(")", r"\)").replace("?", r"\?").replace("[", r"\["),
    ):
        keep(text)


@given(st.text(alphabet="rate qulity()<>=!'\"+-*/.,0123456789andornot_in", max_size=40))
def test_nothing_but_a_condition_error_comes_out_of_any_text(text):
    try:
        found = keep(text)
    except ConditionError:
        return
    assert found.shape == (N,)


@pytest.fixture
def file(tmp_path):
    columns = [
        fits.Column("ENERGY", "E", unit="TeV", array=RATE.astype(np.float32)),
        fits.Column("KIND", "J", null=-1, array=np.where(QUALITY == 0, -1, QUALITY)),
        fits.Column("NAME", "8A", array=NAME),
        fits.Column("U16", "I", bzero=32768, array=np.arange(N, dtype=np.uint16) + 40000),
        fits.Column("SPEC", "3E", array=np.arange(3 * N, dtype=np.float32).reshape(N, 3)),
        fits.Column("BITS", "L", array=FLAG),
    ]
    table = fits.BinTableHDU.from_columns(columns, name="EVENTS")
    table.header["TUCD1"] = "em.energy"
    table.header["TUCD4"] = "meta.number"
    table.header["MYKEY"] = (12.5, "kept")
    path = tmp_path / "table.fits"
    fits.HDUList([fits.PrimaryHDU(), table, fits.ImageHDU(np.zeros((2, 2)), name="MAP")]).writeto(path)
    return path


def test_rows_columns_and_keywords(tmp_path, file):
    done = runs.run(
        tmp_path / "run", "filter_table", {"table": [file]},
        condition="energy > 100 and kind = 1", columns="U16, energy, NAME,SPEC, KIND",
    )  # fmt: skip
    expected = (RATE.astype(np.float32) > 100) & (QUALITY == 1)
    with fits.open(done.folder / "filtered.fits") as hdus:
        assert [hdu.name for hdu in hdus] == ["PRIMARY", "EVENTS", "MAP"]
        data, header = hdus[1].data, hdus[1].header
        assert data.columns.names == ["U16", "ENERGY", "NAME", "SPEC", "KIND"]
        np.testing.assert_array_equal(data["ENERGY"], RATE.astype(np.float32)[expected])
        np.testing.assert_array_equal(data["U16"], np.arange(N)[expected] + 40000)
        np.testing.assert_array_equal(data["SPEC"], np.arange(3 * N).reshape(N, 3)[expected])
        assert (header["TUCD2"], header["TUCD1"], header["MYKEY"]) == ("em.energy", "meta.number", 12.5)
        assert (data.columns["ENERGY"].unit, data.columns["KIND"].null) == ("TeV", -1)
    result = done.json("filtered.json")
    assert (result["rows_in"], result["rows_out"]) == (N, expected.sum())
    votable = Table.read(done.folder / "filtered.vot")
    np.testing.assert_array_equal(votable["ENERGY"], RATE.astype(np.float32)[expected])
    assert votable["ENERGY"].unit == "TeV"
    assert runs.fits_complaints(done.folder / "filtered.fits") == []


def test_null_values_satisfy_no_comparison(tmp_path, file):
    done = runs.run(tmp_path / "run", "filter_table", {"table": [file]}, condition="kind < 2")
    assert done.json("filtered.json")["rows_out"] == np.sum(QUALITY == 1)


def test_a_filtered_event_list_is_still_one(tmp_path, simulated):
    path = simulated["Crab Nebula"]
    done = runs.run(
        tmp_path / "run", "filter_table", {"table": [path]},
        condition="ENERGY > 1 and separation(RA, DEC, 83.633, 22.014) < 0.5", extension="EVENTS",
    )  # fmt: skip
    summary = runs.run(
        tmp_path / "summary", "event_summary", {"observations": [done.folder / "filtered.fits"]}
    )
    assert summary.json("summary.json")["events"] == done.json("filtered.json")["rows_out"] > 0
    with fits.open(path) as before, fits.open(done.folder / "filtered.fits") as after:
        assert [hdu.name for hdu in after] == [hdu.name for hdu in before]


def test_the_first_rows_of_a_table_alone(tmp_path, file):
    done = runs.run(tmp_path / "run", "filter_table", {"table": [file]}, max_rows=3, keep_others=False)
    with fits.open(done.folder / "filtered.fits") as hdus:
        assert len(hdus) == 2
        np.testing.assert_array_equal(hdus[1].data["ENERGY"], RATE.astype(np.float32)[:3])


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({"condition": "energy > 1e9"}, "No row satisfies the condition."),
        ({"condition": "enrgy > 1"}, "There is no column enrgy; did you mean ENERGY? (character 1 of 'enrgy > 1')."),
        ({"columns": "ENERGIE"}, "There is no column 'ENERGIE'; did you mean ENERGY?"),
        ({"extension": "GTI"}, "table.fits has no table 'GTI'; it has EVENTS (1)."),
        ({"extension": "MAP"}, "table.fits has no table 'MAP'; it has EVENTS (1)."),
    ],
)  # fmt: skip
def test_failures_are_sentences(tmp_path, file, parameters, sentence):
    assert runs.failure(tmp_path / "run", "filter_table", {"table": [file]}, **parameters) == sentence


def test_no_rows_are_fine_where_they_are_allowed(tmp_path, file):
    done = runs.run(
        tmp_path / "run", "filter_table", {"table": [file]}, condition="energy > 1e9", allow_empty=True
    )
    assert len(fits.getdata(done.folder / "filtered.fits", 1)) == 0
