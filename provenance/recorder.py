"""Records what ran, in the caller's transaction, and gives it back."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TypeVar

from django.db import models as db
from django.db import transaction
from django.utils import timezone

from provenance import models
from provenance.records import (
    ActivityRecord,
    AgentRecord,
    Document,
    EntityRecord,
    UsedRecord,
    context_of,
    result_id,
    result_of,
)

__all__ = ["anonymise", "describe", "document", "forget", "record"]

Row = TypeVar("Row", bound=db.Model)


def record(activity: ActivityRecord) -> models.Activity:
    """Write one activity with everything that hangs on it.

    Call it inside the transaction that ends the job.  A second call for the same id and attempt changes
    nothing and returns what was recorded first.

    Raises
    ------
    ValueError
        If a result is recorded that another activity generated (an entity has one origin).
    """
    known = models.Activity.objects.filter(
        job=activity.id, attempt=activity.attempt, step=activity.step
    ).first()
    if known:
        return known
    with transaction.atomic(savepoint=False):
        return _write(activity)


def _write(activity: ActivityRecord) -> models.Activity:
    _check_origins(activity)
    uses = _with_own_results(activity.used)
    uses += context_of(activity)
    description_id = _write_descriptions(activity, uses)
    row = models.Activity.objects.create(
        id=activity.key,
        name=activity.name[:200],
        startTime=activity.startTime,
        endTime=activity.endTime,
        comment=activity.comment,
        activityDescription_id=description_id,
        job=activity.id,
        attempt=activity.attempt,
        step=activity.step,
        final=activity.final,
        access=activity.access,
        requestDigest=activity.requestDigest,
        itemised=activity.itemised,
        cpuTime=activity.cpuTime,
        peakMemory=activity.peakMemory,
        phase=activity.phase,
        exitCode=activity.exitCode,
        runId=activity.runId[:200],
        location=activity.location,
    )
    _write_entities([used.entity for used in uses], [made.entity for made in activity.generated])
    _write_generated(activity, description_id)
    _insert(
        models.Used(
            activity_id=row.id,
            entity_id=used.entity.id,
            role=used.role,
            time=used.time,
            usageDescription_id=f"{description_id}#in:{used.role}",
            content_id=used.entity.sha256 or None,
        )
        for used in uses
    )
    _insert(
        models.Parameter(
            activity_id=row.id,
            name=parameter.name,
            value=parameter.value,
            parameterDescription_id=f"{description_id}#{parameter.name}",
        )
        for parameter in activity.parameters
    )
    if activity.configFiles:
        _write_config_files(activity, description_id)
    _write_agents(activity.agents)
    _insert(
        models.WasAssociatedWith(activity_id=row.id, agent_id=agent.id, role=agent.role)
        for agent in activity.agents
    )
    _write_communications(activity, row)
    return row


def _with_own_results(uses: Iterable[UsedRecord]) -> list[UsedRecord]:
    """The uses; a result of ours that is named by its address becomes the entity that its job generated."""
    uses = list(uses)
    named = {use.entity.id: result_of(use.entity.id) for use in uses}
    ids = {address: result_id(*result) for address, result in named.items() if result}
    if ids:
        ours = set(models.Entity.objects.filter(id__in=ids.values()).values_list("id", flat=True))
        ids = {address: key for address, key in ids.items() if key in ours}
    return [
        replace(use, entity=replace(use.entity, id=ids[use.entity.id])) if use.entity.id in ids else use
        for use in uses
    ]


def _insert(rows: Iterable[Row]) -> None:
    """Insert rows, leaving alone those that are there.

    In the order of their keys, so that two transactions that meet on the same rows cannot deadlock.
    """
    ordered = sorted(rows, key=lambda row: str(row.pk or ""))
    if ordered:
        type(ordered[0])._default_manager.bulk_create(ordered, ignore_conflicts=True)


def _write_descriptions(activity: ActivityRecord, uses: list[UsedRecord]) -> str:
    tool = activity.description
    key = tool.key
    _insert(
        [
            models.ActivityDescription(
                id=key,
                name=tool.name,
                version=tool.version,
                description=tool.description,
                docurl=tool.docurl,
                type=tool.type,
                subtype=tool.subtype,
                digest=tool.digest,
            )
        ]
    )
    _insert(
        models.ParameterDescription(
            id=f"{key}#{parameter.name}",
            activityDescription_id=key,
            name=parameter.name,
            datatype=parameter.datatype,
            arraysize=parameter.arraysize,
            xtype=parameter.xtype,
            description=parameter.description,
            unit=parameter.unit,
            ucd=parameter.ucd,
            utype=parameter.utype,
            min=parameter.min,
            max=parameter.max,
            options=list(parameter.options),
            default=parameter.default,
        )
        for parameter in activity.parameters
    )
    _insert(
        models.UsageDescription(
            id=f"{key}#in:{role}",
            activityDescription_id=key,
            role=role,
            description=used.description,
            type=used.type,
            multiplicity=used.multiplicity,
            entityDescription_id=_description_id(used.entity),
        )
        for role, used in {used.role: used for used in uses}.items()
    )
    _insert(
        models.GenerationDescription(
            id=f"{key}#out:{role}",
            activityDescription_id=key,
            role=role,
            description=made.description,
            type=made.type,
            multiplicity=made.multiplicity,
            entityDescription_id=_description_id(made.entity),
        )
        for role, made in {made.role: made for made in activity.generated}.items()
    )
    return key


def _write_config_files(activity: ActivityRecord, description_id: str) -> None:
    files = activity.configFiles
    _insert(models.Content(sha256=file.sha256, size=file.size) for file in files if file.sha256)
    _insert(
        models.ConfigFileDescription(
            id=f"{description_id}#file:{file.name}",
            activityDescription_id=description_id,
            name=file.name,
            contentType=file.contentType,
            description=file.description,
        )
        for file in files
    )
    _insert(
        models.ConfigFile(
            activity_id=activity.key,
            name=file.name,
            location=file.location,
            comment=file.comment,
            configFileDescription_id=f"{description_id}#file:{file.name}",
            content_id=file.sha256 or None,
        )
        for file in files
    )


def _check_origins(activity: ActivityRecord) -> None:
    ids = [made.entity.id for made in activity.generated]
    if not ids:
        return
    taken = models.WasGeneratedBy.objects.filter(entity_id__in=ids).first()
    if taken:
        raise ValueError(f"{taken.entity_id} was generated by {taken.activity_id} already")


# An activity is the authority on what it generated: it overwrites what others said of these before.
AUTHORITATIVE = [
    *("kind", "name", "location", "generatedAtTime", "comment", "value", "entityDescription", "content"),
    *("rights", "collection"),
]


def _write_entities(used: list[EntityRecord], generated: list[EntityRecord]) -> None:
    made = {entity.id: entity for entity in generated}
    found = {entity.id: entity for entity in used} | made
    sizes = {entity.sha256: entity.size for entity in found.values() if entity.sha256}
    _insert(models.Content(sha256=sha256, size=size) for sha256, size in sizes.items())
    _write_formats(found.values())
    _insert(_entity_row(entity) for entity in found.values() if entity.id not in made)
    models.Entity.objects.bulk_create(
        [_entity_row(entity) for _, entity in sorted(made.items())],
        update_conflicts=True,
        update_fields=AUTHORITATIVE,
        unique_fields=["id"],
    )
    members = [(entity.id, member) for entity in found.values() for member in entity.members]
    if members:
        _insert(models.Entity(id=member) for member in {member for _, member in members} - set(found))
        _insert(models.HadMember(collection_id=whole, entity_id=part) for whole, part in members)
    attributions = [(entity.id, agent) for entity in found.values() for agent in entity.agents]
    if attributions:
        _write_agents(agent for _, agent in attributions)
        _insert(
            models.WasAttributedTo(entity_id=entity_id, agent_id=agent.id, role=agent.role)
            for entity_id, agent in attributions
        )


def _description_id(entity: EntityRecord) -> str | None:
    """The description of the entity's kind: its media type, or what values of its name are."""
    if entity.withheld:
        return None
    if entity.value is not None:
        return f"value:{entity.name or 'value'}"[:200]
    return f"dataset:{entity.contentType}"[:200] if entity.contentType else None


def _write_formats(entities: Iterable[EntityRecord]) -> None:
    """DatasetDescription and ValueDescription of each kind of entity."""
    rows = {}
    for entity in entities:
        key = _description_id(entity)
        if key is None or key in rows:
            continue
        value = entity.value is not None
        rows[key] = models.EntityDescription(
            id=key,
            kind=models.Kind.VALUE if value else models.Kind.DATASET,
            name=key.partition(":")[2][:150],
            contentType="" if value else entity.contentType[:150],
            valueType="char arraysize=*" if value else "",
        )
    _insert(rows.values())


def _entity_row(entity: EntityRecord) -> models.Entity:
    if entity.members:
        kind = models.Kind.COLLECTION
    else:
        kind = models.Kind.DATASET if entity.value is None else models.Kind.VALUE
    return models.Entity(
        id=entity.id,
        kind=kind,
        name=entity.name[:300],
        location=entity.location,
        generatedAtTime=entity.generatedAtTime,
        invalidatedAtTime=entity.invalidatedAtTime,
        comment=entity.comment,
        value=entity.value,
        entityDescription_id=_description_id(entity),
        content_id=entity.sha256 or None,
        rights=entity.rights,
        collection=entity.collection,
    )


def _write_generated(activity: ActivityRecord, description_id: str) -> None:
    if not activity.generated:
        return
    _insert(
        models.WasGeneratedBy(
            entity_id=made.entity.id,
            activity_id=activity.key,
            role=made.role,
            generationDescription_id=f"{description_id}#out:{made.role}",
        )
        for made in activity.generated
    )
    derivations = [(made.entity.id, source) for made in activity.generated for source in made.derivedFrom]
    if derivations:
        _insert(models.Entity(id=source) for source in {source for _, source in derivations})
        _insert(
            models.WasDerivedFrom(generatedEntity_id=made, usedEntity_id=source)
            for made, source in derivations
        )


def _write_agents(agents: Iterable[AgentRecord]) -> None:
    _insert(
        models.Agent(
            id=agent.id,
            name=agent.name or agent.id,
            type=agent.type,
            comment=agent.comment,
            email=agent.email,
            affiliation=agent.affiliation,
            url=agent.url,
        )
        for agent in {agent.id: agent for agent in agents}.values()
    )


def _write_communications(activity: ActivityRecord, row: models.Activity) -> None:
    """The lost attempts before this one, and the activities that it names and that are known."""
    informants = db.Q(id__in=activity.informedBy)
    if activity.attempt > 1:
        informants |= db.Q(job=activity.id, attempt__lt=activity.attempt)
    elif not activity.informedBy:
        return
    ids = models.Activity.objects.filter(informants).exclude(id=row.id).values_list("id", flat=True)
    _insert(models.WasInformedBy(informed_id=row.id, informant_id=informant) for informant in ids)


def describe(entities: Iterable[EntityRecord]) -> None:
    """Write entities that no activity of ours used or generated yet: collections, and what is only named.

    Those that are known stay as they are; members and attributions are added.
    """
    with transaction.atomic(savepoint=False):
        _write_entities(list(entities), [])


def document(activity_id: str) -> Document:
    """The records of one job, its lost attempts included.

    Raises
    ------
    gateway.vo.errors.NotFound
        If nothing was recorded under this id.
    """
    from provenance.reader import read_job

    return read_job(activity_id)


def forget(activity_id: str, *, deleted: bool = True) -> None:
    """Leave a tombstone: the results become invalid now and lose their location, the lineage stays.

    Parameters
    ----------
    activity_id
        Public id of the job.
    deleted
        The job itself goes too; False when only its results were destroyed (phase ARCHIVED).
    """
    now = timezone.now()
    models.Entity.objects.filter(
        wasGeneratedBy__activity__job=activity_id, invalidatedAtTime__isnull=True
    ).update(invalidatedAtTime=now, location="")
    if deleted:
        models.Activity.objects.filter(job=activity_id, invalidatedAtTime__isnull=True).update(
            invalidatedAtTime=now, location=""
        )


def anonymise(agent_id: str) -> None:
    """Take away what identifies a person; what they did stays recorded."""
    models.Agent.objects.filter(id=agent_id).update(
        name="former user", email="", affiliation="", phone="", address="", url="", comment=""
    )
