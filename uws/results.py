"""Results: taken in from the work folder with care, found again by identifier, packed for download."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from django.conf import settings

from gateway.vo.caller import Caller
from gateway.vo.errors import Forbidden, GatewayError, NotFound
from uws import storage
from uws.access import get_job
from uws.inputs import ResolvedInput
from uws.models import Job, JobResult
from uws.tools.description import Output, Tool

BLOCK = 1 << 20
_ADDRESS = re.compile(r"/(?:uws/[^/]+|[a-z]+)/async/([a-z2-7]{26})/results/([^/]+)$")
_SHORT = re.compile(r"job:([a-z2-7]{26})/([^/]+)$")


class ResultError(GatewayError):
    """What a tool left cannot be taken as a result; the message says which file and why."""

    code = "ResultError"


@dataclass(frozen=True)
class Found:
    """A file that matches an output's glob."""

    output: Output
    source: Path
    """In the work folder."""
    name: str
    """The result's id."""
    file_name: str


def collect(job: Job, tool: Tool, *, partial: bool = False) -> list[JobResult]:
    """Move a tool's outputs into the job's results folder.

    It can be called again after an interruption: a plan is written before the first file is moved.

    Parameters
    ----------
    partial
        The tool was stopped by its time limit: take what is there, complain of nothing.

    Returns
    -------
    Rows that are not saved yet.

    Raises
    ------
    ResultError
        If a required output is missing, or a file is a link, no regular file, or too large.
    OSError
        If files cannot be moved or read.
    """
    work = job.attempt_folder / "work"
    plan_path = job.attempt_folder / "outputs.json"
    plan = storage.read_json(plan_path)
    if plan is None:
        found = list(_matches(tool, work, partial=partial))
        _check_size(found, tool)
        plan = {
            "files": [
                {"output": f.output.name, "from": str(f.source), "name": f.name, "file": f.file_name}
                for f in found
            ]
        }
        storage.write_json(plan_path, plan)
    job.results_folder.mkdir(parents=True, exist_ok=True)
    outputs = {output.name: output for output in tool.outputs}
    return [
        _take(job, outputs[entry["output"]], entry, position) for position, entry in enumerate(plan["files"])
    ]


def _matches(tool: Tool, work: Path, *, partial: bool) -> Iterator[Found]:
    """Checked matches of every output, with names that are unique within the job."""
    ids: set[str] = set()
    files: set[str] = set()
    taken: set[Path] = set()
    for output in tool.outputs:
        paths = [p for p in sorted(work.glob(output.path)) if p not in taken and p.name != "job.json"]
        good = [path for path in paths if _acceptable(path, work, partial=partial)]
        taken.update(good)
        if not good and output.required and not partial:
            raise ResultError(f"The tool ended without its result {output.title!r} ({output.path}).")
        for path in good:
            stem = storage.safe_name(path.name).partition(".")[0]
            name = _unique(output.name if len(good) == 1 else f"{output.name}-{stem}", ids)
            yield Found(output, path, name[:120], _unique(storage.safe_name(path.name), files))


def _acceptable(path: Path, work: Path, *, partial: bool) -> bool:
    """True for a regular file of the work folder, reached without links; folders are passed over."""
    relative = path.relative_to(work)
    if ".." in relative.parts or any(
        (work / Path(*relative.parts[:n])).is_symlink() for n in range(1, len(relative.parts) + 1)
    ):
        problem = "is a link"
    else:
        status = path.lstat()
        if stat.S_ISDIR(status.st_mode):
            return False
        if not stat.S_ISREG(status.st_mode):
            problem = "is not a regular file"
        elif status.st_nlink > 1:
            problem = "is a second name of another file (a hard link)"
        else:
            return True
    if partial:
        return False
    raise ResultError(f"The result {relative} {problem}; only regular files are taken in.")


def _unique(name: str, used: set[str]) -> str:
    stem, dot, suffix = name.partition(".")
    candidate, number = name, 1
    while candidate in used:
        number += 1
        candidate = f"{stem}-{number}{dot}{suffix}"
    used.add(candidate)
    return candidate


def _check_size(found: Sequence[Found], tool: Tool) -> None:
    total = sum(f.source.lstat().st_size for f in found)
    if total > tool.limits.disk_mb << 20:
        raise ResultError(f"The results take {total >> 20} MB; {tool.limits.disk_mb} MB is the tool's limit.")


def _take(job: Job, output: Output, entry: dict[str, str], position: int) -> JobResult:
    """Move one file and describe it; a file that was moved before an interruption is only described."""
    target = job.results_folder / entry["file"]
    try:
        os.rename(entry["from"], target)
    except FileNotFoundError:
        if not target.exists():
            raise
    digest, size = hash_file(target, lasting=True)
    os.chmod(target, 0o640)
    return JobResult(
        job=job,
        name=entry["name"],
        position=position,
        output=output.name,
        file_name=entry["file"],
        media_type=output.media_type,
        size=size,
        sha256=digest,
        role=output.role,
        preview=output.preview.value if output.preview.value != "none" else "",
        label=output.title[:200],
    )


def hash_file(path: Path, *, lasting: bool = False) -> tuple[str, int]:
    """SHA-256 and size of a regular file; a link is an error.

    What is `lasting` is on the disk before this returns: a checksum that is recorded outlives a loss of power, and
    the file must, too.
    """
    digest, size = hashlib.sha256(), 0
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(fd, "rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
            size += len(block)
        if lasting:
            os.fsync(file.fileno())
    return digest.hexdigest(), size


def resolve_input(identifier: str, caller: Caller) -> ResolvedInput | None:
    """A result of an earlier job as an input: by its URL on this gateway or as `job:<id>/<result>`.

    Raises
    ------
    Forbidden
        If the job is somebody else's.
    NotFound
        If the job or the result is gone.
    """
    match = _SHORT.match(identifier) or _own_address(identifier)
    if match is None:
        return None
    job = get_job(match[1], caller)
    result = job.results.filter(name=unquote(match[2])).first()
    if result is None:
        raise NotFound(f"Job {job.pk} has no result {match[2]!r}.", hint=f"Its phase is {job.phase}.")
    return ResolvedInput(
        identifier=f"job:{job.pk}/{result.name}",
        path=result.path,
        sha256=result.sha256,
        size=result.size,
        media_type=result.media_type,
        title=result.file_name,
        terms="\n\n".join(terms_of(job)),
        notice=job.notice,
        provenance_url=f"{job.base_url}/provenance/{job.pk}.json",
    )


def _own_address(identifier: str) -> re.Match[str] | None:
    """The path of a result's URL; URLs of other hosts are not looked at."""
    parts = urlsplit(identifier)
    if parts.scheme and parts.scheme not in ("http", "https"):
        return None
    match = _ADDRESS.search(parts.path)
    if match is None or not parts.netloc:
        return match
    known = Job.objects.filter(pk=match[1]).values_list("base_url", flat=True).first()
    hosts = {urlsplit(url).netloc for url in (known or "", settings.VOGATE_BASE_URL) if url}
    if hosts and parts.netloc not in hosts:
        raise Forbidden(
            f"{parts.netloc} is not this gateway; inputs are not fetched from other hosts.",
            hint="Upload the file instead.",
        )
    return match


def terms_of(job: Job) -> list[str]:
    """The terms of use of everything that the job used, each once."""
    return list(dict.fromkeys(row.terms.strip() for row in job.inputs.all() if row.terms.strip()))
