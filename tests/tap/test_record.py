"""The provenance of published tables and of the queries that read them."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.cli.main import parser
from gateway.vo.caller import Caller
from provenance import models
from provenance.lineage import Node, lineage
from provenance.records import upload_id
from tap import publish_commands
from uws import controller, moves, queue, replay, results, runners
from uws.models import Job

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("empty_archive")]


def publish(path: Path) -> None:
    args = parser().parse_args(["publish", str(path), "--schema", "test", "--table", "stars"])
    assert publish_commands.publish(args) == 0


def query(caller: Caller, text: str) -> Job:
    job = controller.create("tap", {"LANG": "ADQL", "QUERY": text, "FORMAT": "csv"}, caller, run=True)
    claimed = queue.claim(["runner"], "test worker", "test host")
    assert claimed is not None
    outcome = runners.execute(claimed, runners.Context(claimed))
    assert outcome is not None
    moves.finish(job.pk, claimed.attempt, outcome)
    job.refresh_from_db()
    assert job.phase == "COMPLETED", job.error_message
    return job


def test_a_saved_query_leads_back_to_the_file_that_its_table_came_from(
    tmp_path: Path, settings, django_user_model
) -> None:
    settings.VOGATE_JOBS = tmp_path / "jobs"
    user = django_user_model.objects.create_user("vera")
    vera = Caller(user_id=user.pk, username="vera", method="cookie")
    file = tmp_path / "stars.csv"
    file.write_text("id,mag\n1,12.5\n2,13.5\n")
    first_bytes = upload_id(results.hash_file(file)[0])
    publish(file)
    first = query(vera, "SELECT id FROM test.stars")
    found = lineage([Node("e", f"{first.pk}/result")], vera)
    assert first_bytes in found.all_entities()
    assert {one.description.name for one in found.activities} == {"tap", "publish tables"}
    file.write_text("id,mag\n1,12.5\n2,13.7\n")
    publish(file)
    second = query(vera, "SELECT id FROM test.stars")
    old, new = models.Entity.objects.filter(pk__startswith="ivo://vogate.demo/tap?test.stars#").order_by(
        "generatedAtTime"
    )
    assert [d.usedEntity_id for d in new.wasDerivedFrom.order_by("pk") if "tap?" in d.usedEntity_id] == [
        old.pk
    ]
    told = replay.diff(first.pk, second.pk, vera)
    assert list(told["inputs"].values()) == [(old.pk, new.pk)], "the table was not the same"
    everybody = lineage([Node("e", new.pk)], Caller())
    assert file.name in {entity.name for entity in everybody.all_entities().values()}
    controller.destroy(first)
    assert replay.plan(second.pk, vera).problems == ()
