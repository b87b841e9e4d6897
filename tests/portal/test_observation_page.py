"""The page of an observation, and the home page."""

from __future__ import annotations

import pytest
from django.test import Client

from obscore import definition
from tests.portal.archive_builders import COLLECTION, did_of
from tests.portal.archive_fixtures import archive, offline, published  # noqa: F401
from tests.portal.html import parse, text, texts

pytestmark = pytest.mark.usefixtures("archive", "offline")


def test_all_metadata_are_there(client: Client) -> None:
    page = parse(client.get(f"/obs/{COLLECTION}/101/"))
    named = set(texts(page, "//*[contains(@class, 'vs-metagroup')]//code"))
    assert named == set(definition.COLUMN_NAMES)
    assert "Crab Nebula" in text(page.xpath("//h1")[0])
    assert "simulated" in text(page.xpath("//h1")[0])
    assert "100 TeV" in text(page)


def test_files_and_terms(client: Client) -> None:
    page = parse(client.get(f"/obs/{COLLECTION}/101/"))
    assert f"http://testserver/data/{COLLECTION}/101/events.fits" in page.xpath("//a/@href")
    assert "For tests only." in text(page)
    button = page.xpath("//button[@data-samp]")[0]
    assert button.get("data-samp") == "table.load.fits"
    assert button.get("data-url").endswith("/101/events.fits")


def test_identifiers_with_slashes_and_blanks(client: Client) -> None:
    page = parse(client.get(f"/obs/{COLLECTION}/map%201/2/"))
    assert "map 1/2" in text(page.xpath("//h1")[0])
    assert page.xpath("//button[@data-samp='image.load.fits']")


def test_tools_get_the_identifier(client: Client) -> None:
    page = parse(client.get(f"/obs/{COLLECTION}/101/"))
    links = [link for link in page.xpath("//a/@href") if link.startswith("/tools/") and "obs=" in link]
    for link in links:
        response = client.get(link)
        assert response.status_code == 200
        assert did_of("101") in response.content.decode()


def test_an_unknown_observation_is_not_found(client: Client) -> None:
    response = client.get(f"/obs/{COLLECTION}/999/")
    assert response.status_code == 404
    assert "no observation" in text(parse(response))


def test_the_home_page_says_what_is_here(client: Client) -> None:
    page = parse(client.get("/"))
    said = text(page)
    assert "A tiny survey" in said
    assert "simulated" in said
    assert texts(page, "//dt[.='Observations']/following-sibling::dd[1]") == ["6"]
    assert page.get_element_by_id("tap-url").get("value") == "http://testserver/tap"
    assert "TAPService('http://testserver/tap')" in page.get_element_by_id("pyvo-snippet").text_content()
    terms = page.xpath("//a[text()='Terms of use']/@href")
    assert terms
    assert client.get(terms[0]).status_code == 200
