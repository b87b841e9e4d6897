"""A tool with an environment of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import venv

import pytest

from tests.uws.builders import make_job, work
from tests.uws.tools.descriptions import tool
from uws.tools import registry
from uws.tools.availability import why_not

PROGRAM = "import json, sys; json.dump([sys.prefix, __import__('onlyhere').ANSWER], open('result.json', 'w'))"


@pytest.fixture
def environment(tmp_path):
    """A virtual environment in the tools' folder, with a module that this one has not."""
    folder = tmp_path / ".env"
    venv.create(folder, with_pip=False, symlinks=True)
    site = next((folder / "lib").glob("python3*")) / "site-packages"
    (site / "onlyhere.py").write_text("ANSWER = 42\n")
    return folder


def test_its_interpreter_runs_the_tool(tmp_path, environment):
    own = tool(tmp_path, python=".env/bin/python", requires={"modules": ["onlyhere"]})
    assert why_not(own) == ""
    (tmp_path / "measure.py").write_text(PROGRAM)
    command = own.command()
    assert command == [str(tmp_path / ".env/bin/python"), str(tmp_path / "measure.py")]
    subprocess.run(command, cwd=tmp_path, check=True)
    assert json.loads((tmp_path / "result.json").read_text()) == [str(environment), 42]


@pytest.mark.django_db(transaction=True)
def test_a_job_of_it_runs_in_the_sandbox(tmp_path, environment):
    tool(tmp_path, python=".env/bin/python", requires={"modules": ["onlyhere"]}, inputs=None, examples=None)
    (tmp_path / "measure.py").write_text(PROGRAM)
    with registry.using(tmp_path):
        done = work(make_job(tool="measure", run=True))
    assert done.phase == "COMPLETED", done.error_message
    assert json.loads(done.results.get().path.read_text()) == [str(environment), 42]


def test_without_one_it_is_ours(tmp_path):
    assert tool(tmp_path).command()[0] == sys.executable
    assert (
        why_not(tool(tmp_path, requires={"modules": ["onlyhere"]}))
        == "Python module onlyhere is not installed."
    )


def test_what_the_environment_lacks_is_named(tmp_path, environment):
    lacking = tool(tmp_path, python=".env/bin/python", requires={"modules": ["gammapy.data"]})
    assert why_not(lacking) == "Python module gammapy is not installed."
    absent = tool(tmp_path, python="nowhere/bin/python")
    assert why_not(absent) == "The tool's environment is not there: nowhere/bin/python is no program."


def test_the_interpreter_is_part_of_the_digest(tmp_path):
    assert tool(tmp_path, python="a/python").digest != tool(tmp_path, python="b/python").digest
