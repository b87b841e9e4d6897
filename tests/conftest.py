"""Every test process has a home of its own, thrown away at the end."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile

_home = tempfile.mkdtemp(prefix="vogate-test-")
atexit.register(shutil.rmtree, _home, ignore_errors=True)
os.environ["VOGATE_HOME"] = _home
for _name in ("VOGATE_BASE_URL", "DATABASE_URL", "EMAIL_URL", "SITE", "DATA"):
    if _name in os.environ and not os.environ.get(f"VOGATE_TEST_{_name}"):
        os.environ.pop(_name)

import django  # noqa: E402  (settings read the environment above)

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gateway.settings")
django.setup()
