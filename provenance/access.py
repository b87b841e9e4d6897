"""Who may see a job's provenance."""

from __future__ import annotations

from django.conf import settings
from django.utils.module_loading import import_string

from gateway.vo.caller import Caller
from gateway.vo.errors import Forbidden, NotAuthenticated, NotFound
from provenance import models


def check(job_id: str, caller: Caller) -> None:
    """Let the caller pass, or raise.

    A job that exists has the rights that `VOGATE_PROVENANCE_RIGHTS` gives it (dotted path of
    `may_see(job_id, caller) -> bool`).  Of a deleted job the tombstone stays visible to the account that
    ran it and to staff.

    Raises
    ------
    gateway.vo.errors.Forbidden, NotAuthenticated
        If the job exists, but not for this caller.
    gateway.vo.errors.NotFound
        If there is no such job.
    """
    may_see = import_string(settings.VOGATE_PROVENANCE_RIGHTS)
    try:
        allowed = bool(may_see(job_id, caller))
    except NotFound:
        allowed = False
    if allowed or _remembers(job_id, caller):
        return
    if not models.Activity.objects.filter(job=job_id, invalidatedAtTime__isnull=True).exists():
        raise NotFound(
            "There is no such job.", hint="Check the address; provenance is written when a job ends."
        )
    if not caller.is_authenticated:
        raise NotAuthenticated("This provenance belongs to someone's job.", hint="Sign in, or send a token.")
    raise Forbidden("This provenance belongs to another user's job.")


def _remembers(job_id: str, caller: Caller) -> bool:
    """Whether the caller may see the tombstone of this job."""
    activities = models.Activity.objects.filter(job=job_id, invalidatedAtTime__isnull=False)
    if caller.is_staff:
        return activities.exists()
    if not caller.is_authenticated:
        return False
    return activities.filter(wasAssociatedWith__agent_id=f"user:{caller.user_id}").exists()
