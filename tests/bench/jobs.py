"""`python -m tests.bench.jobs`: the job controller's figures, with small tools on a gateway of its own.

Creates and GETs per second, POST to COMPLETED of a trivial tool, trivial jobs per second, clients in WAIT
(memory of the web process, delay of the answer), and lists of many jobs.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.support.live import REPOSITORY

NAME, PASSWORD = "bench", "a quick brown fox 7"
LIMITS = "[limits.signed_in]\nactive_jobs = 100000\n[limits.anonymous]\nactive_jobs = 100000\n"
FILL = """
from django.contrib.auth import get_user_model
from gateway.vo.caller import Caller
from uws.access import fair_use_digest
from uws.models import Job, Rights, now
from datetime import timedelta
user = get_user_model().objects.get(username={name!r})
caller = Caller(user_id=user.pk, username=user.username, method="cookie")
start, rows = now() - timedelta(days=2), []
phases = ["COMPLETED", "ERROR", "ABORTED"]
for n in range({number}):
    rows.append(Job(tool_name="probe", tool_version="1.0", owner=user, rights=Rights.ACCOUNT,
        fair_use=fair_use_digest(caller), phase=phases[n % 3], creation_time=start + timedelta(seconds=n),
        start_time=start, end_time=start, destruction=now() + timedelta(days=5)))
Job.objects.bulk_create(rows, batch_size=2000)
"""


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


def dispatch(http: Http, rounds: int = 10) -> tuple[float, float]:
    """POST to COMPLETED of a trivial tool in ms: median and worst."""
    times = []
    for _ in range(rounds):
        start = time.monotonic()
        path = http.create(PHASE="RUN")
        while True:
            answer = http("GET", f"{path}?WAIT=10")
            if b">COMPLETED<" in answer.body:
                break
            assert b">ERROR<" not in answer.body, answer.body
        times.append(1000 * (time.monotonic() - start))
    return statistics.median(times), max(times)


def throughput(http: Http, number: int = 40) -> float:
    """Trivial jobs per second."""
    start = time.monotonic()
    paths = [http.create(PHASE="RUN") for _ in range(number)]
    for path in paths:
        while http("GET", f"{path}/phase").body != b"COMPLETED":
            time.sleep(0.02)
    return number / (time.monotonic() - start)


async def waiting(port: int, path: str, number: int, change: Callable[[], None]) -> list[float]:
    """Clients that wait for one job; seconds from its change to each one's answer."""
    opened = 0
    changed = 0.0
    all_open = asyncio.Event()

    async def client() -> float:
        nonlocal opened
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"GET {path}?WAIT=60 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        await writer.drain()
        opened += 1
        if opened == number:
            all_open.set()
        await reader.readuntil(b"\r\n")
        moment = time.monotonic()
        await reader.read()
        writer.close()
        return moment

    clients = [asyncio.create_task(client()) for _ in range(number)]
    await all_open.wait()
    await asyncio.sleep(3)
    await asyncio.to_thread(change)
    changed = time.monotonic()
    return [moment - changed for moment in await asyncio.gather(*clients)]


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


def measure(service: Any, clients: int, number: int) -> dict[str, str]:
    web = service.start_web()
    service.start_worker()
    http = Http(service.url)
    path = http.create()
    figures = {
        "creates": f"{rate(lambda: http.create()):.0f} /s",
        "GETs of a job": f"{rate(lambda: http('GET', path)):.0f} /s",
    }
    median, worst = dispatch(http)
    figures["POST to COMPLETED"] = f"{median:.0f} ms (worst {worst:.0f})"
    print("  ".join(f"{k}: {v}" for k, v in figures.items()), file=sys.stderr, flush=True)
    figures["trivial jobs"] = f"{throughput(http):.1f} /s"
    before = memory_mb(web.pid)
    delays = asyncio.run(
        waiting(service.port, path, clients, lambda: http("POST", f"{path}/phase", {"PHASE": "ABORT"}))
    )
    delays.sort()
    figures[f"{clients} in WAIT: answer after the change"] = (
        f"first {1000 * delays[0]:.0f}, median {1000 * delays[len(delays) // 2]:.0f}, last {1000 * delays[-1]:.0f} ms"
    )
    figures[f"{clients} in WAIT: memory"] = f"{memory_mb(web.pid) - before:+.0f} MB on {before:.0f} MB"
    print("  ".join(f"{k}: {v}" for k, v in figures.items()), file=sys.stderr, flush=True)
    done = service.run("manage.py", "shell", "-v", "0", "-c", FILL.format(name=NAME, number=number))
    assert done.returncode == 0, done.stderr
    http = Http(service.url)  # the old connection has been idle for too long
    import base64

    login = {"Authorization": "Basic " + base64.b64encode(f"{NAME}:{PASSWORD}".encode()).decode()}
    for label, query in (
        ("LAST=100", "LAST=100"),
        ("PHASE=EXECUTING", "PHASE=EXECUTING"),
        ("whole list", ""),
    ):
        times = []
        for _ in range(1 if not query else 7):
            start = time.monotonic()
            answer = http("GET", f"/uws/probe/async?{query}", None, **login)
            times.append(1000 * (time.monotonic() - start))
        figures[f"{number} jobs: {label}"] = (
            f"{statistics.median(times):.0f} ms, {len(answer.body) / 1e6:.2f} MB, memory {memory_mb(web.pid):.0f} MB"
        )
    return figures


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.jobs", description=__doc__)
    parser.add_argument("--clients", type=int, default=1000)
    parser.add_argument("--jobs", type=int, default=100_000)
    parser.add_argument("--json", default="")
    args = parser.parse_args()
    import resource

    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
    import os

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gateway.settings")
    import django

    django.setup()
    from tests.uws.service import Service

    with tempfile.TemporaryDirectory(prefix="vogate-bench-") as folder:
        service = Service(Path(folder), LIMITS)
        user = (
            "from django.contrib.auth import get_user_model as g; "
            f"g().objects.create_user({NAME!r}, password={PASSWORD!r})"
        )
        subprocess.run(
            [sys.executable, "manage.py", "shell", "-v", "0", "-c", user],
            cwd=REPOSITORY, env=service.environment, check=True,
        )  # fmt: skip
        try:
            figures = measure(service, args.clients, args.jobs)
        finally:
            service.stop()
    for name, text in figures.items():
        print(f"{name:46} {text}")
    if args.json:
        Path(args.json).write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
