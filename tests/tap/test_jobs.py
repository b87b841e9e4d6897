"""TAP queries as UWS jobs: created over HTTP, run as the worker runs them, fetched again."""

from __future__ import annotations

import io
import threading
from pathlib import Path

import pytest
from astropy.io.votable import parse_single_table
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from lxml import etree

from tests.tap import catalogue
from uws import moves, queue, runners
from uws.models import Job

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("published", "jobs_folder")]

UWS = "{http://www.ivoa.net/xml/UWS/v1.0}"
QUERY = "SELECT TOP 3 name, ra FROM syn.cat ORDER BY source_id"
SLOW = "SELECT COUNT(*) AS n FROM syn.cat AS a, syn.cat AS b, syn.cat AS c WHERE a.ra * b.ra * c.ra > 1"


@pytest.fixture
def jobs_folder(tmp_path: Path, settings) -> Path:
    settings.VOGATE_JOBS = tmp_path / "jobs"
    return settings.VOGATE_JOBS


def create(client: Client, **parameters: object) -> str:
    """The path of a new job."""
    response = client.post("/tap/async", {"LANG": "ADQL", "PHASE": "RUN", **parameters})
    assert response.status_code == 303, response.content
    return response.headers["Location"].removeprefix("http://testserver")


def work() -> Job:
    """Run the next queued job in this thread."""
    job = queue.claim(["runner"], "test worker", "test host")
    assert job is not None
    outcome = runners.execute(job, runners.Context(job))
    assert outcome is not None
    moves.finish(job.pk, job.attempt, outcome)
    job.refresh_from_db()
    return job


def test_a_job_gives_the_same_table_as_sync(client: Client) -> None:
    path = create(client, QUERY=QUERY)
    assert work().phase == "COMPLETED"
    document = etree.fromstring(client.get(path).content)
    (result,) = document.findall(f"{UWS}results/{UWS}result")
    assert result.get("id") == "result"
    href = result.get("{http://www.w3.org/1999/xlink}href")
    assert href == f"http://testserver{path}/results/result"
    response = client.get(f"{path}/results/result")
    assert response.headers["Content-Type"] == "application/x-votable+xml"
    data = b"".join(response.streaming_content)
    table = parse_single_table(io.BytesIO(data))
    assert list(table.array["name"]) == ["S 0", "S 1", "S 2"]
    sync = parse_single_table(io.BytesIO(client.get("/tap/sync", {"QUERY": QUERY}).content))
    assert [(f.name, f.datatype, f.arraysize, f.ucd) for f in table.fields] == [
        (f.name, f.datatype, f.arraysize, f.ucd) for f in sync.fields
    ]


def test_format_and_maxrec(client: Client) -> None:
    path = create(client, QUERY="SELECT name FROM syn.cat", MAXREC="2", RESPONSEFORMAT="csv")
    work()
    response = client.get(f"{path}/results/result")
    assert response.headers["Content-Type"].startswith("text/csv")
    assert len(b"".join(response.streaming_content).splitlines()) == 3


def test_all_rows_of_a_large_result(client: Client) -> None:
    path = create(client, QUERY="SELECT source_id, name FROM syn.cat", MAXREC="100000", FORMAT="csv")
    work()
    data = b"".join(client.get(f"{path}/results/result").streaming_content)
    assert len(data.splitlines()) == catalogue.ROWS + 1


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"QUERY": "SELECT nmae FROM syn.cat"}, "Line 1, column 8"),
        ({"QUERY": QUERY, "LANG": "SQL"}, "LANG"),
        ({"QUERY": QUERY, "RESPONSEFORMAT": "xls"}, "RESPONSEFORMAT"),
        ({"QUERY": "SELECT CAST(name AS INTEGER) AS n FROM syn.cat"}, "Could not convert"),
        ({"QUERY": "SELECT * FROM tap_upload.t", "UPLOAD": "t,param:gone"}, "gone"),
    ],
)
def test_wrong_requests_end_in_error(client: Client, parameters: dict[str, str], message: str) -> None:
    path = create(client, **parameters)
    assert work().phase == "ERROR"
    document = etree.fromstring(client.get(path).content)
    assert message in document.findtext(f"{UWS}errorSummary/{UWS}message")
    assert message in client.get(f"{path}/error").content.decode()


def test_an_error_between_rows_is_no_completed_job(client: Client) -> None:
    bad = catalogue.ROWS - 1
    query = f"SELECT source_id, CASE WHEN name = 'S {bad}' THEN CAST(name AS INTEGER) ELSE 1 END AS n FROM syn.cat"
    path = create(client, QUERY=query, MAXREC="100000")
    assert work().phase == "ERROR"
    assert client.get(f"{path}/results/result").status_code == 404


def test_uploads_travel_with_the_job(client: Client) -> None:
    part = SimpleUploadedFile("t.csv", b"id,tag\n4000000000000000007,seven\n", "text/csv")
    path = create(
        client,
        QUERY="SELECT m.tag, c.name FROM tap_upload.mine AS m JOIN syn.cat AS c ON c.source_id = m.id",
        UPLOAD="mine,param:part1",
        part1=part,
        FORMAT="csv",
    )
    work()
    data = b"".join(client.get(f"{path}/results/result").streaming_content)
    assert data == b"tag,name\r\nseven,S 7\r\n"


def test_a_job_can_be_filled_in_after_its_creation(client: Client) -> None:
    response = client.post("/tap/async", {"LANG": "ADQL"})
    path = response.headers["Location"].removeprefix("http://testserver")
    client.post(f"{path}/parameters", {"QUERY": QUERY, "FORMAT": "csv"})
    client.post(f"{path}/phase", {"PHASE": "RUN"})
    work()
    assert client.get(f"{path}/phase").content == b"COMPLETED"


def test_uploads_of_several_requests_add_up(client: Client) -> None:
    """Each brings a table; the same one again replaces its rows, and PUT what UPLOAD says."""

    def part(text: str) -> SimpleUploadedFile:
        return SimpleUploadedFile("t.csv", text.encode(), "text/csv")

    first = client.post("/tap/async", {"LANG": "ADQL", "UPLOAD": "a,param:p", "p": part("x\n1\n")})
    path = first.headers["Location"].removeprefix("http://testserver")
    client.post(f"{path}/parameters", {"UPLOAD": "b,param:q", "q": part("y\n2\n")})
    client.post(f"{path}/parameters", {"UPLOAD": "a,param:p", "p": part("x\n3\n")})
    client.post(
        f"{path}/parameters", {"QUERY": "SELECT x, y FROM tap_upload.a, tap_upload.b", "FORMAT": "csv"}
    )
    client.post(f"{path}/phase", {"PHASE": "RUN"})
    work()
    assert b"".join(client.get(f"{path}/results/result").streaming_content) == b"x,y\r\n3,2\r\n"
    other = client.post("/tap/async", {"LANG": "ADQL", "UPLOAD": "a,param:p", "p": part("x\n1\n")})
    path = other.headers["Location"].removeprefix("http://testserver")
    client.put(f"{path}/parameters/UPLOAD", b"c,param:p")
    assert client.get(f"{path}/parameters/UPLOAD").content == b"c,param:p"


def test_aborting_stops_the_query(client: Client) -> None:
    path = create(client, QUERY=SLOW)
    job = queue.claim(["runner"], "test worker", "test host")
    assert job is not None
    context = runners.Context(job)
    threading.Timer(0.3, context.cancel, ["ABORTED"]).start()
    outcome = runners.execute(job, context)
    assert outcome is not None
    assert outcome.phase == "ABORTED"
    moves.finish(job.pk, job.attempt, outcome)
    assert client.get(f"{path}/phase").content == b"ABORTED"
