"""`vogate tools check` and `vogate tools list`."""

from __future__ import annotations

import json
from argparse import Namespace
from pathlib import Path

import pytest

from tests.uws.tools.descriptions import write
from uws.tools import commands, registry


def test_check_prints_faults_by_file_and_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path)
    bad = write(tmp_path, "name: Bad\n", name="bad.yaml")
    assert commands.check(Namespace(paths=[str(tmp_path)])) == 1
    printed = capsys.readouterr()
    assert "measure@1.0" in printed.out
    assert f"{bad}:1: " in printed.err


def test_check_takes_single_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert commands.check(Namespace(paths=[str(write(tmp_path))])) == 0
    assert commands.check(Namespace(paths=[str(tmp_path / "gone.yaml")])) == 1
    assert "does not exist" in capsys.readouterr().err


def test_list_gives_json_with_schemas(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path)
    with registry.using(tmp_path):
        assert commands.list_tools(Namespace(json=True)) == 0
    (tool,) = json.loads(capsys.readouterr().out)
    assert tool["name"] == "measure"
    assert tool["parameters"]["properties"]["low"]["maximum"] == 100
