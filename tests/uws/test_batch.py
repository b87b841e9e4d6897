"""Requests over many inputs: a parent that sums up, children that do the work."""

from __future__ import annotations

import io
import zipfile

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from lxml import etree

from tests.uws.builders import make_job, make_worker, step_until, work
from tests.uws.test_rest import HREF, ROOT, parse, path, schema  # noqa: F401
from uws import batch, controller
from uws.models import Job

pytestmark = pytest.mark.django_db(transaction=True)
UWS = "{http://www.ivoa.net/xml/UWS/v1.0}"


def files(*contents: str) -> list[SimpleUploadedFile]:
    return [SimpleUploadedFile(f"f{n}.txt", text.encode()) for n, text in enumerate(contents, 1)]


def ask(client, *contents: str, **values) -> Job:
    response = client.post(ROOT, {"files": files(*contents), "EACH": "files", "text": "=", **values})
    assert response.status_code == 303, response.content
    return Job.objects.get(pk=response["Location"].rpartition("/")[2])


def test_each_input_makes_a_job_and_the_parent_has_all_results(client):
    parent = work(ask(client, "one", "two", "three", PHASE="RUN", RUNID="night"), seconds=60)
    assert (parent.phase, parent.progress, parent.stage) == ("COMPLETED", 1.0, "3 of 3 done")
    document = parse(client.get(path(parent)))
    results = document.findall(f"{UWS}results/{UWS}result")
    assert [r.get("id") for r in results] == ["0001-text", "0002-text", "0003-text"]
    answers = [client.get(client.get(r.get(HREF))["Location"]) for r in results]
    assert [b"".join(a.streaming_content) for a in answers] == [b"=one", b"=two", b"=three"]
    packed = b"".join(client.get(path(parent, "/results.zip")).streaming_content)
    names = zipfile.ZipFile(io.BytesIO(packed)).namelist()
    assert {n.partition("/")[2] for n in names} >= {f"results/{n:04d}/out.txt" for n in (1, 2, 3)}
    assert {child.run_id for child in parent.children.all()} == {"night"}


def test_hundreds_of_files_come_in_one_request(client, django_assert_max_num_queries):
    with django_assert_max_num_queries(30):
        parent = ask(client, *(str(n) for n in range(300)), PHASE="RUN")
    assert parent.children.count() == 300
    assert {child.inputs.count() for child in parent.children.all()} == {1}


def test_the_documents_of_a_batch_and_its_children_are_valid(client, schema):  # noqa: F811
    parent = ask(client, "one", "two", PHASE="RUN")
    for job in (parent, *parent.children.all()):
        schema.assertValid(parse(client.get(path(job))))
    schema.assertValid(parse(client.get(path(parent, "/results"))))
    info = parse(client.get(path(parent.children.first()))).find(f"{UWS}jobInfo")
    assert info.findtext("parent").endswith(parent.pk)


def test_more_children_than_the_limit_are_held_and_follow(client, settings):
    parent = ask(client, *map(str, range(7)), PHASE="RUN")
    phases = sorted(parent.children.values_list("phase", flat=True))
    assert phases == ["HELD"] * 3 + ["QUEUED"] * 4, "an anonymous user may have four active jobs"
    parent = work(parent, seconds=60)
    assert parent.phase == "COMPLETED"
    assert parent.children.filter(phase="COMPLETED").count() == 7


def test_a_batch_may_be_filled_before_it_runs(client):
    parent = ask(client, "one", "two")
    assert parent.phase == "PENDING"
    assert not parent.children.exists()
    client.post(path(parent, "/parameters"), {"text": "later:"})
    client.post(path(parent, "/phase"), {"PHASE": "RUN"})
    parent = work(parent, seconds=60)
    contents = {b.results.get().path.read_text() for b in parent.children.all()}
    assert contents == {"later:one", "later:two"}


def test_what_failed_is_named_and_only_that_is_run_again(client):
    parent = ask(client, "one", "two", "three", PHASE="RUN")
    second = parent.children.get(child_number=2)
    controller.abort(second, "The disk was pulled out.")
    parent = work(parent, seconds=60)
    assert parent.phase == "ERROR"
    assert "1 of 3 failed" in parent.error_message
    assert "The disk was pulled out." in parent.error_message
    assert len(list(batch.listed(parent))) == 2, "what came out stays"
    answer = client.post(path(parent, "/rerun"))
    assert answer.status_code == 303
    again = work(Job.objects.get(pk=answer["Location"].rpartition("/")[2]), seconds=60)
    assert again.phase == "COMPLETED"
    assert [c.results.get().path.read_text() for c in again.children.all()] == ["=two"]
    assert client.post(path(again, "/rerun")).status_code == 409


def test_a_single_job_is_run_again_with_its_uploaded_file(client):
    values = {"files": files("once"), "text": "=", "PHASE": "RUN"}
    job = work(Job.objects.get(pk=client.post(ROOT, values)["Location"].rpartition("/")[2]))
    answer = client.post(path(job, "/rerun"))
    client.delete(path(job))
    again = work(Job.objects.get(pk=answer["Location"].rpartition("/")[2]))
    assert again.results.get().path.read_text() == "=once", "its files are its own"


def test_abort_and_delete_reach_the_children(client):
    parent = ask(client, "one", "two", action="sleep", seconds="60", PHASE="RUN")
    worker = make_worker()
    try:
        step_until(worker, parent, lambda _: parent.children.filter(phase="EXECUTING").count() == 2)
        client.post(path(parent, "/phase"), {"PHASE": "ABORT"})
        step_until(worker, parent, lambda _: not worker.tended)
        assert set(parent.children.values_list("phase", flat=True)) == {"ABORTED"}
    finally:
        worker.shut_down()
    client.delete(path(parent))
    assert not Job.objects.exists()


def test_lists_show_the_parent_and_its_children_on_request(client, user):
    client.force_login(user)
    client.defaults["HTTP_ORIGIN"] = "http://testserver"
    parent = ask(client, "one", "two", PHASE="RUN")

    def listed(**query) -> list[str]:
        return [ref.get("id") for ref in parse(client.get(ROOT, query)).findall(f"{UWS}jobref")]

    assert listed() == [parent.pk]
    assert listed(PARENT=parent.pk) == list(parent.children.order_by("id").values_list("pk", flat=True))


def test_who_holds_the_address_of_a_request_lists_its_jobs(client, user):
    parent = ask(client, "one", "two", PHASE="RUN")
    refs = parse(client.get(ROOT, {"PARENT": parent.pk})).findall(f"{UWS}jobref")
    assert len(refs) == 2
    Job.objects.filter(pk=parent.pk).update(owner=user, rights="account")
    assert client.get(ROOT, {"PARENT": parent.pk}).status_code == 403


@pytest.mark.parametrize("each", ["text", "nosuch", "../x"])
def test_each_names_an_input_role(client, each):
    response = client.post(ROOT, {"EACH": each})
    assert (response.status_code, b"EACH" in response.content) == (400, True)
    assert not Job.objects.exists()


def test_a_batch_without_inputs_cannot_run(client):
    response = client.post(ROOT, {"EACH": "files", "PHASE": "RUN"})
    assert response.status_code == 400
    assert b"files" in response.content
    assert not Job.objects.exists()


def test_a_parent_whose_worker_died_before_it_was_summed_up_is_ended_later(client, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(batch, "after", lambda job: None)
        parent = ask(client, "one", PHASE="RUN")
        child = work(parent.children.get())
    parent.refresh_from_db()
    assert (child.phase, parent.phase) == ("COMPLETED", "EXECUTING")
    batch.tend()
    parent.refresh_from_db()
    assert parent.phase == "COMPLETED"


def test_the_rest_of_the_gateway_takes_a_parent_for_no_lost_job(client):
    parent = ask(client, "one", action="sleep", seconds="5", PHASE="RUN")
    from uws import sweeper

    assert parent.pk not in [job.pk for job in sweeper.abandoned("other:1:1:x", [])]
    sweeper.reroute()
    parent.refresh_from_db()
    assert (parent.phase, parent.executor) == ("EXECUTING", "batch")
    assert isinstance(etree.tostring(parse(client.get(path(parent)))), bytes)
    assert make_job().executor == "local"


def test_pages_fold_the_children_into_the_request(client, user):
    client.force_login(user)
    client.defaults["HTTP_ORIGIN"] = "http://testserver"
    parent = ask(client, "one", "two", PHASE="RUN")
    child = parent.children.get(child_number=2)
    page = client.get("/jobs/").content.decode()
    assert f"?parent={parent.pk}" in page
    assert child.pk not in page
    folded = client.get("/jobs/", {"parent": parent.pk}).content.decode()
    assert all(one.pk in folded for one in parent.children.all())
    controller.abort(child)
    parent = work(parent, seconds=60)
    assert "1 of 2 failed" in client.get(parent.page_url).content.decode()
    answer = client.post(parent.page_url, {"action": "rerun"})
    again = Job.objects.get(pk=answer["Location"].strip("/").rpartition("/")[2])
    assert (again.is_batch, again.children.count()) == (True, 1)
    assert parent.pk in client.get(child.page_url).content.decode()
