from __future__ import annotations

import pytest

from tests.tap.adql.archive import Archive


@pytest.fixture(scope="session")
def archive(tmp_path_factory):
    return Archive(tmp_path_factory.mktemp("archive"))
