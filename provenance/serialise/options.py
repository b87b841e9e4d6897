"""What of a document is wanted: agents, descriptions, configuration, attributes."""

from __future__ import annotations

from dataclasses import dataclass, replace

from provenance.records import (
    ActivityRecord,
    AgentRecord,
    DescriptionRecord,
    Document,
    EntityRecord,
    GeneratedRecord,
    ParameterRecord,
    UsedRecord,
)

__all__ = ["Options", "prune"]


@dataclass(frozen=True)
class Options:
    """The switches of ProvSAP."""

    agents: bool = True
    descriptions: bool = True
    configuration: bool = True
    attributes: bool = True


def prune(document: Document, options: Options) -> Document:
    """The document without what is not wanted; nodes and the relations between them stay."""
    if options == Options():
        return document
    return replace(
        document,
        activities=tuple(_activity(activity, options) for activity in document.activities),
        entities=tuple(_entity(entity, options) for entity in document.entities),
    )


def _activity(activity: ActivityRecord, options: Options) -> ActivityRecord:
    changed = replace(
        activity,
        used=tuple(_used(use, options) for use in activity.used),
        generated=tuple(_generated(made, options) for made in activity.generated),
        agents=tuple(_agent(agent, options) for agent in activity.agents) if options.agents else (),
        description=activity.description if options.descriptions else DescriptionRecord(name=""),
        parameters=tuple(_parameter(item, options) for item in activity.parameters)
        if options.configuration
        else (),
        configFiles=activity.configFiles if options.configuration else (),
    )
    if options.attributes:
        return changed
    # What makes the identifiers (attempt, step, final) and relations (platform) stays.
    return replace(
        changed,
        name="",
        startTime=None,
        endTime=None,
        comment="",
        phase="",
        exitCode=None,
        runId="",
        location="",
        invalidatedAtTime=None,
        cpuTime=None,
        peakMemory=None,
    )


def _entity(entity: EntityRecord, options: Options) -> EntityRecord:
    agents = tuple(_agent(agent, options) for agent in entity.agents) if options.agents else ()
    if options.attributes:
        return replace(entity, agents=agents)
    return EntityRecord(
        id=entity.id, value=entity.value, members=entity.members, agents=agents, withheld=entity.withheld
    )


def _agent(agent: AgentRecord, options: Options) -> AgentRecord:
    if options.attributes:
        return agent
    return AgentRecord(id=agent.id, name=agent.name, role=agent.role, type=agent.type)


def _used(use: UsedRecord, options: Options) -> UsedRecord:
    use = replace(use, entity=_entity(use.entity, options))
    if not options.descriptions:
        use = replace(use, type="", description="", multiplicity="")
    return use if options.attributes else replace(use, time=None)


def _generated(made: GeneratedRecord, options: Options) -> GeneratedRecord:
    made = replace(made, entity=_entity(made.entity, options))
    return made if options.descriptions else replace(made, type="", description="", multiplicity="")


def _parameter(item: ParameterRecord, options: Options) -> ParameterRecord:
    return item if options.descriptions else ParameterRecord(item.name, item.value)
