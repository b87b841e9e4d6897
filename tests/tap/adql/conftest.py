from __future__ import annotations

import pytest

from tests.tap import postgres
from tests.tap.adql.archive import Archive


@pytest.fixture(scope="session")
def archive(tmp_path_factory):
    return Archive(tmp_path_factory.mktemp("archive"))


@pytest.fixture(scope="session")
def postgres_url():
    with postgres.server() as url:
        yield url
