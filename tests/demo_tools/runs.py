"""Run a demo tool on files, in this process: the analysis libraries take seconds to load, once is enough."""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.shared import REPOSITORY
from uws.tools.loader import load

TOOLS = REPOSITORY / "deploy" / "sites" / "demo" / "tools"
TERMS = "Use these data for tests only."


@dataclass(frozen=True)
class Done:
    """A run that came to its end: its work folder."""

    folder: Path

    def json(self, name: str) -> dict[str, Any]:
        return json.loads((self.folder / name).read_text(encoding="utf-8"), parse_constant=_no_constant)

    @property
    def fits(self) -> list[Path]:
        return sorted(self.folder.rglob("*.fits"))


def _no_constant(name: str) -> None:
    raise AssertionError(f"{name} is no JSON")


def describe_job(
    folder: Path, tool: str, inputs: Mapping[str, Sequence[Path]], parameters: Mapping[str, Any]
) -> list[str]:
    """Write job.json as the controller does; the command of the run is returned."""
    known = load(TOOLS / f"{tool}.yaml")
    values = known.validate(parameters)
    items = {
        role: [
            {
                "id": f"ivo://test/c?{path.name}",
                "path": str(path),
                "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
                "title": path.name,
                "terms": TERMS,
                "collection": "test",
            }
            for path in paths
        ]
        for role, paths in inputs.items()
    }
    job = {
        "job": "abcdefghijklmnopqrstuvwxyz", "tool": known.name, "version": known.version, "parameters": values,
        "inputs": items, "notice": "", "base_url": "http://testserver",
        "job_url": f"http://testserver/uws/{tool}/async/abcdefghijklmnopqrstuvwxyz",
    }  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "job.json").write_text(json.dumps(job), encoding="utf-8")
    return known.command(values, {role: [str(path) for path in paths] for role, paths in inputs.items()})


def check_outputs(folder: Path, tool: str) -> None:
    """Every output of the description is there, and nothing that it does not describe."""
    known = load(TOOLS / f"{tool}.yaml")
    described = {"job.json"}
    for output in known.outputs:
        found = list(folder.glob(output.path))
        assert found or not output.required, f"{output.path} is missing"
        described |= {str(path.relative_to(folder)) for path in found}
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert {name for name in files if not name.startswith("matplotlib-")} <= described


def run(folder: Path, tool: str, inputs: Mapping[str, Sequence[Path]], **parameters: Any) -> Done:
    """Run a tool in this process; its ToolFailure comes through."""
    describe_job(folder, tool, inputs, parameters)
    with _inside(folder):
        module = importlib.import_module(tool)
        base = importlib.import_module("vogate_tool")
        module.main(base.Job.read())
    check_outputs(folder, tool)
    return Done(folder)


def failure(folder: Path, tool: str, inputs: Mapping[str, Sequence[Path]], **parameters: Any) -> str:
    """The sentence with which a run fails."""
    describe_job(folder, tool, inputs, parameters)
    with _inside(folder):
        module = importlib.import_module(tool)
        base = importlib.import_module("vogate_tool")
        try:
            module.main(base.Job.read())
        except base.ToolFailure as error:
            return str(error)
    raise AssertionError("the run did not fail")


@contextmanager
def _inside(folder: Path) -> Iterator[None]:
    before, path = os.getcwd(), list(sys.path)
    os.chdir(folder)
    sys.path.insert(0, str(TOOLS))
    try:
        yield
    finally:
        os.chdir(before)
        sys.path[:] = path


def run_command(
    folder: Path, tool: str, inputs: Mapping[str, Sequence[Path]], **parameters: Any
) -> subprocess.CompletedProcess[str]:
    """Run a tool by its own command line, as the shepherd does."""
    command = describe_job(folder, tool, inputs, parameters)
    env = {**os.environ, "VOGATE_PROGRESS": str(folder / "progress.jsonl"), "MPLCONFIGDIR": str(folder)}
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=120)


def fits_complaints(path: Path) -> list[str]:
    """What fitsverify finds wrong in a file; none where the program is neither installed nor required."""
    program = shutil.which("fitsverify")
    if program is None:
        assert "fitsverify" not in os.environ.get("VOGATE_REQUIRE", ""), "fitsverify is not installed"
        return []
    done = subprocess.run([program, "-q", str(path)], capture_output=True, text=True, timeout=60)
    return [] if done.stdout.startswith("verification OK") else [f"{path.name}: {done.stdout}"]
