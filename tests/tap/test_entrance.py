"""Strangers' requests take a short way through Django, and get what the whole chain would answer."""

from __future__ import annotations

from urllib.parse import urlencode

import pytest
from django.contrib.sessions.models import Session
from django.core.wsgi import get_wsgi_application
from django.db import connection
from django.test.utils import CaptureQueriesContext

from gateway.entrance import Entrance
from tap.archive import Manifest
from tests.support.wsgi import ask

QUERY = {"LANG": "ADQL", "QUERY": "SELECT TOP 3 schema_name FROM tap_schema.schemas ORDER BY schema_name"}


@pytest.fixture
def entrance(published: Manifest) -> Entrance:
    return Entrance(get_wsgi_application())


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("method", "path", "environ"),
    [
        ("GET", f"/tap/sync?{urlencode(QUERY)}&RESPONSEFORMAT=csv", {}),
        ("HEAD", f"/tap/sync?{urlencode(QUERY)}&RESPONSEFORMAT=csv", {}),
        ("GET", "/tap/sync?LANG=ADQL&QUERY=SELECT+1+FROM", {}),
        ("GET", "/tap/sync", {}),
        ("PUT", "/tap/sync", {}),
        ("OPTIONS", "/tap/sync", {"HTTP_ACCESS_CONTROL_REQUEST_METHOD": "POST"}),
        ("GET", "/tap/async/nothing-of-this-name", {}),
        ("GET", "/scs/no.table?RA=1&DEC=1&SR=1", {}),
        ("GET", f"/tap/sync?{urlencode(QUERY)}&RESPONSEFORMAT=csv", {"HTTP_HOST": "bad host"}),
    ],
)
def test_both_ways_give_the_same_answer(
    entrance: Entrance, method: str, path: str, environ: dict[str, str]
) -> None:
    assert ask(entrance.short, method, path, **environ) == ask(entrance.whole, method, path, **environ)


@pytest.mark.django_db
def test_a_strangers_query_asks_the_database_nothing(entrance: Entrance) -> None:
    with CaptureQueriesContext(
        connection,
    ) as asked:
        status, _, data = ask(
            entrance, "POST", "/tap/sync", urlencode({**QUERY, "RESPONSEFORMAT": "csv"}).encode()
        )
    assert status.startswith("200")
    assert b"tap_schema" in data
    assert asked.captured_queries == []
    assert Session.objects.count() == 0


@pytest.mark.django_db
@pytest.mark.parametrize(
    "credentials", [{"HTTP_AUTHORIZATION": "Bearer nonsense"}, {"HTTP_COOKIE": "sessionid=x"}]
)
def test_credentials_take_the_whole_way(
    entrance: Entrance, credentials: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(entrance, "short", None)
    status, _, _ = ask(entrance, "GET", f"/tap/sync?{urlencode(QUERY)}", **credentials)
    assert status[:3] == ("401" if "HTTP_AUTHORIZATION" in credentials else "200")
