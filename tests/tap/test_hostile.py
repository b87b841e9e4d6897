"""Mutated queries, uploads and requests: refused in the protocol's own form, never a 5xx or a traceback.

VOGATE_HOSTILE_SECONDS says how long each kind goes on (default 5 s); the seed is printed when it fails.
"""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Callable

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from lxml import etree

from tap import workers

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("published")]

SECONDS = float(os.environ.get("VOGATE_HOSTILE_SECONDS", "5"))
QUERIES = (
    "SELECT TOP 5 * FROM syn.cat WHERE 1=CONTAINS(POINT('ICRS', ra, dec), CIRCLE('ICRS', 10, 20, 3))",
    'SELECT a.name, b."Note Text" FROM syn.cat AS a LEFT JOIN syn.notes AS b USING (source_id) ORDER BY 1',
    "WITH w AS (SELECT AVG(mag) AS m FROM syn.cat GROUP BY n_obs) SELECT MAX(m) FROM w",
    "SELECT COUNT(*) FROM syn.cat WHERE name LIKE 'S 1%' AND mag BETWEEN 10 AND 1e2 UNION SELECT 1 FROM syn.cat",
    "SELECT TOP 3 u.* FROM TAP_UPLOAD.t AS u",
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
SECRETS = (b"root:x:", b"Traceback", b"site-packages", b".duckdb", b"/etc/passwd:")


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
    """Go on for SECONDS with one seed after the other, at least 50 of them."""
    begun, seed = time.monotonic(), 0
    while seed < 50 or time.monotonic() - begun < SECONDS:
        shoot(random.Random(seed))
        seed += 1


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
        data = byte_mutant(dice.choice((VOTABLE, VOTABLE, BINARY, CSV)), dice)
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
