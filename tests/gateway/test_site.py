"""site.toml: what it may say, and what is said of the rest."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.site import SiteError, load_site


def site(folder: Path, text: str):
    (folder / "site.toml").write_text(text)
    return load_site(folder)


def test_downtimes_are_read_in_order(tmp_path: Path) -> None:
    found = site(
        tmp_path,
        """
        [[downtimes]]
        from = 2026-12-24T10:00:00+02:00
        to = 2026-12-24T12:00:00Z
        note = "disks"
        [[downtimes]]
        from = 2026-12-01T08:00:00
        to = 2026-12-01T09:00:00
        """,
    ).downtimes
    assert [(item.start, item.note) for item in found] == [
        (datetime(2026, 12, 1, 8, tzinfo=UTC), ""),
        (datetime(2026, 12, 24, 8, tzinfo=UTC), "disks"),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("downtimes = 5", "has from and to"),
        ("[[downtimes]]\nfrom = 2026-12-01T08:00:00Z", "has from and to"),
        ('[[downtimes]]\nfrom = "soon"\nto = "later"', "has from and to"),
        ("[[downtimes]]\nfrom = 2026-12-02T08:00:00Z\nto = 2026-12-01T08:00:00Z", "ends before"),
        ("[site", "site.toml"),
    ],
)
def test_what_cannot_be_is_said(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(SiteError, match=message):
        site(tmp_path, text)


def test_unknown_extensions_are_found_at_start(tmp_path: Path) -> None:
    import os
    import subprocess
    import sys

    (tmp_path / "site.toml").write_text('[query]\nextensions = ["LIMIT"]\n')
    environment = os.environ | {"SITE": str(tmp_path), "VOGATE_HOME": str(tmp_path / "home")}
    done = subprocess.run(
        [sys.executable, "-m", "gateway.cli.main", "tables"],
        env=environment, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode != 0
    assert "'LIMIT' is no extension of ADQL" in done.stderr
    assert "Traceback" not in done.stderr
