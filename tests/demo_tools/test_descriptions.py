"""The demo site's descriptions explain themselves, and their digests cover all that they run."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.demo_tools.runs import TOOLS
from uws.tools.description import Tool
from uws.tools.loader import load


@pytest.fixture(params=sorted(TOOLS.glob("*.yaml")), ids=lambda path: path.stem)
def tool(request: pytest.FixtureRequest) -> Tool:
    return load(request.param)


def test_each_tool_is_explained(tool: Tool) -> None:
    assert tool.summary
    assert tool.description
    assert tool.main_output is not None
    assert tool.main_output.required
    assert all(thing.title[0].isupper() for thing in (*tool.parameters, *tool.inputs, *tool.outputs))


def test_the_digest_covers_every_module_that_runs(tool: Tool) -> None:
    """`files` are the modules that launch.py and the tool's own module import from the folder, and no others."""
    own = {path.stem: path for path in TOOLS.glob("*.py")}
    waiting, reached = [tool.argv[-1], "launch"], set()
    while waiting:
        name = waiting.pop()
        if name in own and name not in reached:
            reached.add(name)
            waiting += imports(own[name])
    assert {f"{name}.py" for name in reached} == set(tool.files)


def imports(path: Path) -> list[str]:
    """Names of the modules that a file imports, wherever in it."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.append(node.module)
    return found
