"""The query engine of this process, configured by the site's `[query]`."""

from __future__ import annotations

import atexit
import logging
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import DatabaseError

from gateway.vo.errors import GatewayError
from tap import adql, archive
from tap.adql.extensions import Extension, named
from tap.archive import Manifest
from tap.engines.base import Engine
from tap.engines.pool import Pool
from tap.engines.worker import Limits

log = logging.getLogger("vogate.query")


@dataclass(frozen=True)
class QuerySettings:
    """`[query]` of site.toml: limits of queries and of the workers that run them."""

    default_maxrec: int = 20_000
    """Rows of a result where the caller gives no MAXREC."""
    hard_maxrec: int = 2_000_000
    sync_seconds: int = 60
    async_seconds: int = 3600
    upload_rows: int = 200_000
    upload_bytes: int = 50 << 20
    upload_hosts: tuple[str, ...] = ()
    """Hosts with private addresses from which tables may be uploaded by URL."""
    short_workers: int = 2
    """Queries that each server process runs at once."""
    long_workers: int = 2
    """Queries beyond these that have run for more than 2 s."""
    caller_queries: int = 3
    """Synchronous queries of one user or address that each server process runs at once; more of them wait."""
    caller_waiting: int = 20
    """Synchronous queries of one user or address that wait in each server process; more are refused."""
    extensions: tuple[str, ...] = ()
    """What is accepted beyond ADQL 2.1 (tap.adql.extensions); `all` for all of it."""
    worker_memory: str = "768MB"
    worker_temporary_files: str = "8GB"
    worker_threads: int = 0
    """DuckDB alone: processor cores that one query may use; 0 for all of them, at most 4."""
    copies: bool = True
    """Whether tables have copies beside the archive, from which cones, cross-matches and whole tables are answered."""
    work_mem: str = "64MB"
    """PostgreSQL alone: what each sort or hash of a query may use (a query has a few)."""


def query_settings() -> QuerySettings:
    """The site's values, with defaults; names that are not known belong to somebody else."""
    given = settings.SITE.query
    known: dict[str, Callable[[Any], Any]] = {item.name: type(item.default) for item in fields(QuerySettings)}
    return QuerySettings(**{name: known[name](value) for name, value in given.items() if name in known})


def extensions() -> frozenset[Extension]:
    """What the site's operator has switched on beyond ADQL 2.1.

    Raises
    ------
    ValueError
        If site.toml names something else (a check at start finds it, see tap.apps).
    """
    return named(query_settings().extensions)


FIRST = "SELECT schema_name FROM tap_schema.schemas WHERE 1 = CONTAINS(POINT(1, 2), CIRCLE(1, 2, 3))"
_lock = threading.Lock()
_engines: dict[tuple[int, str], Engine] = {}
"""By process and database."""


def engine() -> Engine:
    """The engine of this process, made when it is first asked for (no worker starts yet)."""
    key = (os.getpid(), settings.VOGATE_TAP_DATABASE)
    found = _engines.get(key)
    if found is not None:
        return found
    with _lock:
        found = _engines.get(key)
        if found is None:
            for other in [item for item in _engines if item[0] != key[0]]:
                del _engines[other]  # a fork's copy of the parent's engine is not ours to use
            found = _engines[key] = _made()
            atexit.register(found.close)
    return found


def _made() -> Engine:
    configured = query_settings()
    limits = Limits(
        memory=configured.worker_memory,
        temporary_files=configured.worker_temporary_files,
        scratch=Path(settings.VOGATE_HOME) / "tmp",
        threads=configured.worker_threads or min(4, len(os.sched_getaffinity(0))),
    )
    size = (configured.short_workers, configured.long_workers, limits)
    share, waiting = configured.caller_queries, configured.caller_waiting
    if not settings.VOGATE_TAP_DATABASE:
        return Pool(*size, share=share, waiting=waiting)
    from tap.engines.postgres import PostgresPool, Server
    from tap.postgres_setup import query_server

    url, role = query_server(settings.VOGATE_TAP_DATABASE)
    longest = max(configured.sync_seconds, configured.async_seconds)
    server = Server(url, role, configured.work_mem, longest)
    return PostgresPool(*size, server, share=share, waiting=waiting)


def attached(manifest: Manifest) -> dict[str, Path]:
    """Alias -> file, as query workers attach them."""
    return {archive.alias(name): path for name, path in manifest.files.items()}


def warm() -> None:
    """Get ready for queries (called by servers when they come up); harmless without an archive."""
    try:
        manifest = archive.current()
    except (GatewayError, OSError, ValueError, DatabaseError) as error:
        log.warning("no query worker is started before it is needed: %s", error)
        return
    if manifest.stored:
        engine().warm(manifest.version, attached(manifest), query_settings().short_workers)
        # The parser is made when it is first used, which takes a second.
        adql.compile_query(FIRST, manifest.schemas, extensions=extensions())


def reset() -> None:
    """End the engine of this process; the next query makes another."""
    with _lock:
        found = [engine for (process, _), engine in _engines.items() if process == os.getpid()]
        _engines.clear()
    for item in found:
        atexit.unregister(item.close)
        item.close()
