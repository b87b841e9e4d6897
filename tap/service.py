"""Queries as the rest of the gateway sees them: ADQL in, Arrow batches with metadata out."""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import TracebackType

import pyarrow as pa
import pyarrow.compute as pc

from gateway.vo.caller import Caller
from gateway.vo.columns import Column, Table
from gateway.vo.errors import Busy, GatewayError, QueryError, TooLarge
from tap import adql, archive, live, metrics, stores, workers
from tap.adql.crossmatch_postgres import add_cells
from tap.adql.direct import Copies
from tap.archive import Manifest
from tap.arrowtypes import arrow_type, conform, reconcile_schema
from tap.copies import keeper, near
from tap.engines.base import (
    QUEUE,
    Answer,
    EngineError,
    Fault,
    Lane,
    OnLeave,
    QueryCancelled,
    StartFailed,
    TimeLimit,
    WorkerDied,
)

log = logging.getLogger("vogate.query")
slow = logging.getLogger("vogate.slow")

SLOW_SECONDS = 10.0
FEW_ROWS = 20_000
"""Results of at most so many rows are collected before they are sent, which saves planning them twice."""
AHEAD = 0.005
"""Seconds to wait for the end of a result after its first batch: most results are that short."""

__all__ = ["Page", "Result", "UploadedTable", "count", "fetch", "open_query"]


@dataclass(frozen=True)
class Page:
    """A part of a query's result, as result pages show it."""

    sort: int | None = None
    """Number of the column to sort by, from 0; None leaves the query's own order."""
    descending: bool = False
    offset: int = 0
    limit: int = 100


@dataclass(frozen=True)
class UploadedTable:
    """A table that came with the query; `table.schema` is `tap_upload`."""

    table: Table
    rows: pa.Table


class Result:
    """A running query; a context manager that stops it when it is left.

    Attributes
    ----------
    columns
        Metadata of the result's columns, in order.
    tables
        The published tables that the query reads.
    maxrec
        Most rows that `batches` gives.
    overflow
        True once `batches` has been drained and there would have been more.
    finished
        True if all rows have arrived already.
    """

    def __init__(
        self,
        answer: Answer,
        query: adql.CompiledQuery,
        manifest: Manifest,
        maxrec: int | None,
        asked: str = "",
    ) -> None:
        self._asked = asked
        self._failed = ""
        self._answer = answer
        self._sql = query.sql or "a plan"
        self._begun = time.monotonic()
        self.maxrec = maxrec
        self.overflow = False
        self.tables = tuple(_tables(manifest, query))
        self._rows = iter(answer)
        self._reading = threading.Lock()
        self._ahead: list[pa.RecordBatch] = []
        self.finished = False
        try:
            self.columns = reconcile_schema(query.columns, answer.schema)
            self._look_ahead()
        except BaseException:
            answer.close()
            raise

    def _look_ahead(self) -> None:
        """Wait for the first rows, so that what fails at once is an error and not half a document."""
        first = self._next()
        if first is None:
            return
        self.columns = tuple(
            _as_unicode(column, array) for column, array in zip(self.columns, first.columns, strict=True)
        )
        self._ahead.append(first)
        if self._answer.available(AHEAD) and (second := self._next()) is not None:
            self._ahead.append(second)

    def _next(self) -> pa.RecordBatch | None:
        with self._reading:
            return self._read()

    def _read(self) -> pa.RecordBatch | None:
        try:
            batch = next(self._rows, None)
            if batch is None:
                self.finished = True
                return None
            return conform(batch, self.columns)
        except EngineError as error:
            self._failed = "error"
            raise explain(error, self._sql) from error
        except GatewayError as error:
            self._failed = _outcome(error)
            raise
        except pa.ArrowException as error:
            self._failed = "error"
            raise QueryError(f"A value of the result does not fit its type: {error}") from error

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows, at most `maxrec`, in the Arrow types of `columns`; can be read once.

        Raises
        ------
        GatewayError
            If the query fails, is cancelled or runs out of time on the way.
        """
        left = self.maxrec
        try:
            for batch in self._all():
                if left is not None and batch.num_rows > left:
                    self.overflow = True
                    if left:
                        yield batch.slice(0, left)
                    return
                left = None if left is None else left - batch.num_rows
                yield batch
        finally:
            self.close()

    def _all(self) -> Iterator[pa.RecordBatch]:
        ahead, self._ahead = self._ahead, []
        rest = iter(self._next, None) if not self.finished else iter(())
        return itertools.chain(ahead, rest)

    def cancel(self) -> None:
        """Stop the query, from any thread."""
        self._answer.cancel()

    def close(self) -> None:
        """Stop the query if it has not finished, also under the hands of a thread that waits for its rows."""
        if not self._reading.acquire(blocking=False):
            self._answer.cancel()
            self._reading.acquire()
        try:  # before anybody reads on: the worker may be at another query then
            self._answer.close()
        finally:
            self._reading.release()
        if self._sql:
            outcome = self._failed or ("ok" if self.finished or self.overflow else "cancelled")
            metrics.count_query(outcome, time.monotonic() - self._begun)
        if self._sql and (taken := time.monotonic() - self._begun) > SLOW_SECONDS:
            slow.warning("%.1f s, %s", taken, " ".join(self._asked.split())[:2000])
            log.debug("its SQL: %s", self._sql[:4000])
        self._sql = ""

    def __enter__(self) -> Result:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _outcome(error: GatewayError) -> str:
    """What the metrics call a failure."""
    kinds = {QueryCancelled: "cancelled", TimeLimit: "timeout", Busy: "busy", WorkerDied: "died"}
    return next((name for kind, name in kinds.items() if isinstance(error, kind)), "error")


def _as_unicode(column: Column, array: pa.Array) -> Column:
    """`char` holds ASCII alone (VOTable 1.4, section 2.1)."""
    if column.datatype == "char" and pc.all(pc.string_is_ascii(array)).as_py() is False:
        return replace(column, datatype="unicodeChar")
    return column


def _tables(manifest: Manifest, query: adql.CompiledQuery) -> Iterator[Table]:
    for schema, name in sorted(query.tables):
        try:
            yield manifest.table(schema, name)
        except KeyError:
            continue  # an upload


def open_query(
    text: str,
    caller: Caller,
    *,
    maxrec: int | None = None,
    base_url: str = "",
    seconds: float | None = None,
    uploads: Sequence[UploadedTable] = (),
    page: Page | None = None,
    background: bool = False,
    on_leave: OnLeave | None = None,
) -> Result:
    """Run an ADQL query.

    Parameters
    ----------
    text
        ADQL 2.1.
    maxrec
        Most rows wanted; None for the site's default, and never more than its hard limit.
    base_url
        Public URL of the gateway, which columns of relative URLs get in front.
    seconds
        Time limit; None for the site's limit of synchronous queries (asynchronous ones in `background`).
    uploads
        Tables that the query may read as `TAP_UPLOAD.<name>`.
    page
        Only a part of the result, sorted.
    background
        The query does not stand in the way of those that somebody waits for.
    on_leave
        Called with a function that cancels the query, as soon as there is something to cancel.

    Returns
    -------
    Result
        Rows begin to arrive when this returns; errors that show at once have been raised.

    Raises
    ------
    QueryError
        With line and column, if the query is wrong.
    GatewayError
        Its other subclasses, if it cannot be run now or fails.
    """
    limits = workers.query_settings()
    rows = min(limits.default_maxrec if maxrec is None else maxrec, limits.hard_maxrec)
    if seconds is None:
        seconds = limits.async_seconds if background else limits.sync_seconds
    lane = Lane.LONG if background else Lane.SHORT
    few = min(rows, page.limit if page is not None else rows) <= FEW_ROWS

    def compiled(manifest: Manifest, copies: Copies) -> adql.CompiledQuery:
        query = adql.compile_query(
            text,
            manifest.schemas,
            maxrec=rows,
            base_url=base_url,
            uploads=tuple(upload.table for upload in uploads),
            emitter=stores.current().emitter(manifest),
            extensions=workers.extensions(),
            bind=few and page is None,
            copies=copies if page is None else {},
        )
        return query if page is None else query.paged(page.sort, page.descending, page.offset, page.limit)

    return _start(
        compiled,
        caller,
        maxrec=None if page is not None else rows,
        seconds=seconds,
        uploads={upload.table.name: upload.rows for upload in uploads},
        lane=lane,
        patience=seconds if background else QUEUE,
        on_leave=on_leave,
        text=text,
        few=few,
    )


def fair_use_key(caller: Caller) -> str:
    """What a caller's queries are counted by; pages of ours and jobs without an address are not."""
    return caller.fair_use_key if caller.is_authenticated or caller.address else ""


def _sent(uploads: Mapping[str, pa.Table], query: adql.CompiledQuery) -> dict[str, pa.Table]:
    """The uploaded tables as the engine gets them."""
    sent = dict(uploads)
    for spread in query.spreads:
        sent[spread.upload] = add_cells(sent[spread.upload], spread)
    return sent


def _start(
    compiled: Callable[[Manifest, Copies], adql.CompiledQuery],
    caller: Caller,
    *,
    maxrec: int | None,
    seconds: float,
    uploads: Mapping[str, pa.Table],
    lane: Lane = Lane.SHORT,
    patience: float = QUEUE,
    on_leave: OnLeave | None = None,
    text: str = "",
    few: bool = False,
) -> Result:
    """Compile a query for the archive as it is now, and run it; once more if that is replaced meanwhile."""
    begun = time.monotonic()
    manifest = archive.ready()
    copies = keeper.known(manifest)
    while True:
        query = compiled(manifest, copies)
        try:
            if query.plan is not None and (at_hand := near.run(query.plan, on_leave)) is not None:
                return Result(at_hand, query, manifest, maxrec, asked=f"{caller.label}: {text}")
            answer = workers.engine().run(
                query.plan or query.sql,
                manifest.version,
                workers.attached(manifest),
                seconds=seconds,
                uploads=_sent(uploads, query) | live.rows(query.tables, caller),
                lane=lane,
                patience=patience,
                on_leave=on_leave,
                key=fair_use_key(caller) if lane is Lane.SHORT else "",
                gather=few,
                values=query.values,
            )
            return Result(answer, query, manifest, maxrec, asked=f"{caller.label}: {text}")
        except EngineError as error:
            metrics.count_query("error", time.monotonic() - begun)
            raise explain(error, query.sql or "a plan") from error
        except StartFailed:
            newer = archive.current()
            if newer.version == manifest.version and query.plan is None:
                raise
            manifest = newer  # published anew between reading the manifest and opening its files
            copies = {}
        except GatewayError as error:
            metrics.count_query(_outcome(error), time.monotonic() - begun)
            raise


def fetch(
    text: str,
    caller: Caller,
    *,
    maxrec: int | None = None,
    base_url: str = "",
    seconds: float | None = None,
    uploads: Sequence[UploadedTable] = (),
    page: Page | None = None,
) -> tuple[tuple[Column, ...], pa.Table]:
    """`open_query` for small results: all rows at once."""
    with open_query(
        text, caller, maxrec=maxrec, base_url=base_url, seconds=seconds, uploads=uploads, page=page
    ) as result:
        columns = result.columns
        rows = list(result.batches())
    if rows:
        return columns, pa.Table.from_batches(rows)
    return columns, pa.schema([(column.name, arrow_type(column)) for column in columns]).empty_table()


def count(text: str, caller: Caller, *, maxrec: int | None = None, seconds: float | None = None) -> int:
    """How many rows a query gives, at most the site's hard limit or `maxrec`."""
    limits = workers.query_settings()
    rows = min(limits.hard_maxrec if maxrec is None else maxrec, limits.hard_maxrec)
    with _start(
        lambda manifest, _: adql.compile_query(
            text,
            manifest.schemas,
            maxrec=rows,
            emitter=stores.current().emitter(manifest),
            extensions=workers.extensions(),
        ).counted(),
        caller,
        maxrec=None,
        seconds=seconds or limits.sync_seconds,
        uploads={},
        text=text,
        few=True,
    ) as result:
        table = pa.Table.from_batches(list(result.batches()))
    return min(int(table.column(0)[0].as_py()), rows)


def plan(text: str, caller: Caller) -> str:
    """The SQL of a query and the engine's plan for it; the query is not run."""
    limits = workers.query_settings()
    manifest = archive.ready()
    emitter = stores.current().emitter(manifest)
    query = adql.compile_query(
        text, manifest.schemas, maxrec=limits.default_maxrec, emitter=emitter, extensions=workers.extensions()
    )
    try:
        answer = workers.engine().run(
            f"EXPLAIN {query.sql}",
            manifest.version,
            workers.attached(manifest),
            seconds=limits.sync_seconds,
            uploads=live.rows(query.tables, caller),
            gather=True,
        )
        rows = [row for batch in answer for row in batch.column(batch.num_columns - 1).to_pylist()]
    except EngineError as error:
        raise explain(error, query.sql) from error
    copied = adql.compile_query(
        text, manifest.schemas, extensions=workers.extensions(), copies=keeper.known(manifest)
    )
    remark = ["-- The table's copy answers this query, not the database.", ""] if copied.plan else []
    return "\n".join([*remark, query.sql, "", *map(str, rows)]) + "\n"


def explain(error: EngineError, sql: str) -> GatewayError:
    """What the engine complains about, for the person who wrote the query.

    What depends on values (divisions, conversions, limits) is theirs; all else should have been found by
    the compiler, so it is ours, and its SQL goes to the log.
    """
    if error.fault is Fault.UPLOAD:
        return QueryError(error.message)
    if error.fault is Fault.MEMORY:
        return TooLarge(
            "The query needs more memory than the service gives to one query.",
            hint="Select fewer columns or rows, or sort and group less at once.",
        )
    if error.fault is Fault.VALUES:
        return QueryError(f"The query cannot be evaluated: {error.message}")
    log.error("the engine refused SQL that the compiler made (%s: %s): %s", error.kind, error.message, sql)
    return GatewayError(
        "The query engine could not run this query.",
        hint="This is a fault of the service; please tell its operators which query it was.",
    )
