"""`vogate ingest`, `simulate` and `fetch` as an operator types them."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.cli.main import main
from obscore.models import Observation
from obscore.simulation import archive
from tests.support.shared import REPOSITORY


@pytest.fixture
def site(tmp_path: Path, settings, db: None) -> Path:
    """The demo site, with a home of its own."""
    settings.VOGATE_ARCHIVE = tmp_path / "archive"
    settings.VOGATE_DATA = tmp_path / "data"
    return REPOSITORY / "deploy/sites/demo"


def test_simulate_then_ingest(site: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("gammapy", reason="the demo extra is not installed")
    assert main(["simulate", "--observations", "4"]) == 0
    assert main(["ingest", "simulated"]) == 0
    assert "4 new" in capsys.readouterr().out
    assert Observation.objects.filter(collection__simulated=True).count() == 4
    assert main(["ingest", "--from", str(tmp_path / "data" / archive.COLLECTION), "--quiet"]) == 0
    out, err = capsys.readouterr()
    assert "4 unchanged" in out
    assert err == ""


def test_a_folder_that_fits_no_collection(
    site: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["ingest", "--from", str(tmp_path)]) == 1
    assert "fit no collection of this site" in capsys.readouterr().err
    assert main(["ingest", "--from", str(tmp_path / "nowhere")]) == 1
    assert "is not a folder" in capsys.readouterr().err


def test_an_unknown_collection_is_answered_with_the_known_ones(
    site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["ingest", "hess"]) == 1
    assert "hess-dl3-dr1" in capsys.readouterr().err


def test_a_faulty_profile_is_named_with_its_line(
    site: Path, tmp_path: Path, settings, capsys: pytest.CaptureFixture[str]
) -> None:
    from dataclasses import replace

    folder = tmp_path / "site"
    (folder / "collections").mkdir(parents=True)
    (folder / "collections/bad.yaml").write_text("collection: bad\ntitel: Bad\n", encoding="utf-8")
    settings.SITE = replace(settings.SITE, folder=folder)
    assert main(["ingest", "--from", str(tmp_path)]) == 1
    assert "bad.yaml:2: titel: there is no such key; did you mean title?" in capsys.readouterr().err


def test_fetch_of_a_collection_without_a_home(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fetch", "simulated"]) == 1
    assert "names no public home" in capsys.readouterr().err
