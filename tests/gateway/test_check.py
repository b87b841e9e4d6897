"""`vogate check`: what an operator is told before users are."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from gateway.cli.check import findings
from uws.tools import registry

TOOL = """\
name: absent
version: "1"
title: A tool of a program that is not here
summary: Cannot run
argv: ["no-such-program"]
outputs:
  table: {title: A table, path: out.csv, media_type: text/csv}
"""

pytestmark = pytest.mark.django_db


def texts(level: str) -> list[str]:
    return [text for found, text in findings() if found == level]


def test_a_gateway_that_works_has_no_error():
    assert texts("error") == []
    assert any("tools can run here" in text for text in texts("ok"))


def test_a_tool_that_cannot_run_is_named_with_its_reason(tmp_path: Path):
    (tmp_path / "absent.yaml").write_text(TOOL)
    with registry.using(tmp_path):
        assert any("absent@1" in text and "no-such-program" in text for text in texts("warning"))
        assert "0 of 1 tools can run here" in texts("ok")


def test_a_description_with_a_mistake_is_an_error_with_its_line(tmp_path: Path):
    (tmp_path / "absent.yaml").write_text(TOOL.replace('version: "1"', "colour: red"))
    with registry.using(tmp_path):
        assert any(re.search(r"absent\.yaml:\d+: ", text) for text in texts("error"))


def test_missing_isolation_is_said(monkeypatch: pytest.MonkeyPatch):
    from uws import sandbox

    found = shutil.which
    monkeypatch.setattr(shutil, "which", lambda name: None if name == "bwrap" else found(name))
    sandbox.why_no_bwrap.cache_clear()
    try:
        assert any("bubblewrap is not installed" in text for text in texts("warning"))
    finally:
        sandbox.why_no_bwrap.cache_clear()
