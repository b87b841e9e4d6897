"""The search page: the form writes ADQL, complaints stand at their fields, edited text is never lost."""

from __future__ import annotations

import json

import pytest
from django.test import Client

from gateway.portal.models import SavedQuery
from tests.portal.archive_builders import COLLECTION
from tests.portal.archive_fixtures import archive, offline, published  # noqa: F401
from tests.portal.html import fields, parse, text, texts

pytestmark = pytest.mark.usefixtures("archive", "offline")

CONE = "1 = INTERSECTS(s_region, CIRCLE('ICRS', 83.633, 22.014, 1))"


def shown_adql(page) -> str:
    return page.get_element_by_id("adql").text_content().strip()


def message(page, name: str) -> str:
    return text(page.get_element_by_id(f"{name}-message"))


def post(client: Client, page, action: str, **changes):
    """Press a button of the page's form after some changes."""
    data = fields(page.get_element_by_id("search-form")) | changes | {"action": action}
    return client.post("/search/", data)


def test_the_form_writes_adql(client: Client) -> None:
    page = parse(client.get("/search/?target=83.633+22.014&radius=60&radius_unit=arcmin&type=event"))
    assert shown_adql(page) == (
        f"SELECT *\nFROM ivoa.obscore\nWHERE {CONE}\n  AND dataproduct_type = 'event'"
    )


def test_the_page_says_who_resolved_the_name(client: Client) -> None:
    page = parse(client.get("/search/?target=m1"))
    said = text(page.get_element_by_id("target-note"))
    assert "Crab Nebula" in said
    assert "83.63300" in said
    assert "this archive" in said


def test_without_a_network_the_page_says_what_to_do(client: Client) -> None:
    page = parse(client.get("/search/?target=Vega"))
    assert "no name service can be reached" in message(page, "target")
    assert "Type coordinates" in message(page, "target")
    assert page.get_element_by_id("target").get("aria-invalid") == "true"
    assert shown_adql(page) == ""


@pytest.mark.parametrize(
    ("query", "field", "expected"),
    [
        ("target=83.6+22&radius=0", "radius", "contains nothing"),
        ("target=83.6+22&radius=-1", "radius", "contains nothing"),
        ("target=83.6+22&radius=2+parsec", "radius", "no unit of angle"),
        ("target=83.6+22&radius=200", "radius", "whole sky"),
        ("target=83.6+122", "target", "declination"),
        ("t_from=2999-01-01", "t_from", ""),
        ("t_from=2090-01-01", "t_from", "in the future"),
        ("t_from=yesterday", "t_from", "no time"),
        ("t_from=2005-01-01&t_to=2004-01-01", "t_to", "empty"),
        ("e_from=5&e_to=1", "e_to", "empty"),
        ("e_from=3+parsec", "e_from", "no unit of energy"),
    ],
)
def test_complaints_stand_at_the_field(client: Client, query: str, field: str, expected: str) -> None:
    page = parse(client.get(f"/search/?{query}"))
    assert expected in message(page, field)
    assert message(page, field)
    assert page.get_element_by_id(field).get("aria-invalid") == "true"
    assert page.xpath(f"//*[@id='error-summary']//a[@href='#{field}']")


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("field=t_exptime&op=ge&value=20+parsec", "cannot be converted"),
        ("field=t_exptime&op=ge&value=long", "is a number in s"),
        ("field=nonsense&op=eq&value=1", "no field nonsense"),
        ("field=&op=eq&value=1", "Choose the field"),
        ("field=obs_id&op=eq&value=", "Give a value"),
        ("field=t_exptime&op=contains&value=3", "holds numbers"),
        ("field=t_min&op=between&value=7", "two values"),
        ("field=t_min&op=like&value=7", "no comparison"),
    ],
)
def test_complaints_about_any_field_stand_in_its_row(client: Client, query: str, expected: str) -> None:
    page = parse(client.get(f"/search/?{query}"))
    assert expected in text(page.get_element_by_id("value-1-error"))


def test_values_of_any_field_are_converted(client: Client) -> None:
    query = "field=t_exptime&op=ge&value=20+min&field=t_min&op=lt&value=2004-04-01&field=obs_id&op=in&value=101,+O'N"
    adql = shown_adql(parse(client.get(f"/search/?{query}")))
    assert "t_exptime >= 1200" in adql
    assert "t_min < 53096" in adql
    assert "obs_id IN ('101', 'O''N')" in adql


def test_tt_is_65_seconds_from_utc(client: Client) -> None:
    adql = shown_adql(parse(client.get("/search/?t_from=53090.5&t_scale=tt")))
    value = float(adql.split("t_max >= ")[1])
    assert (53090.5 - value) * 86400 == pytest.approx(64.184, abs=0.001)


def test_searching_leads_to_a_permalink_that_keeps_the_form(client: Client) -> None:
    page = parse(client.get("/search/"))
    response = post(client, page, "search", target="83.633 22.014", radius="1")
    query = SavedQuery.objects.get()
    assert response["Location"] == f"/results/{query.id}/"
    assert CONE in query.adql
    again = parse(client.get(f"/search/?q={query.id}"))
    assert again.get_element_by_id("target").get("value") == "83.633 22.014"
    assert shown_adql(again) == query.adql
    assert "d-none" in again.get_element_by_id("edited-note").get("class")


def test_a_form_with_errors_comes_back_with_everything_typed(client: Client) -> None:
    page = parse(client.get("/search/"))
    response = post(client, page, "search", target="83.6 22", radius="0", e_from="1")
    assert not SavedQuery.objects.exists()
    again = parse(client.get(response["Location"]))
    assert again.get_element_by_id("e_from").get("value") == "1"
    assert "contains nothing" in message(again, "radius")


def test_edited_adql_is_sent_as_edited(client: Client) -> None:
    page = parse(client.get("/search/?target=83.633+22.014"))
    text_ = "SELECT TOP 2 obs_id\r\nFROM ivoa.obscore"
    response = post(client, page, "run", adql=text_)
    query = SavedQuery.objects.get()
    assert response["Location"] == f"/results/{query.id}/"
    assert query.adql == "SELECT TOP 2 obs_id\nFROM ivoa.obscore"


def test_edited_adql_is_never_thrown_away_silently(client: Client) -> None:
    page = parse(client.get("/search/?target=83.633+22.014"))
    edited = "SELECT TOP 2 * FROM ivoa.obscore"
    response = post(client, page, "search", adql=edited, radius="3")
    again = parse(client.get(response["Location"]))
    assert shown_adql(again) == edited
    assert again.get_element_by_id("radius").get("value") == "3"
    assert "no longer follows the form" in text(again.get_element_by_id("edited-note"))
    assert "d-none" not in again.get_element_by_id("edited-note").get("class")
    assert any("Nothing was run yet" in one for one in texts(again, "//*[@role='alert']"))
    anew = parse(client.get(post(client, again, "write")["Location"]))
    assert "INTERSECTS" in shown_adql(anew)
    assert "22.014, 3)" in shown_adql(anew)


def test_a_mistake_in_the_adql_is_marked_with_line_and_column(client: Client) -> None:
    page = parse(client.get("/search/"))
    response = post(client, page, "run", adql="SELECT *\nFROM ivoa.obscore\nWHERE nonsense = 1")
    again = parse(client.get(response["Location"]))
    area = again.get_element_by_id("adql")
    assert (area.get("data-line"), area.get("data-column")) == ("3", "7")
    said = again.get_element_by_id("adql-error")
    assert "Line 3, column 7" in text(said)
    line, caret = said.xpath(".//pre")[0].text_content().rstrip().split("\n")
    assert line[caret.index("^") :].startswith("nonsense")


def test_run_in_the_url_searches_at_once(client: Client) -> None:
    response = client.get("/search/?target=m1&radius=1&run=1")
    query = SavedQuery.objects.get()
    assert response["Location"] == f"/results/{query.id}/"
    assert "Crab Nebula" in query.note
    assert client.get("/search/?target=Vega&run=1").status_code == 200


def test_facets_list_what_the_archive_has(client: Client) -> None:
    page = parse(client.get("/search/?collection=gone"))
    boxes = {box.get("value"): box for box in page.xpath("//input[@name='collection']")}
    assert set(boxes) == {COLLECTION, "gone"}
    assert boxes["gone"].get("checked") is not None
    assert any("simulated" in one for one in texts(page, "//*[@aria-labelledby='facet-collection']/div"))


def test_scripts_are_told_the_same(client: Client) -> None:
    query = "target=m1&radius=1&field=&op=eq&value=&field=t_exptime&op=ge&value=parsec"
    answer = client.get(f"/search/adql?{query}").json()
    assert answer["adql"] is None
    assert answer["rows"][0] == ""
    assert "is a number" in answer["rows"][1]
    assert "Crab Nebula" in answer["position"]
    good = client.get("/search/adql?target=83.633+22.014&radius=1").json()
    assert CONE in good["adql"]
    assert json.dumps(good["errors"]) == "{}"


def test_markup_in_what_is_typed_stays_text(client: Client) -> None:
    nasty = "<script>alert(1)</script>"
    page = parse(client.get("/search/", {"target": nasty}))
    assert not page.xpath("//script[contains(., 'alert')]")
    assert page.get_element_by_id("target").get("value") == nasty
    answer = client.get("/search/adql", {"target": nasty}).json()
    assert nasty in answer["errors"]["target"]


def test_a_query_that_is_not_saved_is_not_found(client: Client) -> None:
    assert client.get("/search/?q=abcdefgh").status_code == 404
