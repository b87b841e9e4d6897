"""Batches converted ahead: the order, errors in their place, and no more than a few on the way."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from tap.formats.pipeline import AHEAD, in_order


def counted(until: int, taken: list[int]) -> Iterator[int]:
    for number in range(until):
        taken.append(number)
        yield number


def slow_at_first(number: int) -> int:
    time.sleep(0.02 if number % 2 == 0 else 0)
    return number * number


def test_results_come_in_the_order_of_the_items() -> None:
    expected = [number * number for number in range(20)]
    assert list(in_order(slow_at_first, counted(20, []))) == expected
    assert list(in_order(slow_at_first, list(range(20)))) == expected


def test_nothing_comes_of_nothing() -> None:
    assert list(in_order(slow_at_first, iter(()))) == []
    assert list(in_order(slow_at_first, [])) == []


def test_an_error_of_the_source_comes_after_what_was_read_before() -> None:
    def broken() -> Iterator[int]:
        yield from range(5)
        raise ValueError("late")

    results = in_order(slow_at_first, broken())
    assert [next(results) for _ in range(5)] == [0, 1, 4, 9, 16]
    with pytest.raises(ValueError, match="late"):
        next(results)


def test_an_error_of_the_conversion_is_the_callers() -> None:
    with pytest.raises(ZeroDivisionError):
        list(in_order(lambda number: 1 // (3 - number), counted(10, [])))


def test_only_a_few_items_are_taken_ahead_of_a_slow_reader() -> None:
    taken: list[int] = []
    results = in_order(slow_at_first, counted(1000, taken))
    assert next(results) == 0
    time.sleep(0.2)
    assert len(taken) <= AHEAD + 1
    results.close()  # type: ignore[attr-defined]
    time.sleep(0.1)
    assert len(taken) <= AHEAD + 1


def test_a_slow_source_does_not_hold_back_what_it_gave() -> None:
    more = threading.Event()

    def source() -> Iterator[int]:
        yield 2
        assert more.wait(20)
        yield 3

    results = in_order(slow_at_first, source())
    assert next(results) == 4
    more.set()
    assert list(results) == [9]
