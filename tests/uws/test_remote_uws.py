"""Tools that run at a partner's UWS service: a second gateway, with another web process and worker."""

from __future__ import annotations

import os
import signal
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.drills.stage import descendants, kill_all
from tests.uws.service import Service

pytestmark = pytest.mark.slow
MANY = "[limits.anonymous]\nactive_jobs = 100\n"


@pytest.fixture(scope="module")
def partner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    service = Service(tmp_path_factory.mktemp("partner"), MANY)
    service.start_web()
    service.start_worker()
    yield service
    service.stop()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, partner: Service) -> Iterator[Service]:
    site = f'[executors]\ndefault = "partner"\n[executors.partner]\ntype = "uws"\nurl = "{partner.url}/uws"\n'
    service = Service(tmp_path_factory.mktemp("service"), MANY + site)
    service.start_web()
    service.start_worker()
    yield service
    service.stop()


def jobs_there(partner: Service, url: str) -> list[str]:
    """Ids of the partner's jobs that carry the label of a job of ours, with their phases."""
    code = (
        "import os, django; os.environ['DJANGO_SETTINGS_MODULE'] = 'gateway.settings'; django.setup()\n"
        "from uws.models import Job\n"
        f"for job in Job.objects.filter(run_id={url.rpartition('/')[2]!r}): print(job.pk, job.phase)"
    )
    done = partner.run("-c", code)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def running_there(partner: Service) -> list[Path]:
    """Logs of the partner's jobs that have begun; found quickly, so that a short job is not missed."""
    return [
        path for path in partner.home.glob("jobs/*/*/attempt-1/stdout.log") if b"tick" in path.read_bytes()
    ]


def text_of(service: Service, url: str, name: str = "text") -> str:
    with urllib.request.urlopen(f"{url}/results/{name}", timeout=30) as response:
        return response.read().decode()


def test_parameters_and_files_go_out_results_and_provenance_come_back(service, partner):
    boundary = "part-of-a-request"
    parts = {
        "text": "sent:",
        "numbers": "500 GeV, 2",
        "PHASE": "RUN",
        'files"; filename="a.txt': "and returned",
    }
    body = "".join(
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in parts.items()
    )
    request = urllib.request.Request(
        f"{service.url}/uws/probe/async",
        data=f"{body}--{boundary}--\r\n".encode(),
        headers={"Content-Type": f"multipart/form-data; boundary={boundary}"},
    )
    with urllib.request.urlopen(request, timeout=30) as response:
        url = response.url
    state = service.ended(url)
    assert state["phase"] == "COMPLETED", state["error"]
    assert text_of(service, url) == "sent:and returned"
    (there,) = jobs_there(partner, url)
    assert there.endswith("COMPLETED")
    provenance = text_of(service, url, "partner-provenance")
    assert there.split()[0] in provenance
    assert there.split()[0] in state["log"]["text"]


def test_the_partners_error_is_told_in_its_words(service):
    url = service.create(action="fail")
    state = service.ended(url)
    assert state["phase"] == "ERROR"
    assert state["error"]["message"] == "The region holds no events: choose a larger radius."


def test_an_abort_ends_the_partners_job(service, partner):
    url = service.create(action="sleep", seconds=60)
    service.until(lambda: "EXECUTING" in "".join(jobs_there(partner, url)), "it runs there")
    service.post(f"{url}/phase", PHASE="ABORT")
    service.until(lambda: "ABORTED" in "".join(jobs_there(partner, url)), "it has ended there", 10)


def test_after_a_killed_shepherd_the_same_job_there_goes_on(service, partner):
    before = set(running_there(partner))
    url = service.create(action="sleep", seconds=4)
    service.until(lambda: set(running_there(partner)) - before, "it runs there")
    (shepherd,) = service.shepherds(url)
    os.kill(shepherd, signal.SIGKILL)
    state = service.ended(url)
    assert (state["phase"], state["attempt"]) == ("COMPLETED", 2), state["error"]
    assert [line.split()[1] for line in jobs_there(partner, url)] == ["COMPLETED"]


def test_a_partner_who_is_away_is_waited_for(service, partner):
    web = partner.processes[0]
    kill_all([web.pid, *descendants(web.pid)])
    web.wait()
    url = service.create(action="write", text="patience")
    service.until(lambda: "will ask again" in service.state(url)["log"]["text"], "it asks again")
    partner.start_web()
    assert service.ended(url)["phase"] == "COMPLETED"
