"""Faults of a description are found, and named with their line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.uws.tools.builders import DEMO, write
from uws.tools.description import Preview
from uws.tools.loader import DescriptionError, load


def line_of(text: str, part: str) -> int:
    return next(number for number, line in enumerate(text.splitlines(), 1) if part in line)


def faults(folder: Path, text: str) -> list[tuple[int, str]]:
    with pytest.raises(DescriptionError, match=r".") as caught:
        load(write(folder, text))
    return [(problem.line, problem.message) for problem in caught.value.problems]


def test_a_description_becomes_a_tool(tmp_path: Path) -> None:
    tool = load(write(tmp_path))
    assert tool.id == "demo@1.0"
    assert [parameter.name for parameter in tool.parameters][:3] == ["energy", "upper", "ra"]
    assert tool.parameter("upper").exclusive_minimum
    assert tool.main_output.name == "result"
    assert tool.outputs[0].preview is Preview.NONE
    assert set(tool.files) == {"demo.py", "helper.py"}


@pytest.mark.parametrize(
    ("old", "new", "at", "words"),
    [
        ("unit: TeV, ucd", "unit: TeVV, ucd", "energy:", "no unit that astropy knows"),
        ("default: 1.0, min", "default: 500.0, min", "energy:", "at most 100 TeV"),
        ("default: 5, min", "default: five, min", "count:", "must be a number"),
        ("default: false", 'default: "false"', "flag:", "must be False"),
        ("max: 10}", "max: 0}", "count:", "below the minimum"),
        ("type: integer", "type: int", "count:", "one of float, integer, boolean, string"),
        ("title: Count,", "titel: Count,", "count:", "did you mean 'title'?"),
        ("when: {shape: curve}", "when: {form: curve}", "bend:", "no other parameter 'form'"),
        ("{parameter.label}", "{parameter.lable}", "argv:", "no parameter 'lable'"),
        ("{input.events}", "{input.event}", "argv:", "no input 'event'"),
        ("{tool_folder}/demo.py", "{tools}/demo.py", "argv:", "unknown placeholder"),
        ("{tool_folder}/demo.py", "{tool_folder}/gone.py", "argv:", "gone.py is not in"),
        ("high: upper", "high: uper", "- {low:", "no parameter 'uper'"),
        ('version: "1.0"', "version: 1.0", "version:", "put it in quotes"),
        ("path: result.json", "path: ../result.json", "result:", "does not match"),
        ("path: result.json", "path: /etc/passwd", "result:", "does not match"),
        ('pattern: "[^%]*"', 'pattern: "[^%*"', "label:", "regular expression"),
        ("  extra:", "  energy:", "parameters:", "more than one parameter or input"),
    ],
)
def test_a_fault_is_named_with_its_line(tmp_path: Path, old: str, new: str, at: str, words: str) -> None:
    assert old in DEMO
    text = DEMO.replace(old, new)
    found = faults(tmp_path, text)
    assert (line_of(text, at), True) in [(line, words in message) for line, message in found], found


def test_all_faults_are_reported_together(tmp_path: Path) -> None:
    text = DEMO.replace("unit: TeV, ucd", "unit: TeVV, ucd").replace("default: 5", "default: 50")
    assert len(faults(tmp_path, text)) == 2


def test_a_key_given_twice_is_a_fault(tmp_path: Path) -> None:
    text = DEMO.replace("  flag:", "  energy:")
    assert faults(tmp_path, text) == [
        (
            line_of(text, "type: boolean"),
            f"'energy' is here twice (first on line {line_of(text, '  energy:')})",
        )
    ]


@pytest.mark.parametrize(
    ("text", "line"), [("a: [1\nb: 2\n", 2), ("", 1), ("a: !!python/object:os.system x\n", 1)]
)
def test_what_is_no_plain_yaml_is_refused(tmp_path: Path, text: str, line: int) -> None:
    assert [found for found, _ in faults(tmp_path, text)] == [line]


def test_examples_are_checked_against_the_description(tmp_path: Path) -> None:
    text = (
        DEMO + "examples:\n  - {title: Wrong, parameters: {energy: 1 m, label: x}, inputs: {events: [a]}}\n"
    )
    assert faults(tmp_path, text)[0][0] == line_of(text, "Wrong")
