"""Routes of this room."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from gateway.portal.views import jobs, tools, view

app_name = "portal"

urlpatterns: list[URLPattern | URLResolver] = [
    path("tools/", tools.tools, name="tools"),
    path("tools/<str:name>/", tools.tool, name="tool"),
    path("jobs/", jobs.jobs, name="jobs"),
    path("jobs/<str:job_id>/", jobs.job, name="job"),
    path("jobs/<str:job_id>/state/", jobs.job_state, name="job-state"),
    path("view/<str:job_id>/<path:name>/", view.view, name="view"),
]
