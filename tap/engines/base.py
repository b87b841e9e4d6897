"""What every engine is to the rest of the gateway: a query goes in, Arrow batches come out, or one of these errors."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Protocol

import pyarrow as pa

from gateway.vo.errors import GatewayError, NotAvailable
from tap.copies.plan import Plan

QUEUE = 20.0
"""Seconds that a query waits for its turn."""
STALL = 60.0
"""Seconds after which a reader that takes no rows is dropped."""

OnLeave = Callable[[Callable[[], object]], object]
"""Called with a function that stops the query, from any thread, before it begins to wait for its turn."""


class Lane(Enum):
    """Slow queries do not stand in the way of quick ones."""

    SHORT = "short"
    LONG = "long"


class Fault(Enum):
    """Whose fault it is that an engine failed a query."""

    VALUES = "values"
    """A division, conversion or limit that depends on the query's values."""
    MEMORY = "memory"
    UPLOAD = "upload"
    OURS = "ours"
    """The compiler should have found it."""


class EngineError(GatewayError):
    """The engine refused or failed a query; `kind` is the class name of its own exception."""

    def __init__(self, kind: str, message: str, fault: Fault = Fault.OURS) -> None:
        super().__init__(message)
        self.kind = kind
        self.fault = fault


class QueryCancelled(GatewayError):
    """The query was stopped by its owner, or because its client left."""

    status, code = 409, "Cancelled"


class WorkerDied(NotAvailable):
    """The process that worked on the query ended by itself."""


class WorkerLeft(WorkerDied):
    """It had lost its connection before it began with the query, which another worker can do."""


class StartFailed(NotAvailable):
    """The engine could not open the archive that the query was compiled for."""


class TimeLimit(GatewayError):
    """The query ran longer than it may."""

    status, code = 400, "UsageError"


def over_time(seconds: float) -> TimeLimit:
    """The error of a query that was stopped after `seconds`."""
    return TimeLimit(
        f"The query was stopped after {seconds:g} seconds, the time limit.",
        hint="Run it asynchronously, or restrict it further.",
    )


class Answer(Protocol):
    """A running query: its Arrow schema, then its batches, once.

    Reading raises EngineError, TimeLimit, QueryCancelled or NotAvailable as the query fails.
    """

    schema: pa.Schema

    def __iter__(self) -> Iterator[pa.RecordBatch]: ...

    def available(self, seconds: float) -> bool:
        """Whether the engine says something more within `seconds`."""
        ...

    def cancel(self) -> None:
        """Stop the query, from any thread; whoever reads gets QueryCancelled.  No effect once it has ended."""
        ...

    def close(self) -> None:
        """Leave the query, stopping it if it has not finished; may be called twice."""
        ...


class Engine(Protocol):
    """One process's access to a database that holds the archive."""

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
    ) -> Answer:
        """Start a query; returns when the engine has begun to answer.

        Parameters
        ----------
        sql
            What the compiler made for this engine; or a plan, which all engines run alike.
        version, files
            The manifest it was compiled for: its number, and alias -> file.
        seconds
            Time that the engine may work on it.
        uploads
            Name -> rows, readable as `tap_upload.<name>` by this query alone.
        patience
            Seconds to wait for its turn.
        on_leave
            See `OnLeave`.
        key
            Whose query it is, for the limits of one caller; '' for nobody's.
        gather
            There are few rows at most: collecting them first is faster than streaming.
        values
            The numbers that the placeholders $1, $2, ... in `sql` stand for.

        Raises
        ------
        Busy
            If its turn did not come in time, or the caller has too many queries waiting.
        StartFailed
            If the archive of this version is not there (any more).
        EngineError, TimeLimit, QueryCancelled, NotAvailable
            As the query fails; the same may be raised while the batches are read.
        """
        ...

    def warm(self, version: int, files: Mapping[str, Path], count: int = 1) -> None:
        """Get ready in the background, so that the first queries need not wait."""
        ...

    def load(self) -> dict[str, int]:
        """How many queries run and wait and how many workers are idle, for the metrics."""
        ...

    def processes(self) -> list[int]:
        """Process ids of what works on queries."""
        ...

    def close(self) -> None:
        """Cancel what runs and give everything back."""
        ...
