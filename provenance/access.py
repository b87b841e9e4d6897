"""Who may see what of the graph.

An activity is seen by whoever may see its job (`VOGATE_PROVENANCE_RIGHTS` for one, `VOGATE_PROVENANCE_JOBS`
for many), by everybody if it is public (an ingest), and when its job is deleted by the account that ran it.
An entity is seen with any activity that used or generated it; archive data and the like, whose rights are
public, by everybody.  Staff see all.  Of anything else a reader learns that it is there, not what it is.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from django.conf import settings
from django.db.models import Q, QuerySet
from django.utils.crypto import salted_hmac
from django.utils.module_loading import import_string

from gateway.vo.caller import Caller
from gateway.vo.errors import Forbidden, NotAuthenticated, NotFound
from provenance import models

CHUNK = 5000
"""Most identifiers in one query."""


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
    if may_see_job(job_id, caller):
        return
    if not models.Activity.objects.filter(job=job_id, invalidatedAtTime__isnull=True).exists():
        raise NotFound(
            "There is no such job.", hint="Check the address; provenance is written when a job ends."
        )
    if not caller.is_authenticated:
        raise NotAuthenticated("This provenance belongs to someone's job.", hint="Sign in, or send a token.")
    raise Forbidden("This provenance belongs to another user's job.")


def may_see_job(job_id: str, caller: Caller) -> bool:
    """Whether the caller, who knows the job's address, may see it."""
    if caller.is_staff and models.Activity.objects.filter(job=job_id).exists():
        return True
    may_see = import_string(settings.VOGATE_PROVENANCE_RIGHTS)
    try:
        if may_see(job_id, caller):
            return True
    except NotFound:
        pass
    if models.Activity.objects.filter(job=job_id, access=models.Access.PUBLIC).exists():
        return True
    return _remembers(job_id, caller)


def _remembers(job_id: str, caller: Caller) -> bool:
    """Whether the caller may see the tombstone of this job."""
    activities = models.Activity.objects.filter(job=job_id, invalidatedAtTime__isnull=False)
    if caller.is_staff:
        return activities.exists()
    if not caller.is_authenticated:
        return False
    return activities.filter(wasAssociatedWith__agent_id=f"user:{caller.user_id}").exists()


def activities(caller: Caller, named: Iterable[str] = ()) -> QuerySet[models.Activity]:
    """The activities that the caller may see.

    Parameters
    ----------
    named
        Jobs whose address the caller gave: some are reached by nothing else (STANDARDS 26).
    """
    rows = models.Activity.objects.all()
    if caller.is_staff:
        return rows
    allowed = Q(access=models.Access.PUBLIC)
    held = [job for job in named if may_see_job(job, caller)]
    if held:
        allowed |= Q(job__in=held)
    if caller.is_authenticated or caller.session_key:
        jobs_of = import_string(settings.VOGATE_PROVENANCE_JOBS)
        allowed |= Q(job__in=jobs_of(caller).order_by().values("pk"))
    if caller.is_authenticated:
        own = models.WasAssociatedWith.objects.filter(agent_id=f"user:{caller.user_id}")
        allowed |= Q(invalidatedAtTime__isnull=False, pk__in=own.values("activity_id"))
    return rows.filter(allowed)


PUBLIC_ENTITY = Q(rights="public") | (
    Q(rights="") & (Q(id__startswith="ivo://") | Q(kind=models.Kind.VALUE, id__startswith="platform:"))
)


def entities(caller: Caller, named: Iterable[str] = ()) -> QuerySet[models.Entity]:
    """The entities that the caller may see."""
    rows = models.Entity.objects.all()
    if caller.is_staff:
        return rows
    seen = activities(caller, named).order_by().values("pk")
    return rows.filter(
        PUBLIC_ENTITY
        | Q(pk__in=models.WasGeneratedBy.objects.filter(activity_id__in=seen).values("entity_id"))
        | Q(pk__in=models.Used.objects.filter(activity_id__in=seen).values("entity_id"))
    )


def visible_activities(ids: Collection[str], caller: Caller, named: Iterable[str] = ()) -> set[str]:
    """Those of these activities that the caller may see."""
    named = list(named)
    found: set[str] = set()
    for part in chunks(ids):
        found.update(activities(caller, named).filter(pk__in=part).values_list("pk", flat=True))
    return found


def visible_entities(ids: Collection[str], caller: Caller, named: Iterable[str] = ()) -> set[str]:
    """Those of these entities that the caller may see."""
    if caller.is_staff:
        return set(ids)
    seen = activities(caller, list(named)).order_by()
    found: set[str] = set()
    for part in chunks(ids):
        found.update(models.Entity.objects.filter(PUBLIC_ENTITY, pk__in=part).values_list("pk", flat=True))
        for relation in (models.WasGeneratedBy, models.Used):
            rest = [key for key in part if key not in found]
            rows = relation.objects.filter(entity_id__in=rest).values_list("entity_id", "activity_id")
            pairs = list(rows.distinct())
            allowed: set[str] = set()
            for some in chunks({activity for _, activity in pairs}):
                allowed.update(seen.filter(pk__in=some).values_list("pk", flat=True))
            found.update(entity for entity, activity in pairs if activity in allowed)
    return found


def chunks(ids: Iterable[str]) -> Iterator[list[str]]:
    """Lists of at most CHUNK identifiers."""
    rest = list(ids)
    for start in range(0, len(rest), CHUNK):
        yield rest[start : start + CHUNK]


def pseudonym(identifier: str) -> str:
    """The identifier of something withheld: always the same for the same thing, and no way back."""
    return f"withheld:{salted_hmac('provenance.withheld', identifier, algorithm='sha256').hexdigest()[:20]}"
