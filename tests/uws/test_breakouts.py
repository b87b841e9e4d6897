"""Tools that take all they can get: processes, threads, memory, disk, other people's files."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.uws.builders import ANYBODY, make_job, work
from uws import controller, creation, sandbox
from uws.models import Job
from uws.tools import registry

pytestmark = pytest.mark.django_db(transaction=True)

boxed = pytest.mark.skipif(bool(sandbox.why_no_bwrap()), reason=sandbox.why_no_bwrap() or "-")
PROCESSES, MEMORY_MB, DISK_MB = 20, 300, 50
DESCRIPTION = f"""
name: breakout
version: "1"
title: Breakout
summary: Takes what it gets
category: Tests
argv: ["{{python}}", "{{tool_folder}}/breakout.py", "{{parameter.action}}", "--text={{parameter.text}}", "{{input.files}}"]
files: [breakout.py]
inputs:
  files: {{title: Files, min: 0, max: 20}}
parameters:
  action: {{type: string, title: Action, required: true}}
  text: {{type: string, title: Text, default: ""}}
outputs:
  out: {{path: out.json, title: Answer, media_type: application/json, role: main, required: true}}
limits: {{seconds: 60, memory_mb: {MEMORY_MB}, disk_mb: {DISK_MB}, processes: {PROCESSES}}}
"""
PROGRAM = r"""
import ctypes, json, os, socket, sys, threading, time
action, text, files = sys.argv[1], sys.argv[2].removeprefix("--text="), sys.argv[3:]

def attempt(what, *arguments):
    try:
        return repr(what(*arguments))
    except BaseException as error:
        return f"refused: {error}"

def write(path):
    with open(path, "ab") as out:
        return out.write(b"x")

def fill(folder):
    for number in range(10_240 // 5):
        with open(f"{folder}/{number}.dat", "wb") as out:
            out.write(b"x" * 5_000_000)

answer = {"argv": sys.argv[1:]}
if action == "scribble":
    answer["writes"] = {path: attempt(write, path) for path in text.split(":")}
if action == "contents":
    answer["contents"] = [open(path).read() for path in files]
if action == "bomb":
    for _ in range(11):
        os.fork()
    time.sleep(60)
if action == "threads":
    threading.stack_size(1 << 16)
    for _ in range(3000):
        threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
    time.sleep(60)
if action == "hoard":
    for _ in range(10):
        if os.fork() == 0:
            mine = bytearray(os.urandom(1000) * 100_000)
            time.sleep(60)
    time.sleep(60)
if action == "one file":
    with open("big.dat", "wb") as out:
        for _ in range(10_240):
            out.write(b"x" * 1_000_000)
if action == "sparse file":
    os.truncate(os.open("big.dat", os.O_CREAT | os.O_WRONLY), 10 << 30)
if action == "many files":
    fill(".")
if action == "private places":
    fill(text)
if action == "print":
    for _ in range(int(text)):
        os.write(1, b"x" * 1_000_000)
if action == "sockets":
    answer["names"] = [name for _, name in socket.if_nameindex()]
    answer["abstract"] = attempt(socket.socket(socket.AF_UNIX).connect, "\0" + text)
    answer["outside"] = attempt(socket.create_connection, ("192.0.2.1", 80), 2)
if action == "neighbours":
    answer["processes"] = [pid for pid in os.listdir("/proc") if pid.isdigit()]
    answer["kill"] = attempt(os.kill, int(text), 9)
    answer["mount"] = ctypes.CDLL(None, use_errno=True).mount(b"none", b"/usr", b"tmpfs", 0, None)
with open("out.json", "w") as out:
    json.dump(answer, out)
"""


@pytest.fixture(autouse=True)
def breakout(tmp_path: Path, tools) -> Iterator[Path]:
    """The site's only tool."""
    folder = tmp_path / "breakout"
    folder.mkdir()
    (folder / "breakout.yaml").write_text(DESCRIPTION)
    (folder / "breakout.py").write_text(PROGRAM)
    with registry.using(folder):
        yield folder


def run(action: str, text: str = "", *, seconds: float = 60.0) -> Job:
    return work(make_job(tool="breakout", run=True, action=action, text=text), seconds=seconds)


def answer(job: Job) -> dict[str, object]:
    assert job.phase == "COMPLETED", job.error_message
    found: dict[str, object] = json.loads(job.results.get().path.read_text())
    return found


def stopped(job: Job) -> str:
    """The message of a job that was stopped, with nothing of it left."""
    assert job.phase == "ERROR", job.error_message
    assert not job.results.exists()
    assert not (job.attempt_folder / "work").exists()
    mark = f"VOGATE_ATTEMPT={job.pk}".encode()
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            assert mark not in path.read_bytes()
        except OSError:
            continue
    return str(job.error_message)


# -- more than its share ----------------------------------------------------------------------------------


@boxed
@pytest.mark.parametrize("action", ["bomb", "threads"])
def test_a_fork_bomb_is_stopped(action):
    # Which limit it meets first is the machine's speed.
    assert "is its limit" in stopped(run(action))


def test_memory_is_counted_over_all_its_processes():
    """Each of them keeps to the limit."""
    assert "300 MB is its limit" in stopped(run("hoard"))


@pytest.mark.parametrize("action", ["one file", "sparse file"])
def test_ten_gigabytes_in_a_file_are_refused(action):
    message = stopped(run(action))
    assert "limit" in message or "File too large" in message


def test_ten_gigabytes_in_many_files_are_stopped_soon():
    began = time.monotonic()
    message = stopped(run("many files"))
    assert "of disk; 50 MB is its limit" in message
    assert int(message.split("filled ")[1].split()[0]) < 5_000
    assert time.monotonic() - began < 45


@boxed
@pytest.mark.parametrize("place", ["/tmp", "/dev/shm"])
def test_the_private_folders_count_too(place):
    assert "of disk; 50 MB is its limit" in stopped(run("private places", place))


def test_gigabytes_of_output_fill_no_disk(settings):
    """Ten in a long run."""
    settings.SITE.raw["jobs"] = {"log_bytes": 1_000_000}
    try:
        job = run("print", "10240" if os.environ.get("VOGATE_LONG") else "1024", seconds=90)
    finally:
        del settings.SITE.raw["jobs"]
    assert job.phase == "COMPLETED", job.error_message
    assert sum(path.stat().st_size for path in job.attempt_folder.glob("*.*")) < 5_000_000


# -- what is not its own ----------------------------------------------------------------------------------


@boxed
def test_it_writes_nowhere_but_in_its_own_folder(tmp_path, breakout):
    other = run("sockets")
    own = tmp_path / "input.txt"
    own.write_text("original")
    places = [
        "/usr/x",
        "/etc/x",
        "/x",
        "/dev/x",
        "/proc/sys/kernel/domainname",
        str(breakout / "breakout.py"),
    ]
    places += [str(other.results.get().path), str(other.folder / "x"), str(tmp_path / "x"), str(own)]
    job = controller.create(
        "breakout", {"action": "scribble", "text": ":".join(places)}, ANYBODY, base_url="http://testserver",
        uploads=[creation.Upload("files", "input.txt", own.open("rb"))], run=True,
    )  # fmt: skip
    found = answer(work(job))
    assert set(found["writes"]) == set(places)
    written = [path for path, text in found["writes"].items() if not text.startswith("refused")]
    assert not [path for path in written if not path.startswith("/tmp/")], "/tmp is its own, and private"
    assert own.read_text() == "original"
    assert not (tmp_path / "x").exists()
    assert other.results.get().path.stat().st_size > 1
    assert not (other.folder / "x").exists()


@boxed
def test_an_input_file_is_read_only():
    """Its path is known to the tool only once it runs: it is told as an argument."""
    job = controller.create(
        "breakout", {"action": "contents"}, ANYBODY, base_url="http://testserver", run=False,
        uploads=[creation.Upload("files", "input.txt", _file(b"original"))],
    )  # fmt: skip
    (row,) = job.inputs.all()
    controller.set_parameters(job, {"action": "scribble", "text": row.path}, ANYBODY)
    found = answer(work(controller.run(job, ANYBODY)))
    assert "Read-only file system" in found["writes"][row.path]
    assert Path(row.path).read_bytes() == b"original"


@boxed
def test_it_sees_no_network():
    import socket

    name = f"vogate-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("\0" + name)
        server.listen()
        found = answer(run("sockets", name))
    assert found["names"] == ["lo"]
    assert "refused" in found["abstract"]
    assert "refused" in found["outside"]


@boxed
def test_it_sees_no_other_process_and_mounts_nothing():
    found = answer(run("neighbours", str(os.getppid())))
    assert len(found["processes"]) <= 3
    assert "No such process" in found["kill"]
    assert found["mount"] == -1


# -- what is said to it -------------------------------------------------------------------------------------

HOSTILE = [
    "a; touch hacked", "$(touch hacked)", "`touch hacked`", "| touch hacked", "a && touch hacked", "> hacked", "*", "~",
    "%s%n",    "'\"", "../../../etc/passwd", "x.fits[1][col a=b]", "x.fits[#row>1]", "!x.fits", "ftp://192.0.2.1/x.fits", "shmem://x",
    "gzip.sh|", "-rf", "--help", "@list", "\u202etxt.stif", "{python}", "{parameter.action}",
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE)
def test_words_of_the_command_are_passed_as_they_are(text):
    job = run("contents", text)
    assert answer(job)["argv"] == ["contents", f"--text={text}"]
    assert sorted(p.name for p in job.results_folder.iterdir()) == ["out.json"]


def test_files_of_any_name_arrive_under_safe_ones():
    uploads = [creation.Upload("files", name, _file(name.encode())) for name in HOSTILE[:20]]
    job = controller.create(
        "breakout", {"action": "contents"}, ANYBODY, uploads=uploads, run=True, base_url="http://testserver"
    )
    rows = list(job.inputs.order_by("position"))
    found = answer(work(job))
    assert found["contents"] == HOSTILE[:20]
    names = [Path(row.path) for row in rows]
    assert all(path.parent == job.folder / "inputs" for path in names)
    assert all(
        not set(path.name) & set("[]|;&$`'\"<>*~%!@{}:/ ") and path.name[0] not in ".-" for path in names
    )
    assert len(set(names)) == len(names)


def _file(content: bytes):
    import io

    return io.BytesIO(content)
