"""Limits of one caller, leaving the queue, and workers that survive what is stopped; on both engines."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.vo.errors import Busy
from tap.engines.base import Lane, QueryCancelled
from tap.engines.lanes import Lanes, Leaving
from tap.engines.pool import Pool
from tap.engines.postgres import PostgresPool, Server
from tap.engines.worker import Limits, Worker
from tap.postgres_setup import ROLE
from tests.tap import test_engines, test_postgres_engine
from tests.tap.test_engines import files, rows, run
from tests.tap.test_postgres_engine import url

__all__ = ["files", "url"]  # the fixtures


@pytest.fixture(params=["duckdb", "postgres"])
def pool(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Pool]:
    limits = Limits(scratch=tmp_path)
    if request.param == "postgres":
        server = Server(request.getfixturevalue("url"), ROLE)
        made: Pool = PostgresPool(2, 1, limits, server, share=1, waiting=1)
    else:
        made = Pool(2, 1, limits, share=1, waiting=1)
    yield made
    made.close()


def endless(pool: Pool) -> str:
    """A query that does not end, in the SQL of an engine."""
    return (test_postgres_engine if isinstance(pool, PostgresPool) else test_engines).ENDLESS


def until(condition) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


class Background(threading.Thread):
    """A query in a thread of its own, and how it ended."""

    def __init__(self, pool: Pool, files: dict[str, Path], **options: object) -> None:
        super().__init__(daemon=True)
        self.arguments = (pool, files, endless(pool))
        self.options = options
        self.cancels: list = []
        self.error: BaseException | None = None
        self.start()

    def run(self) -> None:
        try:
            rows(run(*self.arguments, on_leave=self.cancels.append, **self.options))
        except BaseException as error:  # noqa: BLE001
            self.error = error

    def stop(self) -> BaseException | None:
        self.cancels[0]()
        self.join(20)
        assert not self.is_alive()
        return self.error


def test_a_caller_cannot_hold_all_workers(pool: Pool, files: dict[str, Path]) -> None:
    first = Background(pool, files, key="user:1")
    until(lambda: pool.load()["running_short"] == 1)
    second = Background(pool, files, key="user:1")
    until(lambda: pool.load()["waiting"] == 1)
    assert rows(run(pool, files, "SELECT 1 AS a", key="user:2"))["a"].to_pylist() == [1]
    with pytest.raises(Busy, match="waiting already") as refused:
        run(pool, files, "SELECT 1 AS a", key="user:1")
    assert refused.value.headers["Retry-After"] == "5"
    assert isinstance(second.stop(), QueryCancelled)
    assert isinstance(first.stop(), QueryCancelled)
    assert rows(run(pool, files, "SELECT 2 AS a", key="user:1"))["a"].to_pylist() == [2]


@dataclass(eq=False)
class AtWork:
    """What a lane knows of a running query."""

    key: str
    lane: Lane = Lane.SHORT
    started: float = 0.0

    def cancel(self) -> None: ...


def test_queries_begin_in_the_order_in_which_they_came() -> None:
    queue = Lanes(1, 0)
    leaving = Leaving(queue.changed)
    with queue.changed:
        running = AtWork("a")
        queue.running.append(running)
        second, third = queue.queue(Lane.SHORT, "b"), queue.queue(Lane.SHORT, "a")
        queue.leave(running)
        # The one that comes at the right moment does not pass those that wait.
        with pytest.raises(Busy):
            queue.wait(third, 0, leaving)
        queue.wait(second, 0, leaving)
        queue.unqueue(second)
        queue.wait(third, 0, leaving)


def test_who_has_a_full_share_does_not_hold_up_others() -> None:
    queue = Lanes(2, 0, share=1)
    leaving = Leaving(queue.changed)
    with queue.changed:
        queue.running.append(AtWork("a"))
        again, other = queue.queue(Lane.SHORT, "a"), queue.queue(Lane.SHORT, "b")
        queue.wait(other, 0, leaving)
        with pytest.raises(Busy):
            queue.wait(again, 0, leaving)


def test_a_waiting_query_ends_when_its_client_leaves(pool: Pool, files: dict[str, Path]) -> None:
    first = Background(pool, files, key="address:a")
    until(lambda: pool.load()["running_short"] == 1)
    second = Background(pool, files, key="address:a", patience=600.0)
    until(lambda: pool.load()["waiting"] == 1)
    assert isinstance(second.stop(), QueryCancelled)
    assert pool.load()["waiting"] == 0
    first.stop()


def test_a_client_that_left_before_it_was_admitted_gets_nothing(pool: Pool, files: dict[str, Path]) -> None:
    with pytest.raises(QueryCancelled):
        run(pool, files, endless(pool), on_leave=lambda cancel: cancel())


def test_a_worker_survives_a_query_that_is_cancelled(pool: Pool, files: dict[str, Path]) -> None:
    rows(run(pool, files, "SELECT 1 AS a"))
    (worker,) = pool.processes()
    running = Background(pool, files)
    until(lambda: pool.load()["running_short"] == 1)
    time.sleep(0.2)
    assert isinstance(running.stop(), QueryCancelled)
    until(lambda: pool.load()["idle"] == 1)
    assert pool.processes() == [worker]
    assert rows(run(pool, files, "SELECT 3 AS a"))["a"].to_pylist() == [3]


def test_a_worker_survives_a_result_that_is_not_read_to_its_end(pool: Pool, files: dict[str, Path]) -> None:
    for _ in range(3):
        answer = run(pool, files, 'SELECT a.n FROM "s_demo"."numbers" a, "s_demo"."numbers" b')
        next(iter(answer))
        answer.close()
    assert len(pool.processes()) == 1
    assert rows(run(pool, files, "SELECT 4 AS a"))["a"].to_pylist() == [4]


def test_a_worker_that_does_not_listen_is_killed(
    pool: Pool, files: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Worker, "interrupt", lambda self, query: None)
    rows(run(pool, files, "SELECT 1 AS a"))
    (worker,) = pool.processes()
    running = Background(pool, files)
    until(lambda: pool.load()["running_short"] == 1)
    assert isinstance(running.stop(), QueryCancelled)
    assert worker not in pool.processes()
