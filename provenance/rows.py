"""One row, with what was fetched beside it, as a record."""

from __future__ import annotations

from provenance import models
from provenance.records import (
    ActivityRecord,
    AgentRecord,
    ConfigFileRecord,
    DescriptionRecord,
    EntityRecord,
    GeneratedRecord,
    ParameterRecord,
    RelationType,
    UsedRecord,
)

__all__ = [
    "activity_record",
    "agent_record",
    "config_file_record",
    "description_record",
    "entity_record",
    "generated_record",
    "parameter_record",
    "used_record",
]


def agent_record(row: models.Agent, role: str) -> AgentRecord:
    return AgentRecord(
        id=row.id,
        name=row.name,
        role=role,
        type=row.type,
        email=row.email,
        affiliation=row.affiliation,
        url=row.url,
        comment=row.comment,
    )


def entity_record(
    row: models.Entity,
    content: models.Content | None,
    agents: tuple[AgentRecord, ...],
    members: tuple[str, ...],
) -> EntityRecord:
    return EntityRecord(
        id=row.id,
        name=row.name,
        location=row.location,
        generatedAtTime=row.generatedAtTime,
        invalidatedAtTime=row.invalidatedAtTime,
        comment=row.comment,
        contentType=row.entityDescription.contentType if row.entityDescription else "",
        withdrawn=row.withdrawal.reason if row.withdrawal else "",
        value=row.value,
        sha256=content.sha256 if content else "",
        size=content.size if content else None,
        rights=row.rights,
        collection=row.collection,
        agents=agents,
        members=members,
    )


def used_record(row: models.Used, entity: EntityRecord) -> UsedRecord:
    described = row.usageDescription
    return UsedRecord(
        entity=entity,
        role=row.role,
        time=row.time,
        type=described.type if described else "",
        description=described.description if described else "",
        multiplicity=described.multiplicity if described else "",
    )


def generated_record(row: models.WasGeneratedBy, entity: EntityRecord, sources: list[str]) -> GeneratedRecord:
    described = row.generationDescription
    return GeneratedRecord(
        entity=entity,
        role=row.role,
        type=described.type if described else "",
        description=described.description if described else "",
        multiplicity=described.multiplicity if described else "",
        derivedFrom=tuple(sources),
    )


def parameter_record(row: models.Parameter) -> ParameterRecord:
    described = row.parameterDescription
    if described is None:
        return ParameterRecord(name=row.name, value=row.value)
    return ParameterRecord(
        name=row.name,
        value=row.value,
        datatype=described.datatype,
        arraysize=described.arraysize,
        xtype=described.xtype,
        unit=described.unit,
        ucd=described.ucd,
        utype=described.utype,
        description=described.description,
        min=described.min,
        max=described.max,
        options=tuple(described.options),
        default=described.default,
    )


def config_file_record(row: models.ConfigFile) -> ConfigFileRecord:
    described = row.configFileDescription
    return ConfigFileRecord(
        name=row.name,
        location=row.location,
        comment=row.comment,
        contentType=described.contentType if described else "",
        description=described.description if described else "",
        sha256=row.content.sha256 if row.content else "",
        size=row.content.size if row.content else None,
    )


def description_record(row: models.ActivityDescription) -> DescriptionRecord:
    return DescriptionRecord(
        name=row.name,
        version=row.version,
        description=row.description,
        docurl=row.docurl,
        type=row.type,
        subtype=row.subtype,
        digest=row.digest,
    )


def activity_record(
    row: models.Activity,
    parameters: list[ParameterRecord],
    files: list[ConfigFileRecord],
    used: list[UsedRecord],
    generated: list[GeneratedRecord],
    agents: list[AgentRecord],
    informants: list[str],
) -> ActivityRecord:
    assert row.activityDescription is not None  # record() always writes one
    context = {
        use.role: use.entity.value or ""
        for use in used
        if use.type == RelationType.CONTEXT and use.role in ("platform", "container")
    }
    return ActivityRecord(
        id=row.job,
        description=description_record(row.activityDescription),
        name=row.name,
        startTime=row.startTime,
        endTime=row.endTime,
        comment=row.comment,
        parameters=tuple(parameters),
        configFiles=tuple(files),
        used=tuple(use for use in used if use.role not in context),
        generated=tuple(generated),
        agents=tuple(agents),
        informedBy=tuple(informants),
        phase=row.phase,
        exitCode=row.exitCode,
        attempt=row.attempt,
        final=row.final,
        platform=context.get("platform", ""),
        container=context.get("container", ""),
        step=row.step,
        access=row.access,
        requestDigest=row.requestDigest,
        itemised=row.itemised,
        cpuTime=row.cpuTime,
        peakMemory=row.peakMemory,
        runId=row.runId,
        location=row.location,
        invalidatedAtTime=row.invalidatedAtTime,
    )
