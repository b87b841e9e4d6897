"""`make bench BENCH=many`: many small inputs reduced by a five-step tool, beside the same commands in a shell loop.

One request with EACH makes a job of every input; the loop is `xargs -P` with as many processes as the worker has
slots.  Both take turns, a part of the inputs each, so that what else the machine does meets both.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TARGET = 1.15
BOUNDARY = "part-of-a-request"
LIMITS = "[limits.anonymous]\nactive_jobs = 100000\nbatch = 100000\ninputs = 100000\n"
DESCRIPTION = """
name: reduce
version: "1"
title: Reduce a frame
summary: Bias, flat field, cosmic rays, background, sources
category: Tests
argv: ["/bin/sh", "{tool_folder}/reduce.sh", "{python}", "{input.frames}"]
files: [reduce.sh, step.py]
inputs:
  frames: {title: Frames, min: 1, max: 1}
outputs:
  sources: {path: sources.csv, title: Sources, media_type: text/csv, role: main, preview: text, required: true}
  frame: {path: clean.npy, title: Reduced frame, media_type: application/octet-stream, role: image}
limits: {seconds: 120, memory_mb: 500, disk_mb: 50, processes: 20}
"""
SCRIPT = """#!/bin/sh
set -e
step="$1 $(dirname "$0")/step.py"
$step bias "$2" 1.npy
$step flat 1.npy 2.npy
$step cosmics 2.npy 3.npy
$step background 3.npy clean.npy
$step sources clean.npy sources.csv
rm 1.npy 2.npy 3.npy
"""
STEP = """
import sys
import numpy as np
step, source, target = sys.argv[1:]
frame = np.load(source).astype("f4")
y, x = np.mgrid[0 : frame.shape[0], 0 : frame.shape[1]]
around = [np.roll(frame, shift, axis) for shift in (-1, 1) for axis in (0, 1)]
if step == "bias":
    frame -= np.median(frame[:, :16], axis=1, keepdims=True)
if step == "flat":
    frame /= 1 - 1e-6 * ((x - 128) ** 2 + (y - 128) ** 2)
if step == "cosmics":
    middle = np.median(around, axis=0)
    frame = np.where(frame - middle > 8 * frame.std(), middle, frame)
if step == "background":
    frame -= np.median(frame)
if step == "sources":
    peaks = np.argwhere((frame > 5 * frame.std()) & (frame >= np.max(around, axis=0)))
    with open(target, "w") as out:
        out.write("x,y,flux\\n" + "".join(f"{b},{a},{frame[a, b]:.3f}\\n" for a, b in peaks))
else:
    np.save(target, frame)
"""
LOOP = 'folder="$3/$(basename "$2" .npy)"; mkdir "$folder"; cd "$folder"; exec sh "$0" "$1" "$2"'


@dataclass
class Took:
    """Seconds by the clock, and of processor time, for so many inputs."""

    wall: float = 0.0
    cpu: float = 0.0
    inputs: int = 0

    def add(self, wall: float, cpu: float, inputs: int) -> None:
        self.wall, self.cpu, self.inputs = self.wall + wall, self.cpu + cpu, self.inputs + inputs


def make_tool(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in (("reduce.yaml", DESCRIPTION), ("reduce.sh", SCRIPT), ("step.py", STEP)):
        (folder / name).write_text(text)


def make_inputs(folder: Path, number: int) -> list[Path]:
    """Frames of 256 x 256 pixels with noise and sources."""
    import numpy as np

    folder.mkdir(parents=True, exist_ok=True)
    chance, paths = np.random.default_rng(1), []
    for index in range(number):
        frame = chance.normal(300, 5, (256, 256)).astype("i2")
        for y, x in chance.integers(20, 236, (30, 2)):
            frame[y, x] += 400
        paths.append(folder / f"frame{index:04d}.npy")
        np.save(paths[-1], frame)
    return paths


def by_loop(tool: Path, paths: Sequence[Path], results: Path, parallel: int) -> tuple[float, float]:
    """(wall, processor) seconds of the shell loop."""
    results.mkdir(parents=True)
    environment = {"PATH": os.environ["PATH"], "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    command = ["xargs", "-0", f"-P{parallel}", "-I{}", "sh", "-c", LOOP]
    command += [str(tool / "reduce.sh"), sys.executable, "{}", str(results)]
    before, began = _children_cpu(), time.monotonic()
    subprocess.run(command, input="\0".join(map(str, paths)).encode(), env=environment, check=True)
    took = time.monotonic() - began, _children_cpu() - before
    assert len(list(results.glob("*/sources.csv"))) == len(paths)
    return took


def _children_cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def by_gateway(service: Any, paths: Sequence[Path]) -> tuple[float, float]:
    """(wall, processor) seconds from the request until its job has ended."""
    before, began = cpu_of(service), time.monotonic()
    url = _submit(service.port, paths)
    end = _follow(url)
    took = time.monotonic() - began, cpu_of(service) - before
    assert end["phase"] == "COMPLETED", end["error"]
    return took


def _submit(port: int, paths: Sequence[Path]) -> str:
    """One multipart request over all files; the address of its job."""
    body = bytearray()
    for name, value in (("EACH", "frames"), ("PHASE", "RUN")):
        body += f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
    for path in paths:
        head = f'Content-Disposition: form-data; name="frames"; filename="{path.name}"'
        body += f"--{BOUNDARY}\r\n{head}\r\n\r\n".encode() + path.read_bytes() + b"\r\n"
    body += f"--{BOUNDARY}--\r\n".encode()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
    kind = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    connection.request("POST", "/uws/reduce/async", bytes(body), kind)
    response = connection.getresponse()
    text = response.read()
    assert response.status == 303, text
    return str(response.headers["Location"])


def _follow(url: str) -> dict[str, Any]:
    parts = urllib.parse.urlsplit(url)
    address = f"{parts.scheme}://{parts.netloc}/api/v1/jobs/{parts.path.rpartition('/')[2]}"
    while True:
        with urllib.request.urlopen(f"{url}?WAIT=60&PHASE=EXECUTING", timeout=90):
            pass
        with urllib.request.urlopen(address, timeout=60) as answer:
            state: dict[str, Any] = json.load(answer)
        if state["final"]:
            return state


def cpu_of(service: Any) -> float:
    """Processor seconds of the service's processes and of all that they have waited for."""
    total = 0
    for process in service.processes:
        for pid in (process.pid, *_children(process.pid)):
            try:
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            total += sum(int(field) for field in fields[11:15])
    return total / os.sysconf("SC_CLK_TCK")


def _children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def main() -> int:
    parser = argparse.ArgumentParser(prog="make bench BENCH=many", description=__doc__)
    parser.add_argument("--inputs", type=int, default=96, help="the requirement's figure is 960")
    parser.add_argument("--parallel", type=int, default=os.cpu_count() or 2)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--json", default="", help="also write the figures here")
    args = parser.parse_args()
    from tests.uws.service import Service

    folder = Path(tempfile.mkdtemp(prefix="vogate-many-"))
    service = Service(folder, LIMITS)
    try:
        make_tool(service.site / "tools")
        paths = make_inputs(folder / "inputs", args.inputs)
        service.start_web()
        service.start("-m", "gateway.cli.main", "worker", "--slots", str(args.parallel))
        by_gateway(service, paths[:2])
        loop, gateway = Took(), Took()
        for turn in range(args.turns):
            part = paths[turn :: args.turns]
            loop.add(
                *by_loop(service.site / "tools", part, folder / f"loop-{turn}", args.parallel), len(part)
            )
            gateway.add(*by_gateway(service, part), len(part))
        show(loop, gateway, args)
        for process in service.processes:
            show_process(process.pid)
    finally:
        service.stop()
        shutil.rmtree(folder, ignore_errors=True)
    return 0


def show_process(pid: int) -> None:
    """Where a process of the gateway left its time: in itself and in what it started."""
    for one in (pid, *_children(pid)):
        words = Path(f"/proc/{one}/cmdline").read_bytes().split(b"\0")
        fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        own, started = (sum(map(int, fields[n : n + 2])) / os.sysconf("SC_CLK_TCK") for n in (11, 13))
        print(f"  {b' '.join(words[2:4]).decode():<32} itself {own:.1f} s, its children {started:.1f} s")


def show(loop: Took, gateway: Took, args: argparse.Namespace) -> None:
    ratio, cpu = gateway.wall / loop.wall, gateway.cpu / loop.cpu
    print(f"{loop.inputs} inputs, five steps each, {args.parallel} at once, in {args.turns} turns")
    print(f"  {'':<12} {'seconds':>9} {'CPU s':>9} {'ms/input':>9}")
    for name, took in (("shell loop", loop), ("gateway", gateway)):
        each = 1000 * took.wall * args.parallel / took.inputs
        print(f"  {name:<12} {took.wall:>9.1f} {took.cpu:>9.1f} {each:>9.0f}")
    print(f"  ratio {ratio:.2f} (target {TARGET}), of CPU time {cpu:.2f}", flush=True)
    if args.json:
        figures = {"loop": vars(loop), "gateway": vars(gateway), "ratio": ratio, "cpu_ratio": cpu}
        Path(args.json).write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    import django

    import tests.support.home  # noqa: F401  a home of its own, before the settings are read

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gateway.settings")
    django.setup()
    sys.exit(main())
