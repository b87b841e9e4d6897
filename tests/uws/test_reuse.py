"""Requests that are answered from earlier results."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from lxml import etree

from gateway.vo.caller import Caller
from gateway.vo.errors import UsageError
from provenance import models, recorder
from uws import batch, controller, replay, withdrawing
from uws.creation import Upload
from uws.models import Job

from .builders import make_job, work

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def site(settings) -> Iterator[dict]:
    """The site's `[reuse]` section."""
    section: dict = {}
    settings.SITE.raw["reuse"] = section
    yield section
    del settings.SITE.raw["reuse"]


def ask(caller: Caller, *, reuse: bool | None = None, text: str = "once") -> Job:
    return controller.create("probe", {"text": text}, caller, run=True, reuse=reuse)


def test_the_same_request_is_answered_from_an_earlier_result(account, site):
    first = work(ask(account))
    second = ask(account, reuse=True)
    assert second.phase == "COMPLETED"
    assert second.results.get().path.read_text() == "once"
    assert (first.answered_from, second.answered_from) == ("", first.pk)
    new = models.Entity.objects.get(pk=f"{second.pk}/text")
    assert [d.usedEntity_id for d in new.wasDerivedFrom.all()] == [f"{first.pk}/text"]
    assert first.pk in recorder.document(second.pk).activities[-1].comment
    controller.destroy(Job.objects.get(pk=first.pk))
    assert second.results.get().path.read_text() == "once", "it does not depend on the first"


def test_the_site_and_the_request_decide(account, site):
    work(ask(account))
    assert ask(account).phase == "QUEUED", "nothing is answered unless someone says so"
    site["tools"] = ["probe"]
    assert ask(account).phase == "COMPLETED"
    assert ask(account, reuse=False).phase == "QUEUED"
    site["off"] = ["*"]
    assert ask(account).phase == "QUEUED"
    with pytest.raises(UsageError) as refused:
        ask(account, reuse=True)
    assert refused.value.field == "REUSE"


def test_another_request_and_another_owner_are_not_answered(account, other_account, site):
    work(ask(account))
    assert ask(account, reuse=True, text="twice").phase == "QUEUED"
    assert ask(other_account, reuse=True).phase == "QUEUED"
    nobody = Caller(address="192.0.2.1")
    assert work(ask(nobody)).phase == "COMPLETED"
    assert ask(nobody, reuse=True).phase == "QUEUED", "jobs that nobody owns are nobody's to repeat"


def test_what_is_gone_or_withdrawn_answers_nothing(account, site):
    first = work(ask(account))
    first.results.get().path.unlink()
    second = work(ask(account, reuse=True))
    assert second.answered_from == ""
    withdrawing.withdraw(f"{second.pk}/text", "It was wrong.")
    assert ask(account, reuse=True).phase == "QUEUED"


def test_equal_files_are_the_same_input_whatever_they_are_called(account, site):
    def send(name: str, content: bytes) -> Job:
        upload = Upload("files", name, io.BytesIO(content), "text/plain")
        return controller.create("probe", {"text": "x"}, account, uploads=[upload], run=True, reuse=True)

    first = work(send("a.txt", b"bytes"))
    assert send("b.txt", b"bytes").answered_from == first.pk
    assert send("a.txt", b"other").phase == "QUEUED"


def test_doing_it_again_means_doing_it(account, site):
    site["tools"] = ["*"]
    first = work(ask(account))
    assert replay.rerun(first.pk, account).phase == "QUEUED"
    assert batch.rerun(first, account).phase == "QUEUED"


def test_of_many_inputs_only_the_new_ones_are_run(account, site):
    def many(*names: str) -> Job:
        uploads = [Upload("files", name, io.BytesIO(name.encode()), "text/plain") for name in names]
        return controller.create("probe", {}, account, uploads=uploads, run=True, each="files", reuse=True)

    work(many("one", "two"))
    second = many("one", "two", "three")
    phases = {child.child_number: child.phase for child in second.children.all()}
    assert phases == {1: "COMPLETED", 2: "COMPLETED", 3: "QUEUED"}
    assert work(second).phase == "COMPLETED"


@pytest.fixture
def client(user) -> Client:
    client = Client(headers={"Origin": "http://testserver"})
    client.force_login(user)
    return client


def test_uws_requests_say_so_with_reuse(client, account, site):
    first = work(ask(account))
    url = "/uws/probe/async"
    told = client.post(url, {"text": "once", "PHASE": "RUN", "reuse": "true"})
    job = etree.fromstring(client.get(told["Location"]).content)
    assert job.findtext("{*}phase") == "COMPLETED"
    assert job.findtext(".//answeredFrom") == first.pk
    assert not job.xpath("//*[local-name()='parameter'][@id='reuse']")
    pending = client.post(url, {"text": "once", "REUSE": "1"})["Location"]
    client.post(f"{pending}/phase", {"PHASE": "RUN"})
    assert client.get(f"{pending}/phase").content == b"COMPLETED"
    assert client.post(url, {"REUSE": "perhaps"}).status_code == 400
    made = client.post(
        "/api/v1/jobs",
        {"tool": "probe", "parameters": {"text": "once"}, "reuse": True},
        content_type="application/json",
    )
    assert made.json()["answered_from"] == first.pk


def test_pages_offer_it_and_mark_the_answer(client, account, site):
    first = work(make_job(account, run=True, text="once"))
    assert b'name="reuse"' in client.get("/tools/probe/").content
    values = {"action": "run", "text": "once", "reuse": "1"}
    page = client.post("/tools/probe/", values, follow=True).content.decode()
    assert "Nothing was run" in page
    assert first.pk in page
    site["off"] = ["probe"]
    assert b'name="reuse"' not in client.get("/tools/probe/").content
    assert client.post("/tools/probe/", values).status_code == 303
    assert Job.objects.order_by("-creation_time")[0].phase == "QUEUED"
    assert get_user_model().objects.count() == 1
