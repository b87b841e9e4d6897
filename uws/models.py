"""Jobs, their inputs, attempts and results.

The job table is the queue and the only truth about a job.  Nothing outside `uws.moves` writes
`Job.phase`.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.urls import get_script_prefix
from django.utils import timezone

from uws.phases import ACTIVE, FINAL, Phase

_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"
ID_LENGTH = 26


def new_job_id() -> str:
    """26 characters of 5 random bits each: an address that cannot be guessed."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(ID_LENGTH))


def now() -> datetime:
    """The time in UTC at the precision that UWS documents print: milliseconds."""
    moment = timezone.now()
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def joined_notices(notices: Iterable[str]) -> str:
    """The site's notice and others, each once."""
    return " ".join(dict.fromkeys(filter(None, [settings.SITE.notice, *notices])))


class Rights(models.TextChoices):
    """How a job is reached (STANDARDS 26)."""

    ACCOUNT = "account", "by its owner's account"
    SESSION = "session", "by the browser session that made it"
    CAPABILITY = "capability", "by whoever holds its address"


class ErrorType(models.TextChoices):
    """errorSummary/@type: whether trying again may help."""

    TRANSIENT = "transient"
    FATAL = "fatal"


class HeldFor(models.TextChoices):
    """What a job that is HELD or SUSPENDED waits for."""

    PAUSE = "pause", "its queue or tool is paused"
    LIMIT = "limit", "its owner has as many active jobs as the site allows"


class Job(models.Model):
    """A job of UWS 1.1."""

    id = models.CharField(primary_key=True, max_length=ID_LENGTH, default=new_job_id, editable=False)
    tool_name = models.CharField(max_length=100)
    tool_version = models.CharField(max_length=60, blank=True)
    tool_digest = models.CharField(max_length=64, blank=True)
    run_id = models.CharField("runId", max_length=200, blank=True)
    """Label that the client chose; the gateway only gives it back."""

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="uws_jobs"
    )
    rights = models.CharField(max_length=12, choices=Rights.choices, default=Rights.CAPABILITY)
    session = models.CharField(max_length=64, blank=True)
    """SHA-256 of the key of the browser session that made it (see `uws.access.session_digest`)."""
    fair_use = models.CharField(max_length=64, blank=True)
    """By what the limits count its owner's jobs (see `uws.access.fair_use_digest`)."""

    phase = models.CharField(
        max_length=10, choices=[(p.value, p.value) for p in Phase], default=Phase.PENDING.value
    )
    creation_time = models.DateTimeField(default=now)
    start_time = models.DateTimeField(null=True, blank=True)
    """Start of the current or last attempt."""
    end_time = models.DateTimeField(null=True, blank=True)
    quote = models.DateTimeField(null=True, blank=True)
    """When the job is likely to be complete; None is `don't know`."""
    execution_duration = models.PositiveIntegerField(default=600)
    """Seconds that an attempt may run."""
    destruction = models.DateTimeField()

    parameters = models.JSONField(default=dict, blank=True)
    """Values by parameter name, in declared types and units."""
    progress = models.FloatField(null=True, blank=True)
    """0 to 1, as the tool reports it."""
    stage = models.CharField(max_length=200, blank=True)
    error_message = models.TextField(blank=True)
    error_type = models.CharField(max_length=9, choices=ErrorType.choices, blank=True)
    base_url = models.CharField(max_length=300, blank=True)
    """Public URL of the gateway when the job was made, without a slash at the end."""

    reuse = models.BooleanField(null=True)
    """Whether an earlier result of the same request may answer it; None is as the site says (`uws.reuse`)."""
    answered_from = models.CharField(max_length=ID_LENGTH, blank=True)
    """The job whose results these are; empty for a job that ran."""

    parent = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.CASCADE, related_name="children"
    )
    """The request over many inputs that this job is a part of (see `uws.batch`)."""
    each = models.CharField(max_length=100, blank=True)
    """The input role of such a request of which every file makes a job of its own; empty for all other jobs."""
    child_number = models.PositiveIntegerField(default=0)
    """Its place among them, from 1."""
    held_for = models.CharField(max_length=9, choices=HeldFor.choices, blank=True)
    """Why it is HELD or SUSPENDED; it goes on when that is over."""

    # The queue.
    executor = models.CharField(max_length=20, default="local")
    """Who takes it: an executor of the site (`uws.executors`), or `runner` (a thread of the worker)."""
    priority = models.SmallIntegerField(default=0)
    queued_at = models.DateTimeField(null=True, blank=True)
    not_before = models.DateTimeField(null=True, blank=True)
    """A lost attempt is not tried again before."""
    attempt = models.PositiveIntegerField(default=0)
    """Number of the current attempt; a worker that holds an older one has lost the job."""
    losses = models.PositiveIntegerField(default=0)
    """Attempts that were lost (machine, worker or shepherd gone), not failed."""
    worker = models.CharField(max_length=120, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    deleted_at = models.DateTimeField(null=True, blank=True)
    """Deleted by its owner: invisible at once; the worker ends its processes and removes the row."""

    class Meta:
        ordering = ["creation_time", "id"]
        indexes = [
            models.Index(fields=["owner", "tool_name", "-creation_time"], name="uws_job_owner"),
            models.Index(fields=["session", "tool_name", "-creation_time"], name="uws_job_session"),
            models.Index(fields=["fair_use", "phase"], name="uws_job_fair_use"),
            models.Index(
                fields=["executor", "-priority", "queued_at"],
                name="uws_job_queue",
                condition=Q(phase=Phase.QUEUED.value),
            ),
            models.Index(fields=["phase", "lease_until"], name="uws_job_lease"),
            models.Index(
                fields=["destruction"],
                name="uws_job_destruction",
                condition=~Q(phase=Phase.ARCHIVED.value),
            ),
            models.Index(
                fields=["tool_name", "-end_time"],
                name="uws_job_run_times",
                condition=Q(phase=Phase.COMPLETED.value),
            ),
            models.Index(fields=["phase", "queued_at"], name="uws_job_held", condition=~Q(held_for="")),
            models.Index(
                fields=["deleted_at"], name="uws_job_deleted", condition=Q(deleted_at__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.tool_name} {self.id} {self.phase}"

    @property
    def notice(self) -> str:
        """The site's notice and those of the inputs, each once."""
        return joined_notices(self.inputs.order_by("role", "position").values_list("notice", flat=True))

    @property
    def is_final(self) -> bool:
        return Phase(self.phase) in FINAL

    @property
    def is_active(self) -> bool:
        """Queued or at work."""
        return Phase(self.phase) in ACTIVE

    @property
    def is_batch(self) -> bool:
        """A request over many inputs: its children do the work."""
        return bool(self.each)

    @property
    def owner_name(self) -> str:
        """The account's name; empty for anonymous owners (ownerId is nil then)."""
        return self.owner.get_username() if self.owner is not None else ""

    @property
    def run_time(self) -> timedelta | None:
        """How long the last attempt has run."""
        if self.start_time is None:
            return None
        return (self.end_time or now()) - self.start_time

    @property
    def service_path(self) -> str:
        """Where jobs of this tool live, relative to the gateway's root: `uws/<tool>/async` or `tap/async`."""
        mounts: dict[str, str] = getattr(settings, "VOGATE_JOB_MOUNTS", {"tap": "tap"})
        return f"{mounts.get(self.tool_name, f'uws/{self.tool_name}')}/async"

    @property
    def uws_url(self) -> str:
        """Path of the job for programs."""
        return f"{get_script_prefix()}{self.service_path}/{self.id}"

    @property
    def page_url(self) -> str:
        """Path of the job's page."""
        return f"{get_script_prefix()}jobs/{self.id}/"

    @property
    def folder(self) -> Path:
        """Folder of everything the job keeps on disk."""
        return Path(settings.VOGATE_JOBS) / self.id[:2] / self.id

    @property
    def attempt_folder(self) -> Path:
        return self.folder / f"attempt-{self.attempt}"

    @property
    def results_folder(self) -> Path:
        return self.folder / "results"


class JobInput(models.Model):
    """A file that a job uses, as it was resolved when the job was made."""

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="inputs")
    role = models.CharField(max_length=100)
    position = models.PositiveIntegerField(default=0)
    identifier = models.CharField(max_length=500)
    """Publisher DID, URL of a result, or `param:<name>` of an upload."""
    path = models.CharField(max_length=1000)
    sha256 = models.CharField(max_length=64, blank=True)
    size = models.BigIntegerField(null=True, blank=True)
    media_type = models.CharField(max_length=120, blank=True)
    title = models.CharField(max_length=300, blank=True)
    collection = models.CharField(max_length=100, blank=True)
    terms = models.TextField(blank=True)
    """Terms of use, which travel with everything made from it."""
    notice = models.CharField(max_length=300, blank=True)
    """What everything made from it has to say, e.g. that it is simulated."""
    provenance_url = models.CharField(max_length=300, blank=True)
    owned = models.BooleanField(default=False)
    """It lies in the job's own folder: it was uploaded, or fetched from elsewhere."""

    class Meta:
        ordering = ["job_id", "role", "position"]
        constraints = [
            models.UniqueConstraint(fields=["job", "role", "position"], name="uws_input_position"),
        ]

    def __str__(self) -> str:
        return f"{self.role}: {self.identifier}"


class JobResult(models.Model):
    """A file that a job left."""

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="results")
    name = models.CharField(max_length=120)
    """The result's id in UWS documents and URLs."""
    position = models.PositiveIntegerField(default=0)
    output = models.CharField(max_length=100, blank=True)
    """Which output of the tool's description it is."""
    file_name = models.CharField(max_length=255)
    """Name in the job's results folder, and of the download."""
    media_type = models.CharField(max_length=120, default="application/octet-stream")
    size = models.BigIntegerField(default=0)
    sha256 = models.CharField(max_length=64)
    role = models.CharField(max_length=40, default="main")
    preview = models.CharField(max_length=40, blank=True)
    """How a page shows it (`uws.tools.description.Preview`)."""
    label = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ["job_id", "position"]
        constraints = [models.UniqueConstraint(fields=["job", "name"], name="uws_result_name")]

    def __str__(self) -> str:
        return f"{self.name} ({self.file_name})"

    @property
    def path(self) -> Path:
        return self.job.results_folder / self.file_name

    @property
    def url(self) -> str:
        """Path of the download."""
        return f"{self.job.uws_url}/results/{self.name}"


class AttemptOutcome(models.TextChoices):
    """How an attempt ended."""

    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    TIMEOUT = "timeout"
    ABORTED = "aborted"
    LOST = "lost"
    STOPPED = "stopped"
    """Ended by the gateway's own stop; it is tried again without being counted as lost."""


class Attempt(models.Model):
    """One try at running a job; its row exists before its first process and ends after its last."""

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="attempts")
    number = models.PositiveIntegerField()
    host = models.CharField(max_length=100)
    worker = models.CharField(max_length=120)
    started_at = models.DateTimeField(default=now)
    ended_at = models.DateTimeField(null=True, blank=True)
    outcome = models.CharField(max_length=10, choices=AttemptOutcome.choices, default=AttemptOutcome.RUNNING)
    exit_code = models.IntegerField(null=True, blank=True)
    """Exit status of the tool; minus the signal that killed it."""
    cpu_seconds = models.FloatField(null=True, blank=True)
    max_rss_kb = models.BigIntegerField(null=True, blank=True)
    message = models.CharField(max_length=500, blank=True)

    class Meta:
        ordering = ["job_id", "number"]
        constraints = [models.UniqueConstraint(fields=["job", "number"], name="uws_attempt_number")]
        indexes = [
            models.Index(
                fields=["host", "worker"], name="uws_attempt_open", condition=Q(ended_at__isnull=True)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.job_id} attempt {self.number}: {self.outcome}"


class QueueMode(models.TextChoices):
    """What an operator lets a queue or tool do."""

    PAUSED = "paused"
    """Nothing new starts; what runs goes on.  Jobs that are asked to run are HELD."""
    DRAINED = "drained"
    """As paused, and what ran was stopped: it is SUSPENDED, and starts again with the queue."""


class QueueStop(models.Model):
    """A queue (an executor's) or a tool that an operator has stopped; there is no row where all is well."""

    executor = models.CharField(max_length=20, blank=True)
    """Name of the executor; `runner` for queries, empty with a tool's name, `*` for all of them."""
    tool_name = models.CharField(max_length=100, blank=True)
    mode = models.CharField(max_length=8, choices=QueueMode.choices)
    reason = models.CharField(max_length=200, blank=True)
    """Shown to those whose jobs wait."""
    since = models.DateTimeField(default=now)
    by = models.CharField(max_length=150, blank=True)

    class Meta:
        verbose_name = "stopped queue"
        constraints = [models.UniqueConstraint(fields=["executor", "tool_name"], name="uws_queue_stop")]

    def __str__(self) -> str:
        return f"{self.tool_name or self.executor} {self.mode}"

    def covers(self, job: Job) -> bool:
        """True if the job is one of those that it stops."""
        return self.executor in ("*", job.executor) if self.executor else self.tool_name == job.tool_name


class Remake(models.Model):
    """A job that is to be run again because something that it was made with was withdrawn (`uws.remaking`)."""

    withdrawal = models.ForeignKey("provenance.Withdrawal", on_delete=models.CASCADE, related_name="remakes")
    job = models.CharField(max_length=60)
    """The job that was touched; it may be gone."""
    new = models.ForeignKey(Job, null=True, blank=True, on_delete=models.SET_NULL, related_name="remakes")
    version = models.CharField(max_length=60, blank=True)
    """The version that replaces the withdrawn tool's."""
    instead = models.CharField(max_length=1000, blank=True)
    """The input that replaces the withdrawn one."""
    begun = models.DateTimeField(null=True, blank=True)
    problem = models.TextField(blank=True)
    """Why it cannot be run."""
    tell = models.BooleanField(default=False)
    told_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["withdrawal", "job"], name="uws_remake_once")]
        indexes = [
            models.Index(
                fields=["withdrawal"], name="uws_remake_waits", condition=Q(new__isnull=True, problem="")
            )
        ]

    def __str__(self) -> str:
        return f"{self.job} again"
