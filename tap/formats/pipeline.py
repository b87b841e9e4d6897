"""Batches converted ahead of whoever sends them, on all cores: Arrow and numpy work without the interpreter's lock."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

AHEAD = 3
"""Batches that are on the way at once; what a stream holds in memory does not depend on its length."""
THREADS = 2

A = TypeVar("A")
B = TypeVar("B")


def in_order(convert: Callable[[A], B], items: Iterable[A]) -> Iterator[B]:
    """`map`, with the next results computed in threads while the caller is busy with the last one.

    A list is converted by the caller's own thread: it is here already, and short.  Items are read by one thread at
    a time; when reading fails, what was read before is given first.
    """
    if isinstance(items, list):
        yield from map(convert, items)
        return
    source, lock = iter(items), threading.Lock()
    tickets: deque[Future[B | None]] = deque()
    waiting: deque[Future[B | None]] = deque()

    def work() -> None:
        with lock:  # tickets are taken in the order in which items are read
            ticket = tickets.popleft()
            try:
                item = next(source, None)
            except BaseException as error:  # noqa: BLE001 (it is the caller's)
                ticket.set_exception(error)
                return
        try:
            ticket.set_result(None if item is None else convert(item))
        except BaseException as error:  # noqa: BLE001
            ticket.set_exception(error)

    threads = ThreadPoolExecutor(THREADS, thread_name_prefix="convert")
    try:
        while True:
            while len(waiting) < AHEAD:
                ticket: Future[B | None] = Future()
                tickets.append(ticket)
                waiting.append(ticket)
                threads.submit(work)
            result = waiting.popleft().result()
            if result is None:
                return
            yield result
    finally:
        threads.shutdown(wait=False, cancel_futures=True)
