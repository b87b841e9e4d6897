"""A pytest plugin, loaded before Django's settings: every test process has a home of its own."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from typing import Any

_home = tempfile.mkdtemp(prefix="vogate-test-")
atexit.register(shutil.rmtree, _home, ignore_errors=True)
os.environ["VOGATE_HOME"] = _home
# What a developer has exported must not leak into the tests.
for _name in (
    "VOGATE_BASE_URL",
    "VOGATE_NOTICE",
    "DATABASE_URL",
    "TAP_DATABASE_URL",
    "EMAIL_URL",
    "SITE",
    "DATA",
):
    os.environ.pop(_name, None)
if "VOGATE_TEST_DATABASE_URL" in os.environ:
    os.environ["DATABASE_URL"] = os.environ["VOGATE_TEST_DATABASE_URL"]


# -- which tests share a process ------------------------------------------------------------------------

# A served gateway, its visitor's jobs and a machine's one SAMP hub are costly or unique: their tests run in one process.
TOGETHER = (
    "tests/browser/",
    "tests/clients/",
    "tests/docs/",
    "tests/portal/test_samp",
    "tests/portal/test_job_browser",
)


def pytest_xdist_make_scheduler(config: Any, log: Any) -> Any:
    """Files stay whole, and those of TOGETHER stay together (pytest-xdist 3.8's loadgroup does nothing under pytest 9)."""
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.split("::", 1)[0]
            return "together" if file.startswith(TOGETHER) else file

    return ByFile(config, log)
