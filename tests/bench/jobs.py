"""`make bench BENCH=jobs`: the job controller's figures, with small tools on a gateway of its own.

Creates and GETs per second, POST to COMPLETED of a trivial tool, trivial jobs per second (local, and with
Celery on Redis), clients in WAIT (memory of the web process, delay of the answer), lists of many jobs, and the
demo site's analyses with a cold and a warm start.  `--parts` selects, by the names in `PARTS`.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.bench import many, waiting
from tests.support.live import REPOSITORY

NAME, PASSWORD = "bench", "a quick brown fox 7"
LIMITS = "[limits.signed_in]\nactive_jobs = 100000\n[limits.anonymous]\nactive_jobs = 100000\n"
FILL = """
from django.contrib.auth import get_user_model
from gateway.vo.caller import Caller
from uws.access import fair_use_digest
from uws.models import Job, Rights, now
from datetime import timedelta
user = get_user_model().objects.create_user({name!r}, password={password!r})
caller = Caller(user_id=user.pk, username=user.username, method="cookie")
start, rows = now() - timedelta(days=2), []
phases = ["COMPLETED", "ERROR", "ABORTED"]
for n in range({number}):
    rows.append(Job(tool_name="probe", tool_version="1.0", owner=user, rights=Rights.ACCOUNT,
        fair_use=fair_use_digest(caller), phase=phases[n % 3], creation_time=start + timedelta(seconds=n),
        start_time=start, end_time=start, destruction=now() + timedelta(days=5)))
Job.objects.bulk_create(rows, batch_size=2000)
"""

TOGETHER = 40
"""Trivial jobs that are asked for at once."""

Figure = tuple[str, str, str, str]
"""What, our figure, OPUS on the same machine, the target."""


class Http:
    """A client that keeps redirects to itself."""

    def __init__(self, url: str) -> None:
        import http.client

        parts = urllib.parse.urlsplit(url)
        self.connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)

    def __call__(self, method: str, path: str, values: dict[str, str] | None = None, **headers: str) -> Any:
        body = urllib.parse.urlencode(values) if values is not None else None
        if body is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        self.connection.request(method, path, body, headers)
        response = self.connection.getresponse()
        response.body = response.read()  # type: ignore[attr-defined]
        return response

    def create(self, **values: str) -> str:
        """Path of a new job."""
        answer = self("POST", "/uws/probe/async", values)
        assert answer.status == 303, answer.body
        return urllib.parse.urlsplit(answer.headers["Location"]).path


def rate(action: Callable[[], Any], seconds: float = 3.0) -> float:
    """How often per second."""
    number, start = 0, time.monotonic()
    while time.monotonic() - start < seconds:
        action()
        number += 1
    return number / (time.monotonic() - start)


def once(http: Http) -> float:
    """POST to COMPLETED of a trivial tool in ms."""
    start = time.monotonic()
    path = http.create(PHASE="RUN")
    while True:
        answer = http("GET", f"{path}?WAIT=10")
        if b">COMPLETED<" in answer.body:
            return 1000 * (time.monotonic() - start)
        assert b">ERROR<" not in answer.body, answer.body


def throughput(http: Http, number: int = TOGETHER) -> float:
    """Trivial jobs per second."""
    start = time.monotonic()
    paths = [http.create(PHASE="RUN") for _ in range(number)]
    for path in paths:
        while http("GET", f"{path}/phase").body != b"COMPLETED":
            time.sleep(0.02)
    return number / (time.monotonic() - start)


def memory_mb(pid: int) -> float:
    """Resident memory of a process and its children."""
    total = 0
    for one in [pid, *_children(pid)]:
        for line in Path(f"/proc/{one}/status").read_text().splitlines():
            if line.startswith("VmRSS"):
                total += int(line.split()[1])
    return total / 1024


def _children(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(one) for one in text.split()]


@contextmanager
def service(settings: str = "") -> Iterator[Any]:
    """A gateway in pieces with the tests' probe tool; its web process is the first of `.processes`."""
    from tests.uws.service import Service

    with tempfile.TemporaryDirectory(prefix="vogate-bench-") as folder:
        made = Service(Path(folder), LIMITS + settings)
        try:
            made.start_web()
            yield made
        finally:
            made.stop()


# -- the parts ------------------------------------------------------------------------------------------


def dispatch(args: argparse.Namespace) -> Iterator[Figure]:
    with service() as made:
        made.start_worker()
        http = Http(made.url)
        path = http.create()
        yield "creates", f"{rate(lambda: http.create()):.0f} /s", "12 /s", ""
        yield "GETs of a job", f"{rate(lambda: http('GET', path)):.0f} /s", "15 /s", ""
        once(http)  # the worker is there
        times = [once(http) for _ in range(15)]
        text = f"{statistics.median(times):.0f} ms (best {min(times):.0f}, worst {max(times):.0f})"
        yield "trivial job, POST to COMPLETED", text, "", "150 ms"
        alone = [process_ms(made, path.rpartition("/")[2]) for _ in range(7)]
        yield "  of it the tool's own process", f"{statistics.median(alone):.0f} ms", "", "85 ms"
        before = many.cpu_of(made)
        yield "trivial jobs", f"{throughput(http):.1f} /s", "", ""
        cpu = 1000 * (many.cpu_of(made) - before) / TOGETHER
        yield "  of it CPU time a job: gateway, tool and polls", f"{cpu:.0f} ms", "", ""


def process_ms(made: Any, _job_id: str) -> float:
    """How long a shepherd with its sandboxed tool takes by itself, with what the last job left as its example."""
    specs = sorted(made.home.glob("jobs/*/*/attempt-1/spec.json"), key=lambda path: path.stat().st_mtime)
    with tempfile.TemporaryDirectory(dir=made.home) as folder:
        attempt = Path(folder) / "attempt-1"
        text = specs[-1].read_text().replace(str(specs[-1].parent), str(attempt))
        (attempt / "work").mkdir(parents=True)
        (attempt / "tmp").mkdir()
        (attempt / "progress.jsonl").touch()
        (attempt / "spec.json").write_text(text)
        (attempt / "work" / "job.json").write_text(json.dumps({"parameters": {}, "inputs": {}}))
        from uws import shepherd

        start = time.monotonic()
        subprocess.run([sys.executable, "-I", "-S", shepherd.__file__, str(attempt)], check=True)
        return 1000 * (time.monotonic() - start)


def celery(args: argparse.Namespace) -> Iterator[Figure]:
    what = "trivial jobs, Celery on Redis, 2 processes"
    if shutil.which("redis-server") is None:
        yield what, "redis-server is not installed", "", ""
        return
    from tests.uws.brokers import Redis, celery_site, start_celery

    with tempfile.TemporaryDirectory(prefix="vogate-bench-redis-") as folder:
        redis = Redis(Path(folder)).start()
        try:
            with service(celery_site(redis)) as made:
                start_celery(made)
                made.start("-m", "gateway.cli.main", "worker", "--slots", "0")
                http = Http(made.url)
                once(http)
                yield what, f"{throughput(http):.1f} /s", "", ""
        finally:
            redis.stop()


def wait(args: argparse.Namespace) -> Iterator[Figure]:
    with service() as made:
        http, web = Http(made.url), made.processes[0]
        path = http.create()
        http("GET", path)
        before, held = memory_mb(web.pid), 0.0

        def change() -> None:
            nonlocal held
            held = memory_mb(web.pid) - before
            http("POST", f"{path}/phase", {"PHASE": "ABORT"})

        result = waiting.measure(made.port, [path] * args.clients, change)
        label = f"{args.clients} in WAIT on one job: answer after the change"
        yield label, result, "", "100 ms"
        yield f"{args.clients} in WAIT: memory", f"{held:+.0f} MB on {before:.0f} MB", "", ""
        http = Http(made.url)
        paths = [http.create() for _ in range(args.clients)]
        one = paths[len(paths) // 2]
        result = waiting.measure(
            made.port, paths, lambda: http("POST", f"{one}/phase", {"PHASE": "ABORT"}), answered=one
        )
        yield f"{args.clients} in WAIT on as many jobs: answer of the one that changes", result, "", "100 ms"


def lists(args: argparse.Namespace) -> Iterator[Figure]:
    with service() as made:
        done = made.run(
            "manage.py", "shell", "-v", "0", "-c",
            FILL.format(name=NAME, password=PASSWORD, number=args.jobs),
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        http, web = Http(made.url), made.processes[0]
        login = {"Authorization": "Basic " + base64.b64encode(f"{NAME}:{PASSWORD}".encode()).decode()}
        http("GET", "/uws/probe/async?LAST=1", None, **login)
        for label, query, target in (
            ("LAST=100", "LAST=100", "50 ms"),
            ("PHASE=EXECUTING", "PHASE=EXECUTING", ""),
            ("whole list", "", "bounded memory"),
        ):
            times, before = [], memory_mb(web.pid)
            for _ in range(9 if query else 1):
                start = time.monotonic()
                answer = http("GET", f"/uws/probe/async?{query}", None, **login)
                times.append(1000 * (time.monotonic() - start))
            grown = memory_mb(web.pid) - before
            text = (
                f"{statistics.median(times):.0f} ms, {len(answer.body) / 1e6:.2f} MB, memory {grown:+.0f} MB"
            )
            yield f"{args.jobs} jobs: {label}", text, "", target


DATA = Path(os.environ.get("VOGATE_SHARED", REPOSITORY.parent / "shared")) / "data" / "hess-dl3-dr1"
TOOLS = ("light_curve", "spectrum", "counts_map")


def warm(args: argparse.Namespace) -> Iterator[Figure]:
    """The demo site's analyses of one observation (a simulated one without the shared data), cold and warm."""
    from gateway.client import Gateway as Client
    from tests.support.live import Gateway

    with tempfile.TemporaryDirectory(prefix="vogate-bench-") as folder:
        site = Path(folder) / "site"
        shutil.copytree(REPOSITORY / "deploy" / "sites" / "demo", site)
        settings = (site / "site.toml").read_text()
        seconds: dict[str, list[float]] = {}
        for kind in ("cold", "warm"):
            (site / "site.toml").write_text(f"{settings}\n[jobs]\nwarm = {str(kind == 'warm').lower()}\n")
            made = Gateway(Path(folder) / "home", environment={"SITE": str(site)})
            done = made.vogate("up", "--no-serve", *(["--data", str(DATA)] if DATA.is_dir() else []))
            assert done.returncode == 0, done.stderr
            with made.start() as served:
                client = Client(served.url)
                (observation,) = client.observations(limit=1)
                while kind == "warm" and "warm: gammapy" not in served.log.read_text():
                    time.sleep(0.1)
                for tool in TOOLS:
                    runs = [client.run(tool, observations=observation) for _ in range(3)]
                    seconds[tool] = [*seconds.get(tool, []), min(map(_seconds, runs))]
        for tool, (cold, hot) in seconds.items():
            yield f"{tool}, start to end", f"cold {cold:.2f} s, warm {hot:.2f} s", "", ""


def _seconds(job: Any) -> float:
    return float(job.refresh().state["run_time"])


PARTS: dict[str, Callable[[argparse.Namespace], Iterator[Figure]]] = {
    "dispatch": dispatch,
    "celery": celery,
    "wait": wait,
    "lists": lists,
    "warm": warm,
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="make bench BENCH=jobs", description=__doc__)
    parser.add_argument("--parts", default=",".join(PARTS), help="some of " + ",".join(PARTS))
    parser.add_argument("--clients", type=int, default=1000)
    parser.add_argument("--jobs", type=int, default=100_000)
    parser.add_argument("--json", default="", help="also write the figures here")
    args = parser.parse_args()
    unknown = set(args.parts.split(",")) - set(PARTS)
    if unknown:
        parser.error(f"there is no part {', '.join(sorted(unknown))}")
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
    os.chdir(REPOSITORY)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gateway.settings")
    import django

    django.setup()
    figures = []
    print(f"{'what':62}{'here':48}{'OPUS':>8}{'target':>16}")
    for part in args.parts.split(","):
        for figure in PARTS[part](args):
            figures.append(figure)
            print(f"{figure[0]:62}{figure[1]:48}{figure[2]:>8}{figure[3]:>16}", flush=True)
    if args.json:
        Path(args.json).write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
