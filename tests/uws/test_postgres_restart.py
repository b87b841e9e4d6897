"""A PostgreSQL server that is killed and started again, under a gateway that goes on."""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator

import psycopg2
import pytest

from tests.support.postgres import Postgres
from tests.uws.service import Service

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    server = Postgres().start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, postgres: Postgres) -> Iterator[Service]:
    service = Service(
        tmp_path_factory.mktemp("service"),
        "[limits.anonymous]\nactive_jobs = 50\n",
        {"DATABASE_URL": postgres.url},
    )
    service.start_web()
    service.start_worker()
    yield service
    service.stop()


def get(url: str) -> tuple[int, str, str]:
    """(status, Content-Type, text) of an answer of any status."""
    try:
        with urllib.request.urlopen(url, timeout=30) as response:
            return response.status, response.headers["Content-Type"], response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers["Content-Type"], error.read().decode()


def listeners(postgres: Postgres) -> int:
    connection = psycopg2.connect(postgres.url)
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'")
            return int(cursor.fetchone()[0])
    finally:
        connection.close()


def test_a_restart_costs_neither_a_job_nor_whoever_waits_for_it(service, postgres):
    url = service.create(action="sleep", seconds=6)
    service.shepherd(url)
    answers: list[tuple[int, str, str]] = []
    waiting = threading.Thread(target=lambda: answers.append(get(f"{url}?WAIT=60&PHASE=EXECUTING")))
    waiting.start()
    service.until(lambda: listeners(postgres) == 2, "the worker and the web process's watcher listen")
    postgres.kill()
    postgres.start()
    state = service.ended(url)
    assert (state["phase"], state["attempt"]) == ("COMPLETED", 1), state["error"]
    waiting.join(60)
    ((status, _, text),) = answers
    assert status == 200
    assert "<uws:phase>COMPLETED</uws:phase>" in text
    after = service.create(action="write", text="after")
    assert service.ended(after)["phase"] == "COMPLETED"
    recorded = json.loads(get(f"{service.url}/provenance/{after.rpartition('/')[2]}.json")[2])
    assert {"used", "wasGeneratedBy", "wasAssociatedWith", "wasInfluencedBy"} <= set(recorded), (
        "all of it is there, although it goes to PostgreSQL in one message"
    )


def test_while_it_is_away_every_protocol_says_so_in_its_own_form(service, postgres):
    url = service.create(action="write", text="before")
    service.ended(url)
    postgres.kill()
    try:
        for path, kind in (
            (f"/uws/probe/async/{url.rpartition('/')[2]}", "text/plain"),
            (f"/api/v1/jobs/{url.rpartition('/')[2]}", "application/json"),
            ("/jobs/", "text/"),
            ("/readyz", "application/json"),
        ):
            status, media_type, text = get(service.url + path)
            assert (path, status) == (path, 503)
            assert media_type.startswith(kind), path
            assert "database does not answer" in text, path
        assert get(f"{service.url}/healthz")[0] == 200
    finally:
        postgres.start()
    assert get(url)[0] == 200
    assert get(f"{service.url}/readyz")[2].count("database does not answer") == 0
