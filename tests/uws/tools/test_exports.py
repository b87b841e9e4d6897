"""The same description as a form, as JSON Schema, as defaults from rows."""

from __future__ import annotations

from pathlib import Path

import jsonschema
import pytest

from tests.uws.tools.builders import demo
from uws.tools.defaults import from_rows
from uws.tools.description import Tool
from uws.tools.exports import form_fields, form_groups, parameters_schema


@pytest.fixture
def tool(tmp_path: Path) -> Tool:
    return demo(tmp_path)


def test_a_form_has_what_a_template_draws(tool: Tool) -> None:
    fields = {field.name: field for field in form_fields(tool, {"energy": 3.0}, {"count": "too many"})}
    assert fields["energy"].value == 3.0
    assert fields["energy"].limits == "0.01 to 100 TeV"
    assert fields["upper"].limits == "above 0 TeV"
    assert fields["count"].error == "too many"
    widgets = {name: field.widget for name, field in fields.items()}
    assert widgets == {
        "energy": "text",
        "upper": "text",
        "ra": "text",
        "count": "number",
        "flag": "checkbox",
        "label": "text",
        "shape": "select",
        "bend": "number",
        "levels": "text",
    }
    assert [option.label for option in fields["shape"].options] == ["A line", "A curve"]
    assert fields["bend"].when == (("shape", ("curve",)),)
    assert fields["label"].required


def test_fields_are_grouped_in_the_order_of_the_description(tool: Tool) -> None:
    groups = form_groups(form_fields(tool))
    assert [title for title, _ in groups] == ["A", ""]
    assert [field.name for field in groups[0][1]] == ["energy"]


def test_the_schema_accepts_what_validation_gives_and_refuses_the_rest(tool: Tool) -> None:
    schema = parameters_schema(tool)
    jsonschema.Draft202012Validator.check_schema(schema)
    check = jsonschema.Draft202012Validator(schema)
    good = tool.validate({"label": "x", "levels": "1,2", "upper": "3"})
    assert not list(check.iter_errors(good))
    for change in ({"energy": 1000}, {"upper": 0}, {"shape": "no"}, {"count": 1.5}, {"levels": []}, {"z": 1}):
        assert list(check.iter_errors(good | change)), change
    assert list(check.iter_errors({}))
    assert schema["properties"]["energy"]["x-unit"] == "TeV"


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([{"target_ra": 83.6}, {"target_ra": 83.6}], 83.6),
        ([{"target_ra": 83.6, "s_ra": 1.0}, {"target_ra": 90.0, "s_ra": 1.0}], 1.0),
        ([{"s_ra": 359.0}, {"s_ra": 3.0}], 1.0),
        ([{"target_ra": None, "s_ra": 10.0}, {"s_ra": float("nan")}], 10.0),
    ],
)
def test_defaults_come_from_the_first_source_that_has_one(
    tool: Tool, rows: list[dict], expected: float
) -> None:
    assert from_rows(tool, rows)["ra"] == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(
    "rows", [[], [{"s_ra": None}], [{"s_ra": 0.0}, {"s_ra": 180.0}], [{"target_ra": "?"}]]
)
def test_rows_that_say_nothing_give_no_default(tool: Tool, rows: list[dict]) -> None:
    assert from_rows(tool, rows) == {}
