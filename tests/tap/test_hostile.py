"""Mutated queries, uploads and requests: refused in the protocol's own form, never a 5xx, a traceback, the content
of a file of the server's, or a row of another user's.

A fixed 300 of them for each engine in the suite; VOGATE_LONG=1 makes 6,000 (VOGATE_HOSTILE=n any other number). The
seed of a request is printed when it fails.
"""

from __future__ import annotations

import gzip
import io
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.table import Table
from django.contrib.auth import get_user_model
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from lxml import etree

from gateway.vo.caller import Caller
from tap import postgres_manifest, workers
from tap.copies import keeper
from tests.tap.conftest import Place, publish_catalogue, served_here
from uws import controller

pytestmark = pytest.mark.django_db

COUNT = int(os.environ.get("VOGATE_HOSTILE", "6000" if os.environ.get("VOGATE_LONG") else "300")) // 3
"""Requests of each of three kinds."""
SECONDS = float(os.environ.get("VOGATE_HOSTILE_SECONDS", "5"))
"""How long query workers are killed."""
PRIVATE = "a-run-of-somebody-else"
QUERIES = (
    "SELECT TOP 5 * FROM syn.cat WHERE 1=CONTAINS(POINT('ICRS', ra, dec), CIRCLE('ICRS', 10, 20, 3))",
    'SELECT a.name, b."Note Text" FROM syn.cat AS a LEFT JOIN syn.notes AS b USING (source_id) ORDER BY 1',
    "WITH w AS (SELECT AVG(mag) AS m FROM syn.cat GROUP BY n_obs) SELECT MAX(m) FROM w",
    "SELECT COUNT(*) FROM syn.cat WHERE name LIKE 'S 1%' AND mag BETWEEN 10 AND 1e2 UNION SELECT 1 FROM syn.cat",
    "SELECT TOP 3 u.* FROM TAP_UPLOAD.t AS u",
    "SELECT job_id, run_id, phase FROM uws.job WHERE run_id IS NOT NULL OR 1 = 1 ORDER BY creation_time",
    "SELECT c.name, j.run_id FROM syn.cat AS c, uws.job AS j WHERE c.n_obs IN (SELECT 5 FROM uws.job)",
    "SELECT TOP 9 AREA(MOC(3, CIRCLE(ra, dec, 1))), ivo_histogram(mag, 1, 20, 5) FROM syn.cat GROUP BY ra, dec",
    "SELECT vogate_moc_agg(5, ra, dec), CAST(MAX(mag) AS VARCHAR(9)) || 'x' FROM syn.cat WHERE POWER(mag, 2) > 0x1F",
    "SELECT TOP 9 ra, dec, name FROM syn.cat",
    "SELECT u.ra, c.name FROM TAP_UPLOAD.t AS u JOIN syn.cat AS c ON DISTANCE(u.ra, u.ra, c.ra, c.dec) < 1.5",
    "SELECT TOP 9 mag FROM syn.cat WHERE DISTANCE(ra, dec, 10, 20) < 95 AND mag > 15 AND n_obs IS NOT NULL",
    "SELECT TOP 5 ra FROM syn.cat WHERE 1 = INTERSECTS(MOC('3/1-500'), REGION('Union (Circle 1 2 3 Box 4 5 6 7)'))",
)
BITS = (
    *(
        "'",
        '"',
        "--",
        "/*",
        "*/",
        ";",
        "(",
        ")",
        "\x00",
        "\udcff".encode("utf-8", "replace").decode(),
        "é",
        "\U0001f600",
    ),
    *(" OR 1=1", "; DROP TABLE cat", "read_csv('/etc/passwd')", "pg_sleep(9)", "1e999", "9" * 400, "-" * 300),
    *(
        "(" * 200,
        "SELECT ",
        "NULL",
        "/0",
        "%",
        "{}",
        "\\",
        "COPY x TO '/tmp/y'",
        "ATTACH ':memory:'",
        "PRAGMA x",
    ),
)
VOTABLE = (
    b'<?xml version="1.0"?><VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3"><RESOURCE><TABLE>'
    b'<FIELD name="ra" datatype="double" unit="deg"/><FIELD name="n" datatype="int"><VALUES null="-1"/></FIELD>'
    b'<FIELD name="s" datatype="char" arraysize="*"/><DATA><TABLEDATA>'
    + b"<TR><TD>10.5</TD><TD>3</TD><TD>a &amp; b</TD></TR>" * 20
    + b"</TABLEDATA></DATA></TABLE></RESOURCE></VOTABLE>"
)
BINARY = (
    b'<VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3"><RESOURCE><TABLE>'
    b'<FIELD name="ra" datatype="double"/><DATA><BINARY2><STREAM encoding="base64">'
    b"AEAkAAAAAAAAAEAkAAAAAAAA</STREAM></BINARY2></DATA></TABLE></RESOURCE></VOTABLE>"
)
PARQUET, FITS = io.BytesIO(), io.BytesIO()
pq.write_table(pa.table({"ra": [1.5, None], "s": ["x", "y"], "l": [[1, 2], []], "b": [True, None]}), PARQUET)
Table({"ra": [1.5, 2.5], "s": ["x", "yy"], "n": [3, 4], "a": [[1, 2], [3, 4]]}).write(FITS, format="fits")
BOMB = gzip.compress(b"ra\n" + b"1.5\n" * 3_000_000)
LAUGHS = (
    b'<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "aaaaaaaaaa">'
    + b"".join(b'<!ENTITY %c "%s">' % (98 + i, b"&%c;" % (97 + i) * 10) for i in range(9))
    + b']><VOTABLE version="1.4"><RESOURCE><TABLE><DESCRIPTION>&j;</DESCRIPTION></TABLE></RESOURCE></VOTABLE>'
)
CSV = b'ra,n,s\n1.5,2,x\n2.5,,"y, z"\n'
PIECES = (
    b"<!DOCTYPE x [<!ENTITY a SYSTEM 'file:///etc/passwd'>]>",
    b"&a;",
    b"&#0;",
    b'<STREAM href="file:///etc/passwd"/>',
    b"<TR>",
    b"</TD>",
    b"<TD/>",
    b"\x00",
    b"\xff\xfe",
    b"<![CDATA[",
    b"<!--",
    b'datatype="long"',
    b'arraysize="99999999999"',
    b"1e400",
    b"NaN",
    b"=" * 50,
)
UPLOADS = (VOTABLE, VOTABLE, BINARY, CSV, PARQUET.getvalue(), FITS.getvalue(), BOMB, LAUGHS)
SECRETS = (PRIVATE.encode(), b"root:x:", b"Traceback", b"site-packages", b".duckdb", b"/etc/passwd:")


def text_mutant(source: str, dice: random.Random) -> str:
    for _ in range(dice.randint(1, 4)):
        place = dice.randrange(len(source) + 1)
        kind = dice.randrange(4)
        if kind == 0:
            source = source[:place] + dice.choice(BITS) + source[place:]
        elif kind == 1:
            source = source[:place] + source[place + dice.randint(1, 12) :]
        elif kind == 2:
            source = source[:place]
        else:
            words = source.split(" ")
            dice.shuffle(words)
            source = " ".join(words)
    return source


def byte_mutant(source: bytes, dice: random.Random) -> bytes:
    for _ in range(dice.randint(1, 3)):
        place = dice.randrange(len(source) + 1)
        kind = dice.randrange(4)
        if kind == 0:
            source = source[:place] + dice.choice(PIECES) + source[place:]
        elif kind == 1:
            source = source[:place] + source[place + dice.randint(1, 60) :]
        elif kind == 2:
            source = source[:place] + bytes([dice.randrange(256)]) + source[place + 1 :]
        else:
            source = source[:place]
    return source


def check(response, note: object) -> None:
    body = response.getvalue()
    assert response.status_code < 500, (response.status_code, note, body[:500])
    assert not any(secret in body for secret in SECRETS), (note, body[:500])
    if response.headers["Content-Type"].startswith("application/x-votable+xml"):
        status = etree.fromstring(body).findall(".//{*}INFO[@name='QUERY_STATUS']")
        assert status, note
        if response.status_code >= 400:
            assert status[0].get("value") == "ERROR"


def bombard(shoot: Callable[[random.Random], None]) -> None:
    """COUNT requests, each with a seed of its own."""
    for seed in range(COUNT):
        try:
            shoot(random.Random(seed))
        except BaseException:
            print(f"seed {seed}")
            raise


LIVE = ["uws.tables"]


@pytest.fixture(scope="module")
def with_jobs(
    tmp_path_factory: pytest.TempPathFactory, engine: str, request: pytest.FixtureRequest
) -> Iterator[Place]:
    """The catalogue beside the callers' jobs."""
    yield publish_catalogue("hostile", LIVE, tmp_path_factory, engine, request)
    workers.reset()
    postgres_manifest.forget()


@pytest.fixture(autouse=True)
def private_rows(with_jobs: Place, settings) -> None:
    """A job that is not the caller's, in a table that queries may name."""
    served_here(with_jobs, settings, LIVE)
    keeper.refresh()
    owner = get_user_model().objects.create_user("somebody", password="else")
    caller = Caller(user_id=owner.pk, username="somebody", method="session")
    controller.create("tap", {"QUERY": "SELECT 1 FROM t"}, caller, run_id=PRIVATE)


def test_the_private_row_is_there_for_its_owner(client: Client) -> None:
    """What the other tests look for could be found."""
    query = {"QUERY": "SELECT run_id FROM uws.job", "RESPONSEFORMAT": "csv"}
    assert PRIVATE.encode() not in client.get("/tap/sync", query).getvalue()
    client.force_login(get_user_model().objects.get(username="somebody"))
    assert PRIVATE.encode() in client.get("/tap/sync", query).getvalue()


def test_mutated_queries(client: Client) -> None:
    def shoot(dice: random.Random) -> None:
        query = text_mutant(dice.choice(QUERIES), dice)
        path = dice.choice(("/tap/sync", "/tap/sync", "/scs/syn.cat"))
        if path == "/tap/sync":
            check(client.post(path, {"LANG": "ADQL", "QUERY": query, "MAXREC": "20"}), query)
        else:
            values = {name: text_mutant("10.5", dice) for name in ("RA", "DEC", "SR")}
            check(client.get(path, values), values)

    bombard(shoot)


def test_mutated_uploads(client: Client) -> None:
    def shoot(dice: random.Random) -> None:
        data = byte_mutant(dice.choice(UPLOADS), dice)
        check(
            client.post(
                "/tap/sync",
                {
                    "LANG": "ADQL",
                    "QUERY": "SELECT * FROM TAP_UPLOAD.t",
                    "UPLOAD": "t,param:f",
                    "f": SimpleUploadedFile("f", data),
                },
            ),
            data,
        )

    bombard(shoot)


def test_an_upload_of_fifty_megabytes_and_more(client: Client) -> None:
    """Too large is too large, whether it says so or unpacks to it."""
    limit = workers.query_settings().upload_bytes
    large = b"ra\n" + b"123456789.25\n" * (limit // 13 + 10)
    for data, status in ((large, 413), (large[: limit - 9], 413), (BOMB, 400)):
        response = client.post(
            "/tap/sync",
            {
                "QUERY": "SELECT COUNT(*) FROM TAP_UPLOAD.t",
                "UPLOAD": "t,param:f",
                "f": SimpleUploadedFile("f", data),
            },
        )
        check(response, len(data))
        assert response.status_code == status


def test_mutated_parameters(client: Client) -> None:
    values = {
        "LANG": ("ADQL", "ADQL-2.1", "SQL", "PQL", ""),
        "MAXREC": ("0", "-1", "1e3", "99999999999999999999", "x", "5"),
        "RESPONSEFORMAT": (
            "csv",
            "votable",
            "fits",
            "text/xml",
            "application/x-votable+xml;version=9",
            "json",
            "",
        ),
        "UPLOAD": (
            "t,file:///etc/passwd",
            "t,http://127.0.0.1:1/x",
            "t,http://[::1]/",
            "t,http://localhost/",
            "t,http://2130706433/",
            "t,http://0x7f.1/metrics",
            "t,http://169.254.169.254/latest/meta-data/",
            "t,ftp://127.0.0.1/x",
            "t,data:text/csv,a%0A1",
            "t",
            ";,;",
            "select,param:x",
        ),
        "REQUEST": ("doQuery", "getCapabilities", "x"),
        "QUERY": QUERIES,
    }

    def shoot(dice: random.Random) -> None:
        pairs = []
        for name, choices in values.items():
            if name in ("LANG", "QUERY") or dice.random() < 0.3:
                value = dice.choice(choices)
                pairs.append((name, text_mutant(value, dice) if dice.random() < 0.2 else value))
        sent = dict(pairs)
        check(client.get("/tap/sync", sent) if dice.random() < 0.5 else client.post("/tap/sync", sent), sent)
        check(client.get("/tap/tables/" + text_mutant("syn.cat", dice).replace("/", "") + "x"), sent)

    bombard(shoot)


def test_killed_workers_under_load(client: Client) -> None:
    """Each client gets an answer or an error that says so, and the service goes on."""
    stop = threading.Event()
    done: list[int] = []
    wrong: list[bytes] = []

    def ask() -> None:
        own = Client()
        while not stop.is_set():
            response = own.get(
                "/tap/sync",
                {"LANG": "ADQL", "QUERY": "SELECT COUNT(*) FROM syn.cat", "RESPONSEFORMAT": "csv"},
            )
            done.append(response.status_code)
            body = response.getvalue()
            if response.status_code not in (200, 503) or b"Traceback" in body:
                wrong.append(body[:300])

    askers = [threading.Thread(target=ask) for _ in range(4)]
    for asker in askers:
        asker.start()
    end = time.monotonic() + max(SECONDS / 2, 2)
    while time.monotonic() < end:
        for pid in workers.engine().processes()[:1]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        time.sleep(0.2)
    stop.set()
    for asker in askers:
        asker.join(60)
        assert not asker.is_alive()
    assert not wrong
    assert 200 in done
    assert (
        client.get("/tap/sync", {"LANG": "ADQL", "QUERY": "SELECT COUNT(*) FROM syn.cat"}).status_code == 200
    )
