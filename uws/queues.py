"""Which jobs may start: stopped queues and tools, limits per user and per tool, disk space.

Operators pause a queue (nothing new starts) or drain it (what runs is stopped, too); jobs wait as HELD or
SUSPENDED meanwhile and go on by themselves.  `blocked` is what a claim leaves out; nothing here runs a job.
"""

from __future__ import annotations

import logging
import shutil
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db.models import Count, Q, QuerySet

from gateway.vo.errors import NotFound, UsageError
from uws import executors, rows
from uws.models import HeldFor, Job, QueueMode, QueueStop, now
from uws.phases import ACTIVE, Phase

log = logging.getLogger("vogate.uws")

EVERYTHING = "*"
MINIMUM_FREE_BYTES = 200 << 20
"""With less free disk no job starts; what waits starts when there is room again."""
BATCH = 500


@dataclass(frozen=True)
class Blocked:
    """What may not be claimed now."""

    everything: bool = False
    executors: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    """`Job.fair_use` of those who have as many running as they may."""

    def sql(self, alias: str = "") -> tuple[str, list[str]]:
        """A condition on the job table and its arguments."""
        if self.everything:
            return "1 = 0", []
        terms: list[str] = ["1 = 1"]
        values: list[str] = []
        for column, names in (
            ("executor", self.executors),
            ("tool_name", self.tools),
            ("fair_use", self.users),
        ):
            if names:
                terms.append(f"{alias}{column} NOT IN ({rows.marks(names)})")
                values += names
        return " AND ".join(terms), values

    def filter(self, jobs: QuerySet[Job]) -> QuerySet[Job]:
        """The same for a queryset."""
        if self.everything:
            return jobs.none()
        for field, names in (
            ("executor__in", self.executors),
            ("tool_name__in", self.tools),
            ("fair_use__in", self.users),
        ):
            if names:
                jobs = jobs.exclude(**{field: names})
        return jobs


def blocked() -> Blocked:
    """What may not be claimed now: three small queries."""
    stops = _stops()
    if any(stop.executor == EVERYTHING for stop in stops) or disk_is_full():
        return Blocked(everything=True)
    tools = {stop.tool_name for stop in stops if stop.tool_name}
    limits, per_user = tool_limits(), user_limit()
    users: tuple[str, ...] = ()
    if limits:
        running = _running(tool_name__in=list(limits)).values_list("tool_name").annotate(Count("pk"))
        tools |= {name for name, count in running.order_by() if count >= limits[name]}
    if per_user:
        rows = _running().exclude(fair_use="").values_list("fair_use").annotate(number=Count("pk"))
        users = tuple(name for name, _ in rows.filter(number__gte=per_user).order_by())
    return Blocked(
        executors=tuple(s.executor for s in stops if s.executor), tools=tuple(sorted(tools)), users=users
    )


def _running(**conditions: Any) -> QuerySet[Job]:
    return Job.objects.filter(phase=Phase.EXECUTING, each="", deleted_at__isnull=True, **conditions)


def tool_limits() -> dict[str, int]:
    """`[limits.tools] spectrum = 2` of site.toml: how many jobs of a tool run at once, on all machines."""
    table = settings.SITE.raw.get("limits", {}).get("tools", {})
    return {str(name): int(number) for name, number in table.items()}


def user_limit() -> int:
    """`[limits] running_per_user` of site.toml: how many jobs of one user run at once; 0 for no limit."""
    return int(settings.SITE.raw.get("limits", {}).get("running_per_user", 0))


def disk_is_full() -> bool:
    """True if there is not enough room for a job's files."""
    least = int(settings.SITE.raw.get("jobs", {}).get("minimum_free_bytes", MINIMUM_FREE_BYTES))
    try:
        return shutil.disk_usage(settings.VOGATE_HOME).free < least
    except OSError:
        return False


def active(fair_use: str) -> int:
    """How many of a user's jobs are queued or at work; a batch's children count, the batch does not."""
    phases = sorted(ACTIVE)
    ((count,),) = rows.query(
        "SELECT COUNT(*) FROM uws_job WHERE fair_use = %s AND each = '' AND deleted_at IS NULL"
        f" AND phase IN ({rows.marks(phases)})",
        [fair_use, *phases],
    )
    return int(count)


# -- by operators ---------------------------------------------------------------------------------------


def stop_of(job: Job) -> QueueStop | None:
    """What keeps a job from starting, None if nothing does."""
    return next((stop for stop in _stops() if stop.covers(job)), None)


def _stops() -> list[QueueStop]:
    return rows.select(QueueStop, "1 = 1 ORDER BY id", [])


def text(stop: QueueStop) -> str:
    """What the owner of a waiting job reads."""
    what = "Jobs" if stop.executor == EVERYTHING else f"Jobs of {stop.tool_name or stop.executor}"
    return f"{what} are {stop.mode}{f': {stop.reason}' if stop.reason else ' by the operators'}"


def check_name(name: str) -> None:
    """Raise NotFound for what is neither a queue nor a tool."""
    _target(name)


def stop(name: str, mode: QueueMode | str, *, reason: str = "", by: str = "") -> QueueStop:
    """Pause or drain a queue (`*`: all), or a tool (`tool:<name>`).

    Raises
    ------
    NotFound
        If there is no such queue or tool.
    """
    from uws import moves

    executor, tool = _target(name)
    row, _ = QueueStop.objects.update_or_create(
        executor=executor,
        tool_name=tool,
        defaults={"mode": mode, "reason": reason[:200], "by": by[:150], "since": now()},
    )
    log.warning(
        "queue %s is %s by %s: %s", name, row.mode, by or "the command line", reason or "no reason given"
    )
    for job in _covered(row, Phase.QUEUED):
        moves.hold(job, HeldFor.PAUSE, text(row))
    if mode == QueueMode.DRAINED:
        for job in _covered(row, Phase.EXECUTING):
            moves.suspend(job, text(row))
    return row


def resume(name: str) -> int:
    """Let a queue or tool go on; returns how many waiting jobs are back in the queue at once.

    Jobs whose processes have not ended yet follow within seconds.
    """
    executor, tool = _target(name)
    found = QueueStop.objects.filter(executor=executor, tool_name=tool).delete()[0]
    if not found:
        raise UsageError(f"{name} is not stopped.", hint="vogate queue status lists what is.")
    log.warning("queue %s goes on", name)
    return release()


def release() -> int:
    """Queue again what was kept back and may start now; workers call it every few seconds."""
    from uws import moves

    waiting = Job.objects.filter(
        phase__in=[Phase.HELD, Phase.SUSPENDED], held_for=HeldFor.PAUSE, deleted_at__isnull=True
    )
    stops = _stops()
    if any(stop.executor == EVERYTHING for stop in stops):
        return 0
    waiting = waiting.exclude(executor__in=[s.executor for s in stops if s.executor])
    waiting = waiting.exclude(tool_name__in=[s.tool_name for s in stops if s.tool_name])
    # A suspended job's processes may still be ending: two attempts at once must not be.
    count = moves.release(
        list(waiting.exclude(attempts__ended_at__isnull=True, attempts__isnull=False)[:BATCH])
    )
    for fair_use in _over_limit().order_by().values_list("fair_use", flat=True).distinct():
        count += release_limited(fair_use)
    return count


def release_limited(fair_use: str) -> int:
    """Queue as many of a user's jobs over the limit as it has room for."""
    from uws import creation, moves

    first = rows.first(Job, f"{_HELD} ORDER BY queued_at, child_number", [fair_use])
    if first is None:
        return 0
    room = creation.limits_of(first.owner_id is not None).active_jobs - active(fair_use)
    held = rows.select(Job, f"{_HELD} ORDER BY queued_at, child_number LIMIT %s", [fair_use, max(0, room)])
    stops, free = _stops(), []
    for job in held:
        stop = next((one for one in stops if one.covers(job)), None)
        if stop is None:
            free.append(job)
        else:
            Job.objects.filter(pk=job.pk, phase=Phase.HELD).update(held_for=HeldFor.PAUSE, stage=text(stop))
    return moves.release(free)


def is_held(fair_use: str) -> bool:
    """True if a user's jobs wait for others of his to end: a look without a lock."""
    return bool(rows.query(f"SELECT 1 FROM uws_job WHERE {_HELD} LIMIT 1", [fair_use]))


_HELD = "fair_use = %s AND phase = 'HELD' AND held_for = 'limit' AND deleted_at IS NULL"


def _over_limit() -> QuerySet[Job]:
    return Job.objects.filter(phase=Phase.HELD, held_for=HeldFor.LIMIT, deleted_at__isnull=True)


def _covered(stop: QueueStop, phase: Phase) -> list[Job]:
    jobs = Job.objects.select_related("owner").filter(phase=phase, each="", deleted_at__isnull=True)
    if stop.executor != EVERYTHING:
        jobs = jobs.filter(executor=stop.executor) if stop.executor else jobs.filter(tool_name=stop.tool_name)
    return list(jobs)


def _target(name: str) -> tuple[str, str]:
    """(executor, tool) of a queue's name."""
    if name.startswith("tool:"):
        from uws.kinds import kind_of

        return "", kind_of(name.removeprefix("tool:")).name
    known = {EVERYTHING, *executors.configured(), *executors.RESERVED}
    name = EVERYTHING if name == "all" else name
    if name not in known:
        raise NotFound(
            f"There is no queue {name[:40]!r}.",
            hint=f"There are {', '.join(sorted(known - {EVERYTHING}))}, all, and tool:<name>.",
        )
    return name, ""


@dataclass(frozen=True)
class QueueState:
    """A queue at this moment."""

    name: str
    mode: str
    reason: str
    queued: int
    running: int
    held: int
    oldest: float | None
    """Seconds that the first of the queued has waited."""


def status() -> list[QueueState]:
    """All queues, and the tools that are stopped."""
    stops = {("tool:" + s.tool_name if s.tool_name else s.executor): s for s in QueueStop.objects.all()}
    names = [*executors.configured(), *executors.RESERVED]
    states = []
    for name in [*names, *(n for n in stops if n not in names)]:
        jobs = Job.objects.filter(deleted_at__isnull=True, each="")
        if name.startswith("tool:"):
            jobs = jobs.filter(tool_name=name.removeprefix("tool:"))
        elif name != EVERYTHING:
            jobs = jobs.filter(executor=name)
        stop = stops.get(name) or stops.get(EVERYTHING)
        counts = jobs.aggregate(
            queued=Count("pk", filter=Q(phase=Phase.QUEUED)),
            running=Count("pk", filter=Q(phase=Phase.EXECUTING)),
            held=Count("pk", filter=Q(phase__in=[Phase.HELD, Phase.SUSPENDED])),
        )
        first = (
            jobs.filter(phase=Phase.QUEUED).order_by("queued_at").values_list("queued_at", flat=True).first()
        )
        states.append(
            QueueState(
                name="all" if name == EVERYTHING else name,
                mode=stop.mode if stop else "running",
                reason=stop.reason if stop else "",
                oldest=(now() - first).total_seconds() if first else None,
                **counts,
            )
        )
    return states
