"""From a job that has ended to its provenance record."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings

from gateway.vo.errors import GatewayError
from provenance import recorder
from provenance.records import (
    ActivityRecord,
    AgentRecord,
    AgentRole,
    AgentType,
    DescriptionRecord,
    EntityRecord,
    GeneratedRecord,
    ParameterRecord,
    RelationType,
    UsedRecord,
    request_digest,
    result_id,
    upload_id,
)
from uws import rows, steps, storage
from uws.creation import UPLOAD_PREFIX
from uws.models import Job, JobInput, JobResult
from uws.steps import FILE_NAME, Steps
from uws.tools import registry
from uws.tools.description import Parameter, ParameterType, Tool

if TYPE_CHECKING:
    from uws.moves import Outcome

JOB_PREFIX = "job:"
"""`job:<id>/<result>` is how a job's input names a result of another job."""

QUERIED_ROLE = "queried table"
"""The role in which a query used the tables that it read."""

ANSWER_ROLE = "earlier result"
"""The role in which an answer used the results that it repeats."""

_DATATYPES = {
    ParameterType.FLOAT: ("double", ""),
    ParameterType.INTEGER: ("long", ""),
    ParameterType.BOOLEAN: ("boolean", ""),
    ParameterType.STRING: ("char", "*"),
}
_TYPES = {"preview": RelationType.PREVIEW, "log": RelationType.LOG, "quality": RelationType.QUALITY}


def record(job: Job, outcome: Outcome, *, final: bool = True, attempt: int | None = None) -> None:
    """Write the record of an attempt (or of a job that never ran) in the caller's transaction."""
    tool = _tool(job)
    results, inputs = list(outcome.results), rows.inputs_of(job)
    inner: Steps = outcome.extra.get("steps") or Steps()
    for step in inner.activities:
        recorder.record(step)
    recorder.record(
        ActivityRecord(
            id=job.pk,
            name=f"{job.tool_name} {job.run_id}".strip(),
            description=_description(job, tool),
            startTime=job.start_time,
            endTime=outcome.end_time or job.end_time,
            comment=" ".join(filter(None, [outcome.message or _remark(outcome), inner.problem])),
            parameters=tuple(_parameter(tool, name, value) for name, value in job.parameters.items()),
            used=(
                *(_used(job, row, tool) for row in inputs),
                *_repeated(results, outcome),
                *outcome.extra.get("used", ()),
            ),
            generated=tuple(_generated(job, row, tool, outcome) for row in results),
            agents=_agents(job),
            informedBy=tuple(step.key for step in inner.activities),
            phase=str(outcome.phase),
            exitCode=outcome.exit_code,
            attempt=max(1, job.attempt if attempt is None else attempt),
            final=final,
            platform=outcome.platform,
            runId=job.run_id,
            location=f"/{job.service_path}/{job.pk}",
            requestDigest=request_digest(
                job.tool_digest,
                job.parameters,
                [(row.role, row.sha256 or row.identifier) for row in inputs],
            ),
            cpuTime=outcome.cpu_seconds,
            peakMemory=None if outcome.max_rss_kb is None else outcome.max_rss_kb << 10,
        )
    )


def read_steps(job: Job, results: list[JobResult]) -> Steps:
    """The inner steps that the tool left a file of, joined to the job's inputs and results."""
    work = job.attempt_folder / "work"
    if not (work / FILE_NAME).exists():
        return Steps()
    plan = storage.read_json(job.attempt_folder / "outputs.json") or {"files": []}
    made: dict[str, str] = {}
    for entry in plan["files"]:
        source = Path(entry["from"])
        made |= {source.name: entry["name"], str(source): entry["name"]}
        if source.is_relative_to(work):
            made[str(source.relative_to(work))] = entry["name"]
    given: dict[str, EntityRecord] = {}
    for row in job.inputs.all():
        entity = EntityRecord(
            id=entity_id(row), name=row.title or row.identifier, sha256=row.sha256, size=row.size
        )
        for text in (row.identifier, row.path, Path(row.path).name):
            given.setdefault(text, entity)
    return steps.read(work / FILE_NAME, job.pk, job.attempt, given, made)


def _inner_sources(row: JobResult, outcome: Outcome) -> tuple[str, ...]:
    inner: Steps | None = outcome.extra.get("steps")
    return tuple(inner.derived.get(row.name, ())) if inner else ()


def _remark(outcome: Outcome) -> str:
    earlier = outcome.extra.get("answered_from")
    return f"Nothing was run: the results are those of job {earlier}." if earlier else ""


def _repeated(results: list[JobResult], outcome: Outcome) -> list[UsedRecord]:
    """The results of an earlier job that this one was answered with."""
    earlier = outcome.extra.get("answered_from")
    if not earlier:
        return []
    return [
        UsedRecord(
            EntityRecord(id=result_id(earlier, row.name), name=row.file_name, sha256=row.sha256),
            role=ANSWER_ROLE,
            time=outcome.end_time,
        )
        for row in results
    ]


def forget(job: Job, *, deleted: bool) -> None:
    """Results are gone; with `deleted` the job, too.  The lineage stays."""
    recorder.forget(job.pk, deleted=deleted)


def _tool(job: Job) -> Tool | None:
    """The description that the job ran by, None for runners and for tools that were removed."""
    if job.executor == "runner":
        return None
    try:
        return registry.get(job.tool_name, job.tool_version)
    except GatewayError:
        return None


def _description(job: Job, tool: Tool | None) -> DescriptionRecord:
    return DescriptionRecord(
        name=job.tool_name,
        version=job.tool_version,
        description=tool.summary if tool else "",
        docurl=tool.reference if tool else "",
        digest=job.tool_digest,
        type="Analysis" if tool else "Selection",
    )


def _parameter(tool: Tool | None, name: str, value: Any) -> ParameterRecord:
    text = ParameterRecord.text(value)
    known: Parameter | None = tool.parameter(name) if tool else None
    if known is None:
        return ParameterRecord(name=name, value=text, datatype="char", arraysize="*")
    datatype, arraysize = _DATATYPES[known.type]
    return ParameterRecord(
        name=known.name,
        value=text,
        datatype=datatype,
        arraysize="*" if known.multiple else arraysize,
        unit=known.unit,
        ucd=known.ucd,
        description=known.help or known.title,
        min="" if known.minimum is None else str(known.minimum),
        max="" if known.maximum is None else str(known.maximum),
        options=tuple(ParameterRecord.text(option.value) for option in known.options),
        default=None if known.default is None else ParameterRecord.text(known.default),
    )


def _used(job: Job, row: JobInput, tool: Tool | None) -> UsedRecord:
    role = tool.input(row.role) if tool else None
    return UsedRecord(
        entity=EntityRecord(
            id=entity_id(row),
            name=row.title or row.identifier,
            contentType=row.media_type,
            sha256=row.sha256,
            size=row.size,
            collection=row.collection,
        ),
        role=row.role,
        time=job.start_time,
        description=role.help or role.title if role else "",
        multiplicity=_multiplicity(role.min_count, role.max_count) if role else "",
    )


def entity_id(row: JobInput) -> str:
    """The identifier in the record of what a job was given."""
    if row.identifier.startswith(UPLOAD_PREFIX):
        return upload_id(row.sha256)
    if row.identifier.startswith(JOB_PREFIX):
        return result_id(*row.identifier.removeprefix(JOB_PREFIX).split("/", 1))
    return row.identifier


def _multiplicity(low: int, high: int | None) -> str:
    return str(low) if low == high else f"{low}..{'*' if high is None else high}"


def _generated(job: Job, row: JobResult, tool: Tool | None, outcome: Outcome) -> GeneratedRecord:
    earlier = outcome.extra.get("answered_from")
    output = next((o for o in tool.outputs if o.name == row.output), None) if tool else None
    return GeneratedRecord(
        entity=EntityRecord(
            id=result_id(job.pk, row.name),
            name=row.file_name,
            location=f"/{job.service_path}/{job.pk}/results/{row.name}",
            generatedAtTime=outcome.end_time or job.end_time,
            contentType=row.media_type,
            sha256=row.sha256,
            size=row.size,
        ),
        role=row.output or row.name,
        type=_TYPES.get(row.role, RelationType.MAIN),
        description=output.title if output else row.label,
        multiplicity="" if output is None else "1" if output.required else "0..*",
        derivedFrom=(result_id(earlier, row.name),) if earlier else _inner_sources(row, outcome),
    )


def _agents(job: Job) -> tuple[AgentRecord, ...]:
    site = settings.SITE
    publisher = AgentRecord(
        id="site",
        name=site.publisher,
        role=AgentRole.PROVIDER,
        type=AgentType.ORGANIZATION,
        email=site.contact,
    )
    if job.owner is None:
        return AgentRecord(id="anonymous", name="anonymous"), publisher
    person = AgentRecord(
        id=f"user:{job.owner_id}", name=job.owner_name, email=getattr(job.owner, "email", "")
    )
    return person, publisher
