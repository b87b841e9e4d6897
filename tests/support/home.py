"""A pytest plugin, loaded before Django's settings: every test process has a home of its own."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections import Counter
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


# Test processes share the processors, and so does what they start: one thread of linear algebra each, as tools have.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")


# -- which tests share a process, and which begin ------------------------------------------------------------------------

# A served gateway, its visitor's jobs and a machine's one SAMP hub are costly or unique: their tests run in one process.
TOGETHER = (
    "tests/browser/",
    "tests/clients/",
    "tests/client/",
    "tests/docs/",
    "tests/portal/test_samp",
    "tests/portal/test_job_browser",
    "tests/portal/test_provenance_browser",
    "tests/portal/test_search_browser",
)

# What lasts long begins first, so that the processes end together: TOGETHER, these, then files by their number of tests.
LONG = (
    "tests/uws/test_slurm.py",
    "tests/demo_tools/test_figures.py",
    "tests/drills/",
    "tests/tap/adql/test_moc_values.py",
    "tests/uws/test_crashes.py",
    "tests/uws/test_celery.py",
    "tests/demo_tools/test_gammaray.py",
    "tests/obscore/test_simulation.py",
    "tests/tap/adql/test_cones.py",
    "tests/uws/test_remote_uws.py",
    "tests/uws/test_warm.py",
    "tests/uws/test_live.py",
    "tests/demo_tools/",
    "tests/uws/test_postgres_restart.py",
    "tests/obscore/test_fetch.py",
    "tests/tap/test_publish_files.py",
)


def scope_of(nodeid: str) -> str:
    """What stays in one process with the test."""
    file = nodeid.split("::", 1)[0]
    return "together" if file.startswith(TOGETHER) else file


def place_of(scope: str) -> int:
    """The later, the higher; files that are not named are equal."""
    if scope == "together":
        return -1
    return next((place for place, start in enumerate(LONG) if scope.startswith(start)), len(LONG))


def pytest_xdist_make_scheduler(config: Any, log: Any) -> Any:
    """Files stay whole, and those of TOGETHER stay together (pytest-xdist 3.8's loadgroup does nothing under pytest 9)."""
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return scope_of(nodeid)

    config.option.loadscopereorder = False  # the order is that of the collection, below
    return ByFile(config, log)


def pytest_collection_modifyitems(config: Any, items: list[Any]) -> None:
    """In a run by several processes, the longest first."""
    if hasattr(config, "workerinput"):
        sizes = Counter(scope_of(item.nodeid) for item in items)

        def key(item: Any) -> tuple[int, int]:
            scope = scope_of(item.nodeid)
            return place_of(scope), -sizes[scope]

        items.sort(key=key)
