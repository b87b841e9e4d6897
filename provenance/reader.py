"""Rows back into records."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace

from gateway.vo.errors import NotFound
from provenance import access, models
from provenance.records import (
    ActivityRecord,
    AgentRecord,
    ConfigFileRecord,
    DescriptionRecord,
    Document,
    EntityRecord,
    GeneratedRecord,
    ParameterRecord,
    RelationType,
    UsedRecord,
    container_entity,
    platform_entity,
)


def read_job(job_id: str) -> Document:
    """All attempts of a job, the first one first.  Raises NotFound."""
    rows = list(
        models.Activity.objects.filter(job=job_id)
        .select_related("activityDescription")
        .order_by("attempt", "-step", "id")
    )
    if not rows:
        raise NotFound(
            f"No provenance is recorded for {job_id}.", hint="It is written when a job ends; has it ended?"
        )
    return Document(activities=read_activities(rows))


@dataclass(frozen=True)
class View:
    """Which nodes a document has, and of which of them the reader may know what they are."""

    activities: Collection[str]
    entities: Collection[str]
    open_activities: set[str]
    open_entities: set[str]
    members: bool = False

    def activity(self, identifier: str) -> str:
        """The identifier that the reader is given."""
        return identifier if identifier in self.open_activities else access.pseudonym(identifier)

    def entity(self, identifier: str) -> str:
        return identifier if identifier in self.open_entities else access.pseudonym(identifier)


def read_part(view: View, *, truncated: bool = False) -> Document:
    """The records of a part of the graph; relations that lead out of it are left out."""
    rows = list(
        models.Activity.objects.filter(pk__in=view.open_activities)
        .select_related("activityDescription")
        .order_by("startTime", "job", "attempt", "-step", "id")
    )
    activities = [_seen_by(record, view) for record in read_activities(rows, view.entities)]
    hidden = sorted(set(view.activities) - view.open_activities)
    activities += _withheld_activities(hidden, view)
    derived = models.WasDerivedFrom.objects.filter(
        generatedEntity_id__in=view.entities, usedEntity_id__in=view.entities
    ).exclude(generatedEntity__wasGeneratedBy__activity_id__in=view.open_activities)
    pairs = sorted(derived.values_list("generatedEntity_id", "usedEntity_id"))
    entities = [_entity_seen_by(record, view) for record in read_entities(view.open_entities)]
    entities += [_withheld(key) for key in sorted(set(view.entities) - view.open_entities)]
    return Document(
        activities=tuple(activities),
        entities=tuple(entities),
        derivations=tuple((view.entity(made), view.entity(source)) for made, source in pairs),
        truncated=truncated,
    )


def read_entities(ids: Iterable[str]) -> list[EntityRecord]:
    """The records of entities, by themselves."""
    ids = list(ids)
    agents = _agents_of_entities(ids)
    members = _pairs(
        models.HadMember.objects.filter(collection_id__in=ids).values_list("collection_id", "entity_id")
    )
    rows = models.Entity.objects.filter(pk__in=ids).select_related(
        "entityDescription", "content", "withdrawal"
    )
    return [
        _entity(row, row.content, tuple(agents[row.id]), tuple(members[row.id]))
        for row in rows.order_by("pk")
    ]


def _withheld(identifier: str) -> EntityRecord:
    return EntityRecord(id=access.pseudonym(identifier), withheld=True)


def _entity_seen_by(entity: EntityRecord, view: View) -> EntityRecord:
    if entity.id not in view.open_entities:
        return _withheld(entity.id)
    shown = set(view.entities) if view.members and entity.members else set()
    members = tuple(view.entity(member) for member in entity.members if member in shown)
    return entity if members == entity.members else replace(entity, members=members)


def _seen_by(activity: ActivityRecord, view: View) -> ActivityRecord:
    """The record with pseudonyms for what is withheld."""
    return replace(
        activity,
        used=tuple(replace(use, entity=_entity_seen_by(use.entity, view)) for use in activity.used),
        generated=tuple(
            replace(
                made,
                entity=_entity_seen_by(made.entity, view),
                derivedFrom=tuple(view.entity(key) for key in made.derivedFrom if key in view.entities),
            )
            for made in activity.generated
        ),
        informedBy=tuple(view.activity(key) for key in activity.informedBy if key in view.activities),
        platform=_context(activity.platform, platform_entity, view),
        container=_context(activity.container, container_entity, view),
    )


def _context(value: str, entity: Callable[[str], EntityRecord], view: View) -> str:
    """The platform or container, if it is in the view."""
    return value if value and entity(value).id in view.entities else ""


def _withheld_activities(hidden: list[str], view: View) -> list[ActivityRecord]:
    """Activities of which the reader learns nothing but how they hang together."""
    known = view.open_entities

    def entity(key: str) -> EntityRecord:
        return EntityRecord(id=key) if key in known else _withheld(key)

    used = _pairs(
        models.Used.objects.filter(activity_id__in=hidden, entity_id__in=view.entities)
        .values_list("activity_id", "entity_id")
        .distinct()
    )
    made = _pairs(
        models.WasGeneratedBy.objects.filter(activity_id__in=hidden, entity_id__in=view.entities).values_list(
            "activity_id", "entity_id"
        )
    )
    informants = _pairs(
        models.WasInformedBy.objects.filter(
            informed_id__in=hidden, informant_id__in=view.activities
        ).values_list("informed_id", "informant_id")
    )
    return [
        ActivityRecord(
            id=access.pseudonym(key),
            description=DescriptionRecord(name=""),
            used=tuple(UsedRecord(entity(e), role="", type="") for e in used[key]),
            generated=tuple(GeneratedRecord(entity(e), role="", type="") for e in made[key]),
            informedBy=tuple(view.activity(other) for other in informants[key]),
            phase="",
            withheld=True,
        )
        for key in hidden
    ]


def read_activities(
    rows: list[models.Activity], only: Collection[str] | None = None
) -> tuple[ActivityRecord, ...]:
    """The records of these activities; the number of queries does not depend on how many there are.

    With `only`, of their entities only these.
    """
    ids = [row.id for row in rows]
    among = {} if only is None else {"entity_id__in": list(only)}
    files: dict[str, list[ConfigFileRecord]] = defaultdict(list)
    for file in (
        models.ConfigFile.objects.filter(activity_id__in=ids)
        .select_related("configFileDescription", "content")
        .order_by("id")
    ):
        files[file.activity_id].append(_config_file(file))
    uses = list(
        models.Used.objects.filter(activity_id__in=ids, **among)
        .select_related(
            "entity__entityDescription",
            "entity__content",
            "entity__withdrawal",
            "content",
            "usageDescription",
        )
        .order_by("id")
    )
    made = list(
        models.WasGeneratedBy.objects.filter(activity_id__in=ids, **among)
        .select_related(
            "entity__entityDescription", "entity__content", "entity__withdrawal", "generationDescription"
        )
        .order_by("entity__generatedAtTime", "entity_id")
    )
    entities = [use.entity_id for use in uses] + [generation.entity_id for generation in made]
    agents_of_entity = _agents_of_entities(entities)
    members = _pairs(
        models.HadMember.objects.filter(collection_id__in=entities).values_list("collection_id", "entity_id")
    )
    sources = _pairs(
        models.WasDerivedFrom.objects.filter(generatedEntity_id__in=entities).values_list(
            "generatedEntity_id", "usedEntity_id"
        )
    )
    informants = _pairs(
        models.WasInformedBy.objects.filter(informed_id__in=ids).values_list("informed_id", "informant_id")
    )
    parameters: dict[str, list[ParameterRecord]] = defaultdict(list)
    for row in (
        models.Parameter.objects.filter(activity_id__in=ids)
        .select_related("parameterDescription")
        .order_by("id")
    ):
        parameters[row.activity_id].append(_parameter(row))
    agents: dict[str, list[AgentRecord]] = defaultdict(list)
    for link in (
        models.WasAssociatedWith.objects.filter(activity_id__in=ids).select_related("agent").order_by("id")
    ):
        agents[link.activity_id].append(_agent(link.agent, link.role))

    def entity(row: models.Entity, content: models.Content | None) -> EntityRecord:
        return _entity(row, content, tuple(agents_of_entity[row.id]), tuple(members[row.id]))

    used: dict[str, list[UsedRecord]] = defaultdict(list)
    for use in uses:
        used[use.activity_id].append(_used(use, entity(use.entity, use.content or use.entity.content)))
    generated: dict[str, list[GeneratedRecord]] = defaultdict(list)
    for generation in made:
        record = _generated(
            generation, entity(generation.entity, generation.entity.content), sources[generation.entity_id]
        )
        generated[generation.activity_id].append(record)
    return tuple(
        _activity(
            row,
            parameters[row.id],
            files[row.id],
            used[row.id],
            generated[row.id],
            agents[row.id],
            informants[row.id],
        )
        for row in rows
    )


def _pairs(rows: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for first, second in sorted(rows):
        found[first].append(second)
    return found


def _agents_of_entities(entities: list[str]) -> dict[str, list[AgentRecord]]:
    found: dict[str, list[AgentRecord]] = defaultdict(list)
    for link in (
        models.WasAttributedTo.objects.filter(entity_id__in=entities).select_related("agent").order_by("id")
    ):
        found[link.entity_id].append(_agent(link.agent, link.role))
    return found


def _agent(row: models.Agent, role: str) -> AgentRecord:
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


def _entity(
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


def _used(row: models.Used, entity: EntityRecord) -> UsedRecord:
    described = row.usageDescription
    return UsedRecord(
        entity=entity,
        role=row.role,
        time=row.time,
        type=described.type if described else "",
        description=described.description if described else "",
        multiplicity=described.multiplicity if described else "",
    )


def _generated(row: models.WasGeneratedBy, entity: EntityRecord, sources: list[str]) -> GeneratedRecord:
    described = row.generationDescription
    return GeneratedRecord(
        entity=entity,
        role=row.role,
        type=described.type if described else "",
        description=described.description if described else "",
        multiplicity=described.multiplicity if described else "",
        derivedFrom=tuple(sources),
    )


def _parameter(row: models.Parameter) -> ParameterRecord:
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


def _config_file(row: models.ConfigFile) -> ConfigFileRecord:
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


def _description(row: models.ActivityDescription) -> DescriptionRecord:
    return DescriptionRecord(
        name=row.name,
        version=row.version,
        description=row.description,
        docurl=row.docurl,
        type=row.type,
        subtype=row.subtype,
        digest=row.digest,
    )


def _activity(
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
        description=_description(row.activityDescription),
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
