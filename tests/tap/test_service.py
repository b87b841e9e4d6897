"""Queries through the service: limits, pages, counts, errors."""

from __future__ import annotations

import threading

import pyarrow as pa
import pytest

from gateway.vo.caller import ANONYMOUS
from gateway.vo.columns import Column, Table
from gateway.vo.errors import QueryError
from tap import service, workers
from tap.archive import Manifest
from tap.engines.base import QueryCancelled, TimeLimit
from tap.service import Page, UploadedTable
from tests.tap import catalogue

pytestmark = pytest.mark.usefixtures("published")

SLOW = 'SELECT COUNT(*) AS n FROM syn.cat AS a, syn.cat AS b WHERE a."size" * b."size" > 24.99'


def test_columns_keep_their_metadata() -> None:
    columns, rows = service.fetch("SELECT TOP 2 ra, mag AS brightness, n_obs FROM syn.cat", ANONYMOUS)
    assert [column.name for column in columns] == ["ra", "brightness", "n_obs"]
    assert (columns[0].unit, columns[0].ucd, columns[0].coosys) == ("deg", "pos.eq.ra;meta.main", "ICRS")
    assert (columns[1].unit, columns[1].datatype, columns[2].datatype) == ("mag", "float", "int")
    assert [field.type for field in rows.schema] == [pa.float64(), pa.float32(), pa.int32()]


def test_paths_get_the_base_url() -> None:
    _, rows = service.fetch(
        "SELECT link FROM syn.cat WHERE name = 'S 5'", ANONYMOUS, base_url="https://x.org/vo"
    )
    assert rows["link"].to_pylist() == ["https://x.org/vo/data/5"]


@pytest.mark.parametrize(
    ("maxrec", "query", "rows", "overflow"),
    [
        (5, "SELECT name FROM syn.cat", 5, True),
        (0, "SELECT name FROM syn.cat", 0, True),
        (0, "SELECT name FROM syn.cat WHERE ra < 0", 0, False),
        (5, "SELECT TOP 5 name FROM syn.cat", 5, False),
        (5, "SELECT TOP 4 name FROM syn.cat", 4, False),
        (5, "SELECT TOP 6 name FROM syn.cat", 5, True),
        (30_000, "SELECT name FROM syn.cat", 30_000, True),
        (catalogue.ROWS, "SELECT name FROM syn.cat", catalogue.ROWS, False),
    ],
)
def test_maxrec_cuts_and_says_so(maxrec: int, query: str, rows: int, overflow: bool) -> None:
    with service.open_query(query, ANONYMOUS, maxrec=maxrec) as result:
        assert not result.overflow
        assert sum(batch.num_rows for batch in result.batches()) == rows
        assert result.overflow is overflow


def test_without_maxrec_the_default_of_the_site_holds() -> None:
    with service.open_query("SELECT name FROM syn.cat", ANONYMOUS) as result:
        rows = sum(batch.num_rows for batch in result.batches())
    assert rows == workers.query_settings().default_maxrec
    assert result.overflow


def test_the_tables_that_a_query_reads_are_known() -> None:
    query = "SELECT c.name FROM syn.cat AS c JOIN syn.notes AS n ON c.source_id = n.source_id"
    with service.open_query(query, ANONYMOUS) as result:
        assert [table.qualified_name for table in result.tables] == ["syn.cat", "syn.notes"]
        assert result.tables[0].info[0] == ("rights", "CC-0")


def test_pages_divide_the_sorted_result() -> None:
    query = "SELECT name, mag FROM syn.cat WHERE n_obs = 3"
    total = service.count(query, ANONYMOUS)
    pages = []
    for offset in range(0, total, 100):
        page = Page(sort=1, descending=True, offset=offset, limit=100)
        pages.append(service.fetch(query, ANONYMOUS, page=page)[1])
    joined = pa.concat_tables(pages)
    assert joined.num_rows == total
    assert len(set(joined["name"].to_pylist())) == total
    present = [value for value in joined["mag"].to_pylist() if value is not None]
    assert present == sorted(present, reverse=True)


def test_counts() -> None:
    assert service.count("SELECT name FROM syn.cat", ANONYMOUS) == catalogue.ROWS
    assert service.count("SELECT TOP 7 name FROM syn.cat", ANONYMOUS) == 7
    assert service.count("SELECT name FROM syn.cat WHERE ra < 0", ANONYMOUS) == 0


def test_a_wrong_query_says_where() -> None:
    with pytest.raises(QueryError) as caught:
        service.fetch("SELECT name,\n  nmae FROM syn.cat", ANONYMOUS)
    assert (caught.value.line, caught.value.column) == (2, 3)


def test_a_value_that_cannot_be_converted_is_the_querys_fault() -> None:
    with pytest.raises(QueryError, match="cannot be evaluated: Could not convert string 'S .*' to INT32"):
        service.fetch("SELECT CAST(name AS INTEGER) AS n FROM syn.cat", ANONYMOUS)


def test_slow_queries_are_stopped() -> None:
    with pytest.raises(TimeLimit, match="time limit"):
        service.fetch(SLOW, ANONYMOUS, seconds=0.2)


def test_a_query_is_cancelled_when_its_client_leaves() -> None:
    def leave(cancel: object) -> None:
        threading.Timer(0.2, cancel).start()  # type: ignore[arg-type]

    with pytest.raises(QueryCancelled):
        service.open_query(
            SLOW.replace("syn.cat AS b", "syn.cat AS b, syn.cat AS c"), ANONYMOUS, on_leave=leave
        )


def test_uploads_join_with_published_tables(published: Manifest) -> None:
    table = Table("tap_upload", "Mine", (Column("id", "long"), Column("tag", "char", "*")))
    rows = pa.table({"id": [4_000_000_000_000_000_003, 1], "tag": ["three", "none"]})
    _, found = service.fetch(
        "SELECT m.tag, c.name FROM tap_upload.mine AS m JOIN syn.cat AS c ON c.source_id = m.id",
        ANONYMOUS,
        uploads=[UploadedTable(table, rows)],
    )
    assert found.to_pylist() == [{"tag": "three", "name": "S 3"}]


def test_text_beyond_ascii_makes_a_column_unicode() -> None:
    columns, rows = service.fetch("SELECT TOP 1 name || ' ü' AS label FROM syn.cat", ANONYMOUS)
    assert columns[0].datatype == "unicodeChar"
    assert rows["label"][0].as_py().endswith(" ü")


def test_an_empty_result_has_typed_columns() -> None:
    columns, rows = service.fetch("SELECT name, ra FROM syn.cat WHERE ra < 0", ANONYMOUS)
    assert rows.num_rows == 0
    assert [field.type for field in rows.schema] == [pa.string(), pa.float64()]
    assert len(columns) == 2


def test_the_same_column_twice() -> None:
    columns, rows = service.fetch("SELECT TOP 1 ra, ra FROM syn.cat", ANONYMOUS)
    assert len({column.name for column in columns}) == 2
    assert rows.column(0) == rows.column(1)
