"""Who may run a query now: a short and a long lane, and a fair share for each caller, first come, first served.

A query begins in the short lane.  If it still runs after `PROMOTION` seconds and somebody waits, it
moves to the long lane, so that slow queries do not stand in the way of quick ones.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from gateway.vo.errors import Busy
from tap.engines.base import Lane, QueryCancelled

PROMOTION = 2.0
LOOK = 0.2
"""Seconds between two looks at whether a query has become slow, or its client has left the queue."""


class Running(Protocol):
    """A query that has a place in a lane."""

    lane: Lane
    key: str
    """Whose query it is."""
    started: float
    """`time.monotonic()` of its beginning."""

    def cancel(self) -> None: ...


class Leaving:
    """Stops a query wherever it is: in the queue, or at work.  Can be called from any thread."""

    def __init__(self, changed: threading.Condition) -> None:
        self._changed = changed
        self._lock = threading.Lock()
        self._cancel: Callable[[], object] | None = None
        self.gone = False

    def __call__(self) -> None:
        with self._lock:
            self.gone = True
            cancel = self._cancel
        if cancel is not None:
            cancel()
            return
        with self._changed:
            self._changed.notify_all()

    def attach(self, cancel: Callable[[], object]) -> None:
        """From now on this is what stops the query."""
        with self._lock:
            self._cancel = cancel
            gone = self.gone
        if gone:
            cancel()


@dataclass(eq=False)
class Ticket:
    """A query's place in the queue."""

    lane: Lane
    key: str
    waits: bool = False
    """It could not begin when it came."""


class Lanes:
    """The queries that run and wait; every method but `load` is called under the lock of `changed`.

    Parameters
    ----------
    short, long
        How many queries may run at once in each lane.
    share
        Most queries of one caller that run at once; others of theirs wait. 0 for no limit.
    waiting
        Most queries of one caller that wait; others are refused. 0 for no limit.
    """

    def __init__(self, short: int, long: int, *, share: int = 0, waiting: int = 0) -> None:
        self.changed = threading.Condition()
        self.running: list[Running] = []
        self.places = short + long
        self._size = {Lane.SHORT: short, Lane.LONG: long}
        self._share, self._most_waiting = share, waiting
        self._queue: list[Ticket] = []

    def queue(self, lane: Lane, key: str) -> Ticket:
        """A place behind all that are there; whoever takes it gives it back (`unqueue`)."""
        ticket = Ticket(lane, key)
        self._queue.append(ticket)
        return ticket

    def unqueue(self, ticket: Ticket) -> None:
        if ticket in self._queue:
            self._queue.remove(ticket)
            self.changed.notify_all()

    def wait(self, ticket: Ticket, patience: float, leaving: Leaving) -> None:
        """Wait until a query may begin; the caller then adds it to `running` under the same lock.

        Raises
        ------
        Busy
            If its turn did not come within `patience` seconds, or too many queries of the same key wait.
        QueryCancelled
            If `leaving` was called meanwhile.
        """
        if self._has_turn(ticket):
            return
        others = sum(1 for item in self._queue if item.waits and item.key == ticket.key)
        if ticket.key and self._most_waiting and others >= self._most_waiting:
            raise Busy(
                f"You have {others} queries waiting already, the limit.",
                hint="Wait for some of them, or run them asynchronously.",
                headers={"Retry-After": "5"},
            )
        ticket.waits = True
        until = time.monotonic() + patience
        while not self._has_turn(ticket):
            left = until - time.monotonic()
            if leaving.gone:
                raise QueryCancelled("The query was cancelled while it waited.")
            if left <= 0:
                raise Busy(
                    "Too many queries are running.",
                    hint="Try again in a moment, or run the query asynchronously.",
                    headers={"Retry-After": "10"},
                )
            self.changed.wait(min(left, LOOK))
        ticket.waits = False

    def leave(self, query: Running) -> None:
        """A query has ended; whoever waits looks again."""
        if query in self.running:
            self.running.remove(query)
        self.changed.notify_all()

    def load(self) -> dict[str, int]:
        """How many queries run and wait."""
        with self.changed:
            running = Counter(query.lane.value for query in self.running)
            return {
                "running_short": running["short"],
                "running_long": running["long"],
                "waiting": sum(1 for item in self._queue if item.waits),
            }

    def _has_turn(self, ticket: Ticket) -> bool:
        """Whether a query may begin, and none that came before it could."""
        for item in self._queue:
            if item is ticket:
                return self._may_start(item.lane, item.key)
            if self._may_start(item.lane, item.key):
                return False
        return False

    def _may_start(self, lane: Lane, key: str) -> bool:
        if key and self._share and sum(1 for query in self.running if query.key == key) >= self._share:
            return False
        return self._has_room(lane)

    def _has_room(self, lane: Lane) -> bool:
        """Whether a query may start in `lane`, after slow ones were moved out of the short one."""
        count = {item: sum(1 for query in self.running if query.lane is item) for item in Lane}
        if count[lane] < self._size[lane]:
            return True
        if lane is Lane.LONG or count[Lane.LONG] >= self._size[Lane.LONG]:
            return False
        slow = [query for query in self.running if query.lane is Lane.SHORT]
        oldest = min(slow, key=lambda query: query.started)
        if time.monotonic() - oldest.started < PROMOTION:
            return False
        oldest.lane = Lane.LONG
        return True
