"""Has the database changed?  Asked often, answered in microseconds."""

from __future__ import annotations

import contextlib
import select
import sqlite3
import time
from typing import Protocol

import psycopg2
from django.db import connection

from uws.controller import CHANNEL

POLL_SECONDS = 0.02
FALLBACK_SECONDS = 0.2


class Watch(Protocol):
    """Tells whether jobs may have changed since the last time it was asked."""

    def changed(self) -> bool: ...

    def pause(self, seconds: float) -> None:
        """Wait for news, at most so long; not all watches hear any."""

    def close(self) -> None: ...


class SqliteWatch:
    """`PRAGMA data_version` of a connection of its own: 3 microseconds, no lock."""

    def __init__(self, path: str) -> None:
        self._connection = sqlite3.connect(
            f"file:{path}?mode=ro", uri=True, check_same_thread=False, isolation_level=None
        )
        self._version: int | None = None

    def changed(self) -> bool:
        try:
            version = self._connection.execute("PRAGMA data_version").fetchone()[0]
        except sqlite3.Error:
            return True
        before, self._version = self._version, version
        return bool(version != before)

    def pause(self, seconds: float) -> None:
        time.sleep(seconds)

    def close(self) -> None:
        self._connection.close()


class PostgresWatch:
    """LISTEN on the channel on which `uws.controller` notifies; a lost connection is made anew."""

    def __init__(self) -> None:
        self._connect()

    def _connect(self) -> None:
        parameters = connection.get_connection_params()
        for name in ("cursor_factory", "context"):
            parameters.pop(name, None)
        self._connection = psycopg2.connect(**parameters)
        self._connection.autocommit = True
        with self._connection.cursor() as cursor:
            cursor.execute(f"LISTEN {CHANNEL}")
        self._first = True

    def changed(self) -> bool:
        try:
            if select.select([self._connection], [], [], 0)[0]:
                self._connection.poll()
        except psycopg2.Error:
            with contextlib.suppress(psycopg2.Error):
                self._connect()
            return True  # whatever happened meanwhile was not heard
        heard = bool(self._connection.notifies) or self._first
        self._connection.notifies.clear()
        self._first = False
        return heard

    def pause(self, seconds: float) -> None:
        with contextlib.suppress(psycopg2.Error, OSError, ValueError):  # a lost connection shows in `changed`
            select.select([self._connection], [], [], seconds)
            return
        time.sleep(seconds)

    def close(self) -> None:
        self._connection.close()


class ClockWatch:
    """Where nothing better works: yes, every 200 ms."""

    def __init__(self) -> None:
        self._last = 0.0

    def changed(self) -> bool:
        moment = time.monotonic()
        if moment - self._last < FALLBACK_SECONDS:
            return False
        self._last = moment
        return True

    def pause(self, seconds: float) -> None:
        time.sleep(seconds)

    def close(self) -> None:
        pass


def open_watch() -> Watch:
    """The best watch for the database in use."""
    if connection.vendor == "sqlite":
        name = str(connection.settings_dict["NAME"])
        if "memory" not in name:
            with contextlib.suppress(sqlite3.Error):
                return SqliteWatch(name)
    elif connection.vendor == "postgresql":
        with contextlib.suppress(Exception):
            return PostgresWatch()
    return ClockWatch()
