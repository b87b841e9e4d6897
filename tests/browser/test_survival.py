"""Everything is killed and started again: the page still shows it all."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from tests.browser.conftest import run_tool, wait_for_end
from tests.support.browser import DESKTOP, watched_page
from tests.support.live import Gateway

pytestmark = [pytest.mark.chromium, pytest.mark.slow, pytest.mark.xdist_group("live")]


def processes_of(home: Path) -> list[int]:
    """Every process whose environment names this home: web, workers, query workers, shepherds."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                environment = (entry / "environ").read_bytes()
            except OSError:
                continue
            if f"VOGATE_HOME={home}".encode() in environment.split(b"\0"):
                found.append(int(entry.name))
    return found


def kill_everything(gateway: Gateway) -> None:
    assert gateway.process is not None
    gateway.process.kill()
    gateway.process.wait()
    for _ in range(20):
        victims = processes_of(gateway.home)
        if not victims:
            return
        for pid in victims:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        time.sleep(0.1)


def test_a_job_and_its_page_survive_the_death_of_everything(own_gateway: Gateway, chromium: object):
    own_gateway.start()
    with watched_page(chromium, own_gateway.url, DESKTOP) as watch:
        watch.open("/search/?target=Crab+Nebula&radius=2&run=1")
        results = str(watch.page.url).removeprefix(watch.base)
        done = run_tool(watch, results, "event_summary", rows=2)
        assert wait_for_end(watch, done) == "COMPLETED"
        running = run_tool(watch, results, "spectrum", rows=2)
        watch.page.locator(".vg-phase", has_text="EXECUTING").first.wait_for(timeout=60_000)
        kill_everything(own_gateway)
        own_gateway.start()
        # The same browser, the same addresses.
        assert wait_for_end(watch, running) == "COMPLETED"
        assert watch.open(done).status == 200
        assert "COMPLETED" in watch.page.locator(".vg-phase").first.inner_text()
        watch.open("/jobs/")
        links = watch.page.locator("a[href^='/jobs/']").evaluate_all(
            "links => links.map(l => l.getAttribute('href'))"
        )
        assert {done, running} <= set(links)
