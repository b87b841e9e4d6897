"""Who may see and change which job (STANDARDS 26)."""

from __future__ import annotations

import hashlib

from django.db.models import QuerySet
from django.utils.crypto import salted_hmac

from gateway.vo.caller import Caller
from gateway.vo.errors import Forbidden, NotFound
from uws import rows
from uws.models import Job, Rights


def session_digest(session_key: str) -> str:
    """What a job keeps of a session's key: enough to recognise it, not to take the session over."""
    return hashlib.sha256(session_key.encode()).hexdigest() if session_key else ""


def fair_use_digest(caller: Caller) -> str:
    """By what the limits count a caller's jobs, without keeping a network address."""
    return salted_hmac("uws.fair_use", caller.fair_use_key, algorithm="sha256").hexdigest()


def may_use(job: Job, caller: Caller) -> bool:
    """True if the caller may see, change and delete the job."""
    if job.rights == Rights.ACCOUNT:
        return caller.is_authenticated and job.owner_id == caller.user_id
    if job.rights == Rights.SESSION:
        return bool(caller.session_key) and job.session == session_digest(caller.session_key)
    return True


def get_job(id: str, caller: Caller, *, tool: str = "") -> Job:
    """The job of that id.

    Parameters
    ----------
    tool
        Name of the tool whose jobs are looked at; a job of another tool is not found.

    Raises
    ------
    NotFound
        If there is none, or it was deleted.
    Forbidden
        If it is another account's or session's.
    """
    job = rows.first(Job, "id = %s AND deleted_at IS NULL", [id])
    if job is None or (tool and job.tool_name != tool):
        raise NotFound("There is no such job.", hint="It may have been deleted.")
    if not may_use(job, caller):
        raise Forbidden(
            "This job belongs to somebody else.",
            hint="Sign in with the account, or use the browser, that started it.",
        )
    return job


def may_see(id: str, caller: Caller) -> bool:
    """Whether the caller may see the job and what hangs on it (`VOGATE_PROVENANCE_RIGHTS`).

    Raises
    ------
    NotFound
        If there is no such job.
    """
    try:
        get_job(id, caller)
    except Forbidden:
        return False
    return True


def jobs_of(caller: Caller) -> QuerySet[Job]:
    """The caller's own jobs, oldest first: what lists show.

    Jobs made without a session are reached by their address and listed for nobody.
    """
    jobs = Job.objects.filter(deleted_at__isnull=True).order_by("creation_time", "id")
    if caller.is_authenticated:
        return jobs.filter(owner_id=caller.user_id, rights=Rights.ACCOUNT)
    if caller.session_key:
        return jobs.filter(session=session_digest(caller.session_key), rights=Rights.SESSION)
    return jobs.none()


def adopt_session(session_key: str, user_id: int) -> int:
    """Give the jobs of a browser session to the account that signed in with it; returns how many.

    `gateway.accounts` calls it with the key that the session had before the sign-in.
    """
    if not session_key:
        return 0
    return Job.objects.filter(rights=Rights.SESSION, session=session_digest(session_key)).update(
        rights=Rights.ACCOUNT, owner_id=user_id, session=""
    )
