"""Rows back into records."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace

from django.db.models import Exists, OuterRef

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
    UsedRecord,
    container_entity,
    platform_entity,
)
from provenance.rows import (
    activity_record,
    agent_record,
    config_file_record,
    entity_record,
    generated_record,
    parameter_record,
    used_record,
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
    known = _Entities(view.entities)
    activities = [_seen_by(record, view) for record in read_activities(rows, view.entities, known)]
    hidden = sorted(set(view.activities) - view.open_activities)
    activities += _withheld_activities(hidden, view)
    derived = models.WasDerivedFrom.objects.filter(
        generatedEntity_id__in=view.entities, usedEntity_id__in=view.entities
    ).exclude(generatedEntity__wasGeneratedBy__activity_id__in=view.open_activities)
    pairs = sorted(derived.values_list("generatedEntity_id", "usedEntity_id"))
    entities = [_entity_seen_by(record, view) for record in known.some(view.open_entities)]
    entities += [_withheld(key) for key in sorted(set(view.entities) - view.open_entities)]
    return Document(
        activities=tuple(activities),
        entities=tuple(entities),
        derivations=tuple((view.entity(made), view.entity(source)) for made, source in pairs),
        truncated=truncated,
    )


def read_entities(ids: Iterable[str]) -> list[EntityRecord]:
    """The records of entities, by themselves."""
    return _Entities(ids).all()


class _Entities:
    """Records of entities, each read once however many activities have to do with it."""

    def __init__(self, ids: Iterable[str]) -> None:
        ids = list(ids)
        parts = models.HadMember.objects.filter(collection=OuterRef("pk"))
        rows = list(
            models.Entity.objects.filter(pk__in=ids)
            .select_related("entityDescription", "content", "withdrawal")
            .annotate(is_whole=Exists(parts))
            .order_by("pk")
        )
        agents = _agents_of_entities(ids)
        wholes = [row.pk for row in rows if row.is_whole]
        members = _pairs(
            models.HadMember.objects.filter(collection_id__in=wholes).values_list(
                "collection_id", "entity_id"
            )
        )
        self._records = {
            row.id: entity_record(row, row.content, tuple(agents[row.id]), tuple(members[row.id]))
            for row in rows
        }

    def all(self) -> list[EntityRecord]:
        return list(self._records.values())

    def some(self, ids: Collection[str]) -> list[EntityRecord]:
        return [record for key, record in self._records.items() if key in ids]

    def get(self, identifier: str, content: models.Content | None = None) -> EntityRecord:
        """The record; `content` is what the bytes were at that time."""
        record = self._records[identifier]
        if content is None or content.sha256 == record.sha256:
            return record
        return replace(record, sha256=content.sha256, size=content.size)


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
    rows: list[models.Activity], only: Collection[str] | None = None, known: _Entities | None = None
) -> tuple[ActivityRecord, ...]:
    """The records of these activities; the number of queries does not depend on how many there are.

    With `only`, of their entities only these; `known` are those that are read already.
    """
    ids = [row.id for row in rows]
    among = {} if only is None else {"entity_id__in": list(only)}
    files: dict[str, list[ConfigFileRecord]] = defaultdict(list)
    for file in (
        models.ConfigFile.objects.filter(activity_id__in=ids)
        .select_related("configFileDescription", "content")
        .order_by("id")
    ):
        files[file.activity_id].append(config_file_record(file))
    uses = list(
        models.Used.objects.filter(activity_id__in=ids, **among)
        .select_related("content", "usageDescription")
        .order_by("id")
    )
    made = list(
        models.WasGeneratedBy.objects.filter(activity_id__in=ids, **among)
        .select_related("generationDescription")
        .order_by("entity__generatedAtTime", "entity_id")
    )
    entities = [use.entity_id for use in uses] + [generation.entity_id for generation in made]
    known = known or _Entities(entities)
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
        parameters[row.activity_id].append(parameter_record(row))
    agents: dict[str, list[AgentRecord]] = defaultdict(list)
    for link in (
        models.WasAssociatedWith.objects.filter(activity_id__in=ids).select_related("agent").order_by("id")
    ):
        agents[link.activity_id].append(agent_record(link.agent, link.role))

    used: dict[str, list[UsedRecord]] = defaultdict(list)
    for use in uses:
        used[use.activity_id].append(used_record(use, known.get(use.entity_id, use.content)))
    generated: dict[str, list[GeneratedRecord]] = defaultdict(list)
    for generation in made:
        record = generated_record(generation, known.get(generation.entity_id), sources[generation.entity_id])
        generated[generation.activity_id].append(record)
    return tuple(
        activity_record(
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
        found[link.entity_id].append(agent_record(link.agent, link.role))
    return found
