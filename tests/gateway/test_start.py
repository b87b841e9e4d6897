"""A gateway starts quickly: its web processes load no library that pages rarely need."""

from __future__ import annotations

import os
import subprocess
import sys

from tests.support.shared import REPOSITORY

START = """
import sys, gateway.asgi, gateway.urls
print(*sorted({"astropy", "matplotlib", "scipy", "gammapy", "mocpy", "rdflib"} & set(sys.modules)))
"""


def test_web_processes_load_no_analysis_libraries():
    """Astropy alone is a third of the time that a web process needs to be there."""
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(
        [sys.executable, "-c", START], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == []
