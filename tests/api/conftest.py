"""A small archive and the demo site's tools, behind the JSON API."""

from __future__ import annotations

import pytest

from tests.uws.builders import make_tools
from uws.tools import registry


@pytest.fixture(autouse=True)
def api_tools(tmp_path, settings):
    """Small tools of the tests; a jobs folder of each test's own."""
    settings.VOGATE_JOBS = tmp_path / "jobs"
    with registry.using(make_tools(tmp_path / "tools")):
        yield
