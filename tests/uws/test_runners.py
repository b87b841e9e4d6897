"""Jobs of other rooms that run in a thread of the worker."""

from __future__ import annotations

import sys
import threading
import types

import pytest

from gateway.vo.errors import NotAvailable, UsageError
from provenance import recorder
from tests.uws.builders import ANYBODY
from uws import controller, moves, queue, runners, sweeper
from uws.models import AttemptOutcome, Job
from uws.runners import Context, ResultFile

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def room(settings, monkeypatch):
    """A room with a runner; `room.run` is replaced by the tests."""
    module = types.ModuleType("some_room")

    def run(job, context):
        path = context.folder / "answer.csv"
        path.write_text(job.parameters["QUERY"])
        return [ResultFile("result", path, "text/csv")]

    def validate(parameters, caller, complete):
        if complete and "QUERY" not in parameters:
            raise UsageError("QUERY is missing.", field="QUERY")
        return parameters

    module.run, module.validate = run, validate
    monkeypatch.setitem(sys.modules, "some_room", module)
    settings.VOGATE_JOB_RUNNERS = {"query": "some_room.run"}
    return module


def claimed(**parameters) -> tuple[Job, Context]:
    controller.create("query", parameters, ANYBODY, run=True, base_url="http://testserver")
    job = queue.claim(["runner"], sweeper.worker_name(), sweeper.host_name())
    assert job is not None
    return job, Context(job)


def end(job: Job, context: Context) -> Job:
    outcome = runners.execute(job, context)
    if outcome is None:
        moves.requeue(job.pk, job.attempt, AttemptOutcome.STOPPED)
    else:
        moves.finish(job.pk, job.attempt, outcome)
    job.refresh_from_db()
    return job


def test_a_runner_gives_results_and_provenance(room):
    job = end(*claimed(query="1+1"))
    assert job.phase == "COMPLETED", job.error_message
    assert job.parameters == {"QUERY": "1+1"}
    result = job.results.get()
    assert (result.name, result.media_type, result.path.read_text()) == ("result", "text/csv", "1+1")
    assert recorder.document(job.pk).activities[0].phase == "COMPLETED"


def test_its_room_checks_the_parameters_when_the_job_is_complete(room):
    job = controller.create("query", {}, ANYBODY)
    with pytest.raises(UsageError):
        controller.run(job, ANYBODY)
    controller.set_parameters(job, {"query": "x"}, ANYBODY)
    assert controller.run(job, ANYBODY).phase == "QUEUED"


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (UsageError("No such column.", hint="Try another."), "fatal", "No such column. Try another."),
        (NotAvailable("The engine is down."), "transient", "The engine is down."),
        (OSError(28, "x"), "transient", "disk is full"),
        (ZeroDivisionError("secret detail"), "fatal", "went wrong on our side"),
    ],
)
def test_a_failure_is_the_jobs_error(room, error, kind, words):
    def run(job, context):
        raise error

    room.run = run
    job = end(*claimed(query="x"))
    assert (job.phase, job.error_type) == ("ERROR", kind)
    assert words in job.error_message
    assert "secret detail" not in job.error_message


@pytest.mark.parametrize(
    ("why", "phase"), [("TIMEOUT", "ABORTED"), ("ABORTED", "ABORTED"), ("STOPPED", "QUEUED")]
)
def test_a_runner_is_cancelled(room, why, phase):
    stop = threading.Event()

    def run(job, context):
        context.on_cancel(stop.set)
        context.cancel(why)
        assert stop.is_set()
        assert context.cancelled
        raise UsageError("The query was interrupted.")

    room.run = run
    job = end(*claimed(query="x"))
    assert job.phase == phase
    if why == "TIMEOUT":
        assert "executionDuration" in job.error_message


def test_a_runner_whose_worker_died_is_tried_again(room):
    job, _ = claimed(query="x")
    Job.objects.filter(pk=job.pk).update(worker=f"{sweeper.host_name()}:1:0:otherboot")
    (found,) = sweeper.abandoned(sweeper.worker_name(), set())
    sweeper.requeue_runner(found)
    job.refresh_from_db()
    assert (job.phase, job.losses) == ("QUEUED", 1)
    assert job.not_before > job.start_time
    assert [a.outcome for a in job.attempts.all()] == [AttemptOutcome.LOST]


def test_an_older_attempt_cannot_end_the_job(room):
    job, context = claimed(query="x")
    moves.requeue(job.pk, job.attempt, AttemptOutcome.STOPPED)
    again = queue.claim(["runner"], sweeper.worker_name(), sweeper.host_name())
    assert again is not None
    assert again.attempt == job.attempt + 1
    outcome = runners.execute(job, context)
    assert outcome is not None
    assert not moves.finish(job.pk, job.attempt, outcome)
    assert not moves.report(job.pk, job.attempt, progress=0.5, stage="late")
    again.refresh_from_db()
    assert (again.phase, again.stage, again.results.count()) == ("EXECUTING", "", 0)


def test_claims_are_made_in_order_and_once(room):
    jobs = [controller.create("query", {"query": str(n)}, ANYBODY, run=True) for n in range(3)]
    Job.objects.filter(pk=jobs[2].pk).update(priority=5)
    claims = [queue.claim(["runner"], "w", "h") for _ in range(4)]
    assert [c and c.pk for c in claims] == [jobs[2].pk, jobs[0].pk, jobs[1].pk, None]
    assert queue.claim(["local"], "w", "h") is None


def test_a_job_whose_end_could_not_be_written_is_found_by_its_own_worker(room):
    name = sweeper.worker_name()
    job, _ = claimed(query="x")
    assert sweeper.abandoned(name, {job.pk}) == []
    assert sweeper.abandoned(name, set()) == [], "its lease still runs"
    Job.objects.filter(pk=job.pk).update(lease_until=job.creation_time)
    assert [found.pk for found in sweeper.abandoned(name, set())] == [job.pk]
