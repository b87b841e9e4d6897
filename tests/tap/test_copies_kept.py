"""Copies come, change and go with their tables; without them, the database answers."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest
from django.db import DatabaseError

from gateway.vo.caller import ANONYMOUS
from tap import adql, archive, service, workers
from tap.archive import Manifest
from tap.copies import keeper, layout
from tap.copies.plan import Plan
from tap.publish import publish_schema
from tests.tap import catalogue


@pytest.fixture
def small(empty_archive: Path) -> Manifest:
    """An archive of the test's own with a catalogue that has no copy yet."""
    publish_schema(catalogue.SCHEMA, catalogue.data(2000))
    return archive.current()


CONE = "SELECT source_id FROM syn.cat WHERE 1 = CONTAINS(POINT(ra, dec), CIRCLE(40, 20, 9))"


def rows_of(text: str) -> int:
    return service.fetch(text, ANONYMOUS)[1].num_rows


def test_a_table_published_anew_has_a_copy_of_its_new_rows(small):
    keeper.refresh()
    (old,) = (Path(path) for path in keeper.known(small).values())
    before = rows_of(CONE)
    manifest = publish_schema(catalogue.SCHEMA, catalogue.data(4000))
    assert rows_of(CONE) > before  # the database's, while there is no copy
    assert not keeper.known(manifest)
    keeper.refresh()
    keeper._known.looked = 0.0
    (new,) = (Path(path) for path in keeper.known(manifest).values())
    assert new != old
    assert new.is_dir()
    assert not old.exists()
    assert rows_of(CONE) > before
    publish_schema(catalogue.SCHEMA, catalogue.data(10))
    keeper.refresh()
    assert [path.name for path in keeper.folder().iterdir()] == [".lock"]


def test_an_archive_that_was_begun_anew_has_no_copies_of_the_old_one(small, settings):
    keeper.refresh()
    before = rows_of(CONE)
    if settings.VOGATE_TAP_DATABASE:
        assert small.origin[:8] in keeper._place(small, small.table("syn", "cat")).name
        return
    for path in (*archive.folder().glob("*.duckdb"), archive.manifest_path()):
        path.unlink()
    workers.reset()
    again = publish_schema(catalogue.SCHEMA, catalogue.data(4000))
    assert again.version == small.version
    assert rows_of(CONE) > before


def test_a_server_makes_what_is_missing(small, monkeypatch):
    monkeypatch.setattr(keeper, "_keeping", False)
    monkeypatch.setattr(keeper, "LOOK_SECONDS", 0.0)
    monkeypatch.setattr(keeper, "_known", keeper._Known(Manifest()))
    assert not keeper.known(small)
    time.sleep(0.3)
    assert not keeper.folder().exists()
    keeper.folder().mkdir(parents=True)
    with keeper._alone() as alone:
        assert alone
        assert keeper.refresh() is False  # a server tries again later
        keeper.keep()
        time.sleep(0.3)
        assert not keeper.known(small)
    until = time.monotonic() + 30
    while not keeper.known(small) and time.monotonic() < until:
        time.sleep(0.05)
    assert keeper.known(small)


def test_a_server_tries_again_when_the_archive_could_not_be_asked(small, monkeypatch, caplog):
    monkeypatch.setattr(keeper, "_keeping", True)
    monkeypatch.setattr(keeper, "LOOK_SECONDS", 0.0)
    monkeypatch.setattr(keeper, "_known", keeper._Known(Manifest()))
    fails = [DatabaseError("the server is starting up"), None]

    def current():
        if error := fails.pop(0) if fails else None:
            raise error
        return small

    monkeypatch.setattr(keeper.archive, "current", current)
    until = time.monotonic() + 30
    while not keeper.known(small) and time.monotonic() < until:
        time.sleep(0.05)
    assert "starting up" in caplog.text
    assert keeper.known(small)


def test_a_copy_that_is_gone_or_broken_is_not_missed(small):
    keeper.refresh()
    keeper._known.looked = 0.0
    (path,) = (Path(found) for found in keeper.known(small).values())
    expected = rows_of(CONE)
    os.truncate(path / layout.ROWS, 1000)
    for text in (CONE.replace("source_id", "mag"), 'SELECT "size" FROM syn.cat'):
        assert plan_of_small(small, text) is not None
        assert rows_of(text) == (expected if "WHERE" in text else 2000)
    shutil.rmtree(path)
    for text in (CONE.replace("source_id", "name"), "SELECT n_obs FROM syn.cat"):
        assert plan_of_small(small, text) is not None
        assert rows_of(text) == (expected if "WHERE" in text else 2000)


def plan_of_small(manifest: Manifest, text: str) -> Plan | None:
    return adql.compile_query(text, manifest.schemas, maxrec=10, copies=keeper.known(manifest)).plan


def test_a_disk_without_room_has_no_copies(small, monkeypatch, caplog):
    full = shutil.disk_usage("/")._replace(free=1000)
    monkeypatch.setattr(keeper.shutil, "disk_usage", lambda path: full)
    keeper.refresh()
    keeper._known.looked = 0.0
    assert not keeper.known(small)
    assert "no room" in caplog.text
    assert rows_of(CONE)


def test_a_copy_that_cannot_be_written_leaves_nothing_behind(small, monkeypatch, caplog):
    def fails(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(layout.os, "fsync", fails)
    keeper.refresh()
    assert "No space left" in caplog.text
    assert [path.name for path in keeper.folder().iterdir()] == [".lock"]


def test_what_a_killed_process_left_is_removed(small):
    left = keeper.folder() / ".draft-left"
    left.mkdir(parents=True)
    keeper.refresh()
    assert not left.exists()


def test_an_operator_can_do_without(small, settings, monkeypatch):
    monkeypatch.setitem(settings.SITE.query, "copies", False)
    keeper.refresh()
    assert not keeper.folder().exists()
    assert not keeper.known(small)
