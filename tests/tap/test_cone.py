"""Simple Cone Search and the coverage of tables, as pyvo, STILTS and mocpy see them."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io.votable import parse
from django.test import Client
from lxml import etree
from mocpy import MOC

from tap.archive import Manifest
from tests.tap import catalogue

pytestmark = pytest.mark.django_db
VS = "{http://www.ivoa.net/xml/VOTable/v1.3}"


def within(ra: float, dec: float, radius: float) -> set[int]:
    rows = catalogue.sources()
    sky = SkyCoord(rows["ra"].to_numpy(), rows["dec"].to_numpy(), unit="deg")
    inside = sky.separation(SkyCoord(ra, dec, unit="deg")).deg <= radius
    return set(rows["source_id"].to_numpy()[inside].tolist())


def search(client: Client, **parameters: object):
    response = client.get("/scs/syn.cat", parameters)
    assert response.status_code == 200, response.content
    return next(parse(io.BytesIO(response.getvalue())).iter_tables())


@pytest.mark.parametrize("place", [(10.0, 20.0, 3.0), (359.5, -1.0, 4.0), (0.0, 90.0, 5.0)])
def test_the_rows_within_the_radius_are_found(
    published: Manifest, client: Client, place: tuple[float, float, float]
) -> None:
    ra, dec, radius = place
    table = search(client, RA=ra, DEC=dec, SR=radius)
    assert set(table.array["source_id"].tolist()) == within(*place) != set()


def test_identifier_and_position_have_the_ucds_of_the_standard(published: Manifest, client: Client) -> None:
    for verbosity, least in ((1, 3), (3, 8)):
        fields = search(client, RA=10, DEC=20, SR=1, VERB=verbosity).fields
        assert len(fields) == least
        roles = {field.ucd: field.name for field in fields if "MAIN" in str(field.ucd)}
        assert roles == {"ID_MAIN": "source_id", "POS_EQ_RA_MAIN": "ra", "POS_EQ_DEC_MAIN": "dec"}
        assert {f.datatype for f in fields if f.name in ("ra", "dec")} == {"double"}


def test_a_radius_of_zero_gives_the_columns_alone(published: Manifest, client: Client) -> None:
    table = search(client, RA=10, DEC=20, SR=0)
    assert len(table.array) == 0
    assert "ra" in [field.name for field in table.fields]


@pytest.mark.parametrize(
    ("parameters", "word"),
    [
        ({"RA": "10", "DEC": "20"}, "SR"),
        ({"RA": "ten", "DEC": "20", "SR": "1"}, "RA"),
        ({"RA": "10", "DEC": "91", "SR": "1"}, "DEC"),
        ({"RA": "10", "DEC": "20", "SR": "-1"}, "SR"),
        ({"RA": "nan", "DEC": "20", "SR": "1"}, "RA"),
        ({"RA": "10", "DEC": "20", "SR": "1", "VERB": "4"}, "VERB"),
    ],
)
def test_errors_have_the_forms_of_the_standard_and_of_dali(
    published: Manifest, client: Client, parameters: dict[str, str], word: str
) -> None:
    response = client.get("/scs/syn.cat", parameters)
    assert response.status_code == 400
    root = etree.fromstring(response.content)
    assert word in root.find(f"{VS}INFO[@ID='Error']").get("value")
    status = root.find(f"{VS}RESOURCE/{VS}INFO[@name='QUERY_STATUS']")
    assert status.get("value") == "ERROR"
    assert word in status.text


def test_tables_without_positions_have_no_cone_search(published: Manifest, client: Client) -> None:
    assert client.get("/scs/syn.notes", {"RA": 1, "DEC": 1, "SR": 1}).status_code == 404
    assert client.get("/scs/syn.nothing", {"RA": 1, "DEC": 1, "SR": 1}).status_code == 404
    listed = client.get("/scs/").content.decode()
    assert "/scs/syn.cat" in listed
    assert "syn.notes" not in listed


def test_the_capability_says_how_to_ask(published: Manifest, client: Client) -> None:
    root = etree.fromstring(client.get("/scs/syn.cat/capabilities").content)
    found = {item.get("standardID"): item for item in root.iterfind("capability")}
    cone = found["ivo://ivoa.net/std/ConeSearch"]
    assert cone.findtext("interface/accessURL").endswith("/scs/syn.cat?")
    assert cone.findtext("verbosity") == "true"
    test = {name: cone.findtext(f"testQuery/{name}") for name in ("ra", "dec", "sr")}
    assert len(search(client, RA=test["ra"], DEC=test["dec"], SR=test["sr"]).array) >= 1
    assert client.get("/scs/syn.cat/tables").status_code == 200
    assert client.get("/scs/syn.cat/availability").status_code == 200


def test_stilts_reads_the_answer(published: Manifest, client: Client, tmp_path: Path) -> None:
    if shutil.which("stilts") is None:
        pytest.skip("stilts is not installed")
    path = tmp_path / "cone.vot"
    path.write_bytes(client.get("/scs/syn.cat", {"RA": 10, "DEC": 20, "SR": 3}).getvalue())
    done = subprocess.run(["stilts", "votlint", str(path)], capture_output=True, text=True, check=True)
    assert "ERROR" not in done.stdout + done.stderr


@pytest.mark.parametrize("order", [3, 8])
def test_the_coverage_holds_all_sources_and_little_else(
    published: Manifest, client: Client, tmp_path: Path, order: int
) -> None:
    response = client.get("/tap/tables/syn.cat/moc", {"ORDER": order})
    assert response["Content-Type"] == "application/fits"
    path = tmp_path / "moc.fits"
    path.write_bytes(response.content)
    moc = MOC.load(path, "fits")
    rows = catalogue.sources()
    sky = SkyCoord(rows["ra"].to_numpy(), rows["dec"].to_numpy(), unit="deg")
    assert moc == MOC.from_skycoords(sky, max_norder=order)
    as_json = client.get("/tap/tables/syn.cat/moc", {"ORDER": order}, headers={"accept": "application/json"})
    assert MOC.from_json(json.loads(as_json.content)) == moc
    assert np.isclose(moc.sky_fraction, 1.0) == (order == 3)


def test_coverage_is_refused_where_there_is_none(published: Manifest, client: Client) -> None:
    assert client.get("/tap/tables/syn.notes/moc").status_code == 404
    assert client.get("/tap/tables/syn.cat/moc", {"ORDER": 20}).status_code == 400
    assert client.get("/tap/tables/syn.cat/moc", {"RESPONSEFORMAT": "png"}).status_code == 400


def test_tables_say_how_many_rows_they_have(published: Manifest, client: Client) -> None:
    root = etree.fromstring(client.get("/tap/tables?detail=min").content)
    rows = {item.findtext("name"): item.findtext("nrows") for item in root.iter("table")}
    assert rows["syn.cat"] == str(catalogue.ROWS)
