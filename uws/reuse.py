"""Answering a request from an earlier result, where the same was asked for before.

The same is: the tool's digest, the parameters and the inputs' bytes.  Rights hold: only results of the same
account, or of the same browser session, are given again.
"""

from __future__ import annotations

import logging
import os
import shutil

from django.conf import settings
from django.db import transaction

from gateway.vo.errors import UsageError
from provenance.models import Activity
from provenance.records import request_digest
from uws.models import Job, JobResult, Rights
from uws.phases import Phase

__all__ = ["answer", "check_allowed", "find_answer", "switch", "wanted"]

log = logging.getLogger("vogate.uws")

CANDIDATES = 20
"""Earlier requests that are looked at; results of the first ones may have been destroyed."""


def switch(tool: str) -> bool | None:
    """What the site says of a tool: True (answered unless the request says no), False (never), None (if asked).

    `[reuse] tools = ["spectrum"]` and `[reuse] off = ["periodogram"]` in site.toml; `["*"]` means all.
    """
    section = settings.SITE.raw.get("reuse", {})
    for name, meaning in (("off", False), ("tools", True)):
        names = section.get(name, [])
        if "*" in names or tool in names:
            return meaning
    return None


def check_allowed(tool: str, asked: bool | None) -> None:
    """Refuse a request that asks for what the site does not do for this tool.

    Raises
    ------
    UsageError
        For `asked` where the tool is switched off.
    """
    if asked and (tool in settings.VOGATE_JOB_RUNNERS or switch(tool) is False):
        raise UsageError(
            f"{tool} is always run: its results are not used again here.",
            hint="Leave REUSE out.",
            field="REUSE",
        )


def wanted(job: Job) -> bool:
    """Whether a job may be answered without being run: the request's own switch, else the site's."""
    site = switch(job.tool_name)
    return site is not False and (job.reuse if job.reuse is not None else bool(site))


def find_answer(job: Job) -> Job | None:
    """The oldest job that was asked for exactly the same, whose owner is the same and whose results are there."""
    digest = request_digest(
        job.tool_digest,
        job.parameters,
        [(row.role, row.sha256 or row.identifier) for row in job.inputs.all()],
    )
    if not digest or job.rights == Rights.CAPABILITY:
        return None
    known = Activity.objects.filter(
        requestDigest=digest, phase=Phase.COMPLETED, final=True, invalidatedAtTime__isnull=True
    )
    known = known.exclude(generated__entity__withdrawal__isnull=False).order_by("endTime")
    mine = Job.objects.filter(
        deleted_at__isnull=True, rights=job.rights, owner_id=job.owner_id, session=job.session
    ).exclude(pk=job.pk)
    for job_id in known.filter(job__in=mine.values("pk")).values_list("job", flat=True)[:CANDIDATES]:
        earlier = Job.objects.filter(pk=job_id, phase=Phase.COMPLETED).first()
        rows = list(earlier.results.all()) if earlier is not None else []
        if rows and all(row.path.is_file() for row in rows):
            return earlier
    return None


def answer(job: Job) -> bool:
    """End a job that is about to be queued with the results of an earlier one; False if there is none.

    Its activity used the earlier entities; what it generates was derived from them (STANDARDS 28).
    """
    from uws import moves  # which asks here before it queues anything

    if not wanted(job):
        return False
    job.refresh_from_db(fields=["parameters"])
    earlier = find_answer(job)
    if earlier is None:
        return False
    try:
        with transaction.atomic():
            moves.repeat(job, earlier.pk, _copies(job, earlier))
    except OSError:
        log.exception("job %s: the results of %s cannot be kept again", job.pk, earlier.pk)
        return False
    return True


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
