"""Where the published tables are: DuckDB files, or PostgreSQL where `VOGATE_TAP_DATABASE` names it.

Publishing (tap.publish, tap.loading) knows a `Store`; what reads knows the manifest (tap.archive) and how a store's
tables are called in SQL.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

import pyarrow as pa
from django.conf import settings

from gateway.vo.columns import Schema, Table
from tap.adql.duckdb import Emitter
from tap.archive import Manifest

__all__ = ["Draft", "Store", "current"]


class Draft(Protocol):
    """Tables of one schema that are being written, and that nobody sees yet."""

    def add(self, table: Table, schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> Table:
        """Write a table from batches with its index columns; sorted here if it has a position.

        Returns the metadata with what only the rows tell.  Raises UsageError if rows are wrong.
        """
        ...

    def keep(self, previous: Manifest, schema: Schema, tables: Sequence[Table]) -> None:
        """Have published tables of the schema stay; the caller holds the lock."""
        ...

    def finish(self) -> Any:
        """What `Store.replace` takes as the schema's draft."""
        ...


class Store(Protocol):
    """A place for published tables."""

    def locked(self) -> AbstractContextManager[None]:
        """Keep other publishers out."""
        ...

    def replace(
        self,
        previous: Manifest,
        schemas: tuple[Schema, ...],
        data: Mapping[str, Mapping[str, pa.Table]],
        drafts: Mapping[str, Any],
    ) -> Manifest:
        """Write tables and make them, the drafts, and what is kept of `previous` the archive, in one step.

        Parameters
        ----------
        schemas
            All that is published from now on.
        data
            By schema and table: rows with their index columns, in order, which replace all that the schema had.
        drafts
            By schema: finished drafts.
        """
        ...

    def draft(self, memory: str) -> AbstractContextManager[Draft]:
        """Begin to write tables that may be larger than memory."""
        ...

    def emitter(self, manifest: Manifest) -> Callable[[], Emitter]:
        """Makes what writes SQL for tables of this manifest."""
        ...

    def relation(self, manifest: Manifest, schema: str, table: str) -> str:
        """How SQL calls a published table."""
        ...


def current() -> Store:
    """The store that this process's settings name."""
    if settings.VOGATE_TAP_DATABASE:
        from tap.postgres_store import PostgresStore

        return PostgresStore(settings.VOGATE_TAP_DATABASE)
    from tap.duckdb_store import DuckDBStore

    return DuckDBStore()
