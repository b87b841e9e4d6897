"""Records into rows: descriptions, entities, agents.  Rows that are there already are left as they are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from provenance import models
from provenance.inserting import insert, upsert
from provenance.known import Known, look_up
from provenance.records import ActivityRecord, AgentRecord, EntityRecord, GeneratedRecord, UsedRecord

__all__ = [
    "known_of",
    "role_id",
    "write_agents",
    "write_config_files",
    "write_descriptions",
    "write_entities",
]


def known_of(
    entities: Iterable[EntityRecord],
    agents: Iterable[AgentRecord] = (),
    activity: ActivityRecord | None = None,
    uses: Sequence[UsedRecord] = (),
) -> Known:
    """What is there already of everything that a record may write."""
    entities = list(entities)
    named = [*agents, *(agent for entity in entities for agent in entity.agents)]
    wanted = {
        "entity": [entity.id for entity in entities],
        "content": [entity.sha256 for entity in entities if entity.sha256],
        "format": [key for entity in entities if (key := description_id(entity))],
        "agent": [agent.id for agent in named],
    }
    if activity is not None:
        key = activity.description.key
        wanted |= {
            "activity": [activity.key, f"{activity.id}.{activity.attempt}"],
            "origin": [made.entity.id for made in activity.generated],
            "tool": [key],
            "parameter": [f"{key}#{parameter.name}" for parameter in activity.parameters],
            "usage": [role_id(models.UsageDescription, key, used.role) for used in uses],
            "withdrawn tool": [key, key.partition("+")[0]],
            "generation": [
                role_id(models.GenerationDescription, key, made.role) for made in activity.generated
            ],
        }
    return look_up(wanted)


def write_descriptions(activity: ActivityRecord, uses: Iterable[UsedRecord], known: Known) -> str:
    """The tool with its parameters and roles; returns its identifier."""
    tool = activity.description
    key = tool.key
    if not known.has("tool", key):
        insert(
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
    insert(
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
        if not known.has("parameter", f"{key}#{parameter.name}")
    )
    _write_roles(models.UsageDescription, key, uses, known)
    _write_roles(models.GenerationDescription, key, activity.generated, known)
    return key


def role_id(model: type[models.RoleDescription], tool: str, role: str) -> str:
    """The identifier of a role of a tool's inputs or outputs."""
    return f"{tool}#{'in' if model is models.UsageDescription else 'out'}:{role}"


def _write_roles(
    model: type[models.UsageDescription] | type[models.GenerationDescription],
    tool: str,
    relations: Iterable[UsedRecord | GeneratedRecord],
    known: Known,
) -> None:
    kind = "usage" if model is models.UsageDescription else "generation"
    insert(
        model(
            id=role_id(model, tool, role),
            activityDescription_id=tool,
            role=role,
            description=one.description,
            type=one.type,
            multiplicity=one.multiplicity,
            entityDescription_id=description_id(one.entity),
        )
        for role, one in {one.role: one for one in relations}.items()
        if not known.has(kind, role_id(model, tool, role))
    )


def write_config_files(activity: ActivityRecord, description_id: str) -> None:
    files = activity.configFiles
    insert(models.Content(sha256=file.sha256, size=file.size) for file in files if file.sha256)
    insert(
        models.ConfigFileDescription(
            id=f"{description_id}#file:{file.name}",
            activityDescription_id=description_id,
            name=file.name,
            contentType=file.contentType,
            description=file.description,
        )
        for file in files
    )
    insert(
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


# An activity is the authority on what it generated: it overwrites what others said of these before.
AUTHORITATIVE = [
    *("kind", "name", "location", "generatedAtTime", "comment", "value", "entityDescription", "content"),
    *("rights", "collection"),
]


def write_entities(
    used: list[EntityRecord],
    generated: list[EntityRecord],
    known: Known,
    withdrawal: models.Withdrawal | None = None,
) -> None:
    """Entities with their contents, formats, members and attributions.

    Parameters
    ----------
    withdrawal
        What touches the generated ones.
    """
    made = {entity.id: entity for entity in generated}
    found = {entity.id: entity for entity in used} | made
    sizes = {entity.sha256: entity.size for entity in found.values() if entity.sha256}
    insert(
        models.Content(sha256=sha256, size=size)
        for sha256, size in sizes.items()
        if not known.has("content", sha256)
    )
    _write_formats(found.values(), known)
    insert(
        _entity_row(entity)
        for entity in found.values()
        if entity.id not in made and not known.has("entity", entity.id)
    )
    upsert((_entity_row(entity, withdrawal) for entity in made.values()), AUTHORITATIVE)
    members = [(entity.id, member) for entity in found.values() for member in entity.members]
    if members:
        insert(models.Entity(id=member) for member in {member for _, member in members} - set(found))
        insert(models.HadMember(collection_id=whole, entity_id=part) for whole, part in members)
    attributions = [(entity.id, agent) for entity in found.values() for agent in entity.agents]
    if attributions:
        write_agents((agent for _, agent in attributions), known)
        insert(
            models.WasAttributedTo(entity_id=entity_id, agent_id=agent.id, role=agent.role)
            for entity_id, agent in attributions
        )


def description_id(entity: EntityRecord) -> str | None:
    """The description of the entity's kind: its media type, or what values of its name are."""
    if entity.withheld:
        return None
    if entity.value is not None:
        return f"value:{entity.name or 'value'}"[:200]
    return f"dataset:{entity.contentType}"[:200] if entity.contentType else None


def _write_formats(entities: Iterable[EntityRecord], known: Known) -> None:
    """DatasetDescription and ValueDescription of each kind of entity."""
    rows = {}
    for entity in entities:
        key = description_id(entity)
        if key is None or key in rows or known.has("format", key):
            continue
        value = entity.value is not None
        rows[key] = models.EntityDescription(
            id=key,
            kind=models.Kind.VALUE if value else models.Kind.DATASET,
            name=key.partition(":")[2][:150],
            contentType="" if value else entity.contentType[:150],
            valueType="char arraysize=*" if value else "",
        )
    insert(rows.values())


def _entity_row(entity: EntityRecord, withdrawal: models.Withdrawal | None = None) -> models.Entity:
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
        entityDescription_id=description_id(entity),
        content_id=entity.sha256 or None,
        rights=entity.rights,
        collection=entity.collection,
        withdrawal=withdrawal,
    )


def write_agents(agents: Iterable[AgentRecord], known: Known) -> None:
    """Agents that are not there yet."""
    insert(
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
        if not known.has("agent", agent.id)
    )
