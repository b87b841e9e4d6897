"""Tools in images, by the real podman where the machine lets it run; what an engine lacks is said."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import require
from tests.uws.builders import make_job, make_worker, step_until, work
from uws import controller, executors
from uws.executors import SiteError
from uws.models import AttemptOutcome
from uws.tools import availability, containers, loader, registry

pytestmark = pytest.mark.django_db(transaction=True)

IMAGE = "localhost/vogate/tests"
PROGRAMS = ("sh", "cat", "ls", "sleep", "id")
DESCRIPTION = """
name: inside
version: "1"
title: Inside
summary: Runs in an image
category: Tests
argv: ["/bin/sh", "{tool_folder}/inside.sh", "{parameter.action}", "{parameter.seconds}", "{input.files}"]
files: [inside.sh]
container: {image: IMAGE, engine: ENGINE}
inputs:
  files: {title: Files, min: 0, max: 5}
parameters:
  action: {type: string, title: Action, default: look}
  seconds: {type: integer, title: Seconds, default: 0}
outputs:
  out: {path: out.txt, title: Answer, media_type: text/plain, role: main, required: true}
limits: {seconds: 60, memory_mb: 200, disk_mb: 20, processes: 10}
"""
SCRIPT = """
action="$1"; seconds="$2"; shift 2
{
  echo "root: $(ls / | while read name; do printf '%s ' "$name"; done)"
  echo "python: $(ls /usr/bin/python3 2>&1)"
  echo "job: $(ls job.json)"
  echo "mark: $VOGATE_ATTEMPT"
  for file in "$@"; do echo "input: $(cat "$file")"; (echo changed > "$file") 2>&1; done
  (echo x > /x) 2>&1
  (echo x > /tmp/x) 2>&1 && echo "tmp: written"
  while read line; do echo "network: $line"; done < /proc/net/dev
} > out.txt
if [ "$action" = wait ]; then sleep "$seconds"; fi
exit 0
"""


def description(folder: Path, engine: str = "podman", image: str = IMAGE) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "inside.sh").write_text(SCRIPT)
    path = folder / "inside.yaml"
    path.write_text(DESCRIPTION.replace("IMAGE", image).replace("ENGINE", engine))
    return path


def make_image(folder: Path) -> Path:
    """A tar of a root file system with a shell and a few programs of this machine."""
    root = folder / "root"
    for name in ("bin", "proc", "dev", "tmp", "etc"):
        (root / name).mkdir(parents=True)
    (root / "bin" / "true").write_text("#!/bin/sh\n")
    (root / "bin" / "true").chmod(0o755)
    for program in PROGRAMS:
        source = Path(shutil.which(program) or program).resolve()
        shutil.copy(source, root / "bin" / program)
        linked = subprocess.run(["ldd", str(source)], capture_output=True, text=True, check=True).stdout
        for word in (word for word in linked.split() if word.startswith("/")):
            target = root / word.lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(Path(word).resolve(), target)
    tar = folder / "image.tar"
    subprocess.run(["tar", "-C", str(root), "-cf", str(tar), "."], check=True)
    return tar


@pytest.fixture(scope="session")
def podman_options(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """Words with which podman has a store of its own with the image, and a runtime that works here."""
    require("podman", "podman")
    folder = tmp_path_factory.mktemp("podman")
    # Podman wants the path of what runs to be shorter than 50 characters.
    running = tempfile.mkdtemp(prefix="podman-")
    words = ["--root", f"{folder}/store", "--runroot", f"{running}/run", "--storage-driver=vfs"]
    words += ["--cgroup-manager=cgroupfs", "--events-backend=file"]
    done = subprocess.run(
        ["podman", *words, "import", str(make_image(folder)), IMAGE],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        _not_here(f"podman keeps no image here: {done.stderr[-300:]}")
    reason = ""
    for runtime in ("", "crun", "runc"):
        if runtime and shutil.which(runtime) is None:
            continue
        options = [*words, *(("--runtime", runtime) if runtime else ())]
        containers.configure({"podman": options})
        reason = containers.why_not(containers.Container(IMAGE))
        if not reason:
            break
    containers.configure({})
    if reason:
        _not_here(reason)
    yield options
    subprocess.run(["podman", *words, "rmi", "--force", IMAGE], capture_output=True, check=False)
    shutil.rmtree(running, ignore_errors=True)


def _not_here(reason: str) -> None:
    (pytest.fail if "podman" in os.environ.get("VOGATE_REQUIRE", "").split(",") else pytest.skip)(reason)


@pytest.fixture
def podman(podman_options: list[str], tmp_path: Path, tools) -> Iterator[list[str]]:
    containers.configure({"podman": podman_options})
    description(tmp_path / "inside")
    with registry.using(tmp_path / "inside"):
        yield ["podman", *podman_options]
    containers.configure({})


def test_a_tool_runs_in_its_image_and_sees_nothing_else(podman, tmp_path):
    import io

    from tests.uws.builders import ANYBODY
    from uws import creation

    upload = creation.Upload("files", "input.txt", io.BytesIO(b"original"))
    job = controller.create("inside", {}, ANYBODY, uploads=[upload], run=True, base_url="http://testserver")
    (row,) = job.inputs.all()
    job = work(job)
    assert job.phase == "COMPLETED", job.error_message
    lines = job.results.get().path.read_text().splitlines()
    said = dict(line.partition(": ")[::2] for line in lines)
    assert "No such file" in said["python"]
    assert (said["job"], said["input"], said["tmp"]) == ("job.json", "original", "written")
    assert said["mark"] == f"{job.pk}.1"
    assert sum("Read-only file system" in line for line in lines) == 2
    devices = [line.split()[1] for line in lines if line.startswith("network: ") and line.endswith("0")]
    assert devices == ["lo:"]
    assert Path(row.path).read_bytes() == b"original"
    assert f"podman, image {IMAGE}" in (job.attempt_folder / "log.txt").read_text()


def test_an_abort_leaves_no_container(podman):
    job = make_job(tool="inside", run=True, action="wait", seconds=100)
    worker = make_worker(1)
    step_until(worker, job, lambda job: _containers(podman) == [f"vogate-{job.pk}.1"])
    controller.abort(job)
    step_until(worker, job, lambda job: job.attempts.get().ended_at is not None)
    worker.shut_down()
    assert job.attempts.get().outcome == AttemptOutcome.ABORTED
    assert _containers(podman) == []


def _containers(podman: list[str]) -> list[str]:
    done = subprocess.run(
        [*podman, "ps", "--all", "--format", "{{.Names}}"], capture_output=True, text=True, check=True
    )
    return done.stdout.split()


def test_an_image_that_is_not_there_is_named(podman, tmp_path):
    tool = loader.load(description(tmp_path / "other", image="localhost/vogate/nosuch"))
    assert "The image localhost/vogate/nosuch is not on this machine" in availability.why_not(tool)


def test_an_engine_that_is_not_there_is_named_and_its_jobs_are_refused(tmp_path, tools, monkeypatch, client):
    monkeypatch.setenv("PATH", str(tmp_path))
    containers.why_not.cache_clear()
    description(tmp_path / "inside", engine="apptainer")
    with registry.using(tmp_path / "inside"):
        assert registry.get("inside").why_not == "Apptainer is not installed."
        answer = client.post("/uws/inside/async", {"PHASE": "RUN"})
    containers.why_not.cache_clear()
    assert answer.status_code == 503
    assert b"Apptainer is not installed" in answer.content


def test_apptainers_command_has_the_same_walls(tmp_path):
    run = containers.Run(
        "name", tmp_path / "w", tmp_path / "t", tmp_path / "p", (Path("/data/x"),), {"A": "b c"}
    )
    (tmp_path / "t").mkdir()
    words = containers.wrap(containers.Container("/images/x.sif", "apptainer"), ["prog", "-x"], run)
    assert words[-3:] == ["/images/x.sif", "prog", "-x"]
    assert words[words.index("--network") + 1] == "none"
    assert "/data/x:/data/x:ro" in words
    assert "A=b c" in words


def test_a_description_says_what_goes_with_an_image(tmp_path):
    path = description(tmp_path / "inside")
    path.write_text(path.read_text() + "python: venv/bin/python\n")
    with pytest.raises(loader.DescriptionError, match="neither python nor warm"):
        loader.load(path)
    path.write_text(path.read_text().replace("engine: podman", "engine: docker"))
    with pytest.raises(loader.DescriptionError, match="docker"):
        loader.load(path)


def test_the_sites_options_are_checked():
    read = executors.container_options
    assert read({"containers": {"podman": {"options": ["--runtime", "runc"]}}}) == {
        "podman": ("--runtime", "runc")
    }
    for table in ({"docker": {}}, {"podman": {"option": []}}, {"podman": {"options": "x"}}):
        with pytest.raises(SiteError):
            read({"containers": table})
