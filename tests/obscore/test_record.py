"""The provenance of an ingest."""

from __future__ import annotations

import os

import pytest

from gateway.vo.caller import ANONYMOUS
from obscore.models import Observation
from provenance import models
from provenance.lineage import Direction, Node, lineage

pytestmark = pytest.mark.django_db


def test_an_ingest_is_one_public_activity_from_files_to_observations(little, ingest_little):
    ingest_little()
    (activity,) = models.Activity.objects.all()
    assert activity.access == "public"
    observation = Observation.objects.order_by("did").first()
    entity = models.Entity.objects.get(pk=observation.did)
    assert entity.wasGeneratedBy.activity_id == activity.pk
    assert entity.content_id == observation.product.sha256
    whole = models.Collection.objects.get()
    assert {m.entity_id for m in whole.hadMember.all()} == set(
        Observation.objects.values_list("did", flat=True)
    )
    back = lineage([Node("e", observation.did)], ANONYMOUS, directions=[Direction.BACK])
    assert f"sha256:{observation.product.sha256}" in back.all_entities()
    assert not any(item.withheld for item in (*back.activities, *back.all_entities().values()))


def test_an_ingest_that_finds_nothing_new_leaves_no_record(little, ingest_little):
    ingest_little()
    ingest_little()
    assert models.Activity.objects.count() == 1


def test_a_file_that_changed_is_a_new_version_derived_from_the_observation(little, ingest_little):
    ingest_little()
    product = Observation.objects.order_by("did").first().product
    path = product.absolute
    path.chmod(0o600)
    with path.open("ab") as file:
        file.write(b"\0" * 2880)
    os.utime(path, (1, 1))
    report = ingest_little()
    if not report.changed:
        pytest.skip("the reader refuses padded files")
    did = Observation.objects.order_by("did").first().did
    (newer,) = models.Entity.objects.filter(pk__startswith=f"{did}#")
    sources = {d.usedEntity_id for d in newer.wasDerivedFrom.all()}
    assert {did, f"sha256:{newer.content_id}"} <= sources
    assert newer.content_id != models.Entity.objects.get(pk=did).content_id


def test_an_archive_of_before_is_recorded_at_its_next_ingest(little, ingest_little):
    ingest_little()
    models.WasGeneratedBy.objects.all().delete()
    models.Activity.objects.all().delete()
    ingest_little()
    assert models.WasGeneratedBy.objects.count() == Observation.objects.count()
    assert models.Activity.objects.count() == 1


def test_one_observation_does_not_lead_to_the_others_of_its_ingest(little, ingest_little):
    ingest_little()
    first, second, *_ = Observation.objects.order_by("did").prefetch_related("files")
    activity = models.Activity.objects.get().pk
    files = {f"sha256:{file.sha256}" for file in first.files.all()}
    back = lineage([Node("e", first.did)], ANONYMOUS)
    assert set(back.all_entities()) == {first.did, *files}
    assert [item.id for item in back.activities] == [activity]
    forward = lineage(
        [Node("e", f"sha256:{first.product.sha256}")], ANONYMOUS, directions=[Direction.FORWARD]
    )
    assert second.did not in forward.all_entities()
    assert first.did in forward.all_entities()
    whole = lineage([Node("a", activity)], ANONYMOUS, directions=list(Direction))
    assert {first.did, second.did, *files} <= set(whole.all_entities())
