"""Plans that read little, run where they are asked for: handing them to a worker would take longer.

That is a region in a few blocks, or a table as a whole, which MAXREC cuts off; of the latter a few at once, so
that more of them wait their turn like other queries.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pyarrow as pa

from gateway.vo.errors import NotAvailable
from tap.copies.layout import Opened
from tap.copies.plan import Plan
from tap.copies.scan import Scan, Stopped
from tap.engines.base import STALL, OnLeave, QueryCancelled

MOST_BLOCKS = 12
"""Of 400 kB: what is read in a millisecond or two."""
WHOLE_TABLES = 2
"""Tables that a process gives away as a whole at once; a worker does others."""
_OPENED = Opened()
_lock = threading.Lock()
_whole: list[NearAnswer] = []
"""Those that have a place, in the order in which they took it."""


class NearAnswer:
    """See `tap.engines.base.Answer`."""

    def __init__(self, scan: Scan) -> None:
        self._scan = scan
        self.schema = scan.schema
        self.idle_since = time.monotonic()
        """When its reader took rows last."""

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        try:
            for batch in self._scan.batches():
                self.idle_since = time.monotonic()
                yield batch
        except Stopped:
            raise QueryCancelled("The query was cancelled, or its rows were not taken.") from None
        except (OSError, pa.ArrowException) as error:
            raise NotAvailable("The table cannot be read.", hint="Try again in a moment.") from error
        finally:
            self.close()

    def available(self, seconds: float) -> bool:
        return True

    def cancel(self) -> None:
        self._scan.interrupt()

    def close(self) -> None:
        with _lock:
            if self in _whole:
                _whole.remove(self)


def run(plan: Plan, on_leave: OnLeave | None = None) -> NearAnswer | None:
    """Run a plan here; None for one that a worker has to run, or whose copy is not there any more."""
    if plan.match is not None:
        return None
    try:
        scan = Scan().open(plan, {}, _OPENED)
    except (OSError, KeyError, ValueError):
        return None
    if plan.ranges is not None:
        return NearAnswer(scan) if scan.reads() <= MOST_BLOCKS else None
    answer = NearAnswer(scan)
    if not _placed(answer):
        return None
    if on_leave is not None:
        on_leave(answer.cancel)
    return answer


def _placed(answer: NearAnswer) -> bool:
    """Give an answer a place, that of a reader who has stalled if need be."""
    with _lock:
        if len(_whole) >= WHOLE_TABLES:
            stalled = [item for item in _whole if time.monotonic() - item.idle_since > STALL]
            if not stalled:
                return False
            stalled[0].cancel()
            _whole.remove(stalled[0])
        _whole.append(answer)
        return True
