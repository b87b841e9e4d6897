"""The manifest of an archive in PostgreSQL: the database has the truth, a file in the home a copy of it.

Processes of this machine see a publication at once by the file, as with DuckDB; one by another machine is noticed when
the database is asked, once a second at most, while queries come.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import threading
import time
from typing import Any

import psycopg2
from django.conf import settings

from tap import archive
from tap.archive import Manifest
from tap.postgres_setup import CONNECT_SECONDS

log = logging.getLogger("vogate.query")

INTERVAL = 1.0
LOST_SECONDS = 15
"""A server that has taken nothing for so long is away."""

__all__ = ["read", "refresh", "store"]

_lock = threading.Lock()
_connections: dict[tuple[int, str], Any] = {}
"""By process, since a fork's copy of a connection is not ours to use, and address."""
_looked: dict[str, float] = {}


def refresh(*, now: bool = False) -> None:
    """Bring the copy up to date, if the database has not been asked for a second; it may be out of reach."""
    url = settings.VOGATE_TAP_DATABASE
    key = f"{url} {archive.manifest_path()}"
    if not now and time.monotonic() - _looked.get(key, -INTERVAL) < INTERVAL:
        return
    if not _lock.acquire(blocking=now or key not in _looked):
        return  # another thread is asking
    try:
        _looked[key] = time.monotonic()
        _copy(_connection(url))
    except psycopg2.Error as error:
        _drop(url)
        log.warning(
            "the archive's database cannot be asked what is published: %s", " ".join(str(error).split())
        )
    except OSError as error:  # of the copy: queries go on with what it says
        log.error("the copy of the manifest cannot be written: %s", error)
    finally:
        _lock.release()


def reachable() -> bool:
    """Whether the database answers; one that hangs costs one thread, however often it is asked."""
    url = settings.VOGATE_TAP_DATABASE
    if not _lock.acquire(timeout=CONNECT_SECONDS):
        return False
    try:
        with _connection(url).cursor() as cursor:
            cursor.execute("SELECT 1")
    except psycopg2.Error:
        _drop(url)
        return False
    finally:
        _lock.release()
    return True


def _connection(url: str) -> Any:
    key = (os.getpid(), url)
    found = _connections.get(key)
    if found is None or found.closed:
        # A network that swallows everything is noticed, too.
        found = psycopg2.connect(
            url, connect_timeout=CONNECT_SECONDS, keepalives_idle=30, tcp_user_timeout=1000 * LOST_SECONDS
        )
        found.autocommit = True
        _connections[key] = found
    return found


def _drop(url: str) -> None:
    """Give up a connection that failed."""
    if stale := _connections.pop((os.getpid(), url), None):
        with contextlib.suppress(psycopg2.Error):
            stale.close()


def forget() -> None:
    """Close the connections of this process."""
    with _lock:
        for connection in _connections.values():
            connection.close()
        _connections.clear()
        _looked.clear()


def _stamp() -> tuple[str, int]:
    """Origin and version of the copy."""
    try:
        with open(archive.manifest_path(), encoding="utf-8") as file:
            raw = json.load(file)
    except FileNotFoundError:
        return "", -1
    return raw.get("origin", ""), raw["version"]


_known: dict[str, tuple[str, int]] = {}


def _copy(connection: Any) -> None:
    path = str(archive.manifest_path())
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('vogate.archive') IS NOT NULL")
        if not cursor.fetchone()[0]:
            archive.manifest_path().unlink(missing_ok=True)
            return
        cursor.execute("SELECT origin, version FROM vogate.archive")
        there = cursor.fetchone()
        if (
            there is None
            or (_known.get(path) == there and archive.manifest_path().exists())
            or _stamp() == there
        ):
            return
        cursor.execute("SELECT origin, version, manifest FROM vogate.archive")
        origin, version, text = cursor.fetchone()
    if not version:
        archive.manifest_path().unlink(missing_ok=True)
        return
    archive.write(archive.parse(text, archive.folder()))
    _known[path] = (origin, version)


def store(cursor: Any, manifest: Manifest) -> None:
    """Put a manifest into the database, in the transaction of `cursor`."""
    cursor.execute(
        "UPDATE vogate.archive SET version = %s, manifest = %s",
        (manifest.version, archive.serialise(manifest)),
    )


def read(connection: Any) -> Manifest:
    """What the database says."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT origin, version, manifest FROM vogate.archive")
        origin, version, text = cursor.fetchone()
    return archive.parse(text, archive.folder()) if version else Manifest(origin=origin)
