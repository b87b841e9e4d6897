"""Query workers for PostgreSQL: what they answer, what they may not do, and that nothing outlives them in the server."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg2
import pyarrow as pa
import pytest

from gateway.vo.errors import NotAvailable
from tap.engines.base import EngineError, Fault, QueryCancelled, StartFailed, TimeLimit
from tap.engines.pool import AT_ONCE
from tap.engines.postgres import PostgresPool, PostgresWorker, Server
from tap.engines.worker import Limits
from tap.postgres_setup import ROLE
from tests.tap import postgres
from tests.tap.conftest import PREPARED

ROWS = 50_000
ENDLESS = "SELECT count(*) AS n FROM generate_series(1, 100000000) AS a, generate_series(1, 1000) AS b"
WIDE = "SELECT a.n, b.s FROM s_demo.numbers AS a, s_demo.numbers AS b"


@pytest.fixture(scope="module")
def url(prepared_url: str) -> str:
    made = postgres.database(prepared_url, "engine", PREPARED)
    with psycopg2.connect(made) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE SCHEMA s_demo")
        cursor.execute(
            "CREATE TABLE s_demo.numbers AS SELECT n::bigint, 'name ' || n AS s FROM generate_series(0, %s) AS n",
            (ROWS - 1,),
        )
        cursor.execute(f"GRANT USAGE ON SCHEMA s_demo TO {ROLE}")
        cursor.execute(f"GRANT SELECT ON s_demo.numbers TO {ROLE}")
    return made


@pytest.fixture
def pool(url: str, tmp_path: Path) -> Iterator[PostgresPool]:
    made = PostgresPool(2, 1, Limits(scratch=tmp_path), Server(url, ROLE))
    yield made
    made.close()


def run(pool: PostgresPool, sql: str, **options: object):
    return pool.run(sql, 1, {}, **{"seconds": 60.0, **options})  # type: ignore[arg-type]


def rows(answer) -> list[dict[str, object]]:
    return pa.Table.from_batches(list(answer), answer.schema).to_pylist()


def active(url: str) -> int:
    """How many backends work on a query, this one aside."""
    with psycopg2.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity "
            "WHERE state = 'active' AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
        )
        return int(cursor.fetchone()[0])


def until(condition: Callable[[], bool], seconds: float = 20.0) -> float:
    """Wait for something; how long it took."""
    begun = time.monotonic()
    while not condition():
        assert time.monotonic() - begun < seconds
        time.sleep(0.02)
    return time.monotonic() - begun


class Background(threading.Thread):
    """A query in a thread of its own, and how it ended."""

    def __init__(self, pool: PostgresPool, url: str) -> None:
        super().__init__(daemon=True)
        self.pool, self.cancels, self.error = pool, [], None
        self.start()
        until(lambda: pool.load()["running_short"] == 1 and active(url) == 1)

    def run(self) -> None:
        try:
            rows(run(self.pool, ENDLESS, on_leave=self.cancels.append))
        except BaseException as error:  # noqa: BLE001
            self.error = error

    def stop(self) -> BaseException | None:
        self.cancels[0]()
        self.join(20)
        assert not self.is_alive()
        return self.error


def test_rows_come_in_batches_and_workers_are_used_again(pool: PostgresPool) -> None:
    answer = run(pool, "SELECT n, s FROM s_demo.numbers ORDER BY n")
    batches = list(answer)
    assert len(batches) > 1
    table = pa.Table.from_batches(batches)
    assert table["n"].to_pylist() == list(range(ROWS))
    assert table["s"][ROWS - 1].as_py() == f"name {ROWS - 1}"
    assert rows(run(pool, "SELECT n FROM s_demo.numbers WHERE n < 0", gather=True)) == []
    assert len(pool.processes()) == 1


@pytest.mark.parametrize(
    ("sql", "fault", "text"),
    [
        ("SELECT 1 / (n - 3) AS x FROM s_demo.numbers", Fault.VALUES, "division by zero"),
        (
            "SELECT CAST(s AS INTEGER) AS x FROM s_demo.numbers",
            Fault.VALUES,
            "Could not convert string 'name 0' to INT32",
        ),
        ("SELECT 9223372036854775807 + n AS x FROM s_demo.numbers", Fault.VALUES, "out of range"),
        ("SELECT repeat(s, 1000000000) AS x FROM s_demo.numbers", Fault.MEMORY, ""),
        ("SELECT nothing FROM s_demo.numbers", Fault.OURS, "nothing"),
    ],
)
def test_failures_say_whose_fault_they_are(pool: PostgresPool, sql: str, fault: Fault, text: str) -> None:
    with pytest.raises(EngineError) as caught:
        rows(run(pool, sql))
    assert caught.value.fault is fault
    assert text in caught.value.message
    assert "SELECT" not in caught.value.message
    assert rows(run(pool, "SELECT 2 AS two")) == [{"two": 2}]
    assert len(pool.processes()) == 1


def test_a_table_that_was_replaced_is_no_fault_of_the_query(pool: PostgresPool) -> None:
    with pytest.raises(StartFailed):
        run(pool, "SELECT n FROM s_demo.numbers_0")


def test_the_time_limit_stops_the_query_in_the_server(pool: PostgresPool, url: str) -> None:
    with pytest.raises(TimeLimit, match=r"0\.3 seconds"):
        run(pool, ENDLESS, seconds=0.3)
    until(lambda: active(url) == 0)
    assert rows(run(pool, "SELECT 2 AS two")) == [{"two": 2}]


def test_the_server_has_a_limit_of_its_own(url: str, tmp_path: Path) -> None:
    pool = PostgresPool(1, 1, Limits(scratch=tmp_path), Server(url, ROLE, seconds=0))
    try:
        with pytest.raises(TimeLimit):
            rows(run(pool, ENDLESS, gather=True))
    finally:
        pool.close()


def test_a_query_is_cancelled_and_its_worker_stays(pool: PostgresPool, url: str) -> None:
    rows(run(pool, "SELECT 1 AS one"))
    before = pool.processes()
    running = Background(pool, url)
    begun = time.monotonic()
    assert isinstance(running.stop(), QueryCancelled)
    taken = time.monotonic() - begun
    assert taken < 3.0, taken  # 0.02 s on a quiet machine
    until(lambda: active(url) == 0)
    assert rows(run(pool, "SELECT 2 AS two")) == [{"two": 2}]
    assert pool.processes() == before


def test_a_deaf_worker_is_killed_and_its_backend_ended(
    pool: PostgresPool, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PostgresWorker, "interrupt", lambda self, query: None)
    running = Background(pool, url)
    (pid,) = pool.processes()
    assert isinstance(running.stop(), QueryCancelled)
    until(lambda: active(url) == 0)
    assert pid not in pool.processes()


def test_a_killed_worker_leaves_nothing_running(pool: PostgresPool, url: str) -> None:
    running = Background(pool, url)
    (pid,) = pool.processes()
    time.sleep(2 * AT_ONCE)  # earlier it would count as dead before, and the query be begun again
    os.kill(pid, signal.SIGKILL)
    running.join(20)
    assert isinstance(running.error, NotAvailable)
    until(lambda: active(url) == 0)
    assert rows(run(pool, "SELECT 2 AS two")) == [{"two": 2}]


def test_connections_that_the_server_ended_are_made_anew(pool: PostgresPool, url: str) -> None:
    rows(run(pool, "SELECT 1 AS one"))
    with psycopg2.connect(url) as connection, connection.cursor() as cursor:
        # Of this database alone: other tests' archives are on the same server.
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE pid <> pg_backend_pid() AND datname = current_database()"
        )
    assert rows(run(pool, "SELECT 2 AS two")) == [{"two": 2}]


def test_a_reader_that_leaves_early_frees_its_worker(pool: PostgresPool, url: str) -> None:
    for _ in range(3):
        answer = run(pool, WIDE)
        next(iter(answer))
        answer.close()
    until(lambda: active(url) == 0)
    assert len(pool.processes()) == 1


def test_memory_does_not_grow_with_the_rows(pool: PostgresPool) -> None:
    answer = run(pool, f"{WIDE} LIMIT 2000000")
    batches = iter(answer)
    for _ in range(3):
        next(batches)
    (pid,) = pool.processes()
    before = memory(pid)
    count = sum(batch.num_rows for batch in batches)
    assert count > 1_500_000
    assert memory(pid) - before < 24 << 20


def memory(pid: int) -> int:
    """Most bytes that a process has had."""
    status = Path(f"/proc/{pid}/status")
    try:
        text = status.read_text()
    except FileNotFoundError:
        return 0
    return int(text.split("VmHWM:")[1].split()[0]) << 10


def test_uploads_are_seen_by_their_query_alone(pool: PostgresPool) -> None:
    upload = pa.table(
        {"id": [3, 5], "label": ["three", None], "v": pa.array([[1.0], None], pa.list_(pa.float64()))}
    )
    joined = run(
        pool,
        'SELECT u.label, u.v, d.s FROM pg_temp."mine" u JOIN s_demo.numbers d ON d.n = u.id ORDER BY d.n',
        uploads={"mine": upload},
    )
    with pytest.raises(StartFailed):  # a second session, while the first has it
        run(pool, 'SELECT * FROM pg_temp."mine"')
    assert rows(joined) == [
        {"label": "three", "v": [1.0], "s": "name 3"},
        {"label": None, "v": None, "s": "name 5"},
    ]
    for _ in range(2):
        with pytest.raises(StartFailed):
            run(pool, 'SELECT * FROM pg_temp."mine"')


def test_uploads_are_gone_after_a_query_that_failed(pool: PostgresPool) -> None:
    with pytest.raises(EngineError):
        run(pool, "SELECT no_such FROM pg_temp.mine", uploads={"mine": pa.table({"id": [1]})})
    with pytest.raises(StartFailed):
        run(pool, "SELECT * FROM pg_temp.mine")


def test_an_upload_that_the_database_does_not_take_is_explained(pool: PostgresPool) -> None:
    long = "c" * 63
    with pytest.raises(EngineError, match="same first 63") as caught:
        run(pool, "SELECT 1 AS one", uploads={"mine": pa.table({f"{long}1": [1], f"{long}2": [2]})})
    assert caught.value.fault is Fault.UPLOAD
    assert rows(run(pool, "SELECT 2 AS two")) == [{"two": 2}]


@pytest.mark.parametrize(
    "sql",
    [
        "WITH gone AS (DELETE FROM s_demo.numbers RETURNING n) SELECT n FROM gone",
        "WITH made AS (INSERT INTO s_demo.numbers VALUES (1, 'x') RETURNING n) SELECT n FROM made",
        "SELECT pg_read_file('/etc/passwd') AS text",
        "SELECT pg_ls_dir('/') AS name",
        "SELECT manifest FROM vogate.archive",
        "SELECT lo_import('/etc/passwd') AS x",
        "SELECT nextval('vogate.relation') AS x",
    ],
)
def test_queries_can_read_published_tables_alone(pool: PostgresPool, sql: str) -> None:
    with pytest.raises(EngineError):
        rows(run(pool, sql))
    assert rows(run(pool, "SELECT count(*)::int AS n FROM s_demo.numbers")) == [{"n": ROWS}]


def test_an_address_that_does_not_answer_is_an_error(tmp_path: Path) -> None:
    pool = PostgresPool(1, 1, Limits(scratch=tmp_path), Server(f"postgresql://nobody@/none?host={tmp_path}"))
    try:
        with pytest.raises(NotAvailable) as caught:
            run(pool, "SELECT 1 AS one")
        assert str(tmp_path) not in caught.value.message
    finally:
        pool.close()
