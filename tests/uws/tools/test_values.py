"""What users type becomes values in declared types and units, or a sentence."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.vo.errors import UsageError
from tests.uws.tools.descriptions import tool


@pytest.fixture(scope="module")
def measure(tmp_path_factory):
    return tool(tmp_path_factory.mktemp("tool"))


def refused(measure, **values) -> UsageError:
    with pytest.raises(UsageError) as caught:
        measure.validate(values)
    return caught.value


def test_defaults_are_filled_in_and_options_without_one_left_out(measure):
    assert measure.validate({}) == {"low": 0.5, "high": 10.0, "count": 3, "deep": False, "mode": "fast"}


@pytest.mark.parametrize(
    ("typed", "value"),
    [
        ("0.7", 0.7), ("700 GeV", 0.7), ("7e2GeV", 0.7), ("1.1214122e-7 J", pytest.approx(0.69994, rel=1e-4)),
        (2, 2), (" 3 ", 3), ("300 GeV", 0.3),
    ],
)  # fmt: skip
def test_units_are_converted(measure, typed, value):
    assert measure.validate({"low": typed})["low"] == value


@pytest.mark.parametrize(
    ("typed", "degrees"), [("5h34m31.94s", 83.63308), ("83d37m59.1s", 83.63308), ("5019.98 arcmin", 83.6663)]
)
def test_angles_may_be_sexagesimal_with_letters(measure, typed, degrees):
    assert measure.validate({"ra": typed})["ra"] == pytest.approx(degrees, abs=1e-4)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"low": "0"}, "Lowest energy must be above 0 TeV, not 0 TeV."),
        ({"low": "200"}, "Lowest energy must be at most 100 TeV, not 200 TeV."),
        ({"low": "5 m"}, "Lowest energy is in TeV; 'm' is no unit of that kind."),
        ({"low": "low"}, "Lowest energy must be a number, not 'low'."),
        ({"low": float("nan")}, "Lowest energy must be a finite number."),
        ({"low": float("inf")}, "Lowest energy must be a finite number."),
        ({"low": ["1", "2"]}, "Lowest energy takes one value, not 2."),
        ({"count": "2.5"}, "Count must be a whole number, not 2.5."),
        ({"count": "2 m"}, "Count has no unit, so 'm' does not fit."),
        ({"deep": "perhaps"}, "Deep must be true or false, not 'perhaps'."),
        ({"label": "x" * 21}, "Label is longer than 20 characters."),
        ({"label": "A"}, "Label does not have the right form: 'A'."),
        ({"label": "a\x07"}, "Label contains control characters."),
        ({"mode": "slwo"}, "Mode must be one of fast, slow, not 'slwo'. Did you mean slow?"),
        ({"bands": "1,2,3,4"}, "Bands takes at most 3 values, not 4."),
        ({"bands": "1,-2"}, "Bands must be at least 0 TeV, not -2 TeV."),
        ({"low": 20}, "The lowest energy must be below the highest."),
        ({"lo": 1}, "Measure has no parameter 'lo'. Did you mean low"),
    ],
    ids=str,
)
def test_faults_are_sentences(measure, values, sentence):
    assert str(refused(measure, **values)).startswith(sentence)


def test_the_parameter_at_fault_is_named(measure):
    assert refused(measure, count="x").field == "count"
    assert refused(measure, low=20).field == "high"


def test_all_faults_are_found_for_a_form(measure):
    _, faults = measure.check({"low": "x", "count": 0, "colour": "red"})
    assert sorted(fault.field for fault in faults) == ["colour", "count", "low"]


def test_names_are_case_insensitive_and_blank_fields_are_absent(measure):
    assert measure.validate({"LOW": "2", "Count": "  "})["low"] == 2
    assert measure.validate({"count": ""})["count"] == 3


def test_votables_null_is_absent_where_a_number_is_wanted(measure):
    assert measure.validate({"low": "NaN", "ra": "nan", "label": "nan"}) == measure.validate({"label": "nan"})


def test_a_conditional_parameter_counts_only_while_its_condition_holds(measure):
    assert measure.validate({"mode": "slow"})["steps"] == 5
    assert "steps" not in measure.validate({"mode": "fast", "steps": "99"})
    assert "at most 9" in str(refused(measure, mode="slow", steps="99"))


def test_lists_come_as_lists_or_text(measure):
    assert measure.validate({"bands": "1; 2 TeV, 300 GeV"})["bands"] == [1, 2, 0.3]
    assert measure.validate({"bands": [1, "2"]})["bands"] == [1, 2]


def test_inputs_are_divided_from_parameters_and_counted(measure):
    parameters, inputs = measure.split({"FILES": "a b,c", "low": "1"})
    assert (parameters, inputs) == ({"low": "1"}, {"files": ["a", "b", "c"]})
    assert measure.validate_inputs({"files": ["a", "a", "b"]}) == {"files": ["a", "b"]}
    for wrong, text in (([], "at least 1 needed"), (["a", "b", "c", "d"], "at most 3 allowed")):
        with pytest.raises(UsageError, match=text):
            measure.validate_inputs({"files": wrong})


@given(
    st.text(max_size=30)
    | st.floats()
    | st.integers()
    | st.booleans()
    | st.none()
    | st.lists(st.text(max_size=5))
)
def test_nothing_but_a_usage_error_ever_comes_out(raw):
    for parameter in _PARAMETERS:
        try:
            parameter.convert(raw)
        except UsageError as error:
            field = error.field
        else:
            field = parameter.name
        assert field == parameter.name


def _parameters():
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        return tool(Path(folder)).parameters


_PARAMETERS = _parameters()
