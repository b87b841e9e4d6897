"""Commands are lists; no value is ever read by a shell or taken for an option."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.vo.errors import UsageError
from uws.tools.argv import expand

WORDS = {"python": sys.executable, "tool_folder": "/tools"}
ECHO = [sys.executable, "-c", "import json, sys; print(json.dumps(sys.argv[1:]))", "{parameter.x}"]
HOSTILE = [
    "; touch owned",
    "$(touch owned)",
    "`touch owned`",
    "a b",
    "'",
    '"',
    "*",
    "> owned",
    "a\nb",
    "{parameter.x}",
    "%s",
]


@pytest.mark.parametrize("value", HOSTILE)
def test_a_value_arrives_as_one_argument_whatever_is_in_it(tmp_path, value):
    command = expand(ECHO, WORDS, {"x": value}, {})
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [value]
    assert list(tmp_path.iterdir()) == []


@given(st.text(alphabet=st.characters(exclude_characters="\0"), max_size=50))
def test_the_number_of_arguments_never_depends_on_a_text(value):
    try:
        assert expand(["program", "{parameter.x}"], WORDS, {"x": value}, {}) == ["program", value]
    except UsageError:
        assert value.startswith("-")


def test_lists_become_as_many_arguments_and_absent_ones_none():
    argv = ["program", "{parameter.x}", "--in", "{input.files}", "{parameter.none}"]
    assert expand(argv, WORDS, {"x": [1, 2.5]}, {"files": ["/a", "/b"]}) == [
        "program",
        "1",
        "2.5",
        "--in",
        "/a",
        "/b",
    ]


def test_values_inside_a_longer_argument():
    argv = ["{tool_folder}/run", "--low={parameter.low}", "--deep={parameter.deep}"]
    assert expand(argv, WORDS, {"low": -0.5, "deep": True}, {}) == ["/tools/run", "--low=-0.5", "--deep=true"]
    with pytest.raises(UsageError, match="exactly one"):
        expand(["--low={parameter.low}"], WORDS, {}, {})


@pytest.mark.parametrize("value", ["-rf", "--exec=x", "-"])
def test_what_would_be_an_option_is_refused(value):
    with pytest.raises(UsageError, match="dash"):
        expand(["program", "{parameter.x}"], WORDS, {"x": value}, {})


def test_negative_numbers_are_no_options():
    assert expand(["program", "{parameter.x}"], WORDS, {"x": -12.5}, {}) == ["program", "-12.5"]


def test_nul_is_refused():
    with pytest.raises(UsageError, match="NUL"):
        expand(["program", "{parameter.x}"], WORDS, {"x": "a\0b"}, {})
