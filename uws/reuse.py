"""Answering a request from an earlier result, where the same was asked for before.

The same is: the tool's digest, the parameters and the inputs' bytes.  Rights hold: only results that the
caller may have anyway are given.
"""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.db import transaction

from gateway.vo.caller import Caller
from gateway.vo.errors import GatewayError, NotFound
from provenance import access
from provenance.models import Activity
from provenance.records import request_digest
from uws import controller, creation
from uws.access import get_job
from uws.models import Job, JobResult
from uws.phases import Phase
from uws.record import ANSWER_ROLE
from uws.replay import final_record
from uws.tools.description import Tool

__all__ = ["answer", "answered_from", "find_answer", "reuse_allowed", "submit"]


def reuse_allowed(tool: str) -> bool:
    """Whether the site lets equal requests of a tool be answered from earlier results.

    `[reuse] tools = ["spectrum"]` in site.toml, or `["*"]`; none without.
    """
    names = settings.SITE.raw.get("reuse", {}).get("tools", [])
    return "*" in names or tool in names


def find_answer(job: Job, caller: Caller) -> Job | None:
    """An earlier job that was asked for exactly the same and whose results are there, for this caller."""
    digest = request_digest(
        job.tool_digest,
        job.parameters,
        [(row.role, row.sha256 or row.identifier) for row in job.inputs.all()],
    )
    if not digest:
        return None
    known = access.activities(caller).filter(
        requestDigest=digest, phase=Phase.COMPLETED, final=True, invalidatedAtTime__isnull=True
    )
    for activity in known.exclude(generated__entity__withdrawal__isnull=False).order_by("endTime")[:20]:
        earlier = _usable(activity, caller)
        if earlier is not None:
            return earlier
    return None


def _usable(activity: Activity, caller: Caller) -> Job | None:
    """The job, if the caller may have its results and all of them are on disk."""
    try:
        job = get_job(activity.job, caller)
    except GatewayError:
        return None
    rows = list(job.results.all())
    whole = job.phase == Phase.COMPLETED and rows and all(row.path.is_file() for row in rows)
    return job if whole else None


def answer(job: Job, caller: Caller, earlier: Job) -> Job:
    """End a job that was made but not queued with the results of an earlier one.

    Its activity used the earlier entities; what it generates was derived from them (STANDARDS 28).
    """
    with transaction.atomic():
        controller.run(job, caller)  # no worker sees it queued: the transaction ends after the last step
        Job.objects.filter(pk=job.pk).update(attempt=1)
        controller.start(job.pk, 1, "reuse", socket.gethostname())
        Job.objects.filter(pk=job.pk).update(stage=f"Answered from job {earlier.pk}")
        outcome = controller.Outcome(
            Phase.COMPLETED,
            results=_copies(job, earlier),
            exit_code=None,
            extra={"answered_from": earlier.pk},
        )
        controller.finish(job.pk, 1, outcome)
    job.refresh_from_db()
    return job


def _copies(job: Job, earlier: Job) -> list[JobResult]:
    """The results as the new job's own: second names of the same bytes, which outlive the first."""
    job.results_folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for row in earlier.results.all():
        source = row.path
        row.pk, row.job = None, job
        row._state.adding = True
        try:
            os.link(source, row.path)
        except OSError:
            shutil.copyfile(source, row.path)
        rows.append(row)
    return rows


def submit(
    tool: Tool | str, parameters: Mapping[str, Any], caller: Caller, *, reuse: bool | None = None, **more: Any
) -> Job:
    """`uws.controller.create` and run, answered from an earlier result where that is allowed.

    Parameters
    ----------
    reuse
        The request's own switch: False never, True if the site allows it for the tool, None as the site says.
    """
    name = tool.name if isinstance(tool, Tool) else tool.partition("@")[0]
    if reuse is False or not reuse_allowed(name):
        return controller.create(tool, parameters, caller, run=True, **more)
    job = controller.create(tool, parameters, caller, run=False, **more)
    job.parameters = creation.check_complete(job, caller)
    earlier = find_answer(job, caller)
    return answer(job, caller, earlier) if earlier is not None else controller.run(job, caller)


def answered_from(job_id: str) -> str:
    """The job whose results were repeated by this one, '' for a job that ran."""
    try:
        record = final_record(job_id)
    except NotFound:
        return ""
    for use in record.used:
        if use.role == ANSWER_ROLE:
            return use.entity.id.partition("/")[0]
    return ""
