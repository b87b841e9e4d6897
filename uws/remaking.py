"""Running everything again that a withdrawal touched: one request, in the order in which things were made.

Each touched job has a row.  One that used nothing that is to be made again is queued at once; the others
follow when those before them have completed, with the new results in the places of the old.  Every job runs
for its own owner, by their rights.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from django.conf import settings
from django.core.mail import send_mail
from django.db import transaction

from gateway.vo.caller import Caller
from gateway.vo.errors import GatewayError, NotFound
from provenance import models
from provenance.access import chunks
from uws import replay
from uws.models import Job, Remake, now
from uws.phases import FINAL, Phase

__all__ = ["AGAIN", "Standing", "advance", "after", "request", "standing", "tend"]

log = logging.getLogger("vogate.uws")

AGAIN = "again "
"""How the label of a job begins that was run again by `uws.replay`."""
TENDED = 50


@dataclass(frozen=True)
class Standing:
    """How far one of the jobs has come."""

    job: str
    new: str
    """The job that replaces it, '' while there is none."""
    state: str
    """`waits`, `cannot be run`, or the new job's phase."""
    text: str = ""


def request(
    withdrawal: models.Withdrawal, *, version: str = "", instead: str = "", tell: bool = False
) -> list[Standing]:
    """Ask for all jobs that a withdrawal touched to be run again.

    Parameters
    ----------
    version
        The version of the tool that replaces the withdrawn one; other tools run in the recorded version.
    instead
        The input that replaces the withdrawn one; without it the same identifier is used, with the bytes
        that it has now.
    tell
        Write to the owners when all of it is done.
    """
    rows = models.WasGeneratedBy.objects.filter(entity__withdrawal=withdrawal)
    rows = rows.exclude(entity_id=withdrawal.subject)  # its own job is what is wrong
    jobs = rows.filter(activity__step="", activity__final=True).values_list("activity__job", flat=True)
    Remake.objects.bulk_create(
        [
            Remake(withdrawal=withdrawal, job=job, version=version, instead=instead, tell=tell)
            for job in sorted(set(jobs.order_by()))
            if Job.objects.filter(pk=job).exists() or _is_job(job)
        ],
        ignore_conflicts=True,
    )
    advance(withdrawal.pk)
    return standing(withdrawal.pk)


def _is_job(key: str) -> bool:
    """Whether an activity was a job, not an ingest or a publication."""
    return not key.startswith(("ingest-", "publish-"))


def standing(withdrawal_id: int) -> list[Standing]:
    """How far a request has come, job by job."""
    found = []
    for row in Remake.objects.filter(withdrawal=withdrawal_id).select_related("new").order_by("pk"):
        if row.problem:
            found.append(Standing(row.job, row.new_id or "", "cannot be run", row.problem))
        elif row.new is None:
            found.append(Standing(row.job, "", "waits"))
        else:
            found.append(Standing(row.job, row.new.pk, row.new.phase, row.new.error_message))
    return found


def after(job: Job) -> None:
    """A job has ended: queue those that waited for it.  Never raises; what fails here is done by `tend`."""
    if not job.run_id.startswith(AGAIN):
        return
    try:
        for key in set(Remake.objects.filter(new=job.pk).values_list("withdrawal", flat=True)):
            advance(key)
    except Exception:
        log.exception("job %s: what waits for it is not queued yet", job.pk)


def tend() -> None:
    """Go on with requests that a killed process has left."""
    waiting = Remake.objects.filter(new__isnull=True, problem="").values_list("withdrawal", flat=True)
    for key in set(waiting.order_by()[:TENDED]):
        advance(key)


def advance(withdrawal_id: int) -> None:
    """Queue every job whose predecessors have completed; name those that can never be."""
    rows = {row.job: row for row in Remake.objects.filter(withdrawal=withdrawal_id).select_related("new")}
    before = _predecessors(rows)
    changed = True
    while changed:  # what cannot be run stops what waits for it, step by step
        changed = False
        for job, row in rows.items():
            if row.new is not None or row.problem:
                continue
            needed = [rows[one] for one in before[job]]
            failed = [one.job for one in needed if _failed(one)]
            if failed:
                _give_up(
                    row, f"It used results of {', '.join(sorted(failed))}, which could not be made again."
                )
                changed = True
            elif all(one.new is not None and one.new.phase == Phase.COMPLETED for one in needed):
                changed |= _run(row, needed)
    if all(_ended(row) for row in rows.values()):
        _tell(withdrawal_id, rows.values())


def _failed(row: Remake) -> bool:
    return bool(row.problem) or (
        row.new is not None and Phase(row.new.phase) in FINAL and row.new.phase != Phase.COMPLETED
    )


def _ended(row: Remake) -> bool:
    return bool(row.problem) or (row.new is not None and Phase(row.new.phase) in FINAL)


def _predecessors(rows: dict[str, Remake]) -> dict[str, set[str]]:
    """By job, the jobs among these whose results it used."""
    found: dict[str, set[str]] = defaultdict(set)
    for part in chunks(rows):
        used = models.Used.objects.filter(activity__job__in=part).values_list("activity__job", "entity_id")
        for job, entity in used:
            other = entity.partition("/")[0]
            if other in rows and other != job:
                found[job].add(other)
    return found


def _give_up(row: Remake, problem: str) -> None:
    row.problem = problem
    Remake.objects.filter(pk=row.pk, new__isnull=True).update(problem=problem)


def _run(row: Remake, needed: Iterable[Remake]) -> bool:
    """Queue one job; False if another process does it, or its owner has no room for it now."""
    changes = {f"{one.job}/": f"{one.new_id}/" for one in needed}
    subject = row.withdrawal.subject
    try:
        with transaction.atomic():
            if not Remake.objects.filter(pk=row.pk, new__isnull=True, problem="", begun=None).update(
                begun=now()
            ):
                return False
            row.new = _queue(row, changes, subject)
            Remake.objects.filter(pk=row.pk).update(new=row.new)
    except GatewayError as error:
        if error.status == 503:  # too many active jobs, a full disk: `tend` tries again
            return False
        _give_up(row, str(error))
    return True


def _queue(row: Remake, changes: dict[str, str], subject: str) -> Job:
    old = Job.objects.select_related("owner").filter(pk=row.job).first()
    if old is None:
        raise NotFound("The job is gone.")
    caller = Caller(method="internal", is_staff=True)
    if old.owner is not None:
        caller = Caller(old.owner.pk, old.owner.get_username(), method="internal", is_staff=True)

    def replaced(entity: str) -> str:
        if entity == subject and row.instead:
            return row.instead
        job, slash, name = entity.partition("/")
        new = changes.get(job + slash)
        return f"job:{new}{name}" if new else ""

    return replay.rerun(
        row.job,
        caller,
        version=row.version if old.tool_name == subject.partition("@")[0] else "",
        accept_changes=True,
        base_url=old.base_url,
        replaced=replaced,
    )


def _tell(withdrawal_id: int, rows: Iterable[Remake]) -> None:
    """Write to the owners who are to be told, once."""
    asked = Remake.objects.filter(withdrawal=withdrawal_id, tell=True, told_at__isnull=True)
    if not asked.update(told_at=now()):
        return
    withdrawal = models.Withdrawal.objects.get(pk=withdrawal_id)
    lines: dict[str, list[str]] = defaultdict(list)
    known = {row.job: row for row in rows if row.tell}
    for part in chunks(known):
        for job in Job.objects.filter(pk__in=part, owner__isnull=False).select_related("owner"):
            row = known[job.pk]
            if job.owner is None or not job.owner.email:
                continue
            what = row.problem or (
                f"{job.base_url}{row.new.page_url} ({row.new.phase})" if row.new is not None else ""
            )
            lines[job.owner.email].append(f"{job.tool_name} {job.base_url}{job.page_url}\n    again: {what}")
    for address, text in lines.items():
        send_mail(
            f"Made again: what {withdrawal.subject} had touched",
            f"{withdrawal.subject} was withdrawn: {withdrawal.reason}\n\n"
            "These jobs of yours have been run again:\n\n"
            + "\n".join(sorted(text))
            + f"\n\n{settings.SITE.title}\n",
            None,
            [address],
        )
