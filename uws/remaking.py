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
    rows = _rows(withdrawal_id)
    before = _predecessors(rows) if any(row.new is None and not row.problem for row in rows.values()) else {}
    for row in rows.values():
        if row.problem:
            found.append(Standing(row.job, row.new_id or "", "cannot be run", row.problem))
        elif row.new is None:
            found.append(Standing(row.job, "", "waits", _waits_for(row, before.get(row.job, []), rows)))
        else:
            found.append(Standing(row.job, row.new.pk, row.new.phase, row.new.error_message))
    return found


def _rows(withdrawal_id: int) -> dict[str, Remake]:
    rows = Remake.objects.filter(withdrawal=withdrawal_id).select_related("new", "withdrawal").order_by("pk")
    return {row.job: row for row in rows}


def _waits_for(row: Remake, uses: list[_Use], rows: dict[str, Remake]) -> str:
    if missing := _missing(uses, rows):
        return f"for {', '.join(missing)}"
    unpublished = [entity for entity, new in _successors(row, uses, rows).items() if not new]
    if unpublished:
        return f"for the owner of {', '.join(unpublished)} to publish what was made again in its place"
    return ""


def after(job: Job) -> None:
    """A job has ended: queue those that waited for it.  Never raises; what fails here is done by `tend`."""
    if not job.run_id.startswith(AGAIN):
        return
    try:
        for row in Remake.objects.filter(new=job.pk).select_related("withdrawal"):
            _ask_to_publish(row, job)
            advance(row.withdrawal_id)
    except Exception:
        log.exception("job %s: what waits for it is not queued yet", job.pk)


def tend() -> None:
    """Go on with requests that a killed process has left."""
    waiting = Remake.objects.filter(new__isnull=True, problem="").values_list("withdrawal", flat=True)
    for key in set(waiting.order_by()[:TENDED]):
        advance(key)


def advance(withdrawal_id: int) -> None:
    """Queue every job whose predecessors have completed; name those that can never be."""
    rows = _rows(withdrawal_id)
    before = _predecessors(rows)
    changed = True
    while changed:  # what cannot be run stops what waits for it, step by step
        changed = False
        for job, row in rows.items():
            if row.new is not None or row.problem:
                continue
            failed = {use.job for use in before[job] if _failed(rows[use.job])}
            if failed:
                _give_up(
                    row, f"It used results of {', '.join(sorted(failed))}, which could not be made again."
                )
                changed = True
            elif not _missing(before[job], rows):
                successors = _successors(row, before[job], rows)
                changed |= all(successors.values()) and _run(row, successors)
    if all(_ended(row) for row in rows.values()):
        _tell(withdrawal_id, rows.values())


def _missing(uses: Iterable[_Use], rows: dict[str, Remake]) -> list[str]:
    """The jobs that have not completed yet."""
    needed = dict.fromkeys(use.job for use in uses)
    return [
        job for job in needed if not ((new := rows[job].new) is not None and new.phase == Phase.COMPLETED)
    ]


def _failed(row: Remake) -> bool:
    return bool(row.problem) or (
        row.new is not None and Phase(row.new.phase) in FINAL and row.new.phase != Phase.COMPLETED
    )


def _ended(row: Remake) -> bool:
    return bool(row.problem) or (row.new is not None and Phase(row.new.phase) in FINAL)


@dataclass(frozen=True)
class _Use:
    """An input of a touched job that another of the touched jobs made."""

    entity: str
    job: str
    result: str

    @property
    def is_published(self) -> bool:
        return self.entity.startswith("ivo://")


def _predecessors(rows: dict[str, Remake]) -> dict[str, list[_Use]]:
    """By job, what it used of results of the others, as such or published."""
    used: list[tuple[str, str]] = []
    for part in chunks(rows):
        uses = models.Used.objects.filter(activity__job__in=part)
        used += uses.values_list("activity__job", "entity_id")
    results = _results({entity for _, entity in used})
    found: dict[str, list[_Use]] = defaultdict(list)
    for job, entity in used:
        other, slash, name = results.get(entity, entity).partition("/")
        if slash and other in rows and other != job:
            found[job].append(_Use(entity, other, name))
    return found


def _results(entities: Iterable[str]) -> dict[str, str]:
    """Of those of these entities that are published results, the results (`<job>/<name>`)."""
    found: dict[str, str] = {}
    for part in chunks(entity for entity in entities if entity.startswith("ivo://")):
        origins = models.WasDerivedFrom.objects.filter(generatedEntity_id__in=part)
        found.update(origins.values_list("generatedEntity_id", "usedEntity_id"))
    return {entity: result for entity, result in found.items() if ":" not in result.partition("/")[0]}


def _successors(row: Remake, uses: Iterable[_Use], rows: dict[str, Remake]) -> dict[str, str]:
    """What takes the places of results that have been made again, '' while it may not be used yet.

    Somebody else's product could be used because they had published it: the new one can when they publish that.
    """
    owner = Job.objects.filter(pk=row.job).values_list("owner", flat=True).first()
    found = {}
    for use in uses:
        new = rows[use.job].new
        assert new is not None
        found[use.entity] = f"job:{new.pk}/{use.result}"
        if use.is_published and (owner is None or new.owner_id != owner):
            found[use.entity] = _published(f"{new.pk}/{use.result}")
    return found


def _published(result: str) -> str:
    """The publisher DID of a result, '' if it has none (any more)."""
    rows = models.WasDerivedFrom.objects.filter(
        usedEntity=result, generatedEntity__pk__startswith="ivo://", generatedEntity__invalidatedAtTime=None
    )
    return rows.values_list("generatedEntity", flat=True).first() or ""


def _give_up(row: Remake, problem: str) -> None:
    row.problem = problem
    Remake.objects.filter(pk=row.pk, new__isnull=True).update(problem=problem)


def _run(row: Remake, successors: dict[str, str]) -> bool:
    """Queue one job; False if another process does it, or its owner has no room for it now."""
    subject = row.withdrawal.subject
    try:
        with transaction.atomic():
            if not Remake.objects.filter(pk=row.pk, new__isnull=True, problem="", begun=None).update(
                begun=now()
            ):
                return False
            row.new = _queue(row, successors, subject)
            Remake.objects.filter(pk=row.pk).update(new=row.new)
    except GatewayError as error:
        if error.status == 503:  # too many active jobs, a full disk: `tend` tries again
            return False
        _give_up(row, str(error))
    return True


def _queue(row: Remake, successors: dict[str, str], subject: str) -> Job:
    old = Job.objects.select_related("owner").filter(pk=row.job).first()
    if old is None:
        raise NotFound("The job is gone.")
    caller = Caller(method="internal", is_staff=True)
    if old.owner is not None:
        caller = Caller(old.owner.pk, old.owner.get_username(), method="internal", is_staff=True)

    def replaced(entity: str) -> str:
        if entity == subject and row.instead:
            return row.instead
        return successors.get(entity, "")

    return replay.rerun(
        row.job,
        caller,
        version=row.version if old.tool_name == subject.partition("@")[0] else "",
        accept_changes=True,
        base_url=old.base_url,
        replaced=replaced,
    )


def _ask_to_publish(row: Remake, new: Job) -> None:
    """Write to an owner who had published results of the job that is made again."""
    if not row.tell or new.phase != Phase.COMPLETED or new.owner is None or not new.owner.email:
        return
    published = models.WasDerivedFrom.objects.filter(
        usedEntity__pk__startswith=f"{row.job}/",
        generatedEntity__pk__startswith="ivo://",
        generatedEntity__invalidatedAtTime=None,
    )
    names = sorted(published.values_list("generatedEntity", flat=True))
    if names:
        send_mail(
            f"Made again: what you have published of {row.withdrawal.subject}",
            f"{row.withdrawal.subject} was withdrawn: {row.withdrawal.reason}\n\n"
            "You had published\n\n"
            + "\n".join(names)
            + f"\n\nThe new results are here; publish them if they are right, for others may wait for them:\n\n"
            f"{new.base_url}{new.page_url}\n\n{settings.SITE.title}\n",
            None,
            [new.owner.email],
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
