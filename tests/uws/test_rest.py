"""The UWS 1.1 endpoints of a tool, as a client of the protocol sees them."""

from __future__ import annotations

import io
import json
import zipfile
from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from lxml import etree

from tests.support.shared import shared_folder
from tests.uws.builders import make_job, make_tools, work
from uws import controller, logs
from uws.models import Job, now
from uws.tools import registry

pytestmark = pytest.mark.django_db(transaction=True)

UWS = "{http://www.ivoa.net/xml/UWS/v1.0}"
HREF = "{http://www.w3.org/1999/xlink}href"
NIL = "{http://www.w3.org/2001/XMLSchema-instance}nil"
ROOT = "/uws/probe/async"


@pytest.fixture(scope="module")
def schema() -> etree.XMLSchema:
    return etree.XMLSchema(etree.parse(str(shared_folder("conformance/uws/UWS.xsd"))))


def parse(response) -> etree._Element:
    content = b"".join(response.streaming_content) if response.streaming else response.content
    assert response.status_code == 200, content
    assert response["Content-Type"].startswith("text/xml")
    return etree.fromstring(content)


def created(client: Client, **values) -> Job:
    response = client.post(ROOT, values)
    assert response.status_code == 303, response.content
    return Job.objects.get(pk=response["Location"].rpartition("/")[2])


def path(job: Job, tail: str = "") -> str:
    return f"{ROOT}/{job.pk}{tail}"


# -- creation -------------------------------------------------------------------------------------------


def test_a_post_makes_a_pending_job_and_redirects_to_it(client):
    response = client.post(ROOT, {"text": "hello", "RunId": "my run"})
    assert response.status_code == 303
    job = Job.objects.get()
    assert response["Location"] == f"http://testserver{ROOT}/{job.pk}"
    assert (job.phase, job.run_id, job.parameters["text"]) == ("PENDING", "my run", "hello")


def test_phase_run_at_creation_queues_it(client):
    assert created(client, phase="RUN").phase == "QUEUED"


def test_controls_at_creation_are_honoured_whatever_their_case(client):
    job = created(client, executionDuration="7", Destruction="2026-01-01T00:00:00Z", TEXT="case")
    assert job.execution_duration == 7
    assert job.destruction.year == 2026
    assert job.parameters["text"] == "case"


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"colour": "blue"}, "colour"),
        ({"PHASE": "ABORT"}, "PHASE"),
        ({"EXECUTIONDURATION": "-3"}, "EXECUTIONDURATION"),
        ({"DESTRUCTION": "tomorrow"}, "DESTRUCTION"),
        ({"files": "ivo://nowhere/x?1"}, "ivo://nowhere/x?1"),
        ({"files": "param:absent"}, "absent"),
    ],
)
def test_a_bad_request_is_refused_in_plain_text_that_names_the_fault(client, values, named):
    response = client.post(ROOT, values)
    assert response.status_code == 400
    assert response["Content-Type"].startswith("text/plain")
    assert named in response.content.decode()
    assert not Job.objects.exists()


def test_an_unknown_tool_is_not_found(client):
    assert client.get("/uws/nosuch/async").status_code == 404
    assert client.post("/uws/nosuch/async").status_code == 404


def test_a_tool_is_reached_by_name_and_version_too(client):
    response = client.post("/uws/probe@1.0/async", {})
    assert response.status_code == 303
    assert client.get(f"/uws/probe@1.0/async/{Job.objects.get().pk}").status_code == 200
    assert client.post("/uws/probe@9.9/async", {}).status_code == 404


def test_a_deprecated_version_runs_and_says_so(client, schema, tmp_path):
    folder = make_tools(tmp_path / "tools")
    old = (folder / "probe.yaml").read_text().replace('version: "1.0"', 'version: "0.9"')
    (folder / "old.yaml").write_text(f"{old}deprecated: Use 1.0.\n")
    with registry.using(folder):
        response = client.post("/uws/probe@0.9/async", {"PHASE": "RUN"})
        job = work(Job.objects.get(pk=response["Location"].rpartition("/")[2]))
        root = parse(client.get(f"/uws/probe@0.9/async/{job.pk}"))
        current = parse(client.get(path(created(client))))
    assert job.phase == "COMPLETED"
    schema.assertValid(root)
    assert root.findtext(f"{UWS}jobInfo/deprecated") == "Use 1.0."
    assert "deprecated: Use 1.0." in logs.tail(job, 0)[0]
    assert current.find(f"{UWS}jobInfo/deprecated") is None


def test_files_come_as_parts_named_by_role_or_by_reference(client):
    first = SimpleUploadedFile("a b[1].txt", b"one ", content_type="text/plain")
    second = SimpleUploadedFile("../../evil.txt", b"two")
    values = {"files": ["param:extra", second], "extra": first, "PHASE": "RUN"}
    assert client.post(ROOT, values).status_code == 303
    job = work(Job.objects.get())
    assert job.phase == "COMPLETED", job.error_message
    assert job.results.get().path.read_text() == "helloone two"
    for row in job.inputs.all():
        assert (job.folder / "inputs") in (job.folder / row.path).parents
        assert not set("[] /").intersection(row.path.rpartition("/")[2])
    assert [row.title for row in job.inputs.all()] == ["a b[1].txt", "evil.txt"]


def test_an_upload_that_is_too_large_leaves_nothing(client, settings):
    settings.SITE.raw["jobs"] = {"upload_bytes": 10}
    try:
        response = client.post(ROOT, {"files": SimpleUploadedFile("big.txt", b"x" * 11)})
    finally:
        del settings.SITE.raw["jobs"]
    assert response.status_code == 413
    assert not list(settings.VOGATE_JOBS.glob("*/*"))


# -- documents ------------------------------------------------------------------------------------------


def test_a_job_document_is_valid_in_every_phase(client, schema):
    pending = created(client, text="<&> é")
    done = work(created(client, PHASE="RUN", RUNID="<r&d>"))
    failed = work(created(client, PHASE="RUN", action="fail"))
    for job in (pending, done, failed):
        document = parse(client.get(path(job)))
        schema.assertValid(document)
        assert document.get("version") == "1.1"
        order = [child.tag.removeprefix(UWS) for child in document]
        assert [name for name in order if name != "runId" and name != "errorSummary"] == [
            "jobId", "ownerId", "phase", "quote", "creationTime", "startTime", "endTime",
            "executionDuration", "destruction", "parameters", "results", "jobInfo",
        ]  # fmt: skip
    document = parse(client.get(path(pending)))
    assert document.find(f"{UWS}ownerId").get(NIL) == "true"
    assert document.find(f"{UWS}startTime").get(NIL) == "true"
    assert document.findtext(f"{UWS}creationTime").endswith("Z")
    summary = parse(client.get(path(failed))).find(f"{UWS}errorSummary")
    assert summary.get("type") == "fatal"
    assert "larger radius" in summary.findtext(f"{UWS}message")


def test_results_are_listed_with_absolute_links_sizes_and_types(client, schema):
    job = work(created(client, PHASE="RUN"))
    document = parse(client.get(path(job, "/results")))
    schema.assertValid(document)
    (result,) = document
    assert result.get("id") == "text"
    assert result.get("size") == "5"
    assert result.get("mime-type") == "text/plain"
    assert result.get(HREF) == f"http://testserver{path(job)}/results/text"
    fetched = client.get(result.get(HREF))
    assert b"".join(fetched.streaming_content) == b"hello"
    assert 'filename="out.txt"' in fetched["Content-Disposition"]


def test_a_result_answers_ranges_and_conditions(client):
    job = work(created(client, PHASE="RUN"))
    url = path(job, "/results/text")
    whole = client.get(url)
    part = client.get(url, headers={"Range": "bytes=1-2"})
    assert (part.status_code, part["Content-Range"]) == (206, "bytes 1-2/5")
    assert b"".join(part.streaming_content) == b"el"
    assert client.get(url, headers={"If-None-Match": whole["ETag"]}).status_code == 304
    head = client.head(url)
    assert (head.status_code, head["Content-Length"], head.content) == (200, "5", b"")
    assert client.get(path(job, "/results/nosuch")).status_code == 404


def test_everything_comes_in_one_zip(client):
    job = work(created(client, PHASE="RUN", text="packed"))
    response = client.get(path(job, "/results.zip"))
    assert response["Content-Type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(b"".join(response.streaming_content))) as packed:
        assert packed.testzip() is None
        names = {name.partition("/")[2] for name in packed.namelist()}
        folder = packed.namelist()[0].partition("/")[0]
        assert packed.read(f"{folder}/results/out.txt") == b"packed"
        assert json.loads(packed.read(f"{folder}/parameters.json"))["parameters"]["text"] == "packed"
        assert json.loads(packed.read(f"{folder}/provenance.json"))
        assert b"attempt starts" in packed.read(f"{folder}/log.txt")
    assert {"README.txt", "parameters.json", "provenance.json", "provenance.provn", "log.txt"} <= names


def test_each_part_of_a_job_has_its_own_resource(client):
    job = work(created(client, PHASE="RUN", numbers="1.5,2.5"))
    texts = {
        tail: client.get(path(job, tail)).content.decode()
        for tail in ("/phase", "/executionduration", "/quote", "/error", "/owner", "/parameters/numbers")
    }
    assert texts == {
        "/phase": "COMPLETED", "/executionduration": "60", "/quote": "", "/error": "", "/owner": "",
        "/parameters/numbers": "1.5\n2.5",
    }  # fmt: skip
    assert client.get(path(job, "/destruction")).content.decode().endswith("Z")
    assert client.get(path(job, "/parameters/nosuch")).status_code == 404
    listed = parse(client.get(path(job, "/parameters")))
    assert [p.text for p in listed if p.get("id") == "numbers"] == ["1.5", "2.5"]


def test_the_error_resource_says_why_and_the_log_is_text(client):
    job = work(created(client, PHASE="RUN", action="fail"))
    assert "larger radius" in client.get(path(job, "/error")).content.decode()
    log = b"".join(client.get(path(job, "/log")).streaming_content).decode()
    assert "attempt starts" in log
    part = client.get(path(job, "/log"), {"OFFSET": "-8"})
    assert part.content.decode() == log[-8:]
    assert int(part["X-Next-Offset"]) == len(log.encode())


# -- changes --------------------------------------------------------------------------------------------


def test_run_and_abort_go_to_the_phase(client):
    job = created(client)
    for word, phase in (("RUN", "QUEUED"), ("ABORT", "ABORTED"), ("ABORT", "ABORTED")):
        response = client.post(path(job, "/phase"), {"phase": word})
        assert (response.status_code, response["Location"]) == (303, f"http://testserver{path(job)}")
        job.refresh_from_db()
        assert job.phase == phase
    assert client.post(path(job, "/phase"), {"PHASE": "RUN"}).status_code == 409
    assert client.post(path(job, "/phase"), {"PHASE": "FLY"}).status_code == 400


def test_duration_destruction_and_parameters_change_by_post(client):
    job = created(client)
    later = now() + timedelta(days=1)
    assert client.post(path(job, "/executionduration"), {"executionduration": "11"}).status_code == 303
    assert client.post(path(job, "/destruction"), {"DESTRUCTION": later.isoformat()}).status_code == 303
    assert client.post(path(job, "/parameters"), {"text": "new", "runid": "label"}).status_code == 303
    assert client.post(path(job, "/parameters/seconds"), {"VALUE": "2"}).status_code == 303
    job.refresh_from_db()
    assert (job.execution_duration, job.destruction) == (11, later)
    assert (job.parameters["text"], job.run_id) == ("new", "label")
    assert job.parameters["seconds"] == 2.0
    controller.abort(job)
    assert client.post(path(job, "/executionduration"), {"EXECUTIONDURATION": "5"}).status_code == 409


@pytest.mark.parametrize("how", ["delete", "action"])
def test_a_deleted_job_redirects_to_the_list_and_is_gone(client, how):
    job = created(client)
    url = path(job)
    response = client.delete(url) if how == "delete" else client.post(url, {"action": "delete"})
    assert (response.status_code, response["Location"]) == (303, f"http://testserver{ROOT}")
    assert client.get(url).status_code == 404
    assert not job.folder.exists()


def test_an_archived_job_keeps_its_description_and_says_that_results_are_gone(client, schema):
    job = work(created(client, PHASE="RUN"))
    controller.archive(job)
    document = parse(client.get(path(job)))
    schema.assertValid(document)
    assert document.findtext(f"{UWS}phase") == "ARCHIVED"
    assert client.get(path(job, "/results/text")).status_code == 410


def test_wrong_methods_are_refused(client):
    job = created(client)
    response = client.put(path(job, "/phase"))
    assert response.status_code == 405
    assert "GET" in response["Allow"]


# -- the list -------------------------------------------------------------------------------------------


@pytest.fixture
def signed_in(client, user):
    client.force_login(user)
    return client


def listed(client: Client, **query) -> list[str]:
    return [ref.get("id") for ref in parse(client.get(ROOT, query))]


def test_the_list_filters_by_phase_time_and_number(signed_in, account, schema):
    jobs = [make_job(account) for _ in range(5)]
    for n, job in enumerate(jobs):
        moment = now() - timedelta(hours=5 - n)
        Job.objects.filter(pk=job.pk).update(creation_time=moment)
        job.refresh_from_db()
    controller.abort(jobs[1])
    controller.abort(jobs[3])
    controller.archive(jobs[3])
    ids = [job.pk for job in jobs]
    document = parse(signed_in.get(ROOT))
    schema.assertValid(document)
    assert [ref.get("id") for ref in document] == [ids[0], ids[1], ids[2], ids[4]]
    assert document[0].get(HREF) == f"http://testserver{ROOT}/{ids[0]}"
    assert document[0].findtext(f"{UWS}ownerId") == "vera"
    assert listed(signed_in, PHASE="ARCHIVED") == [ids[3]]
    assert listed(signed_in, PHASE=["ABORTED", "ARCHIVED"]) == [ids[1], ids[3]]
    after = parse(signed_in.get(ROOT))[2].findtext(f"{UWS}creationTime")
    assert listed(signed_in, AFTER=after) == [ids[4]], "AFTER is strict"
    assert listed(signed_in, LAST="2") == [ids[4], ids[2]]
    assert listed(signed_in, LAST="2", PHASE="PENDING", AFTER="2000-01-01") == [ids[4], ids[2]]


@pytest.mark.parametrize(
    "query", [{"PHASE": "DONE"}, {"AFTER": "yesterday"}, {"LAST": "0"}, {"LAST": "-1"}, {"LAST": "two"}]
)
def test_nonsense_filters_are_refused(signed_in, query):
    assert signed_in.get(ROOT, query).status_code == 400


def test_jobs_of_other_tools_are_not_listed_or_found(signed_in, account):
    other = controller.create("strict", {}, account)
    assert listed(signed_in) == []
    assert signed_in.get(path(other)).status_code == 404


# -- browsers, sync, services ---------------------------------------------------------------------------

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
JAVA = "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2"


def test_browsers_are_sent_to_the_page_and_programs_get_xml(client):
    job = created(client)
    response = client.get(path(job), headers={"Accept": BROWSER})
    assert (response.status_code, response["Location"]) == (303, f"http://testserver/jobs/{job.pk}/")
    assert client.get(ROOT, headers={"Accept": BROWSER})["Location"] == "http://testserver/jobs/"
    assert parse(client.get(path(job), headers={"Accept": JAVA})) is not None


def test_capabilities_and_availability_are_served(client):
    capabilities = etree.fromstring(client.get("/uws/probe/capabilities").content)
    urls = [element.text for element in capabilities.iter("accessURL")]
    assert f"http://testserver{ROOT}" in urls
    assert "http://testserver/uws/probe/sync" in urls
    availability = etree.fromstring(client.get("/uws/probe/availability").content)
    assert availability[0].text == "true"


def test_the_state_comes_as_json(client):
    job = work(created(client, PHASE="RUN"))
    state = client.get(f"/api/v1/jobs/{job.pk}", {"LOG": "0"}).json()
    assert (state["id"], state["phase"], state["final"], state["progress"]) == (
        job.pk,
        "COMPLETED",
        True,
        1.0,
    )
    assert state["results"][0]["url"] == f"http://testserver{path(job)}/results/text"
    assert state["log"]["next_offset"] == len(state["log"]["text"].encode())
    assert state["run_time"] > 0
    missing = client.get(f"/api/v1/jobs/{'a' * 26}")
    assert (missing.status_code, missing.json()["error"]) == (404, "NotFoundFault")
