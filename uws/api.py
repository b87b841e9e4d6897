"""/api/v1/jobs/<id>: a job's state as JSON, for pages and programs."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from django.http import HttpRequest, HttpResponseBase, JsonResponse

from gateway.vo.dali import Parameters
from gateway.vo.sessions import caller_of
from uws import batch, forms, links, logs, rows, wait, xml
from uws.access import get_job
from uws.models import Job
from uws.views import methods


@methods("GET", "HEAD")
def job_state(request: HttpRequest, job_id: str) -> HttpResponseBase:
    """The state of a job.

    LOG=<offset> adds the log from that byte on; WAIT=<seconds> (and PHASE) waits for the phase to change.
    """
    job = get_job(job_id, caller_of(request))
    query = Parameters(request.GET)
    base = links.base_url(request)
    if query.get("WAIT"):
        # With a log, everybody's answer is another one.
        render = None if query.get("LOG") else document
        now = wait.wait_here(request, job, query.get("WAIT"), query.get("PHASE"), base, render)
        if now is None:
            return JsonResponse({})
        job = now
    state = describe(job, base)
    if query.get("LOG"):
        offset = forms.integer("LOG", query.get("LOG"), minimum=-(1 << 40))
        text, following = logs.tail(job, offset)
        state["log"] = {"offset": offset, "text": text, "next_offset": following}
    return JsonResponse(state)


def document(job: Job, base: str) -> bytes:
    """A job's state as it is sent."""
    return JsonResponse(describe(job, base)).content


def describe(job: Job, base: str) -> dict[str, Any]:
    """A job as plain values; times in UTC, durations in seconds."""
    run_time = job.run_time
    return {
        "id": job.pk,
        "tool": job.tool_name,
        "version": job.tool_version,
        "run_id": job.run_id,
        "owner": job.owner_name,
        "phase": job.phase,
        "active": job.is_active,
        "final": job.is_final,
        "stage": job.stage,
        "progress": job.progress,
        "creation_time": xml.instant(job.creation_time),
        "start_time": xml.instant(job.start_time) or None,
        "end_time": xml.instant(job.end_time) or None,
        "run_time": run_time.total_seconds() if run_time is not None else None,
        "execution_duration": job.execution_duration,
        "destruction": xml.instant(job.destruction),
        "quote": xml.instant(job.quote) or None,
        "attempt": job.attempt,
        "error": {"type": job.error_type, "message": job.error_message} if job.error_message else None,
        "parameters": job.parameters,
        "inputs": [
            {"role": row.role, "id": row.identifier, "title": row.title} for row in rows.inputs_of(job)
        ],
        "results": [
            {
                "name": name,
                "file_name": row.file_name,
                "url": links.result_url(job, name, base),
                "media_type": row.media_type,
                "size": row.size,
                "sha256": row.sha256,
                "role": row.role,
                "preview": row.preview,
                "label": row.label,
            }
            for name, row in batch.listed(job)
        ],
        "answered_from": job.answered_from or None,
        "held_for": job.held_for or None,
        "parent": job.parent_id,
        "children": asdict(batch.counts(job)) if job.is_batch else None,
        "url": links.job_url(job, base),
        "page": links.page_url(job, base),
    }
