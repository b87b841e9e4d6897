"""STILTS, which shares its code with TOPCAT, as a client and as a judge."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.conftest import require
from tests.support.live import Gateway

pytestmark = [pytest.mark.stilts, pytest.mark.slow, pytest.mark.xdist_group("live")]

PKS_2155 = (
    "SELECT * FROM ivoa.obscore WHERE 1 = INTERSECTS(s_region, CIRCLE('ICRS', 329.717, -30.226, 0.001))"
)


def stilts(*arguments: str, timeout: float = 300) -> subprocess.CompletedProcess[str]:
    require("stilts", "stilts")
    return subprocess.run(["stilts", *arguments], capture_output=True, text=True, timeout=timeout)


def findings(report: str, *levels: str) -> list[str]:
    """Lines of a taplint or votlint report that begin with one of the levels (E, W, F)."""
    return [line for line in report.splitlines() if re.match(rf"(?:{'|'.join(levels)})-", line)]


def test_taplint_finds_nothing(live_gateway: Gateway):
    done = stilts("taplint", f"tapurl={live_gateway.url}/tap", "report=EWF", "maxrepeat=3")
    report = done.stdout + done.stderr
    assert "Totals" in report or "Section" in report, report[-2000:]
    # ivoa.obsplan is another standard's table, which this service does not claim.
    serious = [line for line in findings(report, "E", "W", "F") if "obsplan" not in line.lower()]
    assert serious == []


@pytest.mark.real_data
def test_tapquery_by_position_gives_21_rows(live_gateway: Gateway, archive_folder: Path):
    if "hess" not in archive_folder.name:
        pytest.skip("the H.E.S.S. observations are not there")
    done = stilts("tapquery", f"tapurl={live_gateway.url}/tap", f"adql={PKS_2155}", "omode=count")
    assert "rows: 21" in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_upload_joins(live_gateway: Gateway, tmp_path: Path, mode: str):
    positions = tmp_path / "positions.csv"
    positions.write_text("name,ra,dec\nCrab,83.633,22.014\nPole,0,90\n", encoding="utf-8")
    done = stilts(
        "tapquery", f"tapurl={live_gateway.url}/tap", f"sync={'true' if mode == 'sync' else 'false'}",
        "nupload=1", f"upload1={positions}", "ufmt1=csv", "upname1=mine",
        "adql=SELECT m.name, COUNT(*) AS n FROM ivoa.obscore AS o JOIN TAP_UPLOAD.mine AS m "
        "ON 1 = CONTAINS(POINT('ICRS', m.ra, m.dec), o.s_region) GROUP BY m.name",
        "omode=out", "ofmt=csv",
    )  # fmt: skip
    lines = done.stdout.split()
    assert lines[0] == "name,n", done.stderr
    assert [line.split(",")[0] for line in lines[1:]] == ["Crab"]


VOTABLES = {
    "rows": "/tap/sync?LANG=ADQL&QUERY=SELECT+TOP+5+*+FROM+ivoa.obscore",
    "binary2": "/tap/sync?LANG=ADQL&QUERY=SELECT+*+FROM+ivoa.obscore&RESPONSEFORMAT="
    "application/x-votable%2Bxml;serialization=BINARY2",
    "tabledata": "/tap/sync?LANG=ADQL&QUERY=SELECT+*+FROM+ivoa.obscore&RESPONSEFORMAT="
    "application/x-votable%2Bxml;serialization=TABLEDATA",
    "overflow": "/tap/sync?LANG=ADQL&QUERY=SELECT+*+FROM+ivoa.obscore&MAXREC=2",
    "metadata": "/tap/sync?LANG=ADQL&QUERY=SELECT+*+FROM+ivoa.obscore&MAXREC=0",
    "expressions": "/tap/sync?LANG=ADQL&QUERY=SELECT+COUNT(*),AVG(t_exptime),MIN(em_min)+FROM+ivoa.obscore",
    "geometry": "/tap/sync?LANG=ADQL&QUERY=SELECT+TOP+3+POINT(s_ra,s_dec),CIRCLE(s_ra,s_dec,1)+FROM+ivoa.obscore",
    "schema": "/tap/sync?LANG=ADQL&QUERY=SELECT+*+FROM+TAP_SCHEMA.columns",
    "datalink without an identifier": "/datalink/links",
    "datalink of something unknown": "/datalink/links?ID=ivo://nobody/nothing",
}


@pytest.mark.parametrize("name", VOTABLES)
def test_votlint_finds_nothing(name: str, live_gateway: Gateway):
    done = stilts("votlint", f"votable={live_gateway.url}{VOTABLES[name]}")
    assert (done.stdout + done.stderr).strip() == ""
