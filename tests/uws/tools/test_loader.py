"""Faults of descriptions are reported with file and line."""

from __future__ import annotations

import pytest

from tests.support.shared import REPOSITORY
from tests.uws.tools.descriptions import TEXT, tool, write
from uws.tools.loader import DescriptionError, load

DEMO = REPOSITORY / "deploy" / "sites" / "demo" / "tools"


def line_of(text: str, part: str) -> int:
    return next(n for n, line in enumerate(text.splitlines(), 1) if part in line)


@pytest.mark.parametrize("path", sorted(DEMO.glob("*.yaml")), ids=lambda path: path.stem)
def test_the_demo_tools_are_without_fault(path):
    found = load(path)
    assert found.name == path.stem
    assert found.main_output is not None


@pytest.mark.parametrize(
    ("old", "new", "place", "message"),
    [
        ("title: Measure\n", "", "name:", "'title' is missing"),
        ("category:", "categry:", "categry:", "did you mean 'category'"),
        ('version: "1.0"', "version: 1.0", "version:", "put it in quotes"),
        ("unit: TeV, ucd", "unit: TeX, ucd", "low:", "'TeX' is no unit"),
        ("default: 0.5", "default: 500.0", "low:", "must be at most 100 TeV"),
        ("default: 3, min", "default: '3', min", "count:", "must be 3"),
        ("min: 0.01, max: 100", "min: 200, max: 100", "high:", "is below the minimum"),
        ('pattern: "[a-z ]*"', 'pattern: "["', "label:", "regular expression"),
        ("when: {mode: slow}", "when: {mod: slow}", "steps:", "no other parameter 'mod'"),
        ("{low: low, high: high", "{low: lowest, high: high", "lowest", "no parameter 'lowest'"),
        ("{tool_folder}/measure.py", "{tool_folder}/absent.py", "argv:", "absent.py is not in"),
        ("{tool_folder}/measure.py", "{parameter.nix}", "argv:", "no parameter 'nix'"),
        ("{tool_folder}/measure.py", "{input.nix}", "argv:", "no input 'nix'"),
        ("{tool_folder}/measure.py", "{home}/measure.py", "argv:", "unknown placeholder"),
        ("path: result.json", "path: ../result.json", "result:", "result.json"),
        ("type: boolean", "type: bool", "deep:", "must be one of float"),
        ("{low: 500 GeV}", "{low: 500 m}", "A call", "no unit of that kind"),
        ("limits: {seconds: 60}", "limits: {seconds: 9000}", "limits:", "more than max_seconds"),
        ("deep: {", "low: {", "low: {type: boolean", "here twice"),
        ("deep: {", "files: {", "parameters:", "more than one parameter or input"),
        ("limits: {", "warm: [numpy, 'os; exit']\nlimits: {", "warm:", "does not match"),
        (
            'argv: ["{python}", ',
            'warm: [numpy]\nargv: ["/usr/bin/python3", ',
            "warm:",
            'begins with "{python}"',
        ),
    ],
)
def test_a_fault_is_found_on_its_line(tmp_path, old, new, place, message):
    assert old in TEXT
    text = TEXT.replace(old, new, 1)
    path = write(tmp_path, text)
    with pytest.raises(DescriptionError) as caught:
        load(path)
    problems = [problem for problem in caught.value.problems if message in problem.message]
    assert problems, caught.value
    assert problems[0].line == line_of(text, place)
    assert str(problems[0]).startswith(f"{path}:{problems[0].line}: ")


def test_several_faults_are_all_reported_in_order(tmp_path):
    text = TEXT.replace("unit: TeV, ucd", "unit: TeX, ucd").replace("default: 3, min", "default: 0, min")
    with pytest.raises(DescriptionError) as caught:
        load(write(tmp_path, text))
    lines = [problem.line for problem in caught.value.problems]
    assert len(lines) >= 2
    assert lines == sorted(lines)


@pytest.mark.parametrize("text", ["", "just words", "a: [1", "name: x\n\tversion: 1", "- 1\n- 2"])
def test_what_is_no_description_is_said_so(tmp_path, text):
    with pytest.raises(DescriptionError):
        load(write(tmp_path, text))


def test_binary_files_are_said_to_be_no_text(tmp_path):
    path = write(tmp_path)
    path.write_bytes(b"\xff\xfe\x00name")
    with pytest.raises(DescriptionError, match="UTF-8"):
        load(path)


# -- digests --------------------------------------------------------------------------------------------


def test_the_digest_is_the_same_for_another_layout(tmp_path):
    digest = tool(tmp_path / "a").digest
    commented = load(
        write(
            tmp_path / "b", "# a comment\n" + TEXT.replace("limits: {seconds: 60}", "limits:\n  seconds: 60")
        )
    )
    assert commented.digest == digest
    assert tool(tmp_path / "c", deprecated="Old.", default=True).digest == digest


def test_the_digest_changes_with_the_program_and_with_the_description(tmp_path):
    before = tool(tmp_path)
    (tmp_path / "measure.py").write_text("print('measuring better')\n")
    after = load(before.source)
    assert after.digest != before.digest
    assert tool(tmp_path, summary="Measures more").digest != after.digest


def test_the_digest_covers_listed_files(tmp_path):
    (tmp_path / "helper.py").write_text("a = 1\n")
    before = tool(tmp_path, files=["*.py"])
    assert set(before.files) == {"measure.py", "helper.py"}
    (tmp_path / "helper.py").write_text("a = 2\n")
    assert load(before.source).digest != before.digest
