"""Making a job: values checked, inputs resolved, uploads stored, limits applied.  No phases here."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import IO, Any

from django.conf import settings
from django.db import transaction

from gateway.site import JobLimits
from gateway.vo.caller import Caller
from gateway.vo.errors import NotAvailable, TooLarge, UsageError
from provenance.inserting import insert
from uws import fetched, rows, storage
from uws import reuse as reusing
from uws.access import fair_use_digest, session_digest
from uws.inputs import ResolvedInput, resolve_all
from uws.kinds import JobKind, kind_of
from uws.models import Job, JobInput, Rights, now

__all__ = [
    "JobLimits",
    "Upload",
    "add_parameters",
    "check_complete",
    "draft",
    "duration",
    "fair_use_digest",
    "limits_of",
]

UPLOAD_PREFIX = "param:"
BATCH = "batch"
"""`Job.executor` of requests over many inputs."""
BLOCK = 1 << 20


@dataclass(frozen=True)
class Upload:
    """A file that came with a request."""

    name: str
    """Name of the multipart part: an input role, or what a value `param:<name>` refers to."""
    file_name: str
    file: IO[bytes]
    media_type: str = ""


@dataclass(frozen=True)
class Checked:
    """What a request asks for, after all checks."""

    parameters: dict[str, Any]
    inputs: dict[str, list[ResolvedInput]]


@dataclass
class Draft:
    """A job that is not in the database yet."""

    job: Job
    inputs: list[JobInput] = field(default_factory=list)

    def save(self) -> None:
        insert([self.job], new=True)
        insert(self.inputs, new=True)


def limits_of(signed_in: bool) -> JobLimits:
    """The site's limits for this class of users."""
    return settings.SITE.signed_in if signed_in else settings.SITE.anonymous


def duration(kind: JobKind, signed_in: bool, asked: int | None) -> int:
    """executionDuration in seconds: what was asked for, within the limits; 0 is `the longest`."""
    longest = limits_of(signed_in).execution_duration
    if kind.max_seconds is not None:
        longest = min(longest, kind.max_seconds)
    if asked is None:
        return min(kind.seconds or longest, longest)
    if asked < 0:
        raise UsageError(f"EXECUTIONDURATION={asked} is negative.", field="EXECUTIONDURATION")
    return min(asked or longest, longest)


def draft(
    kind: JobKind,
    values: Mapping[str, Any],
    caller: Caller,
    *,
    inputs: Mapping[str, Sequence[str]],
    uploads: Iterable[Upload] = (),
    complete: bool,
    run_id: str = "",
    session: bool = False,
    base_url: str = "",
    execution_duration: int | None = None,
    destruction: datetime | None = None,
    each: str = "",
    reuse: bool | None = None,
) -> Draft:
    """A checked job with its inputs; uploads are on disk already."""
    kind.admit(caller)
    if each and (kind.executor == "runner" or not kind.is_file(each)):
        raise UsageError(
            f"{kind.name} has no input {each[:60]!r}.",
            hint="EACH names one of its input roles.",
            field="EACH",
        )
    reusing.check_allowed(kind.name, reuse)
    limits = limits_of(caller.is_authenticated)
    moment = now()
    latest = moment + timedelta(seconds=limits.lifetime)
    job = Job(
        tool_name=kind.name,
        tool_version=kind.version,
        tool_digest=kind.digest,
        executor=BATCH if each else kind.executor,
        each=each,
        reuse=reuse,
        run_id=run_id[:200],
        owner_id=caller.user_id,
        rights=_rights(caller, session),
        session=session_digest(caller.session_key) if _rights(caller, session) == Rights.SESSION else "",
        fair_use=fair_use_digest(caller),
        creation_time=moment,
        destruction=min(destruction, latest) if destruction else latest,
        execution_duration=duration(kind, caller.is_authenticated, execution_duration),
        base_url=(base_url or settings.VOGATE_BASE_URL).rstrip("/"),
    )
    with _own_folder(job):
        checked = _check(job, kind, values, inputs, uploads, caller, complete=complete)
        job.parameters = checked.parameters
        return Draft(job, _rows(job, checked))


def add_parameters(
    job: Job,
    values: Mapping[str, Any],
    caller: Caller,
    uploads: Iterable[Upload] = (),
    *,
    replacing: bool = False,
) -> None:
    """Merge further values, inputs and files into a pending job; roles that are given are replaced."""
    kind = kind_of(job.tool_name, job.tool_version)
    parameters, identifiers = kind.split(values)
    both = {**job.parameters, **parameters} if replacing else kind.merged(job.parameters, parameters)
    checked = _check(job, kind, both, identifiers, uploads, caller, complete=False)
    rows = _rows(job, checked)
    with transaction.atomic():
        Job.objects.filter(pk=job.pk).update(parameters=checked.parameters)
        JobInput.objects.filter(job=job, role__in={row.role for row in rows}).delete()
        JobInput.objects.bulk_create(rows)


def check_complete(job: Job, caller: Caller) -> dict[str, Any]:
    """The parameters of a job that is about to be queued, defaults filled in; UsageError if one is missing."""
    kind = kind_of(job.tool_name, job.tool_version)
    kind.admit(caller)
    identifiers: dict[str, list[str]] = {}
    for row in rows.inputs_of(job):
        if kind.is_file(row.role) and not (row.role == job.each and row.role in identifiers):
            identifiers.setdefault(row.role, []).append(row.identifier)
    return kind.validate(job.parameters, identifiers, caller, complete=True)[0]


def _rights(caller: Caller, session: bool) -> Rights:
    if caller.is_authenticated:
        return Rights.ACCOUNT
    return Rights.SESSION if session and caller.session_key else Rights.CAPABILITY


@contextmanager
def _own_folder(job: Job) -> Iterator[None]:
    """Nothing of a refused job stays on disk."""
    try:
        yield
    except BaseException:
        storage.remove(job.folder)
        raise


def _check(
    job: Job,
    kind: JobKind,
    values: Mapping[str, Any],
    inputs: Mapping[str, Sequence[str]],
    uploads: Iterable[Upload],
    caller: Caller,
    *,
    complete: bool,
) -> Checked:
    """Split, check and resolve; files are stored last, when all else is right."""
    parameters, identifiers = kind.split(values)
    for role, given in inputs.items():
        identifiers.setdefault(role, []).extend(given)
    files = _by_name(uploads)
    for name, upload in files.items():
        if any(f"{UPLOAD_PREFIX}{name}" in given for given in identifiers.values()):
            continue
        if not kind.is_file(upload.name):
            raise UsageError(
                f"{kind.name} takes no file named {upload.name[:60]!r}.",
                hint=f"Name the part after one of the tool's inputs, or refer to it as param:{name[:60]}.",
                field=upload.name,
            )
        identifiers.setdefault(upload.name, []).append(f"{UPLOAD_PREFIX}{name}")
    runner = kind.executor == "runner"
    many = list(dict.fromkeys(identifiers.get(job.each, ()))) if job.each else []
    checked = {**identifiers, job.each: many[:1]} if many else identifiers
    accepted, wanted = kind.validate(parameters, {} if runner else checked, caller, complete=complete)
    wanted = identifiers if runner else {**wanted, job.each: many} if many else wanted
    _check_number(wanted, caller, batch=bool(many))
    fetch = None if runner else partial(fetched.fetch, job, time.monotonic() + fetched.SECONDS)
    resolved = resolve_all(_without_uploads(wanted, files), caller, fetch)
    return Checked(accepted, _with_uploads(job, wanted, files, resolved))


def _by_name(uploads: Iterable[Upload]) -> dict[str, Upload]:
    """Uploads by part name; the second of a name is `name.2`."""
    found: dict[str, Upload] = {}
    for upload in uploads:
        count = sum(1 for other in found.values() if other.name == upload.name)
        found[f"{upload.name}.{count + 1}" if count else upload.name] = upload
    return found


def _check_number(wanted: Mapping[str, Sequence[str]], caller: Caller, *, batch: bool) -> None:
    limits = limits_of(caller.is_authenticated)
    number, most = sum(map(len, wanted.values())), limits.batch if batch else limits.inputs
    if number > most:
        raise UsageError(
            f"{number} inputs are more than the {most} that one job may have.",
            hint="Split the work into several jobs" + ("." if caller.is_authenticated else ", or sign in."),
            field=next(iter(wanted)),
        )


def _without_uploads(
    wanted: Mapping[str, Sequence[str]], files: Mapping[str, Upload]
) -> dict[str, list[str]]:
    rest: dict[str, list[str]] = {}
    for role, identifiers in wanted.items():
        for identifier in identifiers:
            name = identifier.removeprefix(UPLOAD_PREFIX)
            if name == identifier:
                rest.setdefault(role, []).append(identifier)
            elif name not in files:
                raise UsageError(
                    f"{identifier!r} refers to a file that did not come with the request.",
                    hint=f"Send it as the multipart part {name!r}.",
                    field=role,
                )
    return rest


def _with_uploads(
    job: Job,
    wanted: Mapping[str, Sequence[str]],
    files: Mapping[str, Upload],
    resolved: Mapping[str, list[ResolvedInput]],
) -> dict[str, list[ResolvedInput]]:
    """The inputs of each role in the order in which they were given; uploads are written to disk."""
    complete: dict[str, list[ResolvedInput]] = {}
    for role, identifiers in wanted.items():
        others = iter(resolved.get(role, ()))
        for identifier in identifiers:
            name = identifier.removeprefix(UPLOAD_PREFIX)
            found = next(others) if name == identifier else _store(job, name, files[name])
            complete.setdefault(role, []).append(found)
    return complete


def _store(job: Job, name: str, upload: Upload) -> ResolvedInput:
    """Write an uploaded file into the job's folder, under a name that is safe everywhere."""
    most = fetched.upload_bytes()
    digest, size = hashlib.sha256(), 0
    try:
        path = storage.fresh_path(job.folder / "inputs", upload.file_name or name)
        with path.open("xb") as out:
            while block := upload.file.read(BLOCK):
                size += len(block)
                if size > most:
                    raise TooLarge(f"{upload.file_name or name} is larger than {most >> 20} MB.")
                digest.update(block)
                out.write(block)
    except OSError as error:
        raise NotAvailable(f"The uploaded file cannot be kept: {storage.plain(error)}.") from error
    return ResolvedInput(
        owned=True,
        identifier=f"{UPLOAD_PREFIX}{name}",
        path=path,
        sha256=digest.hexdigest(),
        size=size,
        media_type=upload.media_type or "application/octet-stream",
        title=Path(upload.file_name).name[:300],
    )


def _rows(job: Job, checked: Checked) -> list[JobInput]:
    return [
        JobInput(
            job=job,
            role=role,
            position=position,
            identifier=found.identifier,
            path=str(found.path),
            sha256=found.sha256,
            size=found.size,
            media_type=found.media_type,
            title=found.title[:300],
            collection=found.collection,
            terms=found.terms,
            notice=found.notice,
            provenance_url=found.provenance_url,
            owned=found.owned,
        )
        for role, inputs in checked.inputs.items()
        for position, found in enumerate(inputs)
    ]
