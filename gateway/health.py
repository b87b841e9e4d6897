"""Is it up, and can it work: `/healthz` for the supervisor, `/readyz` for load balancers and operators."""

from __future__ import annotations

import shutil

from django.conf import settings
from django.db import Error, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse

from tap import archive, postgres_manifest

MINIMUM_FREE_BYTES = 200 << 20


def healthz(request: HttpRequest) -> HttpResponse:
    """The process answers."""
    return HttpResponse("ok\n", content_type="text/plain")


_complete = False
"""Whether the database has been seen with all of its tables: code and database of a process do not go apart later."""


def waiting_migrations() -> int:
    """How many changes of its tables the database lacks; django.db.Error if it does not answer."""
    global _complete
    if not _complete:
        executor = MigrationExecutor(connection)
        waiting = len(executor.migration_plan(executor.loader.graph.leaf_nodes()))
        if waiting:
            return waiting
        _complete = True
    return 0


def _database() -> str:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        waiting = waiting_migrations()
    except Error:
        return "the database does not answer"
    return f"{waiting} migrations wait: python manage.py migrate" if waiting else ""


def _archive() -> str:
    if not archive.current().stored:
        return "nothing is published yet: vogate ingest"
    if settings.VOGATE_TAP_DATABASE and not postgres_manifest.reachable():
        return "the archive's database does not answer"
    return ""


def _disk() -> str:
    free = shutil.disk_usage(settings.VOGATE_HOME).free
    return "" if free > MINIMUM_FREE_BYTES else f"only {free >> 20} MB of disk are free"


def readyz(request: HttpRequest) -> JsonResponse:
    """Each part with what is wrong with it; 503 if anything is."""
    parts = {"database": _database(), "archive": _archive(), "disk": _disk()}
    ready = not any(parts.values())
    return JsonResponse(
        {"ready": ready, "parts": {name: text or "ok" for name, text in parts.items()}},
        status=200 if ready else 503,
    )
