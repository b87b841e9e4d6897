"""What operators see and do in the admin pages."""

from __future__ import annotations

import pytest
from django.contrib.auth import get_user_model

from tests.uws.builders import make_job, work

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def operator(client):
    client.force_login(get_user_model().objects.create_superuser("op", "op@example.org", "a steady hand 9"))
    return client


def test_operators_see_jobs_with_their_attempts_but_do_not_edit_them(operator):
    job = work(make_job(run=True))
    listed = operator.get("/admin/uws/job/").content.decode()
    assert job.pk in listed
    assert f"{job.creation_time:%Y-%m-%d %H:%M:%S} UTC" in listed
    page = operator.get(f"/admin/uws/job/{job.pk}/change/")
    assert page.status_code == 200
    assert 'name="_save"' not in page.content.decode()


def test_operators_abort_jobs(operator):
    job = make_job(run=True)
    operator.post("/admin/uws/job/", {"action": "abort_jobs", "_selected_action": [job.pk]})
    job.refresh_from_db()
    assert (job.phase, job.error_message) == ("ABORTED", "Aborted by an operator.")


def test_operators_pages_say_whose_they_are(operator, settings):
    assert f"{settings.SITE.title}: operators" in operator.get("/admin/").content.decode()
    assert operator.get("/favicon.ico")["Location"] == "/static/icon-48.png"
