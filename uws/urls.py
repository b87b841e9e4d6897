"""Routes of this room: `/uws/<tool>/...`, and the same jobs for other rooms (`job_urls`)."""

from __future__ import annotations

from typing import Any

from django.urls import URLPattern, URLResolver, include, path, register_converter

from uws import downloads, views, vosi
from uws.api import job_state
from uws.models import ID_LENGTH


class JobIdConverter:
    """A job's public id."""

    regex = f"[a-z2-7]{{{ID_LENGTH}}}"

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str) -> str:
        return value


class ToolConverter(JobIdConverter):
    """`name` or `name@version`."""

    regex = r"[A-Za-z0-9][A-Za-z0-9_.-]*(?:@[A-Za-z0-9_.+-]+)?"


register_converter(JobIdConverter, "uws_job")
register_converter(ToolConverter, "uws_tool")

_JOB: tuple[tuple[str, Any], ...] = (
    ("", views.job),
    ("phase", views.phase),
    ("executionduration", views.execution_duration),
    ("destruction", views.destruction),
    ("quote", views.quote),
    ("error", views.error),
    ("rerun", views.rerun),
    ("owner", views.owner),
    ("parameters", views.parameters),
    ("parameters/<str:name>", views.parameter),
    ("results", downloads.results),
    ("results/<str:name>", downloads.result),
    ("results.zip", downloads.results_zip),
    ("log", downloads.log),
)


def job_urls(tool_name: str | None = None) -> list[URLPattern]:
    """The routes below `.../async`: the list, and every resource of a job.

    Parameters
    ----------
    tool_name
        The tool whose jobs they are (`tap`); None where the URL before them has a `tool` argument.
    """
    given = {"tool": tool_name} if tool_name else {}
    routes = [path("async", views.jobs, given), path("async/", views.jobs, given)]
    for tail, view in _JOB:
        routes.append(path(f"async/<uws_job:job_id>{'/' * bool(tail)}{tail}", view, given))
    routes.append(path("async/<uws_job:job_id>/", views.job, given))
    return routes


_TOOL: list[URLPattern | URLResolver] = [
    *job_urls(),
    path("sync", views.sync),
    path("capabilities", vosi.capabilities),
    path("availability", vosi.availability),
]

app_name = "uws"
urlpatterns: list[URLPattern | URLResolver] = [
    path("", vosi.index, name="index"),
    path("<uws_tool:tool>/", include(_TOOL)),
]

api_urlpatterns: list[URLPattern] = [path("jobs/<uws_job:job_id>", job_state, name="job-state")]
