"""Query workers: what they answer, and that nothing a query does can hurt or outlive its process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from gateway.vo.errors import Busy, NotAvailable
from tap.engines import answer as answers
from tap.engines import lanes
from tap.engines.base import Answer, EngineError, Lane, QueryCancelled, StartFailed, TimeLimit
from tap.engines.pool import Pool
from tap.engines.worker import Limits, Worker
from tests.support.shared import REPOSITORY

ENDLESS = "SELECT count(*) FROM range(1000000) a, range(1000000) b WHERE a.range * b.range % 7 = 3"
ROWS = 50_000


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    path = tmp_path_factory.mktemp("archive") / "demo-1.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute(
            f"CREATE TABLE numbers AS SELECT range AS n, range / 7 AS x, 'name ' || range AS s FROM range({ROWS})"
        )
    return {"s_demo": path}


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[Pool]:
    made = Pool(1, 1, Limits(scratch=tmp_path))
    yield made
    made.close()


def run(pool: Pool, files: dict[str, Path], sql: str, **options: object) -> Answer:
    return pool.run(sql, 1, files, **{"seconds": 30.0, **options})  # type: ignore[arg-type]


def rows(answer: Answer) -> pa.Table:
    return pa.Table.from_batches(list(answer), answer.schema)


def gone(pid: int, seconds: float = 20.0) -> bool:
    """Whether the process ends in time (a zombie counts as ended)."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state == "Z":
            return True
        time.sleep(0.02)
    return False


def test_a_query_gives_all_rows_in_batches(pool: Pool, files: dict[str, Path]) -> None:
    answer = run(pool, files, 'SELECT n, x, s FROM "s_demo"."numbers" ORDER BY n')
    batches = list(answer)
    assert len(batches) > 1
    table = pa.Table.from_batches(batches)
    assert table["n"].to_pylist() == list(range(ROWS))
    assert table["s"][ROWS - 1].as_py() == f"name {ROWS - 1}"


def test_an_empty_result_has_its_schema(pool: Pool, files: dict[str, Path]) -> None:
    answer = run(pool, files, "SELECT n, s FROM s_demo.numbers WHERE n < 0")
    assert [field.name for field in answer.schema] == ["n", "s"]
    assert list(answer) == []


def test_workers_are_used_again(pool: Pool, files: dict[str, Path]) -> None:
    for _ in range(3):
        rows(run(pool, files, "SELECT 1"))
    assert len(pool.processes()) == 1


def test_a_failing_query_is_reported_and_its_worker_stays(pool: Pool, files: dict[str, Path]) -> None:
    rows(run(pool, files, "SELECT 1"))
    before = pool.processes()
    with pytest.raises(EngineError, match="Could not convert"):
        run(pool, files, "SELECT CAST(s AS INTEGER) FROM s_demo.numbers")
    assert rows(run(pool, files, "SELECT 2 AS two")).to_pylist() == [{"two": 2}]
    assert pool.processes() == before


def test_a_failure_after_the_first_rows_is_raised_between_them(pool: Pool, files: dict[str, Path]) -> None:
    late = "CASE WHEN range = 2900000 THEN CAST(error('late') AS BIGINT) ELSE range END"
    answer = run(pool, files, f"SELECT {late} FROM range(3000000)")
    received: list[pa.RecordBatch] = []
    with pytest.raises(EngineError, match="late"):
        received.extend(answer)
    assert received
    assert rows(run(pool, files, "SELECT 2 AS two")).to_pylist() == [{"two": 2}]


def test_the_time_limit_ends_the_process(pool: Pool, files: dict[str, Path]) -> None:
    rows(run(pool, files, "SELECT 1"))
    (pid,) = pool.processes()
    with pytest.raises(TimeLimit, match=r"0\.3 seconds"):
        run(pool, files, ENDLESS, seconds=0.3)
    assert gone(pid)
    assert rows(run(pool, files, "SELECT 2 AS two")).to_pylist() == [{"two": 2}]


def test_a_query_that_is_cancelled_while_its_worker_starts_leaves_that_to_others(
    pool: Pool, files: dict[str, Path]
) -> None:
    cancels: list[object] = []
    failures: list[BaseException] = []

    def work() -> None:
        try:
            run(pool, files, ENDLESS, on_leave=cancels.append)
        except QueryCancelled as error:
            failures.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    while not cancels or not pool.processes():
        time.sleep(0.01)
    (pid,) = pool.processes()
    cancels[0]()  # type: ignore[operator]
    thread.join(20)
    assert len(failures) == 1
    assert rows(run(pool, files, "SELECT 2 AS two")).to_pylist() == [{"two": 2}]
    assert pool.processes() == [pid]


def test_a_query_takes_the_first_worker_that_is_free(tmp_path: Path, files: dict[str, Path]) -> None:
    pool = Pool(2, 1, Limits(scratch=tmp_path))
    try:
        rows(run(pool, files, "SELECT 1"))
        held = run(pool, files, "SELECT a.n FROM s_demo.numbers a, s_demo.numbers b")
        (quick,) = pool.processes()
        pool._new_worker = lambda version, files: SlowWorker(version, files, pool.limits)  # type: ignore[method-assign]
        begun = time.monotonic()
        threading.Timer(0.3, held.close).start()
        answer = run(pool, files, "SELECT 2 AS two")
        assert time.monotonic() - begun < SlowWorker.SECONDS
        assert answer.worker.process.pid == quick  # type: ignore[attr-defined]
        assert rows(answer).to_pylist() == [{"two": 2}]
    finally:
        pool.close()


class SlowWorker(Worker):
    """One that takes long to start."""

    SECONDS = 8.0

    def ready(self) -> None:
        time.sleep(self.SECONDS)
        super().ready()


def test_a_worker_that_has_ended_is_neither_interrupted_nor_waited_for(
    pool: Pool, files: dict[str, Path], tmp_path: Path
) -> None:
    worker = Worker(1, files, pool.limits)
    number = worker._lifeline
    worker.kill()
    # The next file that the server opens may get that number.
    other = os.open(tmp_path / "other", os.O_WRONLY | os.O_CREAT)
    os.dup2(other, number)
    worker.interrupt(worker.begin())
    for descriptor in {other, number}:
        os.close(descriptor)
    assert (tmp_path / "other").read_bytes() == b""
    with pytest.raises(StartFailed, match="did not start"):
        worker.ready()


def test_cancelling_an_ended_query_does_not_touch_the_next_one(pool: Pool, files: dict[str, Path]) -> None:
    first = run(pool, files, "SELECT 1")
    rows(first)
    second = run(pool, files, "SELECT n FROM s_demo.numbers")
    first.cancel()
    assert rows(second).num_rows == ROWS


def test_a_reader_that_leaves_early_frees_its_slot(pool: Pool, files: dict[str, Path]) -> None:
    answer = run(pool, files, "SELECT a.n, b.s FROM s_demo.numbers a, s_demo.numbers b")
    batches = iter(answer)
    next(batches)
    answer.close()
    assert rows(run(pool, files, "SELECT 2 AS two")).to_pylist() == [{"two": 2}]


def test_whoever_reads_on_in_a_query_that_was_left_gets_nothing_of_the_next_one(
    pool: Pool, files: dict[str, Path]
) -> None:
    left = run(pool, files, "SELECT n FROM s_demo.numbers")
    batches = iter(left)
    next(batches)
    left.close()
    second = run(pool, files, "SELECT s FROM s_demo.numbers")
    with pytest.raises(QueryCancelled, match="was left"):
        next(batches)
    assert rows(second).num_rows == ROWS


def test_stopping_a_query_never_hits_the_one_that_its_worker_has_begun_meanwhile(
    pool: Pool, files: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look whether a query is at work and the order to stop it, another one may have taken its place."""
    first = run(pool, files, "SELECT n FROM s_demo.numbers")
    interrupt, later = Worker.interrupt, []
    monkeypatch.setattr(Worker, "interrupt", lambda *order: later.append(order))
    first.cancel()
    monkeypatch.undo()
    first.close()
    second = run(pool, files, "SELECT a.n, b.s FROM s_demo.numbers a, s_demo.numbers b LIMIT 5000000")
    for order in later:
        interrupt(*order)
    assert rows(second).num_rows == 5_000_000


def test_a_machine_without_means_is_a_clear_error_and_takes_no_place(
    tmp_path: Path, files: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = Pool(1, 0, Limits(scratch=tmp_path / "scratch"))
    start = threading.Thread.start

    def none_left(thread: threading.Thread) -> None:
        if thread.name.startswith("query-"):
            raise RuntimeError("can't start new thread")
        start(thread)

    try:
        (tmp_path / "scratch").rmdir()
        (tmp_path / "scratch").touch()
        with pytest.raises(NotAvailable, match="could not be started"):
            run(pool, files, "SELECT 1")
        (tmp_path / "scratch").unlink()
        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", none_left)
            with pytest.raises(NotAvailable, match="could not be started"):
                run(pool, files, "SELECT 1")
        assert rows(run(pool, files, "SELECT 2 AS two", patience=10)).to_pylist() == [{"two": 2}]
        assert pool.load() == {"running_short": 0, "running_long": 0, "waiting": 0, "idle": 1}
    finally:
        pool.close()


def test_a_worker_that_is_killed_gives_an_error_not_a_hang(pool: Pool, files: dict[str, Path]) -> None:
    answer = run(pool, files, "SELECT a.n, b.s FROM s_demo.numbers a, s_demo.numbers b")
    (pid,) = pool.processes()
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(NotAvailable):
        for _ in answer:
            pass
    assert rows(run(pool, files, "SELECT 2 AS two")).to_pylist() == [{"two": 2}]


def test_an_idle_worker_that_died_is_replaced(pool: Pool, files: dict[str, Path]) -> None:
    rows(run(pool, files, "SELECT 1"))
    (pid,) = pool.processes()
    os.kill(pid, signal.SIGKILL)
    assert gone(pid)
    assert rows(run(pool, files, "SELECT 2 AS two")).to_pylist() == [{"two": 2}]


def test_uploads_are_seen_by_their_query_alone(pool: Pool, files: dict[str, Path]) -> None:
    upload = pa.table({"id": [3, 5], "label": ["three", None]})
    joined = run(
        pool,
        files,
        'SELECT u.label, d.s FROM tap_upload."mine" u JOIN s_demo.numbers d ON d.n = u.id ORDER BY d.n',
        uploads={"mine": upload},
    )
    assert rows(joined).to_pylist() == [
        {"label": "three", "s": "name 3"},
        {"label": None, "s": "name 5"},
    ]
    with pytest.raises(EngineError, match="mine"):
        run(pool, files, 'SELECT * FROM tap_upload."mine"')


def test_uploads_are_gone_after_a_query_that_failed(pool: Pool, files: dict[str, Path]) -> None:
    with pytest.raises(EngineError):
        run(pool, files, "SELECT no_such FROM tap_upload.mine", uploads={"mine": pa.table({"id": [1]})})
    with pytest.raises(EngineError, match="mine"):
        run(pool, files, "SELECT * FROM tap_upload.mine")


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM read_text('/etc/passwd')",
        "COPY (SELECT 1) TO '/tmp/vogate-must-not-exist'",
        "ATTACH '/tmp/vogate-must-not-exist.duckdb' AS other",
        "SET memory_limit = '64GB'",
        "SET allowed_configs = ['memory_limit']",
        "SET enable_external_access = true",
        "CREATE TABLE s_demo.mine (n INTEGER)",
        "DELETE FROM s_demo.numbers",
        "INSTALL spatial",
    ],
)
def test_the_connection_is_locked(pool: Pool, files: dict[str, Path], sql: str) -> None:
    with pytest.raises(EngineError):
        rows(run(pool, files, sql))


def test_memory_is_limited(tmp_path: Path, files: dict[str, Path]) -> None:
    small = Pool(1, 1, Limits(memory="64MB", temporary_files="0MB", scratch=tmp_path))
    try:
        with pytest.raises(EngineError, match=r"(?i)memory"):
            rows(
                run(
                    small,
                    files,
                    "SELECT list(s || n) FROM (SELECT a.s, b.n FROM s_demo.numbers a, range(100) b(n))",
                )
            )
        assert rows(run(small, files, "SELECT 2 AS two")).to_pylist() == [{"two": 2}]
    finally:
        small.close()


def test_a_new_version_of_the_archive_replaces_the_workers(pool: Pool, files: dict[str, Path]) -> None:
    rows(run(pool, files, "SELECT 1"))
    (old,) = pool.processes()
    rows(pool.run("SELECT 1", 2, files, seconds=30))
    (new,) = pool.processes()
    assert new != old
    assert gone(old)


def test_a_missing_file_is_an_error(pool: Pool, tmp_path: Path) -> None:
    with pytest.raises(NotAvailable):
        run(pool, {"s_demo": tmp_path / "missing.duckdb"}, "SELECT 1")


def test_a_full_pool_says_so(pool: Pool, files: dict[str, Path]) -> None:
    held = [
        run(pool, files, "SELECT a.n FROM s_demo.numbers a, s_demo.numbers b"),
        run(pool, files, "SELECT a.n FROM s_demo.numbers a, s_demo.numbers b", lane=Lane.LONG),
    ]
    with pytest.raises(Busy) as caught:
        run(pool, files, "SELECT 1", patience=0)
    assert "Retry-After" in caught.value.headers
    for answer in held:
        answer.close()


def test_a_slow_query_makes_room_for_a_quick_one(
    pool: Pool, files: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes, "PROMOTION", 0.0)
    slow = run(pool, files, "SELECT a.n FROM s_demo.numbers a, s_demo.numbers b")
    assert rows(run(pool, files, "SELECT 2 AS two", patience=10)).to_pylist() == [{"two": 2}]
    assert slow.lane is Lane.LONG
    slow.close()


def test_a_reader_that_takes_nothing_is_dropped(
    pool: Pool, files: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "STALL", 0.05)
    answer = run(pool, files, "SELECT a.n, b.s FROM s_demo.numbers a, s_demo.numbers b")
    (pid,) = pool.processes()
    batches = iter(answer)
    next(batches)
    assert gone(pid)
    with pytest.raises(QueryCancelled, match="not taken"):
        for _ in batches:
            pass


MASTER = """
import sys, time
from pathlib import Path
from tap.engines.pool import Pool
from tap.engines.worker import Limits, Worker
pool = Pool(2, 2, Limits(scratch=Path(sys.argv[1])))
files = {"s_demo": Path(sys.argv[2])}
list(pool.run("SELECT 1", 1, files, seconds=30))
import threading
threading.Thread(target=lambda: pool.run(sys.argv[3], 1, files, seconds=600), daemon=True).start()
while len(pool.processes()) < 1 or not pool.load()["running_short"]:
    time.sleep(0.01)
pool.warm(1, files)
while len(pool.processes()) < 2:
    time.sleep(0.01)
print(*pool.processes(), flush=True)
time.sleep(600)
"""


def test_no_worker_outlives_its_master(files: dict[str, Path], tmp_path: Path) -> None:
    master = subprocess.Popen(
        [sys.executable, "-c", MASTER, str(tmp_path), str(files["s_demo"]), ENDLESS],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
    )
    assert master.stdout is not None
    workers = [int(pid) for pid in master.stdout.readline().split()]
    assert len(workers) == 2
    master.kill()
    master.wait()
    assert [pid for pid in workers if not gone(pid)] == []
