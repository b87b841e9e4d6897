"""A request against a description: parameters, inputs, argv, rights."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gateway.vo.caller import ANONYMOUS, Caller
from gateway.vo.errors import UsageError
from tests.uws.tools.builders import DEMO, demo, write
from uws.tools.description import Tool
from uws.tools.loader import load

HOSTILE = 'a b\'; touch pwned; $(id) `id` "*" | cat > x & \\ {python}\n2'


@pytest.fixture
def tool(tmp_path: Path) -> Tool:
    return demo(tmp_path)


def fault(tool: Tool, values: dict[str, Any]) -> UsageError:
    with pytest.raises(UsageError, match=r".") as caught:
        tool.validate(values)
    return caught.value


def test_defaults_are_filled_in_and_optional_parameters_left_out(tool: Tool) -> None:
    assert tool.validate({"label": "x"}) == {
        "energy": 1.0,
        "count": 5,
        "flag": False,
        "label": "x",
        "shape": "line",
    }


def test_names_are_case_insensitive_and_blank_fields_count_as_absent(tool: Tool) -> None:
    accepted = tool.validate({"LABEL": "x", "Energy": "200 GeV", "upper": " ", "levels": ["", ""]})
    assert accepted["energy"] == 0.2
    assert "upper" not in accepted
    assert "levels" not in accepted


def test_an_unknown_parameter_is_answered_with_the_nearest_name(tool: Tool) -> None:
    error = fault(tool, {"label": "x", "enrgy": "1"})
    assert error.field == "enrgy"
    assert "energy" in error.hint


def test_a_missing_required_parameter_is_named(tool: Tool) -> None:
    assert fault(tool, {}).field == "label"


def test_a_form_learns_of_all_faults_at_once(tool: Tool) -> None:
    faults = tool.check({"energy": "x", "count": "99", "nosuch": "1"})[1]
    assert {one.field for one in faults} == {"energy", "count", "label", "nosuch"}


def test_a_conditional_parameter_is_dropped_where_it_does_not_apply(tool: Tool) -> None:
    assert "bend" not in tool.validate({"label": "x", "bend": "0.7"})
    assert tool.validate({"label": "x", "bend": "0.7", "shape": "curve"})["bend"] == 0.7
    assert tool.validate({"label": "x", "shape": "curve"})["bend"] == 0.5


def test_rules_between_parameters_are_checked(tool: Tool) -> None:
    assert fault(tool, {"label": "x", "energy": "2", "upper": "1500 GeV"}).field == "upper"
    assert tool.validate({"label": "x", "energy": "2", "upper": "2500 GeV"})["upper"] == 2.5


def test_a_request_is_divided_into_parameters_and_inputs(tool: Tool) -> None:
    parameters, inputs = tool.split({"label": "x", "EVENTS": ["ivo://a/b?1", "ivo://a/b?2 ivo://a/b?3"]})
    assert parameters == {"label": "x"}
    assert inputs == {"events": ["ivo://a/b?1", "ivo://a/b?2", "ivo://a/b?3"]}


def test_inputs_are_counted_without_repetitions(tool: Tool) -> None:
    assert tool.validate_inputs({"events": ["a", "b", "a"]}) == {"events": ["a", "b"]}
    for wrong, field in (({}, "events"), ({"events": list("abcd")}, "events"), ({"event": ["a"]}, "event")):
        with pytest.raises(UsageError, match=r".") as caught:
            tool.validate_inputs(wrong)
        assert caught.value.field == field


def test_argv_has_one_argument_for_each_value(tool: Tool) -> None:
    argv = tool.command(
        {"energy": 0.5, "label": "two words"},
        {"events": ["/d/a b.fits", "/d/c.fits"]},
        python="py",
        tool_folder="/t",
    )
    assert argv == ["py", "/t/demo.py", "--energy=0.5", "two words", "/d/a b.fits", "/d/c.fits"]


def test_absent_optional_arguments_vanish(tool: Tool) -> None:
    assert tool.command({"energy": 1.0}, {}, python="py", tool_folder="/t") == [
        "py",
        "/t/demo.py",
        "--energy=1.0",
    ]


def test_no_shell_sees_the_arguments(tmp_path: Path) -> None:
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "demo.py").write_text("import sys, json; print(json.dumps(sys.argv[1:]))")
    tool = load(write(tmp_path / "tools"))
    argv = tool.command({"energy": 1.0, "label": HOSTILE}, {"events": [f"/d/{HOSTILE}"]})
    done = subprocess.run(argv, capture_output=True, text=True, cwd=tmp_path, check=True)
    assert json.loads(done.stdout) == ["--energy=1.0", HOSTILE, f"/d/{HOSTILE}"]
    assert argv[0] == sys.executable
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tools"]


@pytest.mark.parametrize("label", ["-rf", "--output=/etc/passwd", "nul\0"])
def test_a_value_cannot_pass_for_an_option(tool: Tool, label: str) -> None:
    with pytest.raises(UsageError, match=r".") as caught:
        tool.command({"energy": 1.0, "label": label}, {})
    assert caught.value.field == "label"


def test_a_negative_number_may_stand_alone(tmp_path: Path) -> None:
    tool = load(write(tmp_path, DEMO.replace('"{parameter.label}"', '"{parameter.ra}"')))
    assert "-3.5" in tool.command({"energy": 1.0, "ra": -3.5}, {})


@pytest.mark.parametrize(
    ("access", "caller", "allowed"),
    [
        ("everyone", ANONYMOUS, True),
        ("signed-in", ANONYMOUS, False),
        ("signed-in", Caller(user_id=1), True),
        ("{groups: [cta]}", Caller(user_id=1), False),
        ("{groups: [cta]}", Caller(user_id=1, groups=frozenset({"cta"})), True),
        ("{groups: [cta]}", Caller(user_id=1, is_staff=True), True),
    ],
)
def test_who_may_run_it(tmp_path: Path, access: str, caller: Caller, allowed: bool) -> None:
    tool = load(write(tmp_path, DEMO + f"access: {access}\n"))
    assert (tool.refusal(caller) == "") is allowed
