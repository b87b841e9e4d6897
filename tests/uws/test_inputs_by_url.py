"""Inputs by URL: results of earlier jobs, and files of web servers elsewhere."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from provenance.models import Activity
from tests.uws.builders import make_job, work
from tests.uws.test_rest import ROOT, path
from uws.models import Job

pytestmark = pytest.mark.django_db(transaction=True)


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/redirect":
            self.send_response(302)
            self.send_header("Location", "http://127.0.0.2:1/secret")
            self.end_headers()
            return
        self.send_response(404 if self.path == "/missing" else 200)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.end_headers()
        self.wfile.write(b"x" * 100 if self.path == "/large" else b"from afar")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server(settings) -> Iterator[str]:
    made = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=made.serve_forever)
    thread.start()
    yield f"http://localhost:{made.server_port}"
    made.shutdown()
    thread.join()
    made.server_close()


@pytest.fixture
def trusted(settings) -> Iterator[dict]:
    settings.SITE.raw["jobs"] = {"trusted_hosts": ["localhost"], "upload_bytes": 50}
    yield settings.SITE.raw["jobs"]
    del settings.SITE.raw["jobs"]


def test_a_file_elsewhere_is_fetched_once_with_its_checksum_and_origin(client, server, trusted):
    url = f"{server}/a%20b.txt"
    location = client.post(ROOT, {"files": url, "PHASE": "RUN"})["Location"]
    job = work(Job.objects.get(pk=location.rpartition("/")[2]))
    assert job.phase == "COMPLETED", job.error_message
    assert job.results.get().path.read_text() == "hellofrom afar"
    row = job.inputs.get()
    assert (row.identifier, row.title, row.media_type, row.owned) == (url, "a b.txt", "text/plain", True)
    assert row.sha256 == hashlib.sha256(b"from afar").hexdigest()
    used = Activity.objects.get(job=job.pk).used.all()
    assert url in {one.entity_id for one in used}


@pytest.mark.parametrize("tail", ["/missing", "/large", "/redirect"])
def test_what_cannot_be_fetched_leaves_no_job(client, server, trusted, tail, settings):
    response = client.post(ROOT, {"files": server + tail})
    assert response.status_code == (413 if tail == "/large" else 400)
    assert not Job.objects.exists()
    assert not [f for f in settings.VOGATE_JOBS.rglob("*") if f.is_file()]


def test_private_addresses_are_not_fetched_from(client, server):
    response = client.post(ROOT, {"files": f"{server}/a.txt"})
    assert response.status_code == 400
    assert b"not a public server" in response.content


def test_each_url_of_a_batch_is_fetched(client, server, trusted):
    urls = [f"{server}/1.txt", f"{server}/2.txt"]
    location = client.post(ROOT, {"files": urls, "EACH": "files", "PHASE": "RUN"})["Location"]
    parent = work(Job.objects.get(pk=location.rpartition("/")[2]), seconds=60)
    assert parent.phase == "COMPLETED"
    assert [child.inputs.get().identifier for child in parent.children.order_by("child_number")] == urls


def test_a_result_of_an_earlier_job_is_an_input_by_its_url(client):
    first = work(make_job(run=True, text="first"))
    url = f"http://testserver{first.results.get().url}"
    location = client.post(ROOT, {"files": url, "text": "second:", "PHASE": "RUN"})["Location"]
    job = work(Job.objects.get(pk=location.rpartition("/")[2]))
    assert job.results.get().path.read_text() == "second:first"
    assert client.get(path(job, "/parameters")).status_code == 200
