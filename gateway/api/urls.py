"""Routes of the JSON API, below /api/v1/."""

from __future__ import annotations

from django.urls import path
from drf_spectacular.views import SpectacularAPIView

from gateway.api import archive, jobs, tools

app_name = "api"
urlpatterns = [
    path(
        "schema", SpectacularAPIView.as_view(authentication_classes=(), permission_classes=()), name="schema"
    ),
    path("tools", tools.Tools.as_view(), name="tools"),
    path("tools/<uws_tool:tool>", tools.ToolView.as_view(), name="tool"),
    path("tools/<uws_tool:tool>/schema", tools.ToolSchema.as_view(), name="tool-schema"),
    path("tools/<uws_tool:tool>/form", tools.ToolForm.as_view(), name="tool-form"),
    path("tools/<uws_tool:tool>/descriptor", tools.ToolDescriptor.as_view(), name="tool-descriptor"),
    path("tools/<uws_tool:tool>/activity", tools.ToolActivity.as_view(), name="tool-activity"),
    path("jobs", jobs.Jobs.as_view(), name="jobs"),
    path("jobs/<uws_job:job_id>", jobs.JobView.as_view(), name="job"),
    path("jobs/<uws_job:job_id>/phase", jobs.JobPhase.as_view(), name="job-phase"),
    path("jobs/<uws_job:job_id>/rerun", jobs.JobRerun.as_view(), name="job-rerun"),
    path("jobs/<uws_job:job_id>/results", jobs.JobResults.as_view(), name="job-results"),
    path("jobs/<uws_job:job_id>/log", jobs.JobLog.as_view(), name="job-log"),
    path("searches", archive.Searches.as_view(), name="searches"),
    path("observations", archive.Observations.as_view(), name="observations"),
    path(
        "observations/<str:collection>/<path:obs_id>", archive.ObservationView.as_view(), name="observation"
    ),
]
