"""`vogate tools check`, `test` and `new`."""

from __future__ import annotations

import argparse

import pytest

from gateway.vo.errors import UsageError
from tests.uws.tools.descriptions import write
from uws.tools import commands, registry

PROGRAM = """
import json, sys
job = json.load(open("job.json"))
if job["parameters"].get("deep"):
    sys.exit("Too deep.")
if job["parameters"].get("mode") != "slow":
    open("result.json", "w").write(open(job["inputs"]["files"][0]["path"]).read())
"""


def arguments(**values) -> argparse.Namespace:
    return argparse.Namespace(**{"names": [], "paths": [], "folder": "", **values})


def example(title: str, **changes):
    return {"title": title, "parameters": {}, "inputs": {"files": ["measure.py"]}, **changes}


@pytest.fixture
def tool_with(tmp_path):
    def make(*examples):
        path = write(tmp_path, examples=list(examples))
        (tmp_path / "measure.py").write_text(PROGRAM)
        return str(path)

    return make


@pytest.mark.parametrize(
    ("changes", "status", "said"),
    [
        ({}, 0, "1 ok, 0 failed, 0 skipped"),
        ({"parameters": {"deep": True}}, 1, "it ended with status 1: Too deep."),
        ({"parameters": {"deep": True}, "fails": "Too deep"}, 0, "1 ok"),
        (
            {"parameters": {"deep": True}, "fails": "Too wide"},
            1,
            "it failed otherwise than expected: Too deep.",
        ),
        ({"fails": "Too deep"}, 1, "it was expected to fail and did not"),
        ({"parameters": {"mode": "slow"}}, 1, "it did not leave result.json"),
        ({"inputs": {"files": ["ivo://x/y?1"]}}, 0, "skipped ivo://x/y?1 is not here."),
    ],
)
def test_examples_are_run_and_judged(tool_with, capsys, changes, status, said):
    path = tool_with(example("A call", **changes))
    assert commands.test(arguments(names=[path])) == status
    assert said in capsys.readouterr().out


def test_inputs_are_found_by_the_resolver(tool_with, tmp_path, capsys):
    path = tool_with(example("A call", inputs={"files": ["archive:event"]}))
    resolve = {"archive:event": tmp_path / "measure.py"}.get
    assert commands.test(arguments(names=[path], resolve=resolve)) == 0
    assert "1 ok" in capsys.readouterr().out


def test_a_new_tool_is_without_fault_and_its_example_passes(tmp_path, capsys):
    assert commands.new(arguments(name="my_tool", folder=str(tmp_path))) == 0
    assert commands.check(arguments(paths=[tmp_path / "my_tool.yaml"])) == 0
    assert commands.test(arguments(names=[str(tmp_path / "my_tool.yaml")])) == 0
    assert "1 ok" in capsys.readouterr().out
    with pytest.raises(UsageError, match="exists already"):
        commands.new(arguments(name="my_tool", folder=str(tmp_path)))
    with pytest.raises(UsageError, match="cannot be a tool's name"):
        commands.new(arguments(name="../x", folder=str(tmp_path)))


def test_check_names_file_and_line_and_counts(tmp_path, capsys):
    write(tmp_path)
    (tmp_path / "bad.yaml").write_text("name: bad\nversion: 1\n")
    assert commands.check(arguments(paths=[tmp_path])) == 1
    said = capsys.readouterr()
    assert f"{tmp_path / 'bad.yaml'}:2: " in said.err
    assert said.out.startswith("measure@1.0")


def test_examples_are_no_part_of_the_digest(tmp_path):
    before = registry.Registry(write(tmp_path).parent).get("measure").digest
    write(tmp_path, examples=None)
    assert registry.Registry(tmp_path).get("measure").digest == before
