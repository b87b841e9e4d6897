"""What a job leaves, over HTTP: results, one by one or as a zip file, and the log."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponseBase, StreamingHttpResponse

from gateway.vo.dali import Parameters
from gateway.vo.errors import Gone, NotFound, UsageError
from gateway.vo.files import serve_file
from uws import archive, forms, links, logs, xml
from uws.models import Job
from uws.phases import Phase
from uws.views import document, find, methods, see_other, text

# Types that a browser shows and that cannot carry scripts; all others are saved.
INLINE = frozenset(
    {"image/png", "image/jpeg", "image/gif", "application/pdf", "application/json", "text/plain", "text/csv"}
)


@methods("GET", "HEAD")
def results(request: HttpRequest, tool: str, job_id: str) -> HttpResponseBase:
    """/results: the list."""
    return document(xml.results(find(request, tool, job_id), links.base_url(request)))


@methods("GET", "HEAD")
def result(request: HttpRequest, tool: str, job_id: str, name: str) -> HttpResponseBase:
    """/results/<name>: the file; ranges and conditional requests work."""
    job = find(request, tool, job_id)
    if job.is_batch:
        return _of_child(request, job, name)
    row = job.results.filter(name=name).first()
    if row is None:
        _explain_absence(job)
        raise NotFound(
            f"The job has no result {name[:60]!r}.", hint=f"They are listed at {job.uws_url}/results."
        )
    try:
        return serve_file(
            request,
            row.path,
            media_type=row.media_type,
            name=row.file_name,
            sha256=row.sha256,
            inline=row.media_type.partition(";")[0].strip() in INLINE,
        )
    except OSError:
        raise Gone(
            "The file of this result is gone.", hint="Tell the operators, or run the job again."
        ) from None


def _of_child(request: HttpRequest, job: Job, name: str) -> HttpResponseBase:
    """A result of a batch is one of its children's: `<number>-<name>`."""
    number, _, rest = name.partition("-")
    child = job.children.filter(child_number=int(number)).first() if number.isdecimal() else None
    if child is None or not child.results.filter(name=rest).exists():
        _explain_absence(job)
        raise NotFound(
            f"The job has no result {name[:60]!r}.", hint=f"They are listed at {job.uws_url}/results."
        )
    return see_other(links.result_url(child, rest, links.base_url(request)))


@methods("GET", "HEAD")
def results_zip(request: HttpRequest, tool: str, job_id: str) -> HttpResponseBase:
    """/results.zip: everything in one file, written as it is read."""
    job = find(request, tool, job_id)
    _explain_absence(job)
    response = StreamingHttpResponse(
        archive.stream(job, links.base_url(request)) if request.method == "GET" else (),
        content_type="application/zip",
    )
    response["Content-Disposition"] = f'attachment; filename="{job.tool_name}-{job.pk[:8]}.zip"'
    return response


@methods("GET", "HEAD")
def log(request: HttpRequest, tool: str, job_id: str) -> HttpResponseBase:
    """/log: the log as text; OFFSET and LIMIT (bytes) for a part, X-Next-Offset says where it goes on."""
    job = find(request, tool, job_id)
    query = Parameters(request.GET)
    if not (query.get("OFFSET") or query.get("LIMIT")):
        return StreamingHttpResponse(logs.stream(job), content_type="text/plain; charset=utf-8")
    offset = forms.integer("OFFSET", query.get("OFFSET", "0"), minimum=-(1 << 40))
    limit = forms.integer("LIMIT", query.get("LIMIT", "65536"), minimum=1)
    if limit > 1 << 24:
        raise UsageError("LIMIT is at most 16777216.", field="LIMIT")
    part, following = logs.tail(job, offset, limit)
    answer = text(part)
    answer["X-Next-Offset"] = str(following)
    return answer


def _explain_absence(job: Job) -> None:
    if job.phase == Phase.ARCHIVED:
        raise Gone(
            "This job's destruction time has passed and its results are gone.",
            hint="Its description and provenance remain; run it again to get them back.",
        )
