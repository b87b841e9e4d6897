"""Numbers, errors, units and fit quality as the pages print them."""

import math

import pytest
from scipy.stats import chi2

from gateway.portal.numbers import (
    asymmetric_text,
    chi2_p_value,
    measurement_text,
    number_text,
    unit_text,
)
from gateway.portal.products import date_text, fit_warnings, product
from tests.portal.job_builders import light_curve_data, spectrum_data


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (2.628, 0.0612, "2.628 ± 0.061"),
        (4.2632e-11, 2.211e-12, "(4.26 ± 0.22) × 10⁻¹¹"),
        (-0.12, 0.03, "−0.120 ± 0.030"),
        (1.0, 0.0, "1.000"),
        (None, 0.1, "–"),
        (math.nan, 0.1, "–"),
    ],
)
def test_a_value_is_printed_to_two_digits_of_its_error(value, error, text):
    assert measurement_text(value, error) == text


def test_unequal_errors_share_the_power_of_ten():
    assert asymmetric_text(1.8e-10, 2.9e-11, 3.6e-11) == "(1.80 +0.36 −0.29) × 10⁻¹⁰"
    assert asymmetric_text(1.8, 0.29, 0.30) == "1.80 ± 0.29"


def test_numbers_far_from_one_have_powers_of_ten():
    assert [number_text(v) for v in (0.1234, 12345, 123456, 0, 1.5e-12)] == [
        "0.123", "12345", "1.23 × 10⁵", "0", "1.50 × 10⁻¹²",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("unit", "text"),
    [
        ("cm-2 s-1 TeV-1", "cm⁻² s⁻¹ TeV⁻¹"),
        ("cm**-2", "cm⁻²"),
        ("m.s-2", "m s⁻²"),
        ("TeV", "TeV"),
        (None, ""),
    ],
)
def test_units_have_superscripts(unit, text):
    assert unit_text(unit) == text


@pytest.mark.parametrize(("statistic", "dof"), [(95, 72), (1, 5), (0.1, 1), (500, 448), (60, 72), (30, 2)])
def test_p_values_are_those_of_scipy(statistic, dof):
    assert chi2_p_value(statistic, dof) == pytest.approx(chi2.sf(statistic, dof), rel=1e-9)


def test_a_hopeless_fit_has_p_zero_and_not_an_error():
    assert chi2_p_value(8940, 448) == 0.0


def test_the_crab_fits_and_the_21_runs_of_pks_2155_do_not():
    assert fit_warnings({"stat": 95, "dof": 72, "success": True}) == ()
    (warning,) = fit_warnings({"stat": 8940, "dof": 448, "success": True})
    assert "8940.0/448" in warning


def test_a_fit_that_did_not_converge_says_why():
    (warning,) = fit_warnings({"stat": 10, "dof": 9, "success": False, "message": "Call limit reached."})
    assert warning == "The fit did not converge (Call limit reached)."


def test_spectrum_numbers_stand_beside_the_plot():
    found = product("spectrum", spectrum_data())
    assert ("index", "2.628 ± 0.061", "", "") in found.parameters.rows
    assert ("reference", "1.000", "fixed", "TeV") in found.parameters.rows
    assert found.points.rows[-1][2].startswith("< ")
    assert len(found.points.rows) == 9
    assert dict(found.facts)["stat / dof"] == "95.2 / 72 (p = 0.035)"


def test_light_curve_times_are_in_the_scale_of_the_file():
    found = product("lightcurve", light_curve_data())
    assert found.points.units[1] == "MJD TT"
    assert found.points.rows[0][1:3] == ("53343.92000", "2004-12-04 22:04")


def test_a_light_curve_says_whether_the_flux_is_constant():
    facts = dict(product("lightcurve", light_curve_data()).facts)
    assert facts["Mean flux"] == "(2.40 ± 0.10) × 10⁻¹¹ cm⁻² s⁻¹"
    assert facts["Constant, stat / dof"] == "5.0 / 3 (p = 0.17): compatible with a constant flux"


def test_mjd_zero_is_in_1858():
    assert date_text(0) == "1858-11-17 00:00"


def test_what_is_no_spectrum_is_refused():
    with pytest.raises(ValueError, match="form"):
        product("spectrum", [1, 2])
