"""A search as a script: what is copied asks for the same."""

from __future__ import annotations

import ast
import shlex

import pytest

from gateway.cli import remote_arguments
from gateway.portal.snippets import command_line, curl, pyvo

QUERIES = [
    "SELECT *\nFROM ivoa.obscore\nWHERE target_name = 'O''Neill'",
    'SELECT "odd ""name""" FROM t',
    'SELECT a FROM t WHERE b = """',
    "SELECT a FROM t WHERE b = '\\n' -- $HOME `x`",
    "-- a comment first\nSELECT 1 AS one FROM t",
]


@pytest.mark.parametrize("adql", QUERIES)
def test_python_reads_back_the_query(adql: str) -> None:
    tree = ast.parse(pyvo("http://x/tap", adql))
    literals = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    assert adql in [str(value).strip() for value in literals]


@pytest.mark.parametrize("adql", QUERIES)
def test_the_shell_reads_back_the_query(adql: str) -> None:
    words = shlex.split(curl("http://x/tap", adql).replace("\\\n", " "))
    assert f"QUERY={adql}" in words
    assert words[2] == "http://x/tap/sync"


@pytest.mark.parametrize("adql", QUERIES)
def test_the_command_line_takes_it(adql: str) -> None:
    import argparse

    words = shlex.split(command_line("http://x", adql))
    assert words[:2] == ["vogate", "query"]
    parser = argparse.ArgumentParser()
    remote_arguments.add_query(parser)
    parsed = parser.parse_args(words[2:])
    assert (parsed.url, parsed.adql) == ("http://x", adql)
