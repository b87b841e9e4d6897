"""Doing a job again: the same, with changes, and compared with the first.

What a job asked for is read from the job, or from its provenance where the job is gone.  The tool must be
there in the recorded version and the inputs with the recorded bytes: whatever is not is named.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from django.conf import settings

from gateway.vo.caller import Caller
from gateway.vo.errors import Conflict, GatewayError
from provenance import access, recorder
from provenance.records import ActivityRecord, RelationType
from uws import controller, creation, inputs
from uws.access import may_use
from uws.comparing import Comparison, State, Tolerance, compare_files
from uws.models import Job
from uws.phases import FINAL, Phase
from uws.record import ANSWER_ROLE, QUERIED_ROLE, entity_id
from uws.tools import registry
from uws.tools.description import Tool

__all__ = [
    "Plan",
    "Product",
    "Source",
    "Verification",
    "diff",
    "plan",
    "product_of",
    "rerun",
    "verify",
]


Replaced = Callable[[str], str]


@dataclass(frozen=True)
class Source:
    """An input as it was, and what has become of it."""

    role: str
    identifier: str
    sha256: str
    title: str = ""
    state: str = "unchanged"
    """`unchanged`, `changed` (other bytes than then) or `gone`."""
    path: str = ""
    """Where an upload is kept; not for users."""
    problem: str = ""


@dataclass(frozen=True)
class Plan:
    """What a job asked for, and whether it can be asked for again."""

    job: str
    tool: str
    version: str
    digest: str
    parameters: dict[str, Any]
    sources: tuple[Source, ...]
    problems: tuple[str, ...] = ()
    """What is gone or changed, in sentences; empty if the job can be repeated exactly."""
    base_url: str = ""
    """Public URL of the gateway as the first caller saw it; products name it."""
    blocked: bool = False
    """It cannot be run at all: the tool or an input is gone."""

    def as_json(self) -> dict[str, Any]:
        found = asdict(self)
        for source in found["sources"]:
            source.pop("path")
        return found


def plan(job_id: str, caller: Caller, replaced: Replaced | None = None) -> Plan:
    """What it takes to run a job again, with other inputs in the places of those that `replaced` names.

    Raises
    ------
    NotFound, Forbidden, NotAuthenticated
        If there is no such job for this caller.
    """
    access.check(job_id, caller)
    record = final_record(job_id)
    job = _job_of(job_id, caller)
    problems: list[str] = []
    blocked = False
    name, version = record.description.name, record.description.version
    if name not in settings.VOGATE_JOB_RUNNERS:
        tool = _tool(name, version)
        if tool is None:
            problems.append(f"The tool {name} is not here in version {version or '(none)'} any more.")
            blocked = True
        elif record.description.digest and tool.digest != record.description.digest:
            problems.append(f"The tool {name}@{version} has been changed since, without a new version.")
    sources = tuple(_sources(record, job, caller, replaced or (lambda entity: "")))
    for source in sources:
        if source.state != "unchanged":
            problems.append(source.problem)
        blocked |= source.state == "gone"
    parameters = dict(job.parameters) if job is not None else _recorded(record)
    return Plan(
        job_id,
        name,
        version,
        record.description.digest,
        parameters,
        sources,
        tuple(problems),
        base_url=job.base_url if job is not None else "",
        blocked=blocked,
    )


def _job_of(job_id: str, caller: Caller) -> Job | None:
    """The job, if the caller may use it; of one whose record alone is public there is only the record."""
    job = Job.objects.filter(pk=job_id).first()
    return job if job is not None and (caller.is_staff or may_use(job, caller)) else None


def final_record(job_id: str) -> ActivityRecord:
    """The record of a job's last attempt."""
    attempts = [record for record in recorder.document(job_id).activities if not record.step]
    return attempts[-1]


def _recorded(record: ActivityRecord) -> dict[str, Any]:
    """The parameters as they were recorded: text, lists where the model's value is a list in JSON."""
    found: dict[str, Any] = {}
    for item in record.parameters:
        several = item.arraysize == "*" and item.value.startswith("[")
        found[item.name] = json.loads(item.value) if several else item.value
    return found


def _tool(name: str, version: str) -> Tool | None:
    try:
        return registry.get(name, version)
    except GatewayError:
        return None


def _sources(record: ActivityRecord, job: Job | None, caller: Caller, replaced: Replaced) -> Iterable[Source]:
    if job is not None:
        for row in job.inputs.all():
            other = replaced(entity_id(row))
            found = Source(row.role, row.identifier, row.sha256, row.title, path=row.path)
            yield _look(Source(row.role, other, "") if other else found, caller)
        return
    for use in record.used:
        if use.type == RelationType.CONTEXT or use.role in (ANSWER_ROLE, QUERIED_ROLE):
            continue
        identifier = use.entity.id
        if replaced(identifier):
            yield _look(Source(use.role, replaced(identifier), ""), caller)
            continue
        if "/" in identifier and ":" not in identifier:
            identifier = f"job:{identifier}"
        yield _look(Source(use.role, identifier, use.entity.sha256, use.entity.name), caller)


def _look(source: Source, caller: Caller) -> Source:
    """What has become of an input."""
    name = source.title or source.identifier
    if source.identifier.startswith((creation.UPLOAD_PREFIX, "sha256:")):
        if source.path and Path(source.path).is_file():
            return source
        return replace(source, state="gone", problem=f"The uploaded file {name} ({source.role}) is gone.")
    try:
        found = inputs.resolve(source.identifier, caller)
    except GatewayError as error:
        return replace(
            source, state="gone", problem=f"The input {name} ({source.role}) is gone: {error.message}"
        )
    if not found.path.exists():
        return replace(source, state="gone", problem=f"The file of {name} ({source.role}) is gone.")
    if source.sha256 and found.sha256 and found.sha256 != source.sha256:
        return replace(
            source,
            state="changed",
            problem=f"The input {name} ({source.role}) has other bytes than when the job ran.",
        )
    return source


def rerun(
    job_id: str,
    caller: Caller,
    *,
    changes: Mapping[str, Any] | None = None,
    version: str = "",
    accept_changes: bool = False,
    base_url: str = "",
    replaced: Replaced | None = None,
) -> Job:
    """Queue a job like an earlier one.

    Parameters
    ----------
    changes
        Parameters with other values; None takes one away.
    version
        Another version of the tool than the recorded one.
    accept_changes
        Run although inputs or the tool's description have changed since.
    replaced
        What to use instead of an input, by its entity's identifier; '' for what stays.

    Raises
    ------
    Conflict
        If something is gone, or has changed and that is not accepted; the message names it.
    GatewayError
        As `uws.controller.create`.
    """
    wanted = plan(job_id, caller, replaced)
    if (wanted.blocked and not version) or any(source.state == "gone" for source in wanted.sources):
        raise Conflict(" ".join(wanted.problems), hint="It cannot be run again as it was.")
    if wanted.problems and not accept_changes and not version:
        raise Conflict(
            " ".join(wanted.problems), hint="Say that changes are accepted, to run it with what is there now."
        )
    tool: Tool | str = wanted.tool
    if wanted.tool not in settings.VOGATE_JOB_RUNNERS:
        tool = registry.get(wanted.tool, version or wanted.version)
    parameters = {**wanted.parameters, **(changes or {})}
    given: dict[str, list[str]] = {}
    with ExitStack() as files:
        uploads = []
        for number, source in enumerate(wanted.sources):
            identifier = source.identifier
            if identifier.startswith(creation.UPLOAD_PREFIX):
                part = f"earlier{number}"
                if wanted.tool in settings.VOGATE_JOB_RUNNERS:
                    part = identifier.removeprefix(creation.UPLOAD_PREFIX)
                file = files.enter_context(open(source.path, "rb"))
                uploads.append(creation.Upload(part, source.title or part, file))
                identifier = f"{creation.UPLOAD_PREFIX}{part}"
            given.setdefault(source.role, []).append(identifier)
        return controller.create(
            tool,
            {name: value for name, value in parameters.items() if value is not None},
            caller,
            run_id=f"again {job_id}",
            inputs=given,
            uploads=uploads,
            run=True,
            reuse=False,
            base_url=base_url or wanted.base_url,
            session=bool(caller.session_key),
        )


@dataclass(frozen=True)
class Verification:
    """Two runs compared: what was asked for, and what came out."""

    earlier: str
    later: str
    request: dict[str, Any]
    """As `diff`; `same` in it is true if the two asked for the same."""
    outputs: tuple[Comparison, ...] = field(default=())

    @property
    def agrees(self) -> bool:
        """Whether the main products agree; logs and previews may differ."""
        return all(output.agrees for output in self.outputs if output.role not in ("log", "preview"))

    def as_json(self) -> dict[str, Any]:
        return {
            "earlier": self.earlier,
            "later": self.later,
            "agrees": self.agrees,
            "request": self.request,
            "outputs": [output.as_json() for output in self.outputs],
        }


def verify(earlier: str, later: str, caller: Caller, tolerance: Tolerance | None = None) -> Verification:
    """Compare the products of two jobs that have ended.

    Raises
    ------
    Conflict
        If one has not ended.
    """
    request = diff(earlier, later, caller)
    sides = [_outputs(job_id, caller) for job_id in (earlier, later)]
    names = list(dict.fromkeys([*sides[0], *sides[1]]))
    outputs = tuple(
        _compare(name, sides[0].get(name), sides[1].get(name), tolerance or Tolerance(), (earlier, later))
        for name in names
    )
    return Verification(earlier, later, request, outputs)


@dataclass(frozen=True)
class Product:
    """A result as it can be compared."""

    sha256: str
    media_type: str
    role: str
    path: Path | None
    """None where the file is gone, or is not the caller's to read."""
    preview: str = ""
    """How pages show it."""


def product_of(job_id: str, name: str, caller: Caller) -> Product | None:
    """A product of a job that has ended, if it has one of this name and the caller may see its record."""
    return _outputs(job_id, caller).get(name)


def _outputs(job_id: str, caller: Caller) -> dict[str, Product]:
    """The products of a job by name, from the job or from its provenance."""
    access.check(job_id, caller)
    job = _job_of(job_id, caller)
    if job is not None and Phase(job.phase) not in FINAL:
        raise Conflict(f"Job {job_id} has not ended; it is {job.phase}.", hint="Wait for its end.")
    rows = list(job.results.all()) if job is not None else []
    if rows:
        return {
            row.name: Product(
                row.sha256,
                row.media_type,
                row.role,
                row.path if row.path.is_file() else None,
                row.preview,
            )
            for row in rows
        }
    found = {}
    for made in final_record(job_id).generated:
        role = {"Log": "log", "Preview": "preview"}.get(str(made.type), "main")
        entity = made.entity
        found[entity.id.partition("/")[2]] = Product(entity.sha256, entity.contentType, role, None)
    return found


def _compare(
    name: str, first: Product | None, second: Product | None, tolerance: Tolerance, jobs: tuple[str, str]
) -> Comparison:
    known = first or second
    assert known is not None
    role = known.role
    if first is None or second is None:
        return Comparison(name, State.NEW if first is None else State.MISSING, role)
    if first.sha256 and first.sha256 == second.sha256:
        return Comparison(name, State.SAME, role)
    if first.path is None or second.path is None:
        which = "earlier" if first.path is None else "later"
        return Comparison(name, State.UNKNOWN, role, (f"The hashes differ, and the {which} file is gone.",))
    state, details = compare_files(first.path, second.path, first.media_type, tolerance, jobs)
    return Comparison(name, state, role, tuple(details))


def diff(earlier: str, later: str, caller: Caller) -> dict[str, Any]:
    """How two jobs differ in what they asked for and made: `tool`, `parameters`, `inputs`, `outputs`, `same`.

    Each is a mapping from a name to the pair of values, of what differs alone.  Deleted jobs are compared by
    their provenance.
    """
    for job_id in (earlier, later):
        access.check(job_id, caller)
    first, second = final_record(earlier), final_record(later)
    asked = {
        "tool": _pairs(_versions(first), _versions(second)),
        "parameters": _pairs(
            {item.name: item.value for item in first.parameters},
            {item.name: item.value for item in second.parameters},
        ),
        "inputs": _pairs(_inputs(first), _inputs(second)),
    }
    made = _pairs(
        *({m.entity.id.partition("/")[2]: m.entity.sha256 for m in r.generated} for r in (first, second))
    )
    return {
        **asked,
        "environment": _pairs(*({"platform": r.platform, "container": r.container} for r in (first, second))),
        "outputs": made,
        "phase": _pairs({"phase": first.phase}, {"phase": second.phase}),
        "same": not any(asked.values()),
    }


def _versions(record: ActivityRecord) -> dict[str, str]:
    tool = record.description
    return {"name": tool.name, "version": tool.version, "digest": tool.digest}


def _inputs(record: ActivityRecord) -> dict[str, str]:
    """Hash, or identifier where there is none, by role and number."""
    found: dict[str, str] = {}
    for use in record.used:
        if use.type == RelationType.CONTEXT or use.role == ANSWER_ROLE:
            continue
        number = 1 + sum(key.startswith(f"{use.role}[") for key in found)
        found[f"{use.role}[{number}]"] = use.entity.sha256 or use.entity.id
    return found


def _pairs(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    names = list(dict.fromkeys([*first, *second]))
    return {
        name: (first.get(name), second.get(name)) for name in names if first.get(name) != second.get(name)
    }
