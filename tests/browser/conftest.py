"""One visitor's work, done once through the pages; the tests of single pages look at what it left."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.support.browser import DESKTOP, Watch, watched_page
from tests.support.live import Gateway

JOB_SECONDS = 180_000


@dataclass
class Visitor:
    """A browser profile (cookies) and the addresses of what its owner made."""

    gateway: Gateway
    state: dict[str, Any] = field(default_factory=dict)
    results: str = ""
    observation: str = ""
    tool_form: str = ""
    jobs: dict[str, str] = field(default_factory=dict)
    """Path of a job's page by tool."""


def run_tool(watch: Watch, results: str, tool: str, rows: int) -> str:
    """Select the first `rows` of a result, choose a tool, run it with its defaults; the job page's path."""
    page = watch.page
    watch.open(results)
    boxes = page.locator("tbody input[type=checkbox]")
    for index in range(rows):
        boxes.nth(index).check()
    page.get_by_role("button", name="Analyse").click()
    page.locator(f"[formaction*='/tools/{tool}'], a[href*='/tools/{tool}']").first.click()
    page.wait_for_url("**/tools/**")
    page.locator("#tool-form button.btn-primary[value=run]").click()
    page.wait_for_url("**/jobs/*/")
    return str(page.url).removeprefix(watch.base)


def wait_for_end(watch: Watch, path: str) -> str:
    """The final phase of a job, as its page shows it without being loaded again."""
    watch.open(path)
    phase = watch.page.locator(".vg-phase").first
    phase.filter(has_text="COMPLETED").or_(phase.filter(has_text="ERROR")).first.wait_for(timeout=JOB_SECONDS)
    return str(phase.inner_text()).strip()


@pytest.fixture(scope="session")
def visitor(live_gateway: Gateway, chromium: object) -> Visitor:
    """Somebody who searched for a target, looked at an observation and ran the tools on four rows."""
    made = Visitor(live_gateway)
    with watched_page(chromium, live_gateway.url, DESKTOP) as watch:
        watch.open("/search/?target=Crab+Nebula&radius=2")
        watch.page.get_by_role("button", name="Search", exact=True).last.click()
        watch.page.wait_for_url("**/results/**")
        made.results = str(watch.page.url).removeprefix(watch.base)
        link = watch.page.locator("tbody a[href^='/obs/']").first
        made.observation = str(link.get_attribute("href"))
        for tool in ("counts_map", "spectrum", "light_curve"):
            made.jobs[tool] = run_tool(watch, made.results, tool, rows=4)
        for tool, path in made.jobs.items():
            assert wait_for_end(watch, path) == "COMPLETED", (
                f"{tool}: {watch.page.inner_text('main')[-3000:]}"
            )
        made.state = watch.page.context.storage_state()
    return made


@pytest.fixture(scope="session")
def artifacts() -> Path:
    """Where screenshots go, to be looked at."""
    folder = Path(__file__).resolve().parents[1] / "artifacts"
    folder.mkdir(exist_ok=True)
    return folder


def fetch_json(watch: Watch, path: str) -> Any:
    """A JSON document with the browser's cookies."""
    return json.loads(watch.page.request.get(watch.base + path).text())
