"""Inner steps that tools leave as PROV-JSON."""

from __future__ import annotations

import json

import pytest

from provenance import recorder
from provenance.records import EntityRecord
from uws import moves, record, steps
from uws.models import JobInput
from uws.phases import Phase

from .builders import make_job, work

JOB = "a" * 26
EVENTS = EntityRecord(id="ivo://x/obs?1", name="events.fits")
DOCUMENT = {
    "prefix": {"g": "urn:g#"},
    "activity": {
        "g:read": {"prov:startTime": "2026-01-01T00:00:00Z", "prov:endTime": "2026-01-01T00:00:01Z", "prov:label": "Read"},
        "g:fit": {"g:model": "pl", "g:tries": {"$": "3", "type": "xsd:int"}},
    },
    "entity": {"g:events": {"prov:location": "/data/events.fits"}, "g:dataset": {}, "g:flux": {"prov:location": "out.txt"}},
    "used": {"_:1": {"prov:activity": "g:read", "prov:entity": "g:events", "prov:role": "events"},
             "_:2": [{"prov:activity": "g:fit", "prov:entity": "g:dataset"}]},
    "wasGeneratedBy": {"_:3": {"prov:activity": "g:read", "prov:entity": "g:dataset"},
                       "_:4": {"prov:activity": "g:fit", "prov:entity": "g:flux"}},
    "wasInformedBy": {"_:5": {"prov:informed": "g:fit", "prov:informant": "g:read"}},
}  # fmt: skip


def read(tmp_path, document):
    path = tmp_path / steps.FILE_NAME
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    return steps.read(path, JOB, 1, {"events.fits": EVENTS}, {"out.txt": "text"})


def test_steps_are_joined_to_inputs_and_results(tmp_path):
    found = read(tmp_path, DOCUMENT)
    assert not found.problem
    first, second = found.activities
    assert [activity.key for activity in found.activities] == [f"{JOB}.1.read", f"{JOB}.1.fit"]
    assert first.used[0].entity.id == EVENTS.id
    assert first.generated[0].entity.id == second.used[0].entity.id == f"{JOB}/step:dataset"
    assert {p.name: p.value for p in second.parameters} == {"model": "pl", "tries": "3"}
    assert second.informedBy == (first.key,)
    assert found.derived == {"text": (f"{JOB}/step:flux",)}


def changed(**parts):
    return {**DOCUMENT, **parts}


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ("{", "no JSON"),
        ("[]", "no PROV-JSON"),
        ("[" * 100_000, "no JSON"),
        (changed(activity=[]), "no object"),
        (changed(used={"_:1": {"prov:activity": "g:who", "prov:entity": "g:events"}}), "g:who"),
        (changed(used={"_:1": {"prov:activity": "g:fit", "prov:entity": "g:what"}}), "g:what"),
        (
            changed(wasGeneratedBy={"_:1": {"prov:activity": "g:fit", "prov:entity": "g:events"}}),
            "input of the job",
        ),
        (
            changed(
                wasGeneratedBy={
                    f"_:{a}": {"prov:activity": a, "prov:entity": "g:dataset"} for a in ("g:fit", "g:read")
                }
            ),
            "generated twice",
        ),
        (changed(activity={"g:fit": {"prov:startTime": "noon"}, "g:read": {}}), "no time"),
        (changed(activity={"g:fit": {}, "h:fit": {}, "g:read": {}}), "same name"),
        (changed(entity={f"g:{n}": {} for n in range(6000)}), "more than"),
        (" " * (5 << 20), "larger"),
    ],
)
def test_a_file_that_is_wrong_is_not_used_and_it_is_said_why(tmp_path, document, reason):
    found = read(tmp_path, document)
    assert found.activities == ()
    assert reason in found.problem


def test_a_link_is_not_followed(tmp_path):
    (tmp_path / "real.json").write_text(json.dumps(DOCUMENT))
    (tmp_path / steps.FILE_NAME).symlink_to(tmp_path / "real.json")
    assert steps.read(tmp_path / steps.FILE_NAME, JOB, 1, {}, {}) == steps.Steps()


@pytest.mark.django_db(transaction=True)
def test_they_are_recorded_with_the_end_of_the_job(account):
    job = make_job(account, text="x")
    JobInput.objects.create(
        job=job, role="files", identifier=EVENTS.id, path="/data/events.fits", title="events.fits"
    )
    job.attempt = 1
    folder = job.attempt_folder / "work"
    folder.mkdir(parents=True)
    strange = changed(entity={**DOCUMENT["entity"], "g:odd": {"prov:label": "\ud800\0"}})
    (folder / steps.FILE_NAME).write_text(json.dumps(strange))
    (job.attempt_folder / "outputs.json").write_text(
        json.dumps({"files": [{"from": str(folder / "out.txt"), "name": "text"}]})
    )
    inner = record.read_steps(job, [])
    assert not inner.problem
    outcome = moves.Outcome(Phase.COMPLETED, extra={"steps": inner})
    record.record(job, outcome)
    *before, final = recorder.document(job.pk).activities
    assert [activity.step for activity in before] == ["read", "fit"] or [a.step for a in before] == [
        "fit",
        "read",
    ]
    assert set(final.informedBy) == {f"{job.pk}.1.read", f"{job.pk}.1.fit"}


@pytest.mark.django_db(transaction=True)
def test_a_tool_that_leaves_none_has_none(account):
    job = work(make_job(account, run=True, text="x"))
    assert [activity.step for activity in recorder.document(job.pk).activities] == [""]
