"""What every page must be: no console error, no request to another host, nothing serious for axe."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.support.shared import REPOSITORY

CHROMIUM_OPTIONS = [
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-quic",
    # WebGL without a graphics card, for Aladin Lite.
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
]
DESKTOP = {"width": 1440, "height": 900}
PHONE = {"width": 390, "height": 844}
AXE = REPOSITORY / "node_modules" / "axe-core" / "axe.min.js"
SAMP_HUB_PORT = 21012


@dataclass
class Watch:
    """A page, and what went wrong on it."""

    page: Any
    base: str
    console: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)

    def attach(self) -> None:
        self.page.on("console", lambda m: self.console.append(m.text) if m.type == "error" else None)
        self.page.on("pageerror", lambda error: self.console.append(str(error)))
        self.page.on("request", self._request)

    def _request(self, request: Any) -> None:
        parts = urlsplit(request.url)
        same = parts.netloc == urlsplit(self.base).netloc or parts.scheme in ("data", "blob", "about")
        if not same and parts.port != SAMP_HUB_PORT:
            self.foreign.append(request.url)

    def open(self, path: str) -> Any:
        response = self.page.goto(self.base + path, wait_until="load")
        self.page.wait_for_load_state("networkidle")
        return response

    def axe(self) -> list[str]:
        """Serious and critical findings of axe, one line each."""
        self.page.evaluate(
            AXE.read_text(encoding="utf-8")
        )  # not a script tag: the policy forbids inline ones
        result = self.page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        return [
            f"{v['id']}: {v['help']}: {[n['target'] for n in v['nodes'][:3]]}"
            for v in result["violations"]
            if v["impact"] in ("serious", "critical")
        ]

    def screenshot(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=str(path), full_page=True)

    def overflow(self) -> int:
        """Pixels by which the page is wider than the window (a page must not scroll sideways)."""
        width = self.page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        return int(width)


@contextmanager
def watched_page(browser: Any, base: str, size: dict[str, int], **options: Any) -> Iterator[Watch]:
    """A new browser profile with one page, watched from its first request."""
    context = browser.new_context(viewport=size, bypass_csp=False, **options)
    try:
        watch = Watch(context.new_page(), base)
        watch.attach()
        yield watch
    finally:
        context.close()
