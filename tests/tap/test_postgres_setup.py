"""An archive in PostgreSQL whose owner is no superuser, as docs/operating.md says to set it up, and what check finds."""

from __future__ import annotations

import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import psycopg2
import pytest

from gateway.vo.caller import ANONYMOUS
from gateway.vo.errors import NotAvailable
from tap import archive, postgres_check, postgres_manifest, postgres_setup, service, workers
from tap.publish import publish_schema
from tests.tap import catalogue, postgres

ROLES = """
CREATE ROLE vogate LOGIN PASSWORD 'secret';
CREATE ROLE vogate_query NOLOGIN;
GRANT vogate_query TO vogate;
GRANT SET ON PARAMETER temp_file_limit TO vogate;
"""
"""What docs/operating.md has a superuser run."""


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with postgres.server() as url:
        yield url


def run(server: str, text: str) -> None:
    connection = psycopg2.connect(server)
    connection.autocommit = True
    with connection.cursor() as cursor:
        for statement in filter(None, (part.strip() for part in text.split(";"))):
            cursor.execute(statement)
    connection.close()


@pytest.fixture
def owned(server: str, settings, tmp_path) -> Iterator[str]:
    """A database that is to be the role `vogate`'s, and settings that name it."""
    run(server, "CREATE DATABASE owned")
    url = postgres.database(server, "owned", keep=True).replace("tests@", "vogate:secret@")
    settings.VOGATE_ARCHIVE = tmp_path / "archive"
    settings.VOGATE_LIVE_SCHEMAS = []
    settings.VOGATE_TAP_DATABASE = url
    yield url
    workers.reset()
    postgres_manifest.forget()
    run(server, "DROP DATABASE owned WITH (FORCE)")
    for role in ("vogate_query", "reader", "vogate"):
        run(server, f"DROP ROLE IF EXISTS {role}")


def found(url: str, level: str) -> list[str]:
    return [text for kind, text in postgres_check.findings(url) if kind == level]


def rows() -> int:
    return service.count(
        "SELECT ra FROM syn.cat WHERE 1 = CONTAINS(POINT(ra, dec), CIRCLE(10, 20, 30))", ANONYMOUS
    )


def test_what_the_documentation_says_is_enough(owned: str, server: str) -> None:
    run(server, ROLES)
    run(server, "ALTER DATABASE owned OWNER TO vogate")
    assert found(owned, "error") == []
    publish_schema(catalogue.SCHEMA, catalogue.data(4000))
    assert rows() > 100
    assert found(owned, "error") == found(owned, "warning") == []
    assert any("run as vogate_query" in text for text in found(owned, "ok"))
    run(server, "REVOKE SET ON PARAMETER temp_file_limit FROM vogate")
    assert any("temp_file_limit" in text for text in found(owned, "warning"))


def test_without_a_role_queries_run_as_the_owner_and_check_says_so(owned: str, server: str) -> None:
    run(server, "CREATE ROLE vogate LOGIN PASSWORD 'secret'")
    run(server, "ALTER DATABASE owned OWNER TO vogate")
    publish_schema(catalogue.SCHEMA, catalogue.data(4000))
    assert rows() > 100
    assert found(owned, "error") == []
    assert any("queries run as vogate, who owns the tables" in text for text in found(owned, "warning"))


def test_a_user_of_queries_may_come_later(owned: str, server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run(server, "CREATE ROLE vogate LOGIN PASSWORD 'secret'; CREATE ROLE reader LOGIN PASSWORD 'other'")
    run(server, "ALTER DATABASE owned OWNER TO vogate")
    publish_schema(catalogue.SCHEMA, catalogue.data(4000))
    parts = urlsplit(owned)
    monkeypatch.setenv("TAP_QUERY_DATABASE_URL", f"postgresql://reader:other@{parts.path}?{parts.query}")
    assert rows() > 100
    assert found(owned, "error") == []
    assert any("queries run as reader" in text for text in found(owned, "ok"))


def test_another_host_notices_a_publication(owned: str, server: str, settings, tmp_path) -> None:
    run(server, "CREATE ROLE vogate LOGIN PASSWORD 'secret'")
    run(server, "ALTER DATABASE owned OWNER TO vogate")
    homes = settings.VOGATE_ARCHIVE, tmp_path / "another"
    publish_schema(catalogue.SCHEMA, catalogue.data(4000))
    settings.VOGATE_ARCHIVE = homes[1]
    assert rows() > 100
    settings.VOGATE_ARCHIVE = homes[0]
    publish_schema(catalogue.SCHEMA, catalogue.data(10))
    settings.VOGATE_ARCHIVE = homes[1]
    end = time.monotonic() + 10
    while archive.current().version == 1:
        assert time.monotonic() < end
        time.sleep(0.1)
    assert service.count("SELECT ra FROM syn.cat", ANONYMOUS) == 10


def test_what_is_published_is_known_while_the_database_is_away(owned: str, server: str, settings) -> None:
    run(server, "CREATE ROLE vogate LOGIN PASSWORD 'secret'")
    run(server, "ALTER DATABASE owned OWNER TO vogate")
    manifest = publish_schema(catalogue.SCHEMA, catalogue.data(10))
    settings.VOGATE_TAP_DATABASE = owned.replace("host=", "host=/nowhere")
    assert archive.current() == manifest
    assert not postgres_manifest.reachable()
    with pytest.raises(NotAvailable, match="cannot be reached"):
        rows()


def test_faults_are_named(owned: str, server: str) -> None:
    run(server, ROLES)
    assert any("may not create schemas" in text for text in found(owned, "error"))
    run(server, "ALTER DATABASE owned OWNER TO vogate")
    publish_schema(catalogue.SCHEMA, catalogue.data(100))
    with postgres_setup.connected(owned) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE vogate.secrets (name TEXT)")
        cursor.execute("GRANT SELECT, INSERT ON vogate.secrets TO vogate_query")
    faults = found(owned, "error")
    assert any("may change tables" in fault for fault in faults)
    assert any("may read tables that are not published" in fault for fault in faults)
    (fault,) = found(owned.replace("host=", "host=/nowhere"), "error")
    assert "cannot be reached" in fault
    assert "secret" not in fault
    assert archive.current().version > 0
    run(server, "REVOKE SET ON PARAMETER temp_file_limit FROM vogate")


def test_a_database_that_hangs_costs_one_thread_however_often_it_is_asked(monkeypatch, settings) -> None:
    settings.VOGATE_TAP_DATABASE = "postgresql://nobody@127.0.0.1:1/none"
    monkeypatch.setattr(postgres_manifest, "CONNECT_SECONDS", 0.1)
    with postgres_manifest._lock:  # somebody asks, and gets no answer
        assert postgres_manifest.reachable() is False
