"""Records as a W3C PROV document, with the IVOA model's own attributes in the namespace `voprov`.

How the classes that PROV does not know are written:

=====================  =========================================================================
ActivityDescription    an entity that is a prov:Plan, the plan of the activity's associations
Parameter              an entity of type voprov:Parameter, with prov:value; WasConfiguredBy is a
                       wasInfluencedBy of that type
ParameterDescription   attributes of the parameter
Usage-, Generation-    attributes (voprov:type, voprov:multiplicity, ...) of the relation
Description
Entity.generatedAtTime the time of wasGeneratedBy; invalidatedAtTime is a wasInvalidatedBy
ConfigFile             as Parameter, of type voprov:ConfigFile, with prov:location
Content                vogate:sha256 and vogate:size of the entity
what is withheld       an entity or activity of type vogate:Withheld, with relations and nothing else
=====================  =========================================================================

The identifiers of the model are `voprov:id`; those of PROV, which are the same in all forms, are made of them by
`names`.  The W3C flavour has the same nodes and relations and only attributes of PROV itself.

E-mail addresses, telephone numbers and postal addresses of agents are never written.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from enum import StrEnum
from functools import partial
from typing import Any

from prov.constants import PROV, PROV_LABEL, PROV_LOCATION, PROV_ROLE, PROV_TYPE, PROV_VALUE
from prov.identifier import QualifiedName
from prov.model import ProvDocument
from prov.serializers.provjson import ProvJSONEncoder

from provenance.records import (
    ActivityRecord,
    AgentRecord,
    AgentType,
    ConfigFileRecord,
    Document,
    EntityRecord,
    ParameterRecord,
    context_of,
)
from provenance.serialise.names import VOGATE, VOPROV, Names

READABLE = 50
"""Activities and loose entities up to which PROV-JSON is indented."""

Attributes = list[tuple[QualifiedName, Any]]


class Flavour(StrEnum):
    """Which attributes are written."""

    IVOA = "IVOA"
    W3C = "W3C"


def prov_json(document: Document, base_url: str, flavour: Flavour = Flavour.IVOA) -> str:
    """PROV-JSON (W3C member submission 2013); small documents are laid out for reading.

    Python lays out by an encoder of its own that is many times slower than the one in C.
    """
    written = to_prov(document, base_url, flavour)
    small = len(document.activities) + len(document.entities) <= READABLE
    return json.dumps(written, cls=ProvJSONEncoder, indent=1 if small else None)


def prov_n(document: Document, base_url: str, flavour: Flavour = Flavour.IVOA) -> str:
    """PROV-N (W3C Recommendation 2013)."""
    return to_prov(document, base_url, flavour).get_provn()


def prov_xml(document: Document, base_url: str, flavour: Flavour = Flavour.IVOA) -> str:
    """PROV-XML (W3C Note 2013)."""
    written = io.BytesIO()
    to_prov(document, base_url, flavour).serialize(written, format="xml")
    return written.getvalue().decode()


def to_prov(document: Document, base_url: str, flavour: Flavour = Flavour.IVOA) -> ProvDocument:
    """The records as a document of the `prov` library.

    Parameters
    ----------
    document
        What `provenance.recorder.document` or `provenance.lineage.lineage` returns.
    base_url
        Public URL of the service; identifiers and relative locations are completed with it.
    """
    return _Builder(base_url.rstrip("/"), flavour).build(document)


class _Builder:
    def __init__(self, base_url: str, flavour: Flavour) -> None:
        self.base_url = base_url
        self.flavour = flavour
        self.prov = ProvDocument()
        self.names = Names(self.prov, base_url)
        self.seen: set[QualifiedName] = set()
        # Relations to entities that may be described later on; they are written at the end.
        self.records: dict[str, EntityRecord] = {}
        self.later: list[Callable[[], object]] = []

    def build(self, document: Document) -> ProvDocument:
        # The whole descriptions first: an activity knows of some entities only that they are there.
        entities = document.all_entities()
        self.records = entities
        for activity in document.activities:
            self._activity(activity)
            self._relations(activity)
        known = {activity.key for activity in document.activities}
        for activity in document.activities:
            for informant in activity.informedBy:
                if informant not in known:
                    self.prov.activity(self.names.activity(informant))
                    known.add(informant)
                self.prov.communication(self.names.activity(activity.key), self.names.activity(informant))
        for entity in entities.values():
            self._entity(entity)
        for made, source in document.derivations:
            self.prov.derivation(self._bare_entity(made), self._bare_entity(source))
        for write in self.later:
            write()
        return self.prov

    def _first(self, name: QualifiedName) -> bool:
        """True once per name."""
        new = name not in self.seen
        self.seen.add(name)
        return new

    def _present(self, pairs: list[tuple[QualifiedName, Any]]) -> Attributes:
        """Without the slots that are empty, and what the flavour leaves out."""
        if self.flavour is Flavour.W3C:
            own = (VOPROV.uri, VOGATE.uri)
            pairs = [
                (name, value)
                for name, value in pairs
                if not name.uri.startswith(own)
                and not (isinstance(value, QualifiedName) and value.uri.startswith(own))
            ]
        return [(name, value) for name, value in pairs if value not in ("", None)]

    def _location(self, location: str) -> str:
        return self.base_url + location if location.startswith("/") else location

    def _activity(self, activity: ActivityRecord) -> None:
        if activity.withheld:
            kind = self._present([(PROV_TYPE, VOGATE["Withheld"])])
            self.prov.activity(self.names.activity(activity.key), other_attributes=kind)
            return
        attributes = [
            (VOPROV["id"], activity.key),
            (PROV_LABEL, activity.name),
            (PROV_LOCATION, self._location(activity.location)),
            (VOPROV["name"], activity.name),
            (VOPROV["comment"], activity.comment),
            (VOGATE["phase"], activity.phase),
            (VOGATE["exitCode"], activity.exitCode),
            (VOGATE["attempt"], activity.attempt),
            (VOGATE["step"], activity.step),
            (VOGATE["cpuTime"], activity.cpuTime),
            (VOGATE["peakMemory"], activity.peakMemory),
            (VOGATE["runId"], activity.runId),
            (VOGATE["invalidatedAtTime"], activity.invalidatedAtTime),
        ]
        self.prov.activity(
            self.names.activity(activity.key), activity.startTime, activity.endTime, self._present(attributes)
        )

    def _relations(self, activity: ActivityRecord) -> None:
        name = self.names.activity(activity.key)
        plan = self._plan(activity)
        for parameter in activity.parameters:
            self._parameter(activity, name, parameter)
        for file in activity.configFiles:
            self._config_file(activity, name, file)
        for used in (*activity.used, *context_of(activity)):
            entity = self._entity(used.entity)
            attributes = [
                (PROV_ROLE, used.role),
                (VOPROV["type"], str(used.type)),
                (VOPROV["description"], used.description),
                (VOPROV["multiplicity"], used.multiplicity),
            ]
            self.prov.usage(name, entity, used.time, other_attributes=self._present(attributes))
        for made in activity.generated:
            entity = self._entity(made.entity)
            attributes = [
                (PROV_ROLE, made.role),
                (VOPROV["type"], str(made.type)),
                (VOPROV["description"], made.description),
                (VOPROV["multiplicity"], made.multiplicity),
            ]
            time = made.entity.generatedAtTime
            self.prov.generation(entity, name, time, other_attributes=self._present(attributes))
            for source in made.derivedFrom:
                self.later.append(partial(self._derivation, entity, source))
        for agent in activity.agents:
            role = self._present([(PROV_ROLE, str(agent.role))])
            self.prov.association(name, self._agent(agent), plan, other_attributes=role)
        if not activity.agents and plan:
            self.prov.association(name, None, plan)

    def _plan(self, activity: ActivityRecord) -> QualifiedName | None:
        tool = activity.description
        if not tool.name:  # withheld, or left out
            return None
        name = self.names.tool(tool.key)
        if self._first(name):
            attributes = [
                (PROV_TYPE, PROV["Plan"]),
                (PROV_TYPE, VOPROV["ActivityDescription"]),
                (VOPROV["id"], tool.key),
                (PROV_LABEL, tool.name),
                (VOPROV["name"], tool.name),
                (VOPROV["version"], tool.version),
                (VOPROV["description"], tool.description),
                (VOPROV["docurl"], self._location(tool.docurl)),
                (VOPROV["type"], tool.type),
                (VOPROV["subtype"], tool.subtype),
                (VOGATE["digest"], tool.digest),
            ]
            self.prov.entity(name, self._present(attributes))
        return name

    def _parameter(self, activity: ActivityRecord, configured: QualifiedName, item: ParameterRecord) -> None:
        name = self.names.parameter(activity.key, item.name)
        described = [
            (VOPROV["valueType"], item.valueType),
            (VOPROV["unit"], item.unit),
            (VOPROV["ucd"], item.ucd),
            (VOPROV["utype"], item.utype),
            (VOPROV["description"], item.description),
            (VOPROV["min"], item.min),
            (VOPROV["max"], item.max),
            (VOPROV["default"], item.default),
        ]
        options = [(VOPROV["options"], option) for option in item.options]
        attributes = self._present(
            [
                (PROV_TYPE, VOPROV["Parameter"]),
                (PROV_LABEL, item.name),
                (VOPROV["name"], item.name),
                *described,
                *options,
            ]
        )
        self.prov.entity(name, [*attributes, (PROV_VALUE, item.value)])
        self._configuration(configured, name, "Parameter")

    def _configuration(self, configured: QualifiedName, name: QualifiedName, kind: str) -> None:
        relation = [(PROV_TYPE, VOPROV["WasConfiguredBy"]), (VOPROV["artefactType"], kind)]
        self.prov.influence(configured, name, other_attributes=self._present(relation))

    def _config_file(
        self, activity: ActivityRecord, configured: QualifiedName, item: ConfigFileRecord
    ) -> None:
        name = self.names.config_file(activity.key, item.name)
        attributes: Attributes = [
            (PROV_TYPE, VOPROV["ConfigFile"]),
            (PROV_LABEL, item.name),
            (PROV_LOCATION, self._location(item.location)),
            (VOPROV["name"], item.name),
            (VOPROV["comment"], item.comment),
            (VOPROV["contentType"], item.contentType),
            (VOPROV["description"], item.description),
            (VOGATE["sha256"], item.sha256),
            (VOGATE["size"], item.size),
        ]
        self.prov.entity(name, self._present(attributes))
        self._configuration(configured, name, "ConfigFile")

    def _bare_entity(self, identifier: str) -> QualifiedName:
        """An entity of which perhaps only the identifier is known here."""
        name = self.names.entity(identifier)
        if self._first(name):
            self.prov.entity(name)
        return name

    def _derivation(self, made: QualifiedName, source: str) -> None:
        self.prov.derivation(made, self._bare_entity(source))

    def _membership(self, whole: QualifiedName, member: str) -> None:
        self.prov.membership(whole, self._bare_entity(member))

    def _entity(self, entity: EntityRecord) -> QualifiedName:
        name = self.names.entity(entity.id)
        if not self._first(name):
            return name
        entity = self.records.get(entity.id, entity)
        if entity.withheld:
            self.prov.entity(name, self._present([(PROV_TYPE, VOGATE["Withheld"])]))
            return name
        attributes = self._present(
            [
                (PROV_TYPE, VOPROV["DatasetEntity" if entity.value is None else "ValueEntity"]),
                (PROV_TYPE, PROV["Collection"] if entity.members else None),
                (VOPROV["id"], entity.id),
                (PROV_LABEL, entity.name),
                (PROV_LOCATION, self._location(entity.location)),
                (VOPROV["name"], entity.name),
                (VOPROV["contentType"], entity.contentType),
                (VOPROV["comment"], entity.comment),
                (VOGATE["sha256"], entity.sha256),
                (VOGATE["size"], entity.size),
                (VOGATE["rights"], entity.rights),
                (VOGATE["collection"], entity.collection),
                (VOGATE["withdrawn"], entity.withdrawn),
            ]
        )
        if entity.value is not None:
            attributes.append((PROV_VALUE, entity.value))
        self.prov.entity(name, attributes)
        if entity.invalidatedAtTime:
            self.prov.invalidation(name, None, entity.invalidatedAtTime)
        for member in entity.members:
            self.later.append(partial(self._membership, name, member))
        for agent in entity.agents:
            role = self._present([(VOPROV["role"], str(agent.role))])
            self.prov.attribution(name, self._agent(agent), other_attributes=role)
        return name

    def _agent(self, agent: AgentRecord) -> QualifiedName:
        name = self.names.agent(agent.id)
        if self._first(name):
            kind = PROV[agent.type] if agent.type in set(AgentType) else None
            attributes = [
                (PROV_TYPE, kind),
                (VOPROV["id"], agent.id),
                (PROV_LABEL, agent.public_name),
                (VOPROV["name"], agent.public_name),
                (VOPROV["type"], str(agent.type)),
                (VOPROV["affiliation"], agent.affiliation),
                (VOPROV["url"], agent.url),
                (VOPROV["comment"], agent.comment),
            ]
            self.prov.agent(name, self._present(attributes))
        return name
