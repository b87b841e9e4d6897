"""Strangers' UWS requests take the short way through Django, get the same answers, and ask the database little."""

from __future__ import annotations

import pytest
from django.contrib.sessions.models import Session
from django.core.wsgi import get_wsgi_application
from django.db import connection
from django.test.utils import CaptureQueriesContext

from gateway.entrance import Entrance
from tests.support.wsgi import ask
from tests.uws.builders import ANYBODY, make_job
from uws import controller
from uws.models import Job, Rights

pytestmark = pytest.mark.django_db


@pytest.fixture
def entrance() -> Entrance:
    return Entrance(get_wsgi_application())


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/uws/"),
        ("GET", "/uws/probe/async"),
        ("GET", "/uws/probe/async?PHASE=NONSENSE"),
        ("GET", "/uws/probe/capabilities"),
        ("GET", "/uws/probe/availability"),
        ("GET", "/uws/nothing/async"),
        ("POST", "/uws/probe/async?SECONDS=never"),
        ("PUT", "/uws/probe/async"),
        ("OPTIONS", "/uws/probe/async"),
        ("GET", "/uws/probe/async/{id}"),
        ("HEAD", "/uws/probe/async/{id}"),
        ("GET", "/uws/probe/async/{id}/phase"),
        ("GET", "/uws/probe/async/{id}/parameters/text"),
        ("GET", "/uws/probe/async/{id}/parameters/none"),
        ("GET", "/uws/probe/async/{id}/results"),
        ("GET", "/uws/probe/async/{id}/results/none"),
        ("GET", "/uws/probe/async/{id}/log"),
        ("GET", "/uws/strict/async/{id}"),
        ("POST", "/uws/probe/async/{id}"),
    ],
)
@pytest.mark.parametrize("accept", ["*/*", "text/html,application/xhtml+xml"])
def test_both_ways_give_the_same_answer(entrance, method, path, accept):
    path = path.format(id=make_job(text="x").pk)
    environ = {"HTTP_ACCEPT": accept, "HTTP_ACCESS_CONTROL_REQUEST_METHOD": "POST"}
    assert ask(entrance.short, method, path, **environ) == ask(entrance.whole, method, path, **environ)


@pytest.mark.parametrize("rights", [Rights.SESSION, Rights.ACCOUNT])
def test_a_stranger_is_kept_out_either_way(entrance, rights):
    job = make_job()
    Job.objects.filter(pk=job.pk).update(rights=rights, session="somebody")
    ways = [ask(way, "GET", f"/uws/probe/async/{job.pk}") for way in (entrance.short, entrance.whole)]
    assert ways[0] == ways[1]
    assert ways[0][0].startswith("403")


@pytest.mark.parametrize(
    ("method", "tail", "most"),
    [("GET", "/{id}", 3), ("GET", "/{id}/phase", 1), ("POST", "", 2), ("POST", "?PHASE=RUN", 9)],
)
def test_what_is_polled_asks_the_database_little(entrance, method, tail, most):
    path = f"/uws/probe/async{tail.format(id=make_job().pk)}"
    with CaptureQueriesContext(connection) as asked:
        status, _, _ = ask(entrance, method, path)
    assert status[:3] == ("200" if method == "GET" else "303")
    statements = [q["sql"] for q in asked.captured_queries if "SAVEPOINT" not in q["sql"]]
    assert len(statements) <= most, statements
    assert Session.objects.count() == 0


def test_what_is_created_the_short_way_is_reached_by_its_address_alone(entrance):
    _, headers, _ = ask(entrance, "POST", "/uws/probe/async?TEXT=x")
    job = Job.objects.get(pk=headers["Location"].rpartition("/")[2])
    assert (job.rights, job.owner, job.session) == (Rights.CAPABILITY, None, "")
    controller.run(job, ANYBODY)
    assert ask(entrance, "GET", f"/uws/probe/async/{job.pk}/phase")[2] == b"QUEUED"
