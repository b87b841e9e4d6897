"""What the job page and the viewers show of a job, as plain values for templates and for JSON."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from django.db.models import Count, Min, Q
from django.urls import reverse
from django.utils.text import Truncator

from gateway.portal.inputs import input_url
from gateway.portal.previews import Preview, kind_of, read
from gateway.portal.products import Product, product
from gateway.portal.scripts import text_of
from gateway.portal.views.common import duration_text, size_text
from uws.logs import tail
from uws.models import Job, JobInput, JobResult
from uws.phases import Phase
from uws.tools.description import Tool

LOG_BYTES = 65536
"""Most of a log that one answer carries."""
PLOTS = ("spectrum", "lightcurve")
ABOUT_CHARACTERS = 120
"""Most of a query or of an input's title in the list of jobs."""


@dataclass(frozen=True)
class ResultView:
    """A result with its preview."""

    result: JobResult
    kind: str
    preview: Preview | None = None
    product: Product | None = None
    picture: JobResult | None = None
    """A picture of the same thing (the tool's PNG of a FITS image)."""
    table: JobResult | None = None
    """The points of a plot as a VOTable, which is what other programs take."""

    @property
    def id(self) -> str:
        return f"result-{self.result.name}".replace(".", "-")

    @property
    def data_id(self) -> str:
        """Id of the script element with a plot's numbers."""
        return f"{self.id}-data"

    @property
    def title(self) -> str:
        return self.result.label or self.result.file_name

    @property
    def view_url(self) -> str:
        return reverse("portal:view", args=[self.result.job_id, self.result.name])

    @property
    def size(self) -> str:
        return size_text(self.result.size)

    @property
    def mtypes(self) -> str:
        """SAMP messages that it can be sent with, the best first, with blanks between them."""
        return " ".join(mtypes_of(self.result, self.kind))

    @property
    def is_figure(self) -> bool:
        """Whether it is something to look at, not to read."""
        return self.kind in (*PLOTS, "fits-image", "image")


def mtypes_of(result: JobResult, kind: str) -> tuple[str, ...]:
    """The SAMP messages that a file can be sent with, the best first; none if no application would know it."""
    media_type, name = result.media_type.lower(), result.file_name.lower()
    if kind == "fits-image":
        return ("image.load.fits",)
    if "fits" in media_type or name.endswith((".fits", ".fits.gz", ".pha")):
        # A PHA file is a spectrum; the responses beside it are tables only.
        return ("spectrum.load.ssa-generic", "table.load.fits") if _is_pha(name) else ("table.load.fits",)
    if "votable" in media_type or name.endswith((".vot", ".votable")):
        return ("table.load.votable",)
    return ()


def _is_pha(name: str) -> bool:
    stem = name.partition(".")[0]
    return name.endswith(".pha") or stem.startswith("pha_") or stem.endswith("_pha")


def result_views(results: list[JobResult]) -> list[ResultView]:
    """The results that the page shows inline: those that the tool's description gives a preview."""
    shown = [one for one in results if one.preview not in ("", "none", "pdf")]
    views = [_view(one, True, *_companions(one, results)) for one in shown]
    taken = {view.picture.pk for view in views if view.picture is not None}
    order = {"fits-image": 0, "spectrum": 1, "lightcurve": 2, "image": 3}
    views.sort(key=lambda view: (order.get(view.kind, 9), view.result.position))
    return [view for view in views if view.result.pk not in taken]


def _companions(result: JobResult, results: list[JobResult]) -> tuple[JobResult | None, JobResult | None]:
    """The picture of the same name, and the table of a plot's points."""
    picture = table = None
    if result.preview in ("fits-image", *PLOTS):
        stem = PurePath(result.file_name).stem
        picture = next(
            (one for one in results if one.preview == "image" and PurePath(one.file_name).stem == stem), None
        )
    if result.preview in PLOTS:
        table = next((one for one in results if mtypes_of(one, "") == ("table.load.votable",)), None)
    return picture, table


def view_of(result: JobResult) -> ResultView:
    """One result alone, whatever it is."""
    siblings = list(JobResult.objects.filter(job=result.job_id).select_related("job"))
    return _view(result, True, *_companions(result, siblings))


def view_of_listed(result: JobResult) -> ResultView:
    """One line of the table of results: nothing is read."""
    return _view(result, False)


def _view(
    result: JobResult, previews: bool, picture: JobResult | None = None, table: JobResult | None = None
) -> ResultView:
    kind = kind_of(result.preview, result.media_type, result.file_name)
    if not previews:
        return ResultView(result, kind)
    preview = read(result.path, kind, result.media_type)
    numbers = None
    if preview.kind in PLOTS:
        try:
            numbers = product(preview.kind, preview.data)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            preview = Preview("problem", text=f"No preview: {error}")
    return ResultView(result, preview.kind, preview, numbers, picture, table)


def parameter_rows(job: Job, tool: Tool | None) -> list[dict[str, Any]]:
    """Parameters in the order of the description, with titles and units."""
    known = list(tool.parameters) if tool else []
    order = {parameter.name: number for number, parameter in enumerate(known)}
    rows = []
    for name in sorted(job.parameters, key=lambda one: order.get(one, len(order))):
        parameter = tool.parameter(name) if tool else None
        value = job.parameters[name]
        items = value if isinstance(value, list) else [value]
        labels = {text_of(o.value): o.label for o in parameter.options} if parameter else {}
        text = ", ".join(labels.get(text_of(item), text_of(item)) for item in items)
        rows.append(
            {
                "name": name,
                "title": parameter.title if parameter else name,
                "unit": parameter.unit if parameter else "",
                "text": text,
                "is_long": len(text) > 80 or "\n" in text,
                "is_default": parameter is not None and parameter.default == value,
            }
        )
    return rows


def input_rows(job: Job, tool: Tool | None) -> list[dict[str, str]]:
    """Inputs with a link to each."""
    rows = []
    for one in job.inputs.all():
        role = tool.input(one.role) if tool else None
        rows.append(
            {
                "role": role.title if role else one.role,
                "title": one.title or one.identifier,
                "identifier": one.identifier,
                "url": input_url(one.identifier),
                "sha256": one.sha256,
                "terms": one.terms,
            }
        )
    return rows


def about(jobs: list[Job]) -> dict[str, str]:
    """What tells jobs of one tool apart, by key: the query, or the first input and how many more there are."""
    of_job = JobInput.objects.filter(job__in=jobs).order_by().values_list("job")
    counts = {job: (first, count) for job, first, count in of_job.annotate(Min("pk"), Count("pk"))}
    inputs = JobInput.objects.in_bulk([first for first, _ in counts.values()])
    found = {}
    for job in jobs:
        if job.parameters.get("QUERY"):
            found[job.pk] = Truncator(" ".join(str(job.parameters["QUERY"]).split())).chars(ABOUT_CHARACTERS)
        elif job.pk in counts:
            first, count = counts[job.pk]
            title = Truncator(inputs[first].title or inputs[first].identifier).chars(ABOUT_CHARACTERS)
            found[job.pk] = title + (f" and {count - 1} more" if count > 1 else "")
    return found


def jobs_before(job: Job) -> int:
    """How many queued jobs a worker will take before this one."""
    if job.phase != Phase.QUEUED or job.queued_at is None:
        return 0
    queue = Job.objects.filter(
        phase=Phase.QUEUED.value, executor=job.executor, deleted_at__isnull=True
    ).exclude(pk=job.pk)
    earlier = Q(priority__gt=job.priority) | Q(priority=job.priority, queued_at__lt=job.queued_at)
    return queue.filter(earlier).count()


def status_text(job: Job) -> str:
    """What the job is doing, in words."""
    phase = Phase(job.phase)
    if phase is Phase.QUEUED:
        before = jobs_before(job)
        waiting = f"{before} job{'s' if before > 1 else ''} before it" if before else "next in line"
        again = f"; attempt {job.attempt} was lost, it will be tried again" if job.losses else ""
        return f"Waiting for a worker: {waiting}{again}."
    if phase is Phase.EXECUTING:
        return f"{job.stage or 'Running'} …"
    texts = {
        Phase.PENDING: "Made, and not started yet.",
        Phase.HELD: "Held back by the operators or a limit.",
        Phase.SUSPENDED: "Suspended by the system; it will go on.",
        Phase.ARCHIVED: "Its destruction time has passed: the results are gone, the record stays.",
        Phase.UNKNOWN: "Its state is not known at the moment.",
        Phase.ABORTED: job.error_message or "Ended before it was complete.",
    }
    return texts.get(phase, "")


def state(job: Job, offset: int = 0) -> dict[str, Any]:
    """What the page asks for again and again while a job is active."""
    text, following = tail(job, offset, LOG_BYTES)
    return {
        "phase": job.phase,
        "attempt": job.attempt,
        "active": job.is_active,
        "progress": job.progress,
        "status": status_text(job),
        "run_time": job.run_time.total_seconds() if job.run_time is not None else None,
        "run_time_text": duration_text(job.run_time),
        "log": text,
        "log_next": following,
    }
