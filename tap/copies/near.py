"""Plans that read little, run where they are asked for: handing them to a worker would take longer.

That is a region in a few blocks, or a table as a whole, which MAXREC cuts off; of the latter a few at once, so
that more of them wait their turn like other queries.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pyarrow as pa

from gateway.vo.errors import NotAvailable
from tap.copies.layout import Opened
from tap.copies.plan import Plan
from tap.copies.scan import Scan, Stopped
from tap.engines.base import OnLeave, QueryCancelled

MOST_BLOCKS = 12
"""Of 400 kB: what is read in a millisecond or two."""
WHOLE_TABLES = 2
"""Tables that a process gives away as a whole at once; a worker does others."""
_OPENED = Opened()
_places = threading.BoundedSemaphore(WHOLE_TABLES)


class NearAnswer:
    """See `tap.engines.base.Answer`."""

    def __init__(self, scan: Scan, place: threading.BoundedSemaphore | None) -> None:
        self._scan, self._place = scan, place
        self._one = threading.Lock()
        self.schema = scan.schema

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        try:
            yield from self._scan.batches()
        except Stopped:
            raise QueryCancelled("The query was cancelled.") from None
        except (OSError, pa.ArrowException) as error:
            raise NotAvailable("The table cannot be read.", hint="Try again in a moment.") from error
        finally:
            self.close()

    def available(self, seconds: float) -> bool:
        return True

    def cancel(self) -> None:
        self._scan.interrupt()

    def close(self) -> None:
        with self._one:
            place, self._place = self._place, None
        if place is not None:
            place.release()


def run(plan: Plan, on_leave: OnLeave | None = None) -> NearAnswer | None:
    """Run a plan here; None for one that a worker has to run, or whose copy is not there any more."""
    if plan.match is not None:
        return None
    try:
        scan = Scan().open(plan, {}, _OPENED)
    except (OSError, KeyError, ValueError):
        return None
    if plan.ranges is not None:
        return NearAnswer(scan, None) if scan.reads() <= MOST_BLOCKS else None
    if not _places.acquire(blocking=False):
        return None
    answer = NearAnswer(scan, _places)
    if on_leave is not None:
        on_leave(answer.cancel)
    return answer
