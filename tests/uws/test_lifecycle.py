"""From creation to every final phase, with a worker in this process."""

from __future__ import annotations

import json
import os
from datetime import timedelta

import pytest

from gateway.vo.errors import Busy, Conflict, NotAvailable, NotFound, UsageError
from provenance import recorder
from tests.uws.builders import ANYBODY, make_job, make_worker, step_until, work
from uws import controller, logs
from uws.models import Attempt, AttemptOutcome, Job, now

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_job_completes_with_results_times_and_provenance():
    job = work(make_job(run=True, text="hello"))
    assert job.phase == "COMPLETED", job.error_message
    assert job.creation_time <= job.start_time <= job.end_time
    assert job.progress == 1.0
    (result,) = job.results.all()
    assert (result.name, result.media_type, result.role, result.preview) == (
        "text",
        "text/plain",
        "main",
        "text",
    )
    assert result.path.read_text() == "hello"
    assert result.size == 5
    assert result.sha256 == "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
    (activity,) = recorder.document(job.pk).activities
    assert (activity.phase, activity.exitCode, activity.attempt) == ("COMPLETED", 0, 1)
    assert activity.cpuTime > 0
    assert activity.peakMemory > 0
    assert [g.entity.sha256 for g in activity.generated] == [result.sha256]
    assert {p.name: p.value for p in activity.parameters}["text"] == "hello"


def test_the_work_folder_goes_and_the_log_stays():
    job = work(make_job(run=True))
    assert not (job.attempt_folder / "work").exists()
    text, offset = logs.tail(job)
    assert "attempt starts" in text
    assert "Isolation" in text
    assert logs.tail(job, offset) == ("", offset)
    assert logs.tail(job, -7)[0] == text.encode()[-7:].decode()


def test_a_tool_that_fails_ends_the_job_with_its_own_words_and_no_second_try():
    job = work(make_job(run=True, action="fail"))
    assert job.phase == "ERROR"
    assert job.error_message == "The region holds no events: choose a larger radius."
    assert job.error_type == "fatal"
    assert [a.outcome for a in job.attempts.all()] == [AttemptOutcome.FAILED]
    (activity,) = recorder.document(job.pk).activities
    assert (activity.phase, activity.exitCode) == ("ERROR", 1)
    assert activity.comment == job.error_message


def test_a_run_without_its_required_output_is_an_error():
    job = work(make_job(run=True, action="nothing"))
    assert job.phase == "ERROR"
    assert "without its result" in job.error_message


def test_several_files_of_one_output_are_several_results():
    job = work(make_job(run=True, action="many"))
    assert [r.name for r in job.results.all()] == ["text", "parts-part0", "parts-part1", "parts-part2"]
    assert {r.output for r in job.results.all()} == {"text", "parts"}


def test_progress_and_stage_reach_the_job():
    job = make_job(run=True, action="progress")
    seen = set()

    def ended(job: Job) -> bool:
        seen.add((job.progress, job.stage))
        return job.is_final

    work(job, until=ended)
    assert len({stage for _, stage in seen if stage.startswith("Step")}) > 1


def test_an_aborted_job_ends_at_once_and_its_processes_follow():
    job = make_job(run=True, action="sleep", seconds=60)
    worker = make_worker(1)
    step_until(worker, job, lambda job: job.stage == "Sleeping")
    controller.abort(job)
    assert job.phase == "ABORTED"
    assert job.end_time is not None
    step_until(worker, job, lambda job: not Attempt.objects.filter(job=job, ended_at__isnull=True).exists())
    worker.shut_down()
    assert recorder.document(job.pk).activities[0].phase == "ABORTED"
    assert job.results.count() == 0


def test_passing_the_execution_duration_aborts_and_keeps_what_is_there():
    job = controller.create("probe", {"action": "half"}, ANYBODY, run=True, execution_duration=1)
    work(job)
    assert job.phase == "ABORTED"
    assert "executionDuration of 1 s" in job.error_message
    assert [r.name for r in job.results.all()] == ["parts"]
    assert job.attempts.get().outcome == AttemptOutcome.TIMEOUT


def test_a_pending_job_can_be_filled_in_before_it_runs():
    job = controller.create("strict", {}, ANYBODY)
    with pytest.raises(UsageError) as caught:
        controller.run(job, ANYBODY)
    assert caught.value.field == "text"
    controller.set_parameters(job, {"TEXT": "later"}, ANYBODY)
    assert job.parameters == {"text": "later"}
    with pytest.raises(UsageError) as caught:
        controller.run(job, ANYBODY)
    assert caught.value.field == "files"
    assert job.phase == "PENDING"


def test_parameters_are_fixed_once_the_job_is_queued():
    job = make_job(run=True)
    with pytest.raises(Conflict):
        controller.set_parameters(job, {"text": "other"}, ANYBODY)


@pytest.mark.parametrize(
    ("values", "field"),
    [({"colour": "blue"}, "colour"), ({"seconds": "-1"}, "seconds"), ({"seconds": "soon"}, "seconds")],
)
def test_wrong_parameters_are_refused_by_name(values, field):
    with pytest.raises(UsageError) as caught:
        controller.create("probe", values, ANYBODY)
    assert caught.value.field == field
    assert Job.objects.count() == 0


def test_units_are_converted():
    job = make_job(numbers="500 GeV, 2")
    assert job.parameters["numbers"] == [0.5, 2.0]


def test_an_unknown_tool_is_not_found():
    with pytest.raises(NotFound):
        controller.create("nosuch", {}, ANYBODY)


def test_a_job_cannot_run_twice_nor_after_its_end():
    job = make_job(run=True)
    assert controller.run(job, ANYBODY).phase == "QUEUED"
    work(job)
    with pytest.raises(Conflict):
        controller.run(job, ANYBODY)


def test_more_active_jobs_than_allowed_are_refused_with_the_limit(settings):
    allowed = settings.SITE.anonymous.active_jobs
    for _ in range(allowed):
        make_job(run=True)
    with pytest.raises(Busy, match=f"{allowed} is the limit"):
        make_job(run=True)
    pending = make_job()
    with pytest.raises(Busy):
        controller.run(pending, ANYBODY)
    assert Job.objects.filter(phase="QUEUED").count() == allowed


def test_the_server_substitutes_limits(settings):
    job = controller.create("probe", {}, ANYBODY, execution_duration=10**6)
    assert job.execution_duration == 120
    controller.set_duration(job, 0)
    assert job.execution_duration == 120
    controller.set_destruction(job, now() + timedelta(days=3650))
    assert job.destruction == job.creation_time + timedelta(seconds=settings.SITE.anonymous.lifetime)


def test_at_its_destruction_time_a_job_is_archived_and_its_files_go():
    job = work(make_job(run=True))
    controller.set_destruction(job, now() - timedelta(seconds=1))
    worker = make_worker(1)
    step_until(worker, job, lambda job: job.phase == "ARCHIVED")
    worker.shut_down()
    assert not job.folder.exists()
    assert job.results.count() == 0
    (activity,) = recorder.document(job.pk).activities
    assert activity.phase == "COMPLETED"
    assert all(g.entity.invalidatedAtTime for g in activity.generated)


def test_deleting_a_running_job_leaves_no_process_no_file_and_a_tombstone():
    job = make_job(run=True, action="sleep", seconds=60)
    worker = make_worker(1)
    step_until(worker, job, lambda job: job.stage == "Sleeping")
    shepherd = json.loads((job.attempt_folder / "shepherd.json").read_text())
    controller.destroy(job)
    while Job.objects.filter(pk=job.pk).exists():
        worker.step()
    worker.shut_down()
    assert not job.folder.exists()
    assert not _lives(shepherd["pid"])
    assert recorder.document(job.pk).activities[0].invalidatedAtTime


def _lives(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_result_is_an_input_of_the_next_job_with_its_lineage():
    first = work(make_job(run=True, text="one"))
    second = controller.create(
        "probe", {"text": "two"}, ANYBODY, inputs={"files": [f"job:{first.pk}/text"]}, run=True
    )
    work(second)
    assert second.results.get().path.read_text() == "twoone"
    (activity,) = recorder.document(second.pk).activities
    used = {u.role: u.entity.id for u in activity.used}
    assert used["files"] == f"{first.pk}/text"


def test_an_input_that_vanished_is_named():
    first = work(make_job(run=True, text="one"))
    second = controller.create("probe", {}, ANYBODY, inputs={"files": [f"job:{first.pk}/text"]})
    first.results.get().path.unlink()
    controller.run(second, ANYBODY)
    work(second)
    assert second.phase == "ERROR"
    assert "out.txt cannot be read" in second.error_message


def test_an_input_that_was_cut_off_is_not_computed_with():
    """After a loss of power a file may be shorter than what was recorded of it."""
    first = work(make_job(run=True, text="one"))
    second = controller.create("probe", {}, ANYBODY, inputs={"files": [f"job:{first.pk}/text"]})
    os.truncate(first.results.get().path, 1)
    controller.run(second, ANYBODY)
    work(second)
    assert second.phase == "ERROR"
    assert "out.txt has 1 bytes, not the 3" in second.error_message


def test_a_tool_whose_program_is_missing_is_refused(monkeypatch):
    monkeypatch.setattr("uws.tools.availability.why_not", lambda tool: "the program nosuch is not installed")
    from uws.tools import registry

    registry.current()._probed = 0.0
    with pytest.raises(NotAvailable, match="nosuch"):
        make_job()
    monkeypatch.undo()
    registry.current()._probed = 0.0
