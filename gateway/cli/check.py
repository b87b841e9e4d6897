"""`vogate check`: can this gateway work as it is set up; one line for each thing, exit status 1 if one is wrong."""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Iterator

MINIMUM_FREE = 1 << 30


def main(args: argparse.Namespace) -> int:
    worst = 0
    for level, text in findings():
        print(f"{level:8}{text}")
        worst = max(worst, int(level == "error"))
    return worst


def findings() -> Iterator[tuple[str, str]]:
    """('ok', 'warning' or 'error', a sentence) for each thing."""
    from django.conf import settings

    yield "ok", f"site {settings.SITE.name}: {settings.SITE.folder}"
    yield from _database()
    if settings.VOGATE_TAP_DATABASE:
        from tap import postgres_check

        yield from postgres_check.findings(settings.VOGATE_TAP_DATABASE)
    else:
        yield "ok", f"DuckDB files hold the archive: {settings.VOGATE_ARCHIVE}"
    yield from _tools()
    free = shutil.disk_usage(settings.VOGATE_HOME).free
    text = f"{free >> 20} MB are free in {settings.VOGATE_HOME}"
    yield ("ok" if free > MINIMUM_FREE else "warning"), text


def _tools() -> Iterator[tuple[str, str]]:
    """How tools are isolated, and which cannot run here."""
    from gateway.site import SiteError
    from uws import attempts, sandbox
    from uws.tools import registry

    try:
        boxed, note = sandbox.choose(str(attempts.jobs_section().get("sandbox", "auto")))
        yield ("ok" if boxed else "warning"), note
    except SiteError as error:
        yield "error", str(error)
    for problem in registry.current().problems():
        yield "error", str(problem)
    tools = registry.current().all_versions()
    runnable = sum(tool.available for tool in tools)
    yield "ok", f"{runnable} of {len(tools)} tools can run here"
    for tool in tools:
        if not tool.available:
            yield "warning", f"{tool.id}: {tool.why_not}"


def _database() -> Iterator[tuple[str, str]]:
    from django.db import DatabaseError, connection

    from gateway.health import waiting_migrations

    try:
        waiting = waiting_migrations()
    except DatabaseError as error:
        yield "error", f"the database of jobs and accounts does not answer: {' '.join(str(error).split())}"
        return
    where = f"{connection.vendor} holds jobs, accounts and provenance"
    if waiting:
        yield "warning", f"{where}; {waiting} migrations wait: vogate up, or python manage.py migrate"
    else:
        yield "ok", where
