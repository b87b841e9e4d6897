"""How much of the disk a user's jobs hold, and whether there is room for more."""

from __future__ import annotations

from django.conf import settings
from django.db.models import QuerySet, Sum

from gateway.vo.caller import Caller
from gateway.vo.errors import Forbidden, NotAvailable
from uws import queues
from uws.access import fair_use_digest
from uws.models import Job, JobInput, JobResult
from uws.phases import Phase

__all__ = ["check", "quota", "used"]


def quota(signed_in: bool) -> int:
    """Bytes that one user's results and uploads may hold; 0 for no limit.

    `[limits.bytes] anonymous = ...` and `signed_in = ...` of site.toml.
    """
    table = settings.SITE.raw.get("limits", {}).get("bytes", {})
    return int(table.get("signed_in" if signed_in else "anonymous", 0))


def used(caller: Caller) -> int:
    """Bytes of the results and uploads of a caller's jobs."""
    return _bytes(
        Job.objects.filter(owner_id=caller.user_id)
        if caller.is_authenticated
        else Job.objects.filter(owner=None, fair_use=fair_use_digest(caller))
    )


def _bytes(jobs: QuerySet[Job]) -> int:
    kept = jobs.filter(deleted_at__isnull=True).exclude(phase=Phase.ARCHIVED).order_by().values("pk")
    results = JobResult.objects.filter(job__in=kept).aggregate(total=Sum("size"))["total"]
    # Files of the archive are not the user's: what was uploaded or fetched has no collection.
    own = JobInput.objects.filter(job__in=kept, job__parent=None, owned=True)
    return (results or 0) + (own.aggregate(total=Sum("size"))["total"] or 0)


def check(caller: Caller) -> None:
    """Refuse a new job whose results could not be kept.

    Raises
    ------
    Forbidden
        If the caller's jobs hold as much as they may.
    NotAvailable
        If the server's disk is full.
    """
    if queues.disk_is_full():
        raise NotAvailable(
            "The server's disk is full: no jobs are accepted for now.",
            hint="Jobs that wait will run when there is room again; try later.",
            headers={"Retry-After": "600"},
        )
    most = quota(caller.is_authenticated)
    if not most:
        return
    held = used(caller)
    if held >= most:
        raise Forbidden(
            f"Your jobs hold {held / 1e6:,.1f} MB of files; {most / 1e6:,.1f} MB is the limit.",
            hint="Delete jobs that you no longer need"
            + ("." if caller.is_authenticated else ", or sign in for a higher limit."),
        )
