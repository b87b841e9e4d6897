"""Taking back a calibration, an observation or a tool version: what it touched, and what is done about it."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from django.conf import settings
from django.core.mail import send_mail
from django.db import transaction
from django.utils import timezone
from django.utils.module_loading import import_string

from gateway.vo.errors import NotFound
from provenance import models, recorder
from provenance.access import chunks
from provenance.lineage import Direction, Node, reach
from provenance.records import AgentRecord, AgentRole, AgentType
from uws.models import Job

__all__ = ["Touched", "tell_owners", "touched_by", "withdraw"]

EVERYTHING = 10_000_000


@dataclass(frozen=True)
class Touched:
    """A product that was made with what is withdrawn, directly or not."""

    entity: str
    name: str
    job: str
    tool: str
    owner: str


def _starts(subject: str) -> list[Node]:
    """The nodes that a subject stands for.  Raises NotFound."""
    if models.Entity.objects.filter(pk=subject).exists():
        return [Node("e", subject)]
    name, at, version = subject.partition("@")
    tools = models.ActivityDescription.objects.filter(pk=subject)
    if not tools.exists():
        tools = models.ActivityDescription.objects.filter(name=name, **({"version": version} if at else {}))
    activities = models.Activity.objects.filter(activityDescription__in=tools.values("pk"))
    if not tools.exists():
        raise NotFound(
            f"Nothing is recorded of {subject[:200]!r}.",
            hint="Give an entity, a publisher DID or tool@version.",
        )
    return [Node("a", key) for key in activities.values_list("pk", flat=True)]


def touched_by(subject: str) -> list[Touched]:
    """Every product that was made with it, the oldest first."""
    starts = _starts(subject)
    ids: set[str] = set()
    for start in range(0, len(starts), 200):  # each start is a value of the query
        found, _ = reach(starts[start : start + 200], Direction.FORWARD, limit=EVERYTHING)
        ids |= {node.id for node in found if node.kind == "e"}
    ids -= {node.id for node in starts}
    products = []
    for part in chunks(ids):
        rows = models.WasGeneratedBy.objects.filter(entity_id__in=part).select_related(
            "entity", "activity__activityDescription"
        )
        owners = _owners({row.activity.job for row in rows})
        products += [
            (
                row.entity.generatedAtTime or row.activity.endTime,
                Touched(
                    row.entity_id,
                    row.entity.name,
                    row.activity.job,
                    str(row.activity.activityDescription or ""),
                    owners.get(row.activity.job, ""),
                ),
            )
            for row in rows
        ]
    oldest = timezone.now()
    return [item for _, item in sorted(products, key=lambda pair: (pair[0] or oldest, pair[1].entity))]


def _owners(jobs: set[str]) -> dict[str, str]:
    rows = Job.objects.filter(pk__in=jobs, owner__isnull=False).select_related("owner")
    return {job.pk: job.owner_name for job in rows}


def withdraw(subject: str, reason: str, agent: AgentRecord | None = None) -> models.Withdrawal:
    """Mark it and every product that it touched; what was marked before keeps its first mark.

    Parameters
    ----------
    agent
        Who withdraws it; the site, without.
    """
    agent = agent or AgentRecord(
        "site", settings.SITE.publisher, AgentRole.PUBLISHER, AgentType.ORGANIZATION, settings.SITE.contact
    )
    with transaction.atomic():
        touched = [item.entity for item in touched_by(subject)]
        recorder.introduce([agent])
        withdrawal = models.Withdrawal.objects.create(
            subject=subject, reason=reason, time=timezone.now(), agent_id=agent.id
        )
        for part in chunks([subject, *touched]):
            models.Entity.objects.filter(pk__in=part, withdrawal__isnull=True).update(withdrawal=withdrawal)
    for path in settings.VOGATE_AFTER_WITHDRAWAL:
        import_string(path)()
    return withdrawal


def tell_owners(withdrawal: models.Withdrawal) -> int:
    """Write to the owners of the marked products; returns to how many."""
    rows = models.WasGeneratedBy.objects.filter(entity__withdrawal=withdrawal)
    jobs = set(rows.values_list("activity__job", flat=True))
    by_owner: dict[str, list[str]] = defaultdict(list)
    for part in chunks(jobs):
        for job in Job.objects.filter(pk__in=part, owner__isnull=False).select_related("owner"):
            if job.owner is not None and job.owner.email:
                by_owner[job.owner.email].append(
                    f"{job.tool_name} {job.run_id}: {job.base_url}{job.page_url}"
                )
    for address, lines in by_owner.items():
        text = (
            f"{withdrawal.subject} has been withdrawn: {withdrawal.reason}\n\n"
            "These jobs of yours were made with it, directly or through other products:\n\n"
            + "\n".join(sorted(lines))
            + f"\n\n{settings.SITE.title}\n"
        )
        send_mail(f"Withdrawn: {withdrawal.subject}", text, None, [address])
    return len(by_owner)
