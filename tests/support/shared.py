"""Where the shared folder (real observations, conformance suites) is, if there is one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]


def shared_folder(part: str = "") -> Path:
    """`part` of the shared folder; skips the test (fails in CI) where there is none.

    The folder is named by VOGATE_SHARED, else it is `../shared` beside the repository.
    """
    folder = Path(os.environ.get("VOGATE_SHARED", REPOSITORY.parent / "shared")) / part
    if folder.exists():
        return folder
    message = f"{folder} is not there; set VOGATE_SHARED to the folder that holds {part or 'it'}"
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)
