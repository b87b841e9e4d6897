"""The results page: rows, pages, order, selection, downloads, footprints, what to do when there is nothing."""

from __future__ import annotations

import csv
import io
import json

import pytest
from astropy.io import fits
from astropy.io.votable import parse_single_table
from django.test import Client

from gateway.portal.models import SavedQuery
from tap import service
from tap.engines.base import TimeLimit
from tests.portal import archive_builders
from tests.portal.archive_builders import COLLECTION, did_of
from tests.portal.archive_fixtures import archive, offline, published  # noqa: F401
from tests.portal.html import fields, parse, text, texts

pytestmark = pytest.mark.usefixtures("archive", "offline")

ALL = "SELECT * FROM ivoa.obscore"


def address(adql: str = ALL, **kept: str) -> str:
    return f"/results/{SavedQuery.keep(adql, **kept).id}/"


def obs_ids(page) -> list[str]:
    return texts(page, "//tbody/tr/td[4]")


def test_rows_come_by_time_with_the_usual_columns(client: Client) -> None:
    page = parse(client.get(address()))
    assert texts(page, "//h1") == ["6 rows"]
    assert text(page.get_element_by_id("range")) == "1 to 6 of 6 rows"
    assert obs_ids(page) == ["101", "102", "103", "201", "202", "map 1/2"]
    assert text(page.xpath("//thead//th[@aria-sort='ascending']")[0]).startswith("Start UTC")
    first = texts(page, "//tbody/tr[1]/td")
    assert "2004-03-26 12:00" in first
    assert "0.413 – 100 TeV" in first


def test_pages_are_cut_on_the_server(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    adql = "SELECT a.* FROM ivoa.obscore AS a JOIN ivoa.obscore AS b ON a.calib_level = b.calib_level"
    page = parse(client.get(address(adql) + "?page=2&size=25"))
    assert text(page.get_element_by_id("range")) == "26 to 36 of 36 rows"
    assert len(page.xpath("//tbody/tr")) == 11
    assert page.xpath("//nav[@aria-label='Pages']//a[@aria-current='page']")[0].text == "2"
    beyond = parse(client.get(address(adql) + "?page=99&size=10"))
    assert text(beyond.get_element_by_id("range")) == "31 to 36 of 36 rows"


def test_a_heading_sorts_on_the_server(client: Client) -> None:
    page = parse(client.get(address()))
    link = page.xpath("//thead//a[starts-with(@title, 'obs_id')]")[0].get("href")
    page = parse(client.get(address() + link))
    assert obs_ids(page) == ["101", "102", "103", "201", "202", "map 1/2"]
    again = page.xpath("//thead//a[starts-with(@title, 'obs_id')]")[0].get("href")
    assert obs_ids(parse(client.get(address() + again)))[0] == "map 1/2"


def test_the_order_of_the_query_is_kept(client: Client) -> None:
    page = parse(client.get(address(ALL + " ORDER BY obs_id DESC")))
    assert obs_ids(page)[:2] == ["map 1/2", "202"]
    assert not page.xpath("//thead//th[@aria-sort]")


def test_all_columns_and_stored_values_on_request(client: Client) -> None:
    page = parse(client.get(address() + "?col=*&values=raw&sort=t_min"))
    headings = [text(node).split()[0] for node in page.xpath("//thead//th[.//a]")]
    assert {"em_min", "s_region", "obs_publisher_did"} <= set(headings)
    assert "1.2398419843e-20" in texts(page, "//tbody/tr[1]/td")
    assert page.xpath("//thead//a[contains(@title, 'vacuum')]")


def test_rows_lead_to_observation_product_and_links(client: Client) -> None:
    page = parse(client.get(address()))
    assert page.xpath("//tbody/tr[1]//a[text()='101']/@href") == [f"/obs/{COLLECTION}/101/"]
    assert page.xpath("//tbody/tr[1]//a[text()='file']/@href") == [f"/data/{COLLECTION}/101/events.fits"]
    (links,) = page.xpath("//tbody/tr[1]//a[text()='links']/@href")
    assert links.startswith("http://testserver/datalink/links?ID=")
    box = page.xpath("//tbody/tr[1]//input[@name='obs']")[0]
    assert box.get("data-mtype") == "table.load.fits"
    assert page.xpath("//tbody/tr[6]//input/@data-mtype") == ["image.load.fits"]


def test_without_scripts_all_rows_can_be_selected(client: Client) -> None:
    page = parse(client.get(address() + "?size=10&select=all"))
    assert sorted(fields(page.get_element_by_id("results-form"))["obs"]) == sorted(
        row["obs_publisher_did"] for row in archive_builders.rows()
    )


def test_all_identifiers_for_scripts(client: Client) -> None:
    answer = client.get(address("SELECT * FROM ivoa.obscore ORDER BY obs_id") + "identifiers").json()
    assert answer["identifiers"] == [did_of(one) for one in ("101", "102", "103", "201", "202", "map 1/2")]


def test_footprints_of_the_page_travel_as_data(client: Client) -> None:
    page = parse(client.get(address() + "?size=10"))
    footprints = json.loads(page.get_element_by_id("footprints").text_content())
    assert len(footprints) == 6
    assert footprints[0]["outlines"] == [{"shape": "circle", "ra": 83.633, "dec": 22.514, "radius": 2.0}]
    assert [entry["key"] for entry in footprints] == page.xpath("//tbody/tr/@data-key")


def test_downloads_hold_all_rows(client: Client) -> None:
    url = address("SELECT obs_id, s_ra FROM ivoa.obscore ORDER BY obs_id") + "table"
    response = client.get(url, {"format": "csv"})
    assert response["Content-Disposition"].startswith("attachment")
    assert response["Content-Disposition"].endswith('.csv"')
    content = b"".join(response) if response.streaming else response.content
    rows = list(csv.reader(io.StringIO(content.decode())))
    assert rows[0] == ["obs_id", "s_ra"]
    assert len(rows) == 7
    response = client.get(url, {"format": "votable"})
    content = b"".join(response) if response.streaming else response.content
    assert list(parse_single_table(io.BytesIO(content)).to_table()["obs_id"])[-1] == "map 1/2"
    response = client.get(url, {"format": "fits"})
    content = b"".join(response) if response.streaming else response.content
    assert len(fits.open(io.BytesIO(content))[1].data) == 6
    assert client.get(url, {"format": "xlsx"}).status_code == 400


def test_an_empty_result_says_why_and_what_to_try(client: Client) -> None:
    form = "target=10+10&radius=1&t_from=2004-01-01"
    adql = ALL + " WHERE 1 = INTERSECTS(s_region, CIRCLE('ICRS', 10, 10, 1)) AND t_max > 53005"
    page = parse(client.get(address(adql, form=form)))
    said = " ".join(texts(page, "//*[@role='status']//li"))
    assert "try a larger radius" in said
    assert "Nothing was observed in that time" in said
    assert not page.xpath("//table")


def test_a_cone_finds_the_fields_that_overlap_it(client: Client) -> None:
    page = parse(client.get("/search/?target=m1&radius=0.001&run=1", follow=True))
    assert obs_ids(page) == ["101", "102", "103"]
    assert any("Crab Nebula at 83.63300, +22.01400" in one for one in texts(page, "//p"))


def test_a_wrong_query_is_explained_with_its_place(client: Client) -> None:
    response = client.get(address("SELECT nonsense\nFROM ivoa.obscore"))
    assert response.status_code == 400
    page = parse(response)
    assert "Line 1, column 8" in texts(page, "//*[@role='alert']")[0]
    assert page.xpath("//*[@role='alert']//a[starts-with(@href, '/search/?q=')]")


def test_any_query_has_a_page_without_selection(client: Client) -> None:
    adql = "SELECT target_name, COUNT(*) AS n FROM ivoa.obscore GROUP BY target_name"
    page = parse(client.get(address(adql) + "?sort=n&order=desc"))
    assert texts(page, "//tbody/tr[1]/td") == ["Crab Nebula", "3"]
    assert not page.xpath("//input[@name='obs']")
    assert client.get(address(adql) + "identifiers").status_code == 400


def test_an_unknown_search_is_not_found(client: Client) -> None:
    assert client.get("/results/nosuchquery/").status_code == 404


def test_the_search_can_be_copied(client: Client) -> None:
    page = parse(client.get(address()))
    for name, expected in (
        ("pyvo", "pyvo.dal.TAPService"),
        ("curl", "/tap/sync"),
        ("vogate", "vogate query"),
    ):
        assert expected in page.get_element_by_id(f"snippet-{name}").text_content()


def test_a_query_that_takes_too_long_says_what_to_do(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(*args: object, **kept: object) -> int:
        raise TimeLimit("The query took longer than 30 s.")

    monkeypatch.setattr(service, "count", slow)
    page = parse(client.get(address()))
    said = texts(page, "//*[@role='alert']")[0]
    assert "longer than 30 s" in said
    assert "http://testserver/tap/async" in said
    assert page.xpath("//*[@role='alert']//a[text()='Try again']")


def test_what_is_in_the_archive_is_text_on_the_page(client: Client) -> None:
    adql = "SELECT '<script>alert(1)</script>' AS s, obs_publisher_did FROM ivoa.obscore"
    page = parse(client.get(address(adql)))
    assert "<script>alert(1)</script>" in texts(page, "//tbody/tr[1]/td")
    assert not page.xpath("//script[contains(., 'alert') and not(@type='application/json')]")
