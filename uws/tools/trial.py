"""Run the examples of a description, as `vogate tools test` does: no database, no queue, no sandbox."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gateway.vo.errors import GatewayError
from uws.tools.description import Example, Tool

Resolver = Callable[[str], Path | None]
"""From an identifier to a file; None if there is no such thing here."""

JOB_ID = "examples".ljust(26, "a")


@dataclass(frozen=True)
class Trial:
    """How one example went."""

    tool: Tool
    example: Example
    outcome: str
    """ok, failed or skipped."""
    message: str = ""
    seconds: float = 0.0
    folder: Path | None = None
    """What a failed run left, for whoever looks into it."""

    def __str__(self) -> str:
        took = f" ({self.seconds:.1f} s)" if self.seconds else ""
        return f"{self.tool.id}: {self.example.title}: {self.outcome}{took} {self.message}".rstrip()


class _Skip(Exception):
    pass


def run_example(tool: Tool, example: Example, resolve: Resolver) -> Trial:
    """Run one example in a temporary folder and look at what it leaves.

    Parameters
    ----------
    resolve
        Finds inputs that are no files beside the description.
    """
    if tool.why_not:
        return Trial(tool, example, "skipped", tool.why_not)
    folder = Path(tempfile.mkdtemp(prefix=f"vogate-{tool.name}-"))
    begun = time.monotonic()
    try:
        fault = _run(tool, example, folder / "work", resolve)
    except _Skip as reason:
        shutil.rmtree(folder, ignore_errors=True)
        return Trial(tool, example, "skipped", str(reason))
    seconds = time.monotonic() - begun
    if fault:
        return Trial(tool, example, "failed", fault, seconds, folder)
    shutil.rmtree(folder, ignore_errors=True)
    return Trial(tool, example, "ok", "", seconds)


def _run(tool: Tool, example: Example, work: Path, resolve: Resolver) -> str:
    """What is wrong with the run; empty if nothing is."""
    work.mkdir()
    values = tool.validate(example.parameters)
    paths = {
        role: [_path(tool, identifier, resolve) for identifier in identifiers]
        for role, identifiers in tool.validate_inputs(example.inputs).items()
    }
    job = {
        "job": JOB_ID,
        "tool": tool.name,
        "version": tool.version,
        "parameters": values,
        "inputs": {role: [_item(path) for path in found] for role, found in paths.items()},
        "notice": "",
        "base_url": "",
        "job_url": "",
    }
    (work / "job.json").write_text(json.dumps(job), encoding="utf-8")
    command = tool.command(values, {role: [str(path) for path in found] for role, found in paths.items()})
    env = {**os.environ, "VOGATE_PROGRESS": str(work.parent / "progress.jsonl"), "HOME": str(work.parent)}
    env["MPLCONFIGDIR"] = str(work.parent / "matplotlib")
    with (work.parent / "log.txt").open("wb") as log:
        try:
            done = subprocess.run(
                command, cwd=work, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                timeout=tool.limits.seconds, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return f"it did not end within {tool.limits.seconds} s"
    last = ((work.parent / "log.txt").read_text(errors="replace").strip().splitlines() or [""])[-1]
    return _judge(tool, example, work, done.returncode, last)


def _judge(tool: Tool, example: Example, work: Path, status: int, last: str) -> str:
    if example.fails:
        if status == 0:
            return "it was expected to fail and did not"
        return "" if example.fails in last else f"it failed otherwise than expected: {last}"
    if status:
        return f"it ended with status {status}: {last}"
    missing = [output.path for output in tool.outputs if output.required and not list(work.glob(output.path))]
    return f"it did not leave {', '.join(missing)}" if missing else ""


def _path(tool: Tool, identifier: str, resolve: Resolver) -> Path:
    beside = tool.folder / identifier
    if ".." not in Path(identifier).parts and beside.is_file():
        return beside
    try:
        found = resolve(identifier)
    except GatewayError as error:
        raise _Skip(str(error)) from None
    if found is None:
        raise _Skip(f"{identifier} is not here.")
    return found


def _item(path: Path) -> dict[str, str]:
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return {
        "id": path.name,
        "path": str(path),
        "sha256": digest,
        "title": path.name,
        "terms": "",
        "collection": "",
    }
