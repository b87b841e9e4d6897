"""Publishing: versions, atomicity, TAP_SCHEMA, and queries that run meanwhile."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from gateway.vo.caller import ANONYMOUS
from gateway.vo.columns import Column, Schema, Table
from gateway.vo.errors import NotAvailable, UsageError
from tap import archive, postgres_setup, service
from tap.publish import publish_schema, unpublish_schema
from tests.tap import catalogue


def small(
    name: str = "one", values: tuple[int, ...] = (1, 2), **column: object
) -> tuple[Schema, dict[str, pa.Table]]:
    """A schema with one table `t` of one column `n`."""
    table = Table(name, "t", (Column("n", "int", **column),))  # type: ignore[arg-type]
    return Schema(name, (table,)), {"t": pa.table({"n": pa.array(values, pa.int64())})}


def numbers(schema: str = "one") -> list[int]:
    return service.fetch(f'SELECT n FROM "{schema}".t ORDER BY n', ANONYMOUS)[1]["n"].to_pylist()


def test_what_is_published_can_be_queried(empty_archive: Path) -> None:
    manifest = publish_schema(*small())
    assert manifest == archive.current()
    assert manifest.table("ONE", "T").nrows == 2
    assert numbers() == [1, 2]


def test_the_manifest_survives_writing_and_reading(empty_archive: Path) -> None:
    manifest = publish_schema(catalogue.SCHEMA, catalogue.data(100))
    again = archive.parse(archive.serialise(manifest), empty_archive)
    assert again == manifest


def test_publishing_again_replaces_and_keeps_the_rest(empty_archive: Path) -> None:
    publish_schema(*small("one"))
    publish_schema(*small("two", (7,)))
    publish_schema(*small("one", (3,)))
    assert numbers("one") == [3]
    assert numbers("two") == [7]
    assert [schema.name for schema in archive.current().schemas] == ["one", "two", "tap_schema"]


def test_tables_that_nobody_uses_are_removed(empty_archive: Path, engine: str, settings) -> None:
    for value in range(5):
        publish_schema(*small("one", (value,)))
    if engine == "postgres":
        with (
            postgres_setup.connected(settings.VOGATE_TAP_DATABASE) as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute(
                "SELECT schemaname, count(*) FROM pg_tables WHERE schemaname ~ '^(s_|vogate_d)' GROUP BY 1"
            )
            assert dict(cursor.fetchall()) == {"s_one": 2, "s_tap_schema": 2 * 5}
        return
    names = {path.name for path in empty_archive.glob("*.duckdb")}
    # Those of the version before stay for workers that are just starting.
    assert names == {"one-4.duckdb", "one-5.duckdb", "tap_schema-4.duckdb", "tap_schema-5.duckdb"}
    assert [path.name for path in empty_archive.iterdir() if path.name.startswith(".publish")] == []


def test_unpublished_tables_are_gone(empty_archive: Path) -> None:
    publish_schema(*small("one"))
    publish_schema(*small("two"))
    unpublish_schema("ONE")
    assert [schema.name for schema in archive.current().schemas] == ["two", "tap_schema"]
    with pytest.raises(Exception, match="one"):
        numbers("one")


def test_a_running_query_keeps_its_version(empty_archive: Path) -> None:
    publish_schema(catalogue.SCHEMA, catalogue.data())
    with service.open_query("SELECT source_id FROM syn.cat", ANONYMOUS, maxrec=catalogue.ROWS) as result:
        batches = result.batches()
        count = next(batches).num_rows
        for _ in range(3):  # its file has been removed by then
            publish_schema(catalogue.SCHEMA, catalogue.data(10))
        count += sum(batch.num_rows for batch in batches)
    assert count == catalogue.ROWS
    assert service.count("SELECT source_id FROM syn.cat", ANONYMOUS) == 10


def test_queries_see_one_version_or_the_next_while_others_publish(empty_archive: Path) -> None:
    publish_schema(*small("one", (0, 0)))

    def publish() -> None:
        for value in range(1, 10):
            publish_schema(*small("one", (value, value)))

    seen = []
    with ThreadPoolExecutor(1) as threads:
        publishing = threads.submit(publish)
        while not publishing.done():
            first, second = numbers()
            assert first == second
            seen.append(first)
        publishing.result()
    assert seen == sorted(seen)
    assert numbers() == [9, 9]


def test_publishers_do_not_overwrite_each_other(empty_archive: Path) -> None:
    names = [f"schema_{number}" for number in range(6)]
    threads = [threading.Thread(target=publish_schema, args=small(name)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [schema.name for schema in archive.current().schemas] == [*names, "tap_schema"]
    assert archive.current().version == len(names)


def test_values_are_made_to_fit_or_refused(empty_archive: Path) -> None:
    schema, _ = small()
    with pytest.raises(UsageError, match=r"one\.t"):
        publish_schema(schema, {"t": pa.table({"n": [2**40]})})
    with pytest.raises(UsageError, match="no data"):
        publish_schema(schema, {"t": pa.table({"other": [1]})})
    with pytest.raises(UsageError, match="no rows"):
        publish_schema(schema, {})
    assert archive.current().version == 0


@pytest.mark.parametrize("name", ["tap_schema", "TAP_UPLOAD"])
def test_schemas_of_the_service_are_reserved(empty_archive: Path, name: str) -> None:
    with pytest.raises(UsageError, match="choose another name"):
        publish_schema(*small(name))


def test_names_must_differ_in_more_than_case(empty_archive: Path) -> None:
    table = Table("one", "t", (Column("n", "int"), Column("N", "int")))
    with pytest.raises(UsageError, match="differ only in case"):
        publish_schema(Schema("one", (table,)), {"t": pa.table({"n": [1], "N": [2]})})


def test_text_beyond_ascii_is_unicode(empty_archive: Path) -> None:
    publish_schema(catalogue.SCHEMA, catalogue.data(10))
    manifest = archive.current()
    assert manifest.table("syn", "notes").columns[1].datatype == "unicodeChar"
    assert manifest.table("syn", "cat").columns[5].datatype == "char"


def test_a_column_of_nulls_keeps_its_type(empty_archive: Path) -> None:
    table = Table("one", "t", (Column("s", "char", "*"),))
    publish_schema(Schema("one", (table,)), {"t": pa.table({"s": pa.array([None, None], pa.string())})})
    assert archive.current().table("one", "t").columns[0].datatype == "char"


def test_an_archive_without_anything_has_a_tap_schema(empty_archive: Path) -> None:
    _, rows = service.fetch("SELECT table_name FROM tap_schema.tables ORDER BY table_index", ANONYMOUS)
    assert rows["table_name"].to_pylist()[:2] == ["tap_schema.schemas", "tap_schema.tables"]


def test_an_archive_of_another_format_counts_as_empty(empty_archive: Path, settings) -> None:
    publish_schema(*small())
    path = archive.manifest_path()
    raw = json.loads(path.read_text())
    path.write_text(json.dumps({**raw, "format": raw["format"] + 1}))
    if settings.VOGATE_TAP_DATABASE:
        with (
            postgres_setup.connected(settings.VOGATE_TAP_DATABASE) as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute("UPDATE vogate.archive SET manifest = %s", (path.read_text(),))
    assert archive.current().schemas == ()
    assert publish_schema(*small("two")).version == raw["version"] + 1


def test_strange_names_are_quoted_everywhere(empty_archive: Path) -> None:
    table = Table("my-schema", 'a "b" c', (Column("select", "int"), Column("Ok_1", "int")))
    rows = pa.table({"select": [1], "Ok_1": [2]})
    publish_schema(Schema("my-schema", (table,)), {table.name: rows})
    _, found = service.fetch(
        "SELECT table_name, column_name FROM tap_schema.columns WHERE table_name LIKE '%my%' ORDER BY column_index",
        ANONYMOUS,
    )
    assert found.to_pylist() == [
        {"table_name": '"my-schema"."a ""b"" c"', "column_name": '"select"'},
        {"table_name": '"my-schema"."a ""b"" c"', "column_name": "Ok_1"},
    ]
    name = found["table_name"][0].as_py()
    _, values = service.fetch(f'SELECT "select", Ok_1 FROM {name}', ANONYMOUS)
    assert values.to_pylist() == [{"select": 1, "Ok_1": 2}]


def test_tap_schema_describes_itself_and_the_rest(empty_archive: Path) -> None:
    schema = replace(catalogue.SCHEMA, schema_index=3, utype="x:y")
    publish_schema(schema, catalogue.data(10))

    def rows(query: str) -> list[dict[str, object]]:
        return service.fetch(query, ANONYMOUS)[1].to_pylist()

    assert rows(
        "SELECT schema_name, utype, schema_index FROM tap_schema.schemas WHERE utype IS NOT NULL"
    ) == [{"schema_name": "syn", "utype": "x:y", "schema_index": 3}]
    described = rows(
        "SELECT t.table_name, COUNT(*) AS n FROM tap_schema.tables AS t JOIN tap_schema.columns AS c "
        "ON t.table_name = c.table_name GROUP BY t.table_name ORDER BY t.table_name"
    )
    for row in described:
        name = str(row["table_name"])
        (columns, _) = service.fetch(f"SELECT TOP 1 * FROM {name}", ANONYMOUS)
        assert len(columns) == row["n"], name
    assert rows("SELECT datatype, arraysize, unit, ucd, indexed, principal, std FROM tap_schema.columns "
                "WHERE table_name = 'syn.cat' AND column_name = 'ra'") == [
        {"datatype": "double", "arraysize": None, "unit": "deg", "ucd": "pos.eq.ra;meta.main",
         "indexed": 1, "principal": 0, "std": 0}
    ]  # fmt: skip
    assert rows(
        "SELECT k.from_table, k.target_table, c.from_column, c.target_column, k.description FROM tap_schema.keys AS k "
        "JOIN tap_schema.key_columns AS c ON k.key_id = c.key_id WHERE k.from_table LIKE 'syn.%'"
    ) == [
        {
            "from_table": "syn.notes",
            "target_table": "syn.cat",
            "from_column": "source_id",
            "target_column": "source_id",
            "description": "the source it is about",
        }
    ]
    assert rows(
        "SELECT column_name FROM tap_schema.columns WHERE column_name LIKE '%size%' AND table_name = 'syn.cat'"
    ) == [{"column_name": '"size"'}]


@pytest.mark.parametrize("engine", ["duckdb"], indirect=True)
def test_a_full_disk_is_one_sentence_and_changes_nothing(empty_archive: Path, monkeypatch) -> None:
    before = publish_schema(catalogue.SCHEMA, catalogue.data(10))
    files = {path.name for path in empty_archive.iterdir()}

    def full(*_paths: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full)
        with pytest.raises(NotAvailable, match="cannot be written: No space left"):
            publish_schema(catalogue.SCHEMA, catalogue.data(20))
    assert archive.current() == before
    assert {path.name for path in empty_archive.iterdir()} == files


@pytest.mark.parametrize("engine", ["duckdb"], indirect=True)
def test_what_an_interrupted_publication_left_is_removed(empty_archive: Path) -> None:
    empty_archive.mkdir()
    used, left, old = (empty_archive / f".publish-{name}" for name in ("used", "left", "old"))
    for path in (used, left, old):
        path.mkdir()
        if path != old:
            (path / ".lock").touch()
    os.utime(old, (1e9, 1e9))
    with open(used / ".lock") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        publish_schema(catalogue.SCHEMA, catalogue.data(10))
    assert {path.name for path in empty_archive.glob(".publish-*")} == {".publish-used"}
