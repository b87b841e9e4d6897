"""The TAP service over HTTP: parameters, documents, errors, streaming."""

from __future__ import annotations

import csv
import dataclasses
import gzip
import io
import threading
import warnings
from datetime import UTC, datetime, timedelta

import pytest
from astropy.io.votable import parse_single_table
from astropy.table import Table
from astropy.time import Time
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from lxml import etree, html
from pyvo.io.vosi import parse_capabilities, parse_tables
from pyvo.io.vosi.endpoint import parse_availability

from gateway.site import Downtime
from tap import output, workers
from tests.tap import catalogue

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("published")]

VOT = "{http://www.ivoa.net/xml/VOTable/v1.3}"
PEOPLE = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
QUERY = "SELECT TOP 3 name, ra FROM syn.cat ORDER BY source_id"


def content(response) -> bytes:
    return b"".join(response.streaming_content) if response.streaming else response.content


def get(client: Client, query: str = QUERY, **parameters: str):
    return client.get("/tap/sync", {"LANG": "ADQL", "QUERY": query, **parameters})


def error_of(response) -> str:
    """The message of a DALI error document."""
    assert response.headers["Content-Type"].startswith("application/x-votable+xml")
    tree = etree.fromstring(content(response))
    (info,) = tree.findall(f"{VOT}RESOURCE[@type='results']/{VOT}INFO[@name='QUERY_STATUS']")
    assert info.get("value") == "ERROR"
    return info.text


def status_of(data: bytes) -> str:
    """The last QUERY_STATUS of a document."""
    return etree.fromstring(data).findall(f".//{VOT}INFO[@name='QUERY_STATUS']")[-1].get("value")


def rows_of(response) -> list[list[str]]:
    return list(csv.reader(io.StringIO(content(response).decode(), newline="")))[1:]


@pytest.mark.parametrize("method", ["get", "post"])
def test_sync_answers_get_and_post(client: Client, method: str) -> None:
    response = getattr(client, method)("/tap/sync", {"lang": "ADQL", "Query": QUERY, "unknown": "x"})
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "application/x-votable+xml"
    table = parse_single_table(io.BytesIO(content(response)))
    assert list(table.array["name"]) == ["S 0", "S 1", "S 2"]


@pytest.mark.parametrize("language", ["ADQL", "ADQL-2.0", "adql-2.1", ""])
def test_languages(client: Client, language: str) -> None:
    assert client.get("/tap/sync", {"LANG": language, "QUERY": QUERY}).status_code == 200


@pytest.mark.parametrize(
    ("parameters", "field"),
    [
        ({"LANG": "SQL"}, "LANG"),
        ({"MAXREC": "many"}, "MAXREC"),
        ({"MAXREC": "-1"}, "MAXREC"),
        ({"RESPONSEFORMAT": "punched cards"}, "RESPONSEFORMAT"),
        ({"REQUEST": "doNothing"}, "REQUEST"),
        ({"UPLOAD": "nonsense"}, "UPLOAD"),
        ({"QUERY": ""}, "QUERY"),
    ],
)
def test_wrong_parameters_are_named(client: Client, parameters: dict[str, str], field: str) -> None:
    response = client.get("/tap/sync", {"QUERY": QUERY, **parameters})
    assert response.status_code == 400
    assert field in error_of(response)


def test_a_wrong_query_says_where(client: Client) -> None:
    response = get(client, "SELECT nmae FROM syn.cat")
    assert response.status_code == 400
    assert "Line 1, column 8" in error_of(response)


def test_two_different_queries_are_refused(client: Client) -> None:
    response = client.get(f"/tap/sync?QUERY={QUERY}&query=SELECT+1")
    assert "QUERY" in error_of(response)


def test_responseformat_and_format_are_the_same(client: Client) -> None:
    assert rows_of(get(client, FORMAT="csv")) == rows_of(get(client, RESPONSEFORMAT="text/csv"))
    response = get(client, RESPONSEFORMAT="csv", FORMAT="fits")
    assert response.headers["Content-Type"] == "text/csv;header=present;charset=utf-8"


@pytest.mark.parametrize(
    ("maxrec", "rows", "status"), [("0", 0, "OVERFLOW"), ("2", 2, "OVERFLOW"), ("3", 3, "OK")]
)
def test_maxrec(client: Client, maxrec: str, rows: int, status: str) -> None:
    data = content(get(client, MAXREC=maxrec))
    assert len(etree.fromstring(data).findall(f".//{VOT}TR")) == rows
    assert status_of(data) == status


def test_results_carry_origin_and_terms(client: Client) -> None:
    tree = etree.fromstring(content(get(client)))
    facts = {item.get("name"): item.get("value") for item in tree.iter(f"{VOT}INFO")}
    assert facts["query"] == QUERY
    assert facts["rights"] == "CC-0"
    assert facts["citation"] == "2025SynAp...1....1X"
    assert facts["server_software"].startswith("vogate/")
    assert facts["request_url"] == "http://testserver/tap"


def describe(columns, tables, base_url):
    """A result decorator."""
    names = " ".join(column.name for column in columns)
    return [f'<RESOURCE type="meta" name="{names} {sorted(tables)[0][1]} {base_url}"/>']


def test_decorators_add_resources(client: Client, settings) -> None:
    settings.VOGATE_RESULT_DECORATORS = ["tests.tap.test_views.describe"]
    tree = etree.fromstring(content(get(client)))
    (resource,) = tree.findall(f"{VOT}RESOURCE[@type='meta']")
    assert resource.get("name") == "name ra cat http://testserver"


def test_large_results_are_streamed_whole(client: Client) -> None:
    response = get(client, "SELECT source_id, link FROM syn.cat", RESPONSEFORMAT="csv", MAXREC="100000")
    assert response.streaming
    rows = rows_of(response)
    assert len(rows) == catalogue.ROWS
    assert {row[1].startswith("http://testserver/data/") for row in rows} == {True}


def test_small_results_have_a_length(client: Client) -> None:
    response = get(client)
    assert not response.streaming
    assert int(response.headers["Content-Length"]) == len(response.content)


@pytest.mark.parametrize("top", ["3", "40000"])
def test_gzip_is_a_content_encoding(client: Client, top: str) -> None:
    query = f"SELECT TOP {top} name, link, ra, dec FROM syn.cat"
    parameters = {"QUERY": query, "MAXREC": "50000", "RESPONSEFORMAT": "csv"}
    plain = content(client.get("/tap/sync", parameters))
    response = client.get("/tap/sync", parameters, headers={"Accept-Encoding": "deflate, gzip;q=0.5"})
    assert response.headers["Content-Type"].startswith("text/csv")
    assert "Accept-Encoding" in response.headers["Vary"]
    if top == "3":
        assert "Content-Encoding" not in response.headers  # not worth it
    else:
        assert response.headers["Content-Encoding"] == "gzip"
        assert gzip.decompress(content(response)) == plain
    refused = client.get("/tap/sync", parameters, headers={"Accept-Encoding": "gzip;q=0"})
    assert "Content-Encoding" not in refused.headers


def test_closing_a_response_stops_its_query(client: Client) -> None:
    response = get(client, "SELECT a.name FROM syn.cat AS a, syn.cat AS b", MAXREC="2000000")
    assert response.streaming
    next(iter(response.streaming_content))
    response.close()
    assert workers.engine().load()["running_short"] == 0


class Token:
    """The bridge's, as far as views know it."""

    def __init__(self) -> None:
        self.callbacks: list[object] = []

    def on_leave(self, callback: object) -> None:
        self.callbacks.append(callback)
        threading.Timer(0.1, callback).start()  # type: ignore[arg-type]


def test_a_client_that_leaves_ends_its_query(client: Client) -> None:
    slow = "SELECT COUNT(*) AS n FROM syn.cat AS a, syn.cat AS b, syn.cat AS c WHERE a.ra * b.ra * c.ra > 1"
    response = client.get("/tap/sync", {"QUERY": slow}, **{"vogate.token": Token()})
    assert "cancelled" in error_of(response)
    assert workers.engine().load()["running_short"] == 0


def test_head(client: Client) -> None:
    for path in ("/tap/", "/tap/capabilities", "/tap/tables", "/tap/availability", "/tap/examples"):
        response = client.head(path, headers={"Accept": "text/html"})
        assert (response.status_code, response.content) == (200, b"")
    response = client.head("/tap/sync", {"QUERY": QUERY})
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "application/x-votable+xml"


def test_other_methods_are_refused(client: Client) -> None:
    assert client.delete("/tap/sync").status_code == 405
    assert client.post("/tap/capabilities").status_code == 405


def test_cross_origin_requests_are_allowed(client: Client) -> None:
    assert get(client).headers["Access-Control-Allow-Origin"] == "*"
    assert get(client, "nonsense").headers["Access-Control-Allow-Origin"] == "*"


def test_uploads_of_a_votable(client: Client) -> None:
    buffer = io.BytesIO()
    Table({"id": [4_000_000_000_000_000_007, 5], "label": ["seven", "ü"]}).write(buffer, format="votable")
    part = SimpleUploadedFile("t.vot", buffer.getvalue(), "application/x-votable+xml")
    response = client.post(
        "/tap/sync",
        {
            "QUERY": "SELECT m.label, c.name FROM TAP_UPLOAD.mine AS m LEFT JOIN syn.cat AS c "
            "ON c.source_id = m.id ORDER BY m.label",
            "UPLOAD": "mine,param:table1",
            "table1": part,
            "RESPONSEFORMAT": "csv",
        },
    )
    assert rows_of(response) == [["seven", "S 7"], ["ü", ""]]


def test_an_upload_without_its_part(client: Client) -> None:
    response = client.post("/tap/sync", {"QUERY": "SELECT * FROM TAP_UPLOAD.t", "UPLOAD": "t,param:gone"})
    assert response.status_code == 400
    assert "gone" in error_of(response)


def test_capabilities(client: Client) -> None:
    response = client.get("/tap/capabilities")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = parse_capabilities(io.BytesIO(response.content))
    by_id = {item.standardid: item for item in found}
    assert {
        "ivo://ivoa.net/std/TAP",
        "ivo://ivoa.net/std/VOSI#capabilities",
        "ivo://ivoa.net/std/VOSI#availability",
        "ivo://ivoa.net/std/VOSI#tables-1.1",
        "ivo://ivoa.net/std/DALI#examples",
    } <= set(by_id)
    tap = by_id["ivo://ivoa.net/std/TAP"]
    (interface,) = tap.interfaces
    assert (interface.version, interface.accessurls[0].content) == ("1.1", "http://testserver/tap")
    (language,) = tap.languages
    assert [version.content for version in language.versions] == ["2.0", "2.1"]
    declared = {
        group.type.rpartition("#")[2]: [feature.form for feature in group]
        for group in language.languagefeaturelists
    }
    assert any(form.startswith("ivo_hasword(") for form in declared["features-udf"])
    assert {"POINT", "CONTAINS", "POLYGON"} <= set(declared["features-adqlgeo"])
    assert {alias for form in tap.outputformats for alias in form.aliases} >= {"votable", "csv", "fits"}
    assert {method.ivo_id.rpartition("#")[2] for method in tap.uploadmethods} == {
        "upload-inline",
        "upload-http",
    }
    limits = workers.query_settings()
    assert tap.outputlimit.default.content == limits.default_maxrec
    assert tap.outputlimit.hard.content == limits.hard_maxrec


def test_capabilities_declare_how_to_sign_in(client: Client, settings) -> None:
    settings.VOGATE_SECURITY_METHODS = ["ivo://ivoa.net/sso#BasicAA"]
    found = parse_capabilities(io.BytesIO(client.get("/tap/capabilities").content))
    (tap,) = [item for item in found if item.standardid == "ivo://ivoa.net/std/TAP"]
    methods = [method.standardid for method in tap.interfaces[0].securitymethods]
    assert methods == [None, "ivo://ivoa.net/sso#BasicAA"]


def test_availability(client: Client) -> None:
    found = parse_availability(io.BytesIO(client.get("/tap/availability").content))
    assert found.available
    assert found.upsince is not None


@pytest.mark.parametrize(("hours", "available"), [((1, 2), True), ((-1, 2), False), ((-2, -1), True)])
def test_availability_announces_downtimes(client: Client, settings, hours, available) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    start, end = (now + timedelta(hours=hour) for hour in hours)
    downtime = Downtime(start, end, "new disks")
    settings.SITE = dataclasses.replace(settings.SITE, downtimes=(downtime,))
    for path in ("/tap", "/datalink", "/provsap", "/scs/syn.cat"):
        found = parse_availability(io.BytesIO(client.get(f"{path}/availability").content))
        assert found.available is available, path
        if end > now:
            assert (found.downat, found.backat) == tuple(
                Time(moment, format="datetime", scale="utc") for moment in (start, end)
            )
            assert found.notes == ["new disks"]
        else:
            assert found.downat is None


def test_availability_says_what_is_wrong(client: Client, published_place, settings, tmp_path) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    for path in published_place.folder.glob("manifest*.json"):
        (broken / path.name).write_text(path.read_text())
    settings.VOGATE_ARCHIVE = broken
    if published_place.database:
        settings.VOGATE_TAP_DATABASE = f"postgresql://nobody@/none?host={broken}"
    found = parse_availability(io.BytesIO(client.get("/tap/availability").content))
    assert not found.available
    assert "archive" in found.notes[0]


def test_tables(client: Client) -> None:
    found = parse_tables(io.BytesIO(client.get("/tap/tables").content))
    tables = {table.name: table for schema in found.tableset.schemas for table in schema.tables}
    assert {"syn.cat", "syn.notes", "tap_schema.columns"} <= set(tables)
    columns = {column.name: column for column in tables["syn.cat"].columns}
    assert columns["ra"].unit == "deg"
    assert columns["ra"].flags == ["indexed"]
    assert columns['"size"'].datatype.content == "double"
    assert columns["name"].datatype.arraysize == "*"
    (key,) = tables["syn.notes"].foreignkeys
    assert key.targettable == "syn.cat"
    assert '"Note Text"' in [column.name for column in tables["syn.notes"].columns]


def test_tables_without_columns(client: Client) -> None:
    found = parse_tables(io.BytesIO(client.get("/tap/tables?detail=min").content))
    assert {len(table.columns) for schema in found.tableset.schemas for table in schema.tables} == {0}
    assert client.get("/tap/tables?detail=medium").status_code == 400


def test_one_table(client: Client) -> None:
    tree = etree.fromstring(client.get("/tap/tables/SYN.CAT").content)
    assert etree.QName(tree).localname == "table"
    assert tree.findtext("nrows") == str(catalogue.ROWS)
    assert len(tree.findall("column")) == len(catalogue.COLUMNS)
    assert client.get("/tap/tables/syn.nothing").status_code == 404


def test_examples_are_well_formed_and_run(client: Client) -> None:
    tree = etree.fromstring(client.get("/tap/examples").content)
    (body,) = tree.findall("{*}body")
    assert body.get("vocab") == "http://www.ivoa.net/rdf/examples#"
    found = body.findall(".//{*}div[@typeof='example']")
    assert len({item.get("id") for item in found}) == len(found) > 1
    for item in found:
        assert item.get("resource") == f"#{item.get('id')}"
        (query,) = item.findall("{*}pre[@property='query']")
        assert get(client, query.text).status_code == 200, query.text


def test_the_root_is_a_page_for_browsers(client: Client) -> None:
    page = client.get("/tap/", headers={"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
    assert "syn.cat" in page.content.decode()
    other = client.get("/tap/", headers={"Accept": "*/*"})
    assert (other.status_code, other.headers["Location"]) == (302, "http://testserver/tap/capabilities")
    assert client.get("/tap").headers["Location"] == "/tap/"


def test_unknown_addresses_give_a_dali_error(client: Client) -> None:
    response = client.get("/tap/nothing/here")
    assert response.status_code == 404
    assert "address" in error_of(response)


def test_a_browser_gets_its_form_back_with_what_is_wrong(client: Client) -> None:
    """It shows nothing of a VOTable that comes with an error's status."""
    query = "SELECT nosuch FROM syn.cat"
    response = client.get(
        "/tap/sync", {"QUERY": query, "RESPONSEFORMAT": "csv", "MAXREC": "7"}, headers=PEOPLE
    )
    assert (response.status_code, response.headers["Content-Type"]) == (400, "text/html; charset=utf-8")
    assert "Accept" in response.headers["Vary"]
    page = html.fromstring(response.content.decode())
    assert page.get_element_by_id("adql").text == query
    assert page.get_element_by_id("adql").get("aria-describedby") == "query-error"
    assert "nosuch" in page.get_element_by_id("query-error").text_content()
    assert page.xpath("//select[@id='format']/option[@selected]")[0].get("value") == "csv"
    assert page.get_element_by_id("maxrec").get("value") == "7"
    assert client.get("/tap/sync", headers=PEOPLE).status_code == 400
    assert "nosuch" in error_of(get(client, query))


def test_other_errors_are_pages_for_browsers(client: Client) -> None:
    for path in ("/tap/nothing/here", "/tap/tables/syn.nothing", "/scs/syn.nothing?RA=1&DEC=1&SR=1"):
        response = client.get(path, headers=PEOPLE)
        assert response.headers["Content-Type"].startswith("text/html"), path
        assert response.status_code in (400, 404)
        assert "Accept" in response.headers["Vary"]
        assert client.get(path).headers["Content-Type"].startswith(("application/x-votable", "text/xml")), (
            path
        )


def test_a_base_url_behind_a_proxy_is_used(client: Client, settings) -> None:
    settings.VOGATE_BASE_URL = "https://archive.example.org/vo"
    found = parse_capabilities(io.BytesIO(client.get("/tap/capabilities").content))
    assert found[0].interfaces[0].accessurls[0].content == "https://archive.example.org/vo/tap"
    response = get(client, "SELECT TOP 1 link FROM syn.cat WHERE name = 'S 1'", RESPONSEFORMAT="csv")
    assert rows_of(response) == [["https://archive.example.org/vo/data/1"]]


def test_what_is_said_of_a_table_has_whole_addresses() -> None:
    facts = [("terms", "Release 1: served at /data/r1/terms"), ("reference", "https://example.org/data/x")]
    assert output.with_addresses(facts, "https://archive.example.org/vo") == (
        ("terms", "Release 1: served at https://archive.example.org/vo/data/r1/terms"),
        ("reference", "https://example.org/data/x"),
    )


def test_tables_have_pages_for_browsers(client: Client) -> None:
    overview = client.get("/tap/tables", headers=PEOPLE)
    assert "Accept" in overview.headers["Vary"]
    page = overview.content.decode()
    assert 'href="/tap/tables/syn.cat"' in page
    assert f"{catalogue.ROWS:,}" in page
    page = client.get("/tap/tables/syn.cat", headers=PEOPLE).content.decode()
    assert "Positions are ra and dec" in page
    assert "http://testserver/scs/syn.cat?RA=" in page
    assert "/tap/tables/syn.cat/moc" in page
    assert "2025SynAp...1....1X" in page
    page = client.get("/tap/tables/syn.notes", headers=PEOPLE).content.decode()
    assert 'href="/tap/tables/syn.cat"' in page
    assert "/scs/" not in page
    assert client.get("/tap/tables/syn.nothing", headers=PEOPLE).status_code == 404
    for accept in (
        "*/*",
        "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2",
    ):  # the latter is Java's, so TOPCAT's
        for path in ("/tap/tables", "/tap/tables/syn.cat"):
            response = client.get(path, headers={"Accept": accept})
            assert response.headers["Content-Type"].startswith("text/xml")
