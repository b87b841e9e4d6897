"""Warm starts: a tool that is forked finds what it would find at a cold start, and nothing else."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.live import REPOSITORY
from tests.uws.builders import PROBE, PROBE_YAML
from tests.uws.service import Service
from uws.sandbox import why_no_bwrap

pytestmark = pytest.mark.slow

MODULES = "[numpy.random, decimal]"
LOOK = """
import atexit, json, os, resource, signal, sys

def look():
    before = set(sys.modules)
    import numpy.random
    status = dict(line.split(":", 1) for line in open("/proc/self/status"))
    numbers = ("SIGINT", "SIGTERM", "SIGPIPE", "SIGCHLD", "SIGXFSZ", "SIGHUP")
    print(json.dumps({
        "warm": "numpy.random" in before,
        "mine": {
            "random": float(numpy.random.random()), "cwd": os.getcwd(), "argv": sys.argv,
            "marks": [e for e in open("/proc/self/environ").read().split(chr(0)) if "VOGATE_ATTEMPT" in e],
            "environment": dict(os.environ),
            "namespaces": {name: os.readlink(f"/proc/self/ns/{name}") for name in os.listdir("/proc/self/ns")},
        },
        "same": {
            "rights": {k: v.strip() for k, v in status.items() if k.startswith(("Cap", "NoNewPrivs", "Seccomp"))},
            "ids": [status["Uid"], status["Gid"], status["Threads"]],
            "files": sorted(os.listdir("/proc/self/fd")), "root": sorted(os.listdir("/")),
            "tmp": sorted(os.listdir("/tmp")), "networks": sorted(os.listdir("/sys/class/net"))
                if os.path.exists("/sys") else "no /sys",
            "signals": {n: str(signal.getsignal(getattr(signal, n))) for n in numbers},
            "blocked": sorted(map(int, signal.pthread_sigmask(signal.SIG_BLOCK, []))),
            "limits": {n: resource.getrlimit(getattr(resource, n)) for n in dir(resource)
                if n.startswith("RLIMIT_")},
            "script": [__name__, os.path.basename(__file__), sys.flags.isolated, sys.path[1:], os.umask(0o022)],
            "module": sys.modules["__main__"].__dict__ is globals(), "oom": open("/proc/self/oom_score_adj").read(),
            "processes": len([name for name in os.listdir("/proc") if name.isdigit()]) < 5,
        },
    }), flush=True)
    atexit.register(print, "said at the end")
"""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service with one tool twice: `probe` starts cold, `warmed` warm."""
    service = Service(tmp_path_factory.mktemp("service"), "[limits.anonymous]\nactive_jobs = 50\n")
    tools = service.site / "tools"
    program = PROBE.replace('print("attempt starts", flush=True)', _ACTIONS)
    (tools / "probe.py").write_text(LOOK + program)
    (tools / "warmed.yaml").write_text(
        PROBE_YAML.replace("name: probe", "name: warmed") + f"warm: {MODULES}\n"
    )
    service.start_web()
    yield service
    service.stop()


_ACTIONS = """print("attempt starts", flush=True)
if action == "look":
    look()
if action == "raise":
    raise RuntimeError("as it is")
if action == "status":
    sys.exit(7)
if action == "thread":
    import threading
    threading.Thread(target=lambda: (time.sleep(0.3), print("a thread ended"))).start()
if action == "child":
    import subprocess
    subprocess.Popen(["sleep", "600"], start_new_session=True)
"""


@pytest.fixture
def worker(service: Service) -> Any:
    """The one worker that runs, its zygote ready; another one if a test has killed either."""
    running = [process for process in service.processes[1:] if process.poll() is None]
    if len(running) == 1 and zygotes(service):
        return running[0]
    for process in running:
        process.terminate()
        process.wait(20)
    service.until(lambda: not zygotes(service), "the zygote has ended with its worker")
    loads = service.log().count("warm: numpy.random")
    process = service.start_worker()
    service.until(lambda: service.log().count("warm: numpy.random") > loads, "the modules are loaded")
    return process


def zygotes(service: Service, kind: str = "zygote") -> list[int]:
    """Process ids of the zygotes of this service (or of its nursery), not of the shepherds that they forked."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            here = os.readlink(f"/proc/{name}/cwd").startswith(f"{service.home}/cache/{kind}")
            if here and b"zygote.py" in Path(f"/proc/{name}/cmdline").read_bytes():
                found.append(int(name))
        except OSError:
            continue
    return found


def test_a_zygote_ends_with_its_worker(service, worker):
    assert len(zygotes(service)) == 1
    worker.terminate()
    worker.wait(20)
    service.until(lambda: not zygotes(service), "the zygote has ended")


def run(service: Service, tool: str, **parameters: Any) -> dict[str, Any]:
    return service.ended(service.create(tool, **parameters))


def seen(state: dict[str, Any]) -> dict[str, Any]:
    assert state["phase"] == "COMPLETED", (state["error"], state["log"]["text"])
    lines = state["log"]["text"].splitlines()
    found: dict[str, Any] = json.loads(next(line for line in lines if line.startswith("{")))
    return found


def test_a_warm_tool_finds_what_it_finds_after_a_cold_start(service, worker):
    states = [run(service, tool, action="look") for tool in ("probe", "warmed", "warmed")]
    cold, warm, other = map(seen, states)
    assert (cold["warm"], warm["warm"], other["warm"]) == (False, True, True)
    assert warm["same"] == cold["same"]
    # Each attempt its own walls (where there are any), environment and random numbers.
    for name, cold_one in cold["mine"]["namespaces"].items():
        outside = os.readlink(f"/proc/self/ns/{name}")
        assert (warm["mine"]["namespaces"][name] == outside) == (cold_one == outside), name
    assert why_no_bwrap() or warm["mine"]["namespaces"]["user"] != os.readlink("/proc/self/ns/user")
    assert len({found["mine"]["random"] for found in (cold, warm, other)}) == 3
    for state, found in zip(states, (cold, warm, other), strict=True):
        mark = f"{state['id']}.1"
        assert found["mine"]["marks"] == [f"VOGATE_ATTEMPT={mark}"]
        assert found["mine"]["environment"]["VOGATE_ATTEMPT"] == mark
        assert state["id"] in found["mine"]["cwd"]
        assert state["log"]["text"].rstrip().endswith("said at the end")
    assert warm["mine"]["environment"].keys() == cold["mine"]["environment"].keys()
    assert warm["mine"]["argv"] == cold["mine"]["argv"]
    assert "Warm start" in states[1]["log"]["text"]
    assert "Warm start" not in states[0]["log"]["text"]


@pytest.mark.parametrize("action", ["fail", "raise", "status", "thread", "nothing", "link", "burn"])
def test_it_ends_as_after_a_cold_start(service, worker, action):
    cold, warm = (run(service, tool, action=action) for tool in ("probe", "warmed"))
    for name in ("phase", "error", "attempt"):
        assert warm[name] == cold[name]
    texts = [
        [line for line in state["log"]["text"].splitlines() if not line.startswith("[vogate]")]
        for state in (cold, warm)
    ]
    if action == "raise":  # ours has the frames of what runs the script
        assert [text[-1] for text in texts] == ["RuntimeError: as it is"] * 2
    else:
        assert texts[0] == texts[1]


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ({"action": "memory"}, "emory"),
        ({"action": "fork"}, "processes"),
        ({"action": "network", "text": "9"}, None),
        ({"action": "spy", "text": "/etc/shadow"}, None),
    ],
)
def test_it_is_kept_to_its_limits_and_walls(service, worker, parameters, says):
    cold, warm = (run(service, tool, **parameters) for tool in ("probe", "warmed"))
    assert warm["phase"] == cold["phase"]
    if says:
        assert says in warm["error"]["message"]
    else:
        texts = [(service.folder(s["url"]) / "results" / "out.txt").read_text() for s in (cold, warm)]
        assert texts[0] == texts[1]


def test_nothing_that_it_left_outlives_it(service, worker):
    state = run(service, "warmed", action="child")
    assert state["phase"] == "COMPLETED"
    assert not service.processes_of(state["url"])


@pytest.mark.parametrize("action", ["sleep", "grandchild"])
def test_an_abort_ends_it_with_all_its_processes(service, worker, action):
    url = service.create("warmed", action=action, seconds=60)
    service.until(lambda: len(service.processes_of(url)) > (action == "grandchild"), "it runs")
    before = time.monotonic()
    service.post(f"{url}/phase", PHASE="ABORT")
    service.until(lambda: not service.processes_of(url), "its processes have ended")
    assert time.monotonic() - before < 2.5 * (1 + os.getloadavg()[0])


def test_a_killed_shepherd_takes_it_along_and_the_job_is_tried_again(service, worker):
    url = service.create("warmed", action="sleep", seconds=1.5)
    os.kill(service.shepherd(url), signal.SIGKILL)
    state = service.ended(url)
    assert (state["phase"], state["attempt"]) == ("COMPLETED", 2), state["error"]
    assert service.ticks(url, 1)[-1] < service.ticks(url, 2)[0]
    assert not service.processes_of(url)


def test_it_survives_its_zygote_and_its_worker(service, worker):
    url = service.create("warmed", action="sleep", seconds=2)
    service.shepherd(url)
    for pid in (*zygotes(service), worker.pid):
        os.kill(pid, signal.SIGKILL)
    worker.wait()
    service.start_worker()
    state = service.ended(url)
    assert (state["phase"], state["attempt"]) == ("COMPLETED", 1), state["error"]


def test_without_its_zygote_a_tool_starts_cold(service, worker):
    for pid in zygotes(service):
        os.kill(pid, signal.SIGKILL)
    state = run(service, "warmed", action="write")
    assert (state["phase"], state["attempt"]) == ("COMPLETED", 1)
    assert "Warm start" not in state["log"]["text"]


def test_a_zygote_that_hangs_is_given_up_and_nothing_runs_twice(service, worker):
    (pid,) = zygotes(service)
    os.kill(pid, signal.SIGSTOP)
    state = run(service, "warmed", action="write")
    assert (state["phase"], state["attempt"]) == ("COMPLETED", 1)
    assert state["log"]["text"].count("attempt starts") == 1
    assert pid not in zygotes(service)


# -- the nursery, which forks the shepherds of all other tools -------------------------------------------


def start(service: Service, seconds: float) -> tuple[str, bool]:
    """The URL of a job of the cold tool, once it runs, and whether its shepherd was forked."""
    url = service.create("probe", action="sleep", seconds=seconds)
    command = Path(f"/proc/{service.shepherd(url)}/cmdline").read_bytes()
    return url, b"zygote.py" in command


def in_nursery(service: Service, worker: Any) -> int:
    """Process id of the nursery, with a new worker if it is gone."""
    if not zygotes(service, "nursery"):
        worker.terminate()
        worker.wait(20)
        service.start_worker()
    service.until(lambda: start(service, 0.5)[1], "shepherds are forked")
    (pid,) = zygotes(service, "nursery")
    return pid


def test_shepherds_of_cold_tools_are_forked_and_survive_what_forked_them(service, worker):
    in_nursery(service, worker)
    url, forked = start(service, 2)
    assert forked
    for process in service.processes[1:]:
        process.kill()
    for pid in zygotes(service, "nursery"):
        os.kill(pid, signal.SIGKILL)
    service.start_worker()
    state = service.ended(url)
    assert (state["phase"], state["attempt"]) == ("COMPLETED", 1), state["error"]


def test_without_a_nursery_shepherds_are_started_anew(service, worker):
    os.kill(in_nursery(service, worker), signal.SIGKILL)
    service.until(lambda: not zygotes(service, "nursery"), "it is gone")
    url, forked = start(service, 0.2)
    assert not forked
    assert service.ended(url)["phase"] == "COMPLETED"


def test_a_nursery_that_hangs_is_given_up_and_nothing_runs_twice(service, worker):
    pid = in_nursery(service, worker)
    os.kill(pid, signal.SIGSTOP)
    state = run(service, "probe", action="write")
    assert (state["phase"], state["attempt"]) == ("COMPLETED", 1)
    assert state["log"]["text"].count("attempt starts") == 1
    assert pid not in zygotes(service, "nursery")


def test_a_shepherd_that_comes_second_is_not_the_end_of_the_attempt(tmp_path):
    """As where a zygote forked, but its answer came so late that another one was asked."""
    from uws.executor import LocalExecutor
    from uws.warm import NURSERY, Zygotes

    folder = tmp_path / "attempt-1"
    (folder / "work").mkdir(parents=True)
    spec = {
        "job": "a", "attempt": 1, "argv": ["/bin/sleep", "3"], "cwd": str(folder / "work"),
        "env": {"PATH": os.defpath}, "seconds": 30,
    }  # fmt: skip
    (folder / "spec.json").write_text(json.dumps(spec))
    zygotes = Zygotes(tmp_path / "cache")
    zygotes.tend()
    executor = LocalExecutor(zygotes=zygotes)
    try:
        assert wait_for(lambda: zygotes._zygotes[NURSERY].usable())
        first = zygotes.launch(folder)
        assert first is not None
        assert wait_for((folder / "shepherd.json").exists)
        executor.launch(folder)
        second = executor._children[folder]
        assert wait_for(lambda: second.poll() is not None)
        assert executor.alive(folder)
        assert wait_for(lambda: not executor.alive(folder))
        assert json.loads((folder / "exit.json").read_text())["exit"] == 0
    finally:
        executor.forget(folder)
        zygotes.close()


def wait_for(condition: Callable[[], Any], seconds: float = 30.0) -> bool:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def test_packages_that_change_are_loaded_again(service, worker, tmp_path):
    from uws import warm

    zygote = warm.Zygote(warm.Key(sys.executable, ("decimal",)), tmp_path / "zygote-0")
    try:
        service.until(zygote.usable, "it is ready")
        zygote.stamp = "another"
        assert not zygote.usable()
        assert zygote.failed
    finally:
        zygote.end(kill=True)


def test_modules_that_cannot_be_loaded_or_start_threads_leave_the_start_cold(tmp_path):
    from uws import warm

    threads = "import threading, time\nthreading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n"
    for name, source in (("broken", "1 / 0\n"), ("threaded", threads)):
        home = tmp_path / name
        home.mkdir()
        (home / "usercustomize.py").touch()
        package = tmp_path / f"{name}_module.py"
        package.write_text(source)
        program = tmp_path / f"python-{name}"
        program.write_text(f'#!/bin/sh\nPYTHONPATH={tmp_path} exec {sys.executable} "$@"\n')
        program.chmod(0o755)
        zygote = warm.Zygote(warm.Key(str(program), (package.stem,)), home / "zygote-0")
        end = time.monotonic() + 30
        while not zygote.failed:
            assert not zygote.usable()
            assert time.monotonic() < end
            time.sleep(0.05)


@pytest.mark.parametrize("walls", [["/bin/false"], ["/bin/sh", "-c", "exec cat"]])
def test_where_the_walls_cannot_be_entered_the_attempt_starts_cold(tmp_path, walls):
    """Neither walls that fall, nor what has the name of the waiting program but no walls around it that could be joined."""
    folder = tmp_path / "attempt-1"
    (folder / "work").mkdir(parents=True)
    spec = {
        "job": "a", "attempt": 1, "argv": ["/bin/sh", "-c", "echo cold"], "cwd": str(folder / "work"),
        "env": {"PATH": os.defpath}, "seconds": 30, "warm": {"walls": walls, "argv": ["python", "/nowhere.py"]},
    }  # fmt: skip
    (folder / "spec.json").write_text(json.dumps(spec))
    code = f"from uws import zygote; raise SystemExit(zygote.shepherd.main({str(folder)!r}, zygote.WarmShepherd))"
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, timeout=60, start_new_session=True)
    assert done.returncode == 0
    record = json.loads((folder / "exit.json").read_text())
    assert (record["exit"], record["why"]) == (0, "")
    log = (folder / "log.txt").read_text()
    assert "not possible" in log
    assert log.endswith("cold\n")
