"""Metrics and plans: who may see them, and that they say what happened."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from tap import metrics

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("published")]


@pytest.fixture(autouse=True)
def fresh(tmp_path: Path, settings) -> None:
    settings.VOGATE_HOME = tmp_path
    metrics._counts.clear()
    metrics._written = 0.0


def value(client: Client, sample: str) -> float:
    text = client.get("/metrics").content.decode()
    found = re.search(rf"^{re.escape(sample)} (\S+)$", text, re.MULTILINE)
    return float(found.group(1)) if found else 0.0


def ask(client: Client, query: str) -> int:
    response = client.get("/tap/sync", {"LANG": "ADQL", "QUERY": query})
    response.getvalue()
    return response.status_code


def test_queries_are_counted_by_how_they_ended(client: Client) -> None:
    assert ask(client, "SELECT TOP 3 ra FROM syn.cat") == 200
    assert ask(client, "SELECT TOP 3 ra FROM syn.cat") == 200
    assert ask(client, "SELECT CAST(name AS INTEGER) FROM syn.cat") == 400
    assert value(client, 'vogate_queries_total{outcome="ok"}') == 2
    assert value(client, 'vogate_queries_total{outcome="error"}') == 1
    assert value(client, "vogate_query_seconds_count") == 3
    assert value(client, 'vogate_query_seconds_bucket{le="+Inf"}') == 3
    assert value(client, 'vogate_query_slots{state="waiting"}') == 0


def test_counts_of_processes_that_ended_stay(client: Client) -> None:
    folder = metrics.folder()
    folder.mkdir(parents=True)
    (folder / "999999999.json").write_text(json.dumps({"queries|ok": 5, "seconds": 1.5}))
    for _ in range(2):
        assert value(client, 'vogate_queries_total{outcome="ok"}') == 5
    assert [path.name for path in folder.glob("*.json")] == [metrics.PAST]


def test_metrics_are_for_operators(client: Client, settings) -> None:
    settings.SITE = replace(settings.SITE, query={**settings.SITE.query, "metrics_from": ["10.0.0.1"]})
    assert client.get("/metrics").status_code == 403
    client.force_login(get_user_model().objects.create_user("op", is_staff=True))
    assert client.get("/metrics").status_code == 200


def test_plans_are_for_operators(client: Client) -> None:
    query = {"QUERY": "SELECT ra FROM syn.cat"}
    assert client.get("/tap/explain", query).status_code == 403
    client.force_login(get_user_model().objects.create_user("op", is_staff=True))
    plan = client.get("/tap/explain", query)
    assert plan.status_code == 200
    assert '"s_syn"."' in plan.content.decode()
    assert re.search("(?i)scan", plan.content.decode().split("LIMIT", 1)[1])
    assert client.get("/tap/explain", {"QUERY": "SELECT nothing FROM syn.cat"}).status_code == 400
