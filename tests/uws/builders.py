"""Small described tools, and a worker inside the test process."""

from __future__ import annotations

import concurrent.futures
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gateway.vo.caller import Caller
from uws import controller
from uws.models import Job
from uws.worker import Worker

PROBE_YAML = """
name: probe
version: "1.0"
title: Probe
summary: Does what a test asks for
category: Tests
argv: ["{python}", "{tool_folder}/probe.py"]
files: [probe.py]
inputs:
  files:
    title: Files
    min: 0
    max: 5
parameters:
  action: {type: string, title: Action, default: write, max_length: 40}
  text: {type: string, title: Text, default: hello}
  seconds: {type: float, title: Seconds, default: 0.0, min: 0, max: 600}
  numbers: {type: float, title: Numbers, multiple: true, unit: TeV}
outputs:
  text: {path: out.txt, title: Text, media_type: text/plain, role: main, preview: text, required: true}
  parts: {path: "part*.dat", title: Parts, media_type: application/octet-stream, role: table}
limits: {seconds: 60, max_seconds: 120, memory_mb: 600, disk_mb: 20, processes: 20}
"""

REQUIRED_YAML = """
name: strict
version: "2.1"
title: Strict
summary: Needs a value and a file
category: Tests
argv: ["{python}", "{tool_folder}/probe.py"]
files: [probe.py]
inputs:
  files: {title: Files, min: 1, max: 2}
parameters:
  text: {type: string, title: Text, required: true}
outputs:
  text: {path: out.txt, title: Text, media_type: text/plain, role: main, required: true}
"""

PROBE = """
import json, os, signal, sys, time
job = json.load(open("job.json"))
parameters = job["parameters"]
action, text = parameters.get("action", "write"), parameters.get("text", "")
seconds = parameters.get("seconds", 0.0)

def report(progress, stage):
    with open(os.environ["VOGATE_PROGRESS"], "a") as out:
        out.write(json.dumps({"progress": progress, "stage": stage}) + "\\n")

def write(body):
    with open("out.txt", "w") as out:
        out.write(body)

marks = os.environ.get("TMPDIR", "/tmp")
print("attempt starts", flush=True)
if action == "fail":
    print("reading", file=sys.stderr)
    sys.exit("The region holds no events: choose a larger radius.")
if action == "sleep":
    report(0.1, "Sleeping")
    for step in range(int(seconds * 10)):
        print(f"tick {time.time()}", flush=True)
        time.sleep(0.1)
if action == "half":
    with open("part1.dat", "w") as out:
        out.write("first half")
    time.sleep(60)
if action == "link":
    os.symlink("/etc/passwd", "out.txt")
    sys.exit(0)
if action == "parent_link":
    os.symlink("../../../../", "part1.dat")
if action == "hard_link":
    os.link("job.json", "out.txt")
    sys.exit(0)
if action == "burn":
    hoard = bytearray(60_000_000)
    end = time.process_time() + 0.3
    while time.process_time() < end:
        pass
if action == "big":
    with open("out.txt", "w") as out:
        out.write("x" * int(text))
    sys.exit(0)
if action == "nothing":
    sys.exit(0)
if action == "grandchild":
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
            time.sleep(600)
        os._exit(0)
    time.sleep(seconds)
if action == "memory":
    report(0.5, "Eating")
    hoard = []
    while True:
        hoard.append(bytearray(20_000_000))
        time.sleep(0.02)
if action == "fork":
    for _ in range(60):
        if os.fork() == 0:
            time.sleep(600)
    time.sleep(600)
if action == "environment":
    write(json.dumps(dict(os.environ)))
    sys.exit(0)
if action == "many":
    for n in range(3):
        with open(f"part{n}.dat", "w") as out:
            out.write(str(n))
if action == "progress":
    for n in range(10):
        report(n / 10, f"Step {n}")
        time.sleep(0.1)
if action == "noise":
    for n in range(20000):
        print("x" * 1000)
if action == "network":
    import socket
    try:
        socket.create_connection(("127.0.0.1", int(text)), 2).close()
        write("connected")
    except OSError as error:
        write(f"refused: {error}")
    sys.exit(0)
if action == "spy":
    try:
        write(open(text).read())
    except OSError as error:
        write(f"refused: {error}")
    sys.exit(0)
contents = "".join(open(f["path"]).read() for role in job["inputs"].values() for f in role)
write(text + contents)
"""


def make_tools(folder: Path) -> Path:
    """A folder of tool descriptions, as in a site."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "probe.yaml").write_text(PROBE_YAML)
    (folder / "strict.yaml").write_text(REQUIRED_YAML)
    (folder / "probe.py").write_text(textwrap.dedent(PROBE))
    return folder


def make_site(folder: Path, extra: str = "") -> Path:
    """A site folder with the tools of these tests."""
    make_tools(folder / "tools")
    (folder / "site.toml").write_text(
        '[site]\nname = "tests"\ntitle = "Tests"\nauthority = "vogate.tests"\n' + extra
    )
    return folder


class Inline(concurrent.futures.Executor):
    """Takes results in where it is called: the tests' database in memory has one writer."""

    def submit(
        self, function: Callable[..., Any], /, *args: Any, **kwargs: Any
    ) -> concurrent.futures.Future[Any]:
        future: concurrent.futures.Future[Any] = concurrent.futures.Future()
        future.set_result(function(*args, **kwargs))
        return future


def make_worker(slots: int = 2, *, end_jobs_on_exit: bool = True) -> Worker:
    return Worker(slots, end_jobs_on_exit=end_jobs_on_exit, collectors=Inline())


ANYBODY = Caller(address="192.0.2.1")


def make_job(caller: Caller = ANYBODY, *, tool: str = "probe", run: bool = False, **parameters: Any) -> Job:
    """A job of one of the tools above."""
    return controller.create(tool, parameters, caller, run=run, base_url="http://testserver")


def work(job: Job, *, until: Callable[[Job], bool] = lambda job: job.is_final, seconds: float = 30.0) -> Job:
    """Run a worker in this process until the job is as wanted."""
    worker = make_worker()
    try:
        step_until(worker, job, until, seconds)
    finally:
        worker.shut_down()
    job.refresh_from_db()
    return job


def step_until(worker: Worker, job: Job, until: Callable[[Job], bool], seconds: float = 30.0) -> None:
    """Let a worker go round until the job is as wanted; fails after `seconds`."""
    end = time.monotonic() + seconds
    while True:
        worker.step()
        job.refresh_from_db()
        if until(job):
            return
        assert time.monotonic() < end, f"still {job.phase} after {seconds} s: {job.error_message}"
        time.sleep(0.01)
