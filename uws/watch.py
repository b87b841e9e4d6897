"""Has the database changed?  Asked often, answered in microseconds."""

from __future__ import annotations

import contextlib
import select
import sqlite3
import time
from typing import Protocol

import psycopg2
from django.db import connection

from uws.moves import CHANNEL

POLL_SECONDS = 0.02
FALLBACK_SECONDS = 0.2
RECONNECT_SECONDS = 0.5


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
    """LISTEN on the channel on which `uws.moves` notifies; a lost connection is made anew."""

    def __init__(self) -> None:
        self._connection: psycopg2.extensions.connection | None = None
        self._tried = 0.0

    def _connect(self) -> psycopg2.extensions.connection | None:
        """A connection that listens; None while the server is away."""
        if time.monotonic() - self._tried < RECONNECT_SECONDS:
            return None
        self._tried = time.monotonic()
        parameters = connection.get_connection_params()
        for name in ("cursor_factory", "context"):
            parameters.pop(name, None)
        try:
            fresh = psycopg2.connect(**parameters)
            fresh.autocommit = True
            with fresh.cursor() as cursor:
                cursor.execute(f"LISTEN {CHANNEL}")
        except psycopg2.Error:
            return None
        return fresh

    def changed(self) -> bool:
        if self._connection is None:
            self._connection = self._connect()
            return self._connection is not None  # whatever happened before was not heard
        try:
            if select.select([self._connection], [], [], 0)[0]:
                self._connection.poll()
        except (psycopg2.Error, OSError, ValueError):
            self.close()
            return False
        heard = bool(self._connection.notifies)
        self._connection.notifies.clear()
        return heard

    def pause(self, seconds: float) -> None:
        if self._connection is not None:
            with contextlib.suppress(psycopg2.Error, OSError, ValueError):  # a lost one shows in `changed`
                select.select([self._connection], [], [], seconds)
                return
        time.sleep(seconds)

    def close(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(psycopg2.Error):
                self._connection.close()
            self._connection = None


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
        return PostgresWatch()
    return ClockWatch()
