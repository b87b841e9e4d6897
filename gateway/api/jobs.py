"""/api/v1/jobs: the same jobs as UWS has, as JSON."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from gateway.api.base import ApiView, checked
from gateway.api.serializers import (
    ErrorSerializer,
    JobQuerySerializer,
    JobSerializer,
    JobStateQuerySerializer,
    JobSummarySerializer,
    NewJobSerializer,
    PhaseSerializer,
    ResultSerializer,
)
from gateway.vo.errors import UsageError
from uws import controller, links, logs, xml
from uws.access import get_job, jobs_of, may_use
from uws.api import describe, job_state
from uws.models import Job
from uws.phases import Phase

_REFUSALS = {401: ErrorSerializer, 403: ErrorSerializer, 404: ErrorSerializer}
_BAD = {400: ErrorSerializer}
_STATE = {409: ErrorSerializer, 415: ErrorSerializer, 503: ErrorSerializer}
_LISTS = ("phase", "id")


def query_values(request: Request, lists: tuple[str, ...]) -> dict[str, Any]:
    """The query string, names in lower case; the names of `lists` may be repeated, others not."""
    found: dict[str, Any] = {}
    for name, values in request.query_params.lists():
        lower = name.lower()
        if lower in lists:
            found.setdefault(lower, []).extend(values)
        elif len(set(values)) > 1 or lower in found:
            raise UsageError(f"{lower} is given more than once.", field=lower)
        else:
            found[lower] = values[0]
    return found


def _summary(job: Job, base: str) -> dict[str, Any]:
    return {
        "id": job.pk,
        "tool": job.tool_name,
        "version": job.tool_version,
        "run_id": job.run_id,
        "phase": job.phase,
        "progress": job.progress,
        "stage": job.stage,
        "creation_time": xml.instant(job.creation_time),
        "error_message": job.error_message,
        "url": links.job_url(job, base),
    }


class Jobs(ApiView):
    """The list, and creation."""

    @extend_schema(
        operation_id="jobs",
        parameters=[JobQuerySerializer],
        responses={200: JobSummarySerializer(many=True), **_BAD},
        tags=["jobs"],
    )
    def get(self, request: Request) -> Response:
        """The caller's jobs, the newest first; archived ones only where `phase` asks for them."""
        asked = checked(JobQuerySerializer, query_values(request, _LISTS))
        rows = jobs_of(self.caller)
        if "id" in asked:
            known = Job.objects.filter(pk__in=asked["id"], deleted_at__isnull=True)
            rows = known.filter(pk__in=[job.pk for job in known if may_use(job, self.caller)])
        if asked.get("phase"):
            rows = rows.filter(phase__in=asked["phase"])
        elif "id" not in asked:
            rows = rows.exclude(phase=Phase.ARCHIVED)
        if "tool" in asked:
            rows = rows.filter(tool_name=asked["tool"].partition("@")[0])
        if "run_id" in asked:
            rows = rows.filter(run_id=asked["run_id"])
        rows = rows.order_by("-creation_time", "-id")[: asked.get("last", 1000)]
        return Response([_summary(job, self.base_url) for job in rows])

    @extend_schema(
        operation_id="create_job",
        request=NewJobSerializer,
        responses={201: JobSerializer, **_BAD, **_REFUSALS, 415: ErrorSerializer, 503: ErrorSerializer},
        tags=["jobs"],
    )
    def post(self, request: Request) -> Response:
        """Make a job, and queue it unless `run` is false.  Files are uploaded to the UWS address instead."""
        asked = checked(NewJobSerializer, request.data)
        caller = self.caller
        job = controller.create(
            asked["tool"],
            asked.get("parameters", {}),
            caller,
            run_id=asked.get("run_id", ""),
            inputs=asked.get("inputs", {}),
            session=bool(caller.session_key),
            run=asked["run"],
            base_url=self.base_url,
            execution_duration=asked.get("execution_duration"),
            reuse=asked.get("reuse"),
        )
        state = describe(job, self.base_url)
        return Response(state, status=201, headers={"Location": f"{self.base_url}/api/v1/jobs/{job.pk}"})


class JobView(ApiView):
    """One job."""

    @extend_schema(
        operation_id="job",
        parameters=[JobStateQuerySerializer],
        responses={200: JobSerializer, **_BAD, **_REFUSALS},
        tags=["jobs"],
    )
    def get(self, request: Request, job_id: str) -> HttpResponseBase:
        """A job's state.  To wait for a change of phase use WAIT at its UWS address (`url`)."""
        return job_state(self.request._request, job_id)

    @extend_schema(operation_id="delete_job", responses={204: None, **_REFUSALS}, tags=["jobs"])
    def delete(self, request: Request, job_id: str) -> Response:
        """Delete a job with its files; its provenance stays."""
        controller.destroy(get_job(job_id, self.caller))
        return Response(status=204)


class JobPhase(ApiView):
    """Run or abort."""

    @extend_schema(
        operation_id="change_phase",
        request=PhaseSerializer,
        responses={200: JobSerializer, **_BAD, **_REFUSALS, **_STATE},
        tags=["jobs"],
    )
    def post(self, request: Request, job_id: str) -> Response:
        """Queue a pending job, or abort one that has not ended."""
        job = get_job(job_id, self.caller)
        if checked(PhaseSerializer, request.data)["phase"] == "RUN":
            job = controller.run(job, self.caller)
        else:
            job = controller.abort(job)
        return Response(describe(job, self.base_url))


class JobRerun(ApiView):
    """The same again."""

    @extend_schema(
        operation_id="rerun_job",
        request=None,
        responses={201: JobSerializer, **_BAD, **_REFUSALS, 503: ErrorSerializer},
        tags=["jobs"],
    )
    def post(self, request: Request, job_id: str) -> Response:
        """A new job of the same tool and version with the same parameters and inputs.

        Uploaded files are not kept for this; a job with such inputs has to be made anew.
        """
        old = get_job(job_id, self.caller)
        inputs: dict[str, list[str]] = {}
        for row in old.inputs.all():
            if row.identifier.startswith("param:"):
                text = f"The input {row.title or row.role!r} was uploaded."
                raise UsageError(text, hint="Make a new job with the file.", field=row.role)
            inputs.setdefault(row.role, []).append(row.identifier)
        runner = old.executor == "runner"
        job = controller.create(
            old.tool_name if runner else f"{old.tool_name}@{old.tool_version}",
            old.parameters,
            self.caller,
            run_id=old.run_id,
            reuse=False,
            inputs=inputs,
            session=bool(self.caller.session_key),
            run=True,
            base_url=self.base_url,
        )
        return Response(describe(job, self.base_url), status=201)


class JobResults(ApiView):
    """The results."""

    @extend_schema(
        operation_id="results", responses={200: ResultSerializer(many=True), **_REFUSALS}, tags=["jobs"]
    )
    def get(self, request: Request, job_id: str) -> Response:
        """A job's results; the files are at their `url`."""
        return Response(describe(get_job(job_id, self.caller), self.base_url)["results"])


class JobLog(ApiView):
    """The log."""

    @extend_schema(
        operation_id="job_log",
        parameters=[
            OpenApiParameter("offset", int, description="The first byte wanted; negative from the end")
        ],
        responses={200: OpenApiTypes.OBJECT, **_BAD, **_REFUSALS},
        tags=["jobs"],
    )
    def get(self, request: Request, job_id: str) -> Response:
        """A job's log from a byte on, and where it goes on from."""
        job = get_job(job_id, self.caller)
        values = {"LOG": query_values(request, ()).get("offset", "0")}
        offset = checked(JobStateQuerySerializer, values)["LOG"]
        text, following = logs.tail(job, offset)
        return Response({"offset": offset, "text": text, "next_offset": following})
