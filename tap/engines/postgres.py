"""PostgreSQL as an engine: query workers with a connection each, in the same lanes as DuckDB's.

A query that is not wanted any more is cancelled by its worker; a worker that is deaf is killed, and its backend in the
server terminated from here.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg2
import pyarrow as pa

from tap.copies.plan import Plan
from tap.engines.answer import WorkerAnswer
from tap.engines.base import QUEUE, Lane, OnLeave
from tap.engines.pool import Pool
from tap.engines.postgres_worker import DATABASE
from tap.engines.worker import Limits, Worker

log = logging.getLogger("vogate.query")

CONNECT_SECONDS = 5


@dataclass(frozen=True)
class Server:
    """Where queries run, and as whom."""

    url: str
    role: str = ""
    """What each connection becomes (SET ROLE); '' if `url` names a user with few rights already."""
    work_mem: str = "64MB"
    seconds: int = 3600
    """Longest time that any query may take."""


class PostgresWorker(Worker):
    """A process with one connection."""

    program = "tap.engines.postgres_worker"

    def __init__(self, server: Server, limits: Limits) -> None:
        self.server = server
        self._given_up = False
        super().__init__(0, {}, limits)

    def configuration(self, limits: Limits) -> dict[str, Any]:
        return {
            "role": self.server.role,
            "work_mem": self.server.work_mem,
            "temporary_files": limits.temporary_files,
            "seconds": self.server.seconds,
        }

    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name.startswith("PG")}
        return super().environment() | kept | {DATABASE: self.server.url}

    def signal(self) -> None:
        was_alive = self.alive
        super().signal()
        backend = self.told.get("backend")
        if was_alive and backend and not self._given_up:
            threading.Thread(target=self._terminate, args=(backend,), daemon=True).start()

    def kill(self) -> None:
        self._given_up = (
            True  # it has no query that somebody waits for; the server sees its connection closed
        )
        super().kill()

    def _terminate(self, backend: int) -> None:
        """End what the killed process leaves behind; the server would notice by itself within half a second."""
        try:
            connection = psycopg2.connect(self.server.url, connect_timeout=CONNECT_SECONDS)
            try:
                connection.autocommit = True
                with connection.cursor() as cursor:
                    cursor.execute("SELECT pg_terminate_backend(%s)", (backend,))
            finally:
                connection.close()
        except psycopg2.Error as error:
            log.warning("the backend %s could not be terminated: %s", backend, error)


class PostgresPool(Pool):
    """See `tap.engines.base.Engine`; versions and files of the archive mean nothing here: SQL names versioned tables."""

    def __init__(
        self,
        short: int,
        long: int,
        limits: Limits,
        server: Server,
        *,
        share: int = 0,
        waiting: int = 0,
    ) -> None:
        self.server = server
        super().__init__(short, long, limits, share=share, waiting=waiting)

    def run(
        self,
        sql: str | Plan,
        version: int,
        files: Mapping[str, Path],
        *,
        seconds: float,
        uploads: Mapping[str, pa.Table] | None = None,
        lane: Lane = Lane.SHORT,
        patience: float = QUEUE,
        on_leave: OnLeave | None = None,
        key: str = "",
        gather: bool = False,
        values: Sequence[float] = (),
    ) -> WorkerAnswer:
        return super().run(
            sql, 0, {}, seconds=seconds, uploads=uploads, lane=lane, patience=patience, on_leave=on_leave,
            key=key, gather=gather, values=values,
        )  # fmt: skip

    def warm(self, version: int, files: Mapping[str, Path], count: int = 1) -> None:
        super().warm(0, {}, count)

    def _new_worker(self, version: int, files: Mapping[str, Path]) -> Worker:
        return PostgresWorker(self.server, self.limits)
