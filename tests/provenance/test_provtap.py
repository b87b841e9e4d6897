"""The classes as tables of the TAP service: rights, metadata, and the queries of docs/provenance.md."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
from django.contrib.auth import get_user_model

from gateway.vo.caller import ANONYMOUS, Caller
from gateway.vo.columns import Column, Schema, Table
from provenance import recorder
from provenance.records import AgentRecord, ConfigFileRecord, DescriptionRecord, GeneratedRecord, UsedRecord
from provenance.tables import TABLES
from tap import archive, publish, service, workers
from tap.adql.words import RESERVED
from uws.models import Job, Rights

from .builders import OPERATOR, activity, observation, result, sha256

pytestmark = pytest.mark.django_db

DOCUMENTATION = Path(__file__).parents[2] / "docs" / "provenance.md"
QUERIES = re.findall(r"```sql\n(.*?)```", DOCUMENTATION.read_text(encoding="utf-8"), re.DOTALL)
MINE, LATER, BROKEN, OTHERS = (letter * 26 for letter in "abcd")


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """An archive with a small ivoa.obscore."""
    from django.test import override_settings

    columns = (
        Column("obs_publisher_did", "char", "*"),
        Column("obs_id", "char", "*"),
        Column("target_name", "char", "*"),
        Column("s_ra", unit="deg"),
        Column("s_dec", unit="deg"),
        Column("t_exptime", unit="s"),
    )
    rows = pa.table(
        {
            "obs_publisher_did": [observation(n).id for n in (1, 2)],
            "obs_id": ["1", "2"],
            "target_name": ["Crab", "Crab"],
            "s_ra": [83.6, 83.7],
            "s_dec": [22.0, 22.1],
            "t_exptime": [1600.0, 1700.0],
        }
    )
    folder = tmp_path_factory.mktemp("provtap")
    with override_settings(VOGATE_ARCHIVE=folder):
        table = Table("ivoa", "obscore", columns, position=("s_ra", "s_dec"))
        publish.publish_schema(Schema("ivoa", (table,)), {"obscore": rows})
        workers.reset()
        yield folder
        workers.reset()


@pytest.fixture
def caller(published, settings):
    """A user with a chain of two jobs, a failure, and somebody else's job beside them."""
    settings.VOGATE_ARCHIVE = published
    users = [get_user_model().objects.create_user(name) for name in ("ada", "ben")]
    for job, user in zip((MINE, LATER, BROKEN, OTHERS), (*users[:1] * 3, users[1]), strict=True):
        Job.objects.create(
            id=job,
            tool_name="spectrum",
            owner=user,
            rights=Rights.ACCOUNT,
            phase="ERROR" if job == BROKEN else "COMPLETED",
            error_message="No events." if job == BROKEN else "",
            destruction="2030-01-01T00:00Z",
        )
    who = AgentRecord(f"user:{users[0].pk}", "ada@example.org", email="ada@example.org")
    given = (UsedRecord(observation(1), role="events"),)
    recorder.record(
        activity(
            MINE, used=given, agents=(who,), configFiles=(ConfigFileRecord("run.yaml", sha256="ab" * 32),)
        )
    )
    made = GeneratedRecord(result(LATER, text=f"{MINE} flux_points"), role="flux_points")
    recorder.record(
        activity(LATER, used=(UsedRecord(result(MINE), role="table"),), generated=(made,), agents=(who,))
    )
    newer = replace(observation(1), sha256=sha256("recalibrated"))
    failed = activity(
        BROKEN, used=(UsedRecord(newer, role="events"),), generated=(), phase="ERROR", agents=(who,)
    )
    recorder.record(failed)
    tool = DescriptionRecord("secret tool", "9")
    secret = activity(
        OTHERS, name="secret", description=tool, used=given, agents=(replace(OPERATOR, name="ben"),)
    )
    recorder.record(replace(secret, generated=(GeneratedRecord(result(OTHERS, "secret"), role="secret"),)))
    return Caller(user_id=users[0].pk, username="ada")


def ask(text, caller):
    return service.fetch(text, caller)[1].to_pylist()


@pytest.mark.parametrize("query", QUERIES, ids=lambda text: text.split("\n", 1)[0][:40])
def test_the_queries_of_the_documentation_find_something_of_the_callers(query, caller):
    rows = ask(query, caller)
    assert rows
    assert "secret" not in repr(rows)
    assert OTHERS not in repr(rows)


def test_there_are_ten_of_them():
    assert len(QUERIES) == 10
    assert sum("ivoa.obscore" in query for query in QUERIES) >= 5
    assert sum("uws.job" in query for query in QUERIES) >= 3


@pytest.mark.parametrize("table", [table.name for table in TABLES])
def test_every_table_gives_its_columns_and_nothing_of_others(table, caller):
    rows = ask(f"SELECT * FROM provenance.{table}", caller)
    assert "secret" not in repr(rows)
    assert OTHERS not in repr(rows)
    assert "ada@example.org" not in repr(rows)
    empty = {"hadmember", "wasinformedby", "wasderivedfrom"}
    assert rows or table in empty
    names = [column.name for item in TABLES if item.name == table for column in item.columns]
    assert all(list(row) == names for row in rows)


def test_anonymous_callers_find_public_things_alone(caller):
    assert ask("SELECT id FROM provenance.activity", ANONYMOUS) == []
    assert ask("SELECT job_id FROM uws.job", ANONYMOUS) == []
    assert ask("SELECT id FROM provenance.activitydescription", ANONYMOUS) == []
    found = ask("SELECT id FROM provenance.entity WHERE kind = 'Dataset'", ANONYMOUS)
    assert found == [{"id": observation(1).id}]


def test_staff_find_everything(caller):
    rows = ask("SELECT id FROM provenance.activity", Caller(user_id=99, is_staff=True))
    assert {row["id"] for row in rows} == {MINE, LATER, BROKEN, OTHERS}


def test_the_account_finds_its_tombstones(caller):
    recorder.forget(MINE)
    Job.objects.filter(pk=MINE).delete()
    rows = ask(f"SELECT invalidatedattime FROM provenance.activity WHERE id = '{MINE}'", caller)
    assert rows[0]["invalidatedattime"]


def test_counting_follows_the_same_rights(caller):
    assert service.count("SELECT id FROM provenance.activity", caller) == 3


def test_tap_schema_describes_the_tables(caller):
    found = ask("SELECT table_name, utype FROM tap_schema.tables WHERE schema_name = 'provenance'", caller)
    assert {row["table_name"] for row in found} == {f"provenance.{table.name}" for table in TABLES}
    assert {"table_name": "provenance.activity", "utype": "voprov:Activity"} in found
    keys = ask("SELECT from_table, target_table FROM tap_schema.keys", caller)
    assert {"from_table": "provenance.used", "target_table": "provenance.entity"} in keys
    columns = ask("SELECT * FROM tap_schema.columns WHERE table_name LIKE 'provenance.%'", caller)
    assert all(row["utype"] and row["description"] for row in columns)


def test_no_name_has_to_be_quoted():
    names = {column.name for table in TABLES for column in table.columns} | {table.name for table in TABLES}
    assert not {name.upper() for name in names} & RESERVED


def test_a_manifest_of_before_is_completed(published, settings, tmp_path):
    settings.VOGATE_ARCHIVE = tmp_path
    settings.VOGATE_LIVE_SCHEMAS = []
    publish.ensure_archive()
    settings.VOGATE_LIVE_SCHEMAS = ["provenance.tap"]
    assert {schema.name for schema in archive.ready().schemas} == {"tap_schema", "provenance"}
