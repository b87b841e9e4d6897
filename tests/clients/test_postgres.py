"""A gateway whose jobs and archive are in PostgreSQL, from nothing: set up, served, asked and judged from outside."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest
import pyvo
import requests

from tests.conftest import require
from tests.support.live import REPOSITORY, Gateway
from tests.tap import postgres

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("live")]


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    with postgres.server() as server:
        yield postgres.database(server, "gateway")


@pytest.fixture(scope="module")
def gateway(
    database: str, archive_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    """`vogate up` with two lines of environment; one for this module."""
    environment = {"DATABASE_URL": database, "TAP_DATABASE_URL": "default"}
    with Gateway(tmp_path_factory.mktemp("postgres-home"), environment=environment) as served:
        done = served.vogate("up", "--no-serve", "--data", str(archive_folder))
        assert done.returncode == 0, done.stdout + done.stderr
        yield served.start()


def test_the_archive_is_in_the_database(gateway: Gateway, database: str) -> None:
    assert list((gateway.home / "archive").glob("*.duckdb")) == []
    with psycopg2.connect(database) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 's_ivoa'")
        assert [name for (name,) in cursor.fetchall() if name.startswith("obscore_")] != []
        cursor.execute("SELECT count(*) FROM obscore_observation")  # Django's, in the same database
        assert cursor.fetchone()[0] > 0


def test_check_finds_nothing_wrong(gateway: Gateway) -> None:
    done = gateway.vogate("check")
    assert done.returncode == 0, done.stdout
    assert "queries run as vogate_query, who may read published tables and change nothing" in done.stdout
    assert not re.search("^(warning|error)", done.stdout, re.MULTILINE), done.stdout


def test_it_is_ready(gateway: Gateway) -> None:
    found = requests.get(f"{gateway.url}/readyz", timeout=30)
    assert found.status_code == 200, found.text


@pytest.fixture(scope="module")
def account(gateway: Gateway) -> tuple[str, str]:
    """Somebody with an account: a name and a password."""
    secret = {"DJANGO_SUPERUSER_PASSWORD": "not-a-secret-7"}
    command = [sys.executable, "manage.py", "createsuperuser", "--noinput", "--username", "ada"]
    subprocess.run(
        [*command, "--email", "ada@example.org"], env=gateway.env() | secret, cwd=REPOSITORY, check=True
    )
    return "ada", secret["DJANGO_SUPERUSER_PASSWORD"]


def test_a_query_leads_to_a_job_and_that_to_its_provenance(
    gateway: Gateway, account: tuple[str, str]
) -> None:
    session = requests.Session()
    session.auth = account
    service = pyvo.dal.TAPService(f"{gateway.url}/tap", session=session)
    found = service.search(
        "SELECT TOP 1 obs_publisher_did FROM ivoa.obscore WHERE dataproduct_type = 'event' "
        "AND 1 = INTERSECTS(s_region, CIRCLE(s_ra, s_dec, 1))"
    )
    answer = session.post(
        f"{gateway.url}/uws/event_summary/async",
        data={"observations": found["obs_publisher_did"][0], "PHASE": "RUN"},
        timeout=60,
    )
    answer.raise_for_status()
    job = pyvo.dal.AsyncTAPJob(answer.url, session=session)
    job.wait(timeout=300)
    job.raise_if_error()
    assert session.get(f"{answer.url}/results/summary", timeout=60).json()["events"] > 0
    name = answer.url.rstrip("/").rpartition("/")[2]
    rows = service.run_async(
        "SELECT a.name, u.role FROM provenance.activity AS a JOIN provenance.used AS u ON a.id = u.activity_id "
        f"WHERE a.id LIKE '%{name}%'"
    )
    assert len(rows) >= 1


def test_files_are_published_into_it(gateway: Gateway, tmp_path: Path) -> None:
    path = tmp_path / "stars.csv"
    path.write_text("name,ra,dec\nCrab,83.633,22.014\nPole,0,89.9\nVela,128.836,-45.176\n", encoding="utf-8")
    done = gateway.vogate("publish", str(path), "--schema", "mine")
    assert done.returncode == 0, done.stderr
    service = pyvo.dal.TAPService(f"{gateway.url}/tap")
    near = "SELECT name FROM mine.stars WHERE 1 = CONTAINS(POINT(ra, dec), CIRCLE(83.6, 22, 1))"
    assert list(service.search(near)["name"]) == ["Crab"]
    assert gateway.vogate("unpublish", "mine").returncode == 0
    with pytest.raises(pyvo.dal.DALQueryError, match="no table"):
        service.search(near)


@pytest.mark.stilts
def test_taplint_finds_nothing(gateway: Gateway) -> None:
    require("stilts", "stilts")
    done = subprocess.run(
        ["stilts", "taplint", f"tapurl={gateway.url}/tap", "report=EWF", "maxrepeat=3"],
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    report = done.stdout + done.stderr
    assert "Totals" in report or "Section" in report, report[-2000:]
    found = [line for line in report.splitlines() if re.match("[EWF]-", line)]
    # ivoa.obsplan is another standard's table, which this service does not claim.
    assert [line for line in found if "obsplan" not in line.lower()] == []
