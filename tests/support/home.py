"""A pytest plugin, loaded before Django's settings: every test process has a home of its own."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile

_home = tempfile.mkdtemp(prefix="vogate-test-")
atexit.register(shutil.rmtree, _home, ignore_errors=True)
os.environ["VOGATE_HOME"] = _home
# What a developer has exported must not leak into the tests.
for _name in ("VOGATE_BASE_URL", "VOGATE_NOTICE", "DATABASE_URL", "EMAIL_URL", "SITE", "DATA"):
    os.environ.pop(_name, None)
if "VOGATE_TEST_DATABASE_URL" in os.environ:
    os.environ["DATABASE_URL"] = os.environ["VOGATE_TEST_DATABASE_URL"]
