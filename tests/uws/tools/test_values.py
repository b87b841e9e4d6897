"""What users type becomes typed values in declared units."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway.vo.errors import UsageError
from tests.uws.tools.builders import demo
from uws.tools.description import Tool


@pytest.fixture
def tool(tmp_path: Path) -> Tool:
    return demo(tmp_path)


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("2", 2.0),
        (" 2.5 ", 2.5),
        (2.5, 2.5),
        ("500 GeV", 0.5),
        ("300GeV", 0.3),
        ("0.3 TeV", 0.3),
        ("3e11 eV", 0.3),
        (["7"], 7.0),
    ],
)
def test_units_are_converted_to_the_declared_one(tool: Tool, typed: Any, expected: float) -> None:
    assert tool.parameter("energy").convert(typed) == expected


@pytest.mark.parametrize(
    ("typed", "expected"), [("5h34m31.94s", 83.63308333333), ("30 arcmin", 0.5), ("22d00m52.2s", 22.0145)]
)
def test_angles_may_be_typed_with_letters(tool: Tool, typed: str, expected: float) -> None:
    assert tool.parameter("ra").convert(typed) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(
    ("name", "typed", "words"),
    [
        ("energy", "500 GeV/c", "no unit of that kind"),
        ("energy", "3 m", "is in TeV"),
        ("energy", "much", "must be a number"),
        ("energy", "nan", "must be a number"),
        ("energy", float("nan"), "finite"),
        ("energy", True, "must be a number"),
        ("energy", "1 GeV", "at least 0.01 TeV, not 0.001 TeV"),
        ("energy", "200", "at most 100 TeV"),
        ("energy", ["1", "2"], "takes one value, not 2"),
        ("upper", "0", "above 0 TeV"),
        ("count", "2.5", "whole number"),
        ("count", "3 TeV", "has no unit"),
        ("count", "11", "at most 10"),
        ("flag", "maybe", "true or false"),
        ("shape", "curv", "one of line, curve"),
        ("shape", "curv", "Did you mean curve?"),
        ("label", "x" * 21, "longer than 20"),
        ("label", "a\x07", "control characters"),
        ("label", "100%", "right form"),
        ("levels", "1,2,3,4", "at most 3 values, not 4"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(tool: Tool, name: str, typed: Any, words: str) -> None:
    with pytest.raises(UsageError, match=r".") as caught:
        tool.parameter(name).convert(typed)
    assert words in str(caught.value)
    assert caught.value.field == name


@pytest.mark.parametrize(("typed", "expected"), [("yes", True), ("0", False), ("TRUE", True), (False, False)])
def test_booleans_are_understood(tool: Tool, typed: Any, expected: bool) -> None:
    assert tool.parameter("flag").convert(typed) is expected


@pytest.mark.parametrize("typed", ["0.5, 30 arcmin", ["0.5", "0.5"], "0.5;0.5\n"])
def test_lists_come_as_one_text_or_as_several_values(tool: Tool, typed: Any) -> None:
    assert tool.parameter("levels").convert(typed) == [0.5, 0.5]


def test_large_integers_keep_their_digits(tool: Tool) -> None:
    assert tool.parameter("upper").convert(str(2**53 + 1)) == 2**53 + 1
