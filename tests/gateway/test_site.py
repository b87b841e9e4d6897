"""site.toml: what it may say, and what is said of the rest."""

from __future__ import annotations

from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway import site_check
from gateway.site import JobLimits, SiteError, load_site
from tap.workers import QuerySettings


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
        ("site = 3", "site.toml, line 1: site = 3: it is a table"),
        ("[query]\n\nhard_maxrec = 'many'", r"line 3: \[query\] hard_maxrec = 'many': it is a whole number"),
        ("[site]\ncopies = true\n[query]\nsync_secs = 60", r"line 2: \[site\] unknown key 'copies'"),
        ("[query]\nsync_secs = 60", "line 2: .*did you mean sync_seconds"),
        ("[query]\nsync_seconds = -5", "line 2: .*1 or more"),
        ("[query]\nshort_workers = true", "line 2: .*whole number"),
        ("[query]\nworker_memory = 'lots'", 'line 2: .*like "768MB"'),
        ("[query]\nextensions = 'all'", "line 2: .*a list of texts"),
        ("[querry]\ndefault_maxrec = 3", "line 1: unknown section 'querry'; did you mean query"),
        ("[limits]\nanonymous = 3", "line 2: .*it is a table"),
        ("[limits.anonymous]\nactive_job = 3", "line 2: .*did you mean active_jobs"),
        ("[limits.signed_in]\nactive_jobs = '4'", "line 2: .*whole number"),
        ("limits.tools.spectrum = 'two'", "whole number"),
        ("[jobs]\nsandbox = 'maybe'", "line 2: .*one of"),
        ("[products]\npublish = 'all'", "line 2: .*one of"),
    ],
)
def test_what_cannot_be_is_said(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(SiteError, match=message):
        site(tmp_path, text)


def test_a_file_in_another_encoding_is_named(tmp_path: Path) -> None:
    (tmp_path / "site.toml").write_bytes(b'[site]\ntitle = "Universit\xe4t"\n')
    with pytest.raises(SiteError, match="is not UTF-8"):
        load_site(tmp_path)


def test_every_setting_is_known_to_the_check(tmp_path: Path) -> None:
    known = set(site_check.SECTIONS["query"]) - {"metrics_from", "examples"}
    assert known == {item.name for item in fields(QuerySettings)}
    assert set(site_check.SECTIONS["limits.anonymous"]) == {item.name for item in fields(JobLimits)}
    for setting in fields(QuerySettings):
        value = list(setting.default) if isinstance(setting.default, tuple) else setting.default
        assert site_check.SECTIONS["query"][setting.name].fits(value), setting.name


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
