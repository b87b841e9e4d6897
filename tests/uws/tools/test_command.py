"""The command of a described tool: its placeholders filled, its values beyond a shell's reach."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.uws.tools.descriptions import tool
from uws.tools.description import Tool

ARGV = ["{python}", "{tool_folder}/measure.py", "--low={parameter.low}", "{parameter.label}", "{input.files}"]
HOSTILE = 'a b\'; touch pwned; $(id) `id` "*" | cat > x & \\ {python}\n2'


@pytest.fixture
def measure(tmp_path: Path) -> Tool:
    return tool(tmp_path / "tools", argv=ARGV)


def test_each_value_and_file_is_an_argument(measure: Tool) -> None:
    values = {"low": 0.5, "label": "two words"}
    argv = measure.command(values, {"files": ["/d/a b.fits", "/d/c"]}, python="py", tool_folder="/t")
    assert argv == ["py", "/t/measure.py", "--low=0.5", "two words", "/d/a b.fits", "/d/c"]


def test_this_python_and_the_tools_own_folder_are_the_default(measure: Tool) -> None:
    assert measure.command({"low": 1.0}) == [sys.executable, f"{measure.folder}/measure.py", "--low=1.0"]


def test_no_shell_sees_the_arguments(measure: Tool, tmp_path: Path) -> None:
    (measure.folder / "measure.py").write_text("import json, sys; print(json.dumps(sys.argv[1:]))")
    argv = measure.command({"low": 1.0, "label": HOSTILE}, {"files": [f"/d/{HOSTILE}"]})
    done = subprocess.run(argv, capture_output=True, text=True, cwd=tmp_path, check=True)
    assert json.loads(done.stdout) == ["--low=1.0", HOSTILE, f"/d/{HOSTILE}"]
    assert [path.name for path in tmp_path.iterdir()] == ["tools"]
