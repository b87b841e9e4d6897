from __future__ import annotations

import pytest

from tests.tap import postgres
from tests.tap.adql.archive import Archive
from tests.tap.adql.postgres_archive import PostgresArchive


@pytest.fixture(scope="session")
def duckdb_archive(tmp_path_factory):
    return Archive(tmp_path_factory.mktemp("archive"))


@pytest.fixture(scope="session")
def postgres_archive(postgres_url):
    return PostgresArchive(postgres.database(postgres_url, "adql"))


@pytest.fixture(scope="session", params=["duckdb", "postgres"])
def archive(request):
    """The archive in each engine: what a test says must be true of both."""
    return request.getfixturevalue(f"{request.param}_archive")
