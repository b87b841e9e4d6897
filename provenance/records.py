"""What is known of an activity, as plain values: the face of this room that others fill in and read.

Names and slots are those of the IVOA Provenance Data Model 1.0 (REC 2020-04-11), hence the camel case.
What the model has no slot for (hash, size, exit code, attempt, phase, rights, digest) is marked
"gateway" and is written in a namespace of our own.  No Django here.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

__all__ = [
    "ActivityRecord",
    "AgentRecord",
    "AgentRole",
    "AgentType",
    "ConfigFileRecord",
    "DescriptionRecord",
    "Document",
    "EntityRecord",
    "GeneratedRecord",
    "ParameterRecord",
    "RelationType",
    "UsedRecord",
    "container_entity",
    "context_of",
    "platform_entity",
    "request_digest",
    "result_id",
    "result_of",
    "upload_id",
]


class AgentType(StrEnum):
    """ProvenanceDM 1.0, table 7."""

    PERSON = "Person"
    ORGANIZATION = "Organization"
    SOFTWARE = "SoftwareAgent"


class AgentRole(StrEnum):
    """ProvenanceDM 1.0, table 10; other roles are allowed as plain strings."""

    AUTHOR = "Author"
    CONTRIBUTOR = "Contributor"
    COORDINATOR = "Coordinator"
    CREATOR = "Creator"
    CURATOR = "Curator"
    EDITOR = "Editor"
    FUNDER = "Funder"
    INVESTIGATOR = "Investigator"
    OBSERVER = "Observer"
    OPERATOR = "Operator"
    PROVIDER = "Provider"
    PUBLISHER = "Publisher"


class RelationType(StrEnum):
    """Types of usage and generation (ProvenanceDM 1.0, table 15)."""

    MAIN = "Main"
    CALIBRATION = "Calibration"
    PREVIEW = "Preview"
    SETUP = "Setup"
    QUALITY = "Quality"
    LOG = "Log"
    CONTEXT = "Context"


_RESULT_PATH = re.compile(r"^(?:https?://[^/]+)?/(?:.*/)?async/([a-z2-7]{26})/results/([^/?#]+)$")


def result_of(location: str) -> tuple[str, str] | None:
    """Job and result name of the address of a UWS result, None for another address."""
    match = _RESULT_PATH.match(location)
    return (match.group(1), match.group(2)) if match else None


def result_id(job_id: str, name: str) -> str:
    """The entity identifier of result `name` of a job, whoever speaks of it."""
    return f"{job_id}/{name}"


def upload_id(sha256: str) -> str:
    """The entity identifier of bytes that were not made here and have no identifier of their own."""
    return f"sha256:{sha256}"


def request_digest(tool: str, parameters: Mapping[str, Any], inputs: Iterable[tuple[str, str]]) -> str:
    """What makes two requests the same one.

    Parameters
    ----------
    tool
        Digest of the tool's description; without one ("") nothing is the same as anything.
    parameters
        Values by name.
    inputs
        Role and SHA-256 of each input, in the order in which the tool gets them.
    """
    if not tool:
        return ""
    request = {"tool": tool, "parameters": dict(parameters), "inputs": [list(pair) for pair in inputs]}
    return hashlib.sha256(json.dumps(request, sort_keys=True, default=str).encode()).hexdigest()


@dataclass(frozen=True)
class AgentRecord:
    """Who bears responsibility for an activity or an entity."""

    id: str
    """`user:<account id>`, `anonymous`, `site`, or a URI."""
    name: str
    role: str = AgentRole.OPERATOR
    """In the relation: WasAssociatedWith.role or WasAttributedTo.role."""
    type: str = AgentType.PERSON
    email: str = ""
    """Kept for the operators; public documents never show it."""
    affiliation: str = ""
    url: str = ""
    comment: str = ""

    @property
    def public_name(self) -> str:
        """The name, without the domain where somebody's account name is an e-mail address."""
        return self.name.split("@", 1)[0] or "user"


@dataclass(frozen=True)
class EntityRecord:
    """A file, dataset or value.  With `value` it is a ValueEntity, else a DatasetEntity."""

    id: str
    """A publisher DID (`ivo://...`), `result_id(...)`, `upload_id(...)` or a URI."""
    name: str = ""
    location: str = ""
    """URL, or path on this service beginning with `/`; never a path of the file system."""
    generatedAtTime: datetime | None = None
    invalidatedAtTime: datetime | None = None
    comment: str = ""
    contentType: str = ""
    """MIME type (DatasetDescription.contentType)."""
    value: str | None = None
    sha256: str = ""
    """Gateway: hash of the bytes, lower-case hexadecimal."""
    size: int | None = None
    """Gateway: number of bytes."""
    rights: str = ""
    """Gateway: `public`, `proprietary`, ... as ObsCore's data_rights."""
    collection: str = ""
    """Gateway: the archive collection it belongs to."""
    agents: tuple[AgentRecord, ...] = ()
    """WasAttributedTo: creator and publisher of an archive file, for instance."""
    members: tuple[str, ...] = ()
    """Identifiers of its members where it is a Collection (hadMember)."""
    withdrawn: str = ""
    """Gateway: why it is not to be relied on any more; set by `provenance.withdrawal`."""
    withheld: bool = False
    """The reader may know that it is there, and nothing more; only `id` and `value is None` mean anything."""


@dataclass(frozen=True)
class UsedRecord:
    """Used: an input of an activity, with the UsageDescription that the tool declares."""

    entity: EntityRecord
    role: str
    """The input's name in the tool description."""
    type: str = RelationType.MAIN
    time: datetime | None = None
    """When the use began; between startTime and endTime."""
    description: str = ""
    multiplicity: str = ""
    """As in VO-DML: `1`, `0..1`, `1..*`."""


@dataclass(frozen=True)
class GeneratedRecord:
    """WasGeneratedBy: a result of an activity, with the GenerationDescription that the tool declares."""

    entity: EntityRecord
    role: str
    type: str = RelationType.MAIN
    description: str = ""
    multiplicity: str = ""
    derivedFrom: tuple[str, ...] = ()
    """Identifiers of entities it WasDerivedFrom, where that is known more precisely than `all inputs`."""


@dataclass(frozen=True)
class ParameterRecord:
    """Parameter, with its ParameterDescription."""

    name: str
    value: str
    datatype: str = "char"
    """VOTable datatype; with `arraysize` and `xtype` it is the model's valueType."""
    arraysize: str = ""
    xtype: str = ""
    unit: str = ""
    ucd: str = ""
    utype: str = ""
    description: str = ""
    min: str = ""
    max: str = ""
    options: tuple[str, ...] = ()
    default: str | None = None

    @property
    def valueType(self) -> str:
        """Datatype, arraysize and xtype in one string: `double`, `char arraysize=*`."""
        parts = [self.datatype]
        if self.arraysize:
            parts.append(f"arraysize={self.arraysize}")
        if self.xtype:
            parts.append(f"xtype={self.xtype}")
        return " ".join(parts)

    @staticmethod
    def text(value: Any) -> str:
        """A Python value as the model's string: `true`, `2.5`, lists as JSON."""
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, list | tuple | dict):
            return json.dumps(value)
        if isinstance(value, datetime):
            return value.isoformat()
        return "" if value is None else str(value)


@dataclass(frozen=True)
class ConfigFileRecord:
    """ConfigFile, with its ConfigFileDescription."""

    name: str
    location: str = ""
    comment: str = ""
    contentType: str = "text/plain"
    description: str = ""
    sha256: str = ""
    """Gateway: hash of the bytes."""
    size: int | None = None
    """Gateway: number of bytes."""


@dataclass(frozen=True)
class DescriptionRecord:
    """ActivityDescription: the tool."""

    name: str
    version: str = ""
    description: str = ""
    docurl: str = ""
    type: str = "Analysis"
    """Observation, Simulation, Reduction, Calibration, Reconstruction, Selection or Analysis."""
    subtype: str = ""
    digest: str = ""
    """Gateway: SHA-256 of the tool's description, which pins what was run."""

    @property
    def key(self) -> str:
        """The identifier of the description: `name@version`, with the digest's beginning."""
        digest = f"+{self.digest[:12]}" if self.digest else ""
        return f"{self.name}@{self.version or '0'}{digest}"


@dataclass(frozen=True)
class ActivityRecord:
    """One attempt of a job (or a query, an ingest, ...), ended."""

    id: str
    """The job's public id."""
    description: DescriptionRecord
    name: str = ""
    startTime: datetime | None = None
    endTime: datetime | None = None
    comment: str = ""
    """For a failure: what went wrong, in a sentence."""
    parameters: tuple[ParameterRecord, ...] = ()
    configFiles: tuple[ConfigFileRecord, ...] = ()
    used: tuple[UsedRecord, ...] = ()
    generated: tuple[GeneratedRecord, ...] = ()
    agents: tuple[AgentRecord, ...] = ()
    informedBy: tuple[str, ...] = ()
    """Ids of activities that this one WasInformedBy."""
    phase: str = "COMPLETED"
    """Gateway: the UWS phase it ended in."""
    exitCode: int | None = None
    """Gateway: exit status of the tool; minus the signal that killed it."""
    attempt: int = 1
    """Gateway: number of the attempt, from 1."""
    final: bool = True
    """False for an attempt that was lost and is tried again: it becomes an activity `<id>.<attempt>`,
    by which the final one WasInformedBy."""
    platform: str = ""
    """Host system and software versions; recorded as a ValueEntity used with type Context."""
    container: str = ""
    """Image that the tool ran in, by name and digest; recorded like the platform."""
    step: str = ""
    """Gateway: name of a step inside the job; the activity is `<id>.<attempt>.<step>`."""
    access: str = ""
    """Gateway: `public` if everybody may see it; else whoever may see the job."""
    requestDigest: str = ""
    """Gateway: SHA-256 of tool, parameters and inputs, by which equal requests are found."""
    itemised: bool = False
    """Gateway: it did many like things at once (an ingest); each product came from what it WasDerivedFrom alone,
    and lineages do not go from one to the others."""
    cpuTime: float | None = None
    """Gateway: processor seconds."""
    peakMemory: int | None = None
    """Gateway: bytes."""
    runId: str = ""
    """Gateway: the UWS run identifier."""
    location: str = ""
    """Gateway: URL, or path on this service, of the job."""
    invalidatedAtTime: datetime | None = None
    """Gateway: when the job was deleted; set by `recorder.forget`."""
    withheld: bool = False
    """The reader may know that it is there, and nothing more; only `id` and the relations mean anything."""

    @property
    def key(self) -> str:
        """The identifier that the activity has in the model."""
        if self.step:
            return f"{self.id}.{self.attempt}.{self.step}"
        return self.id if self.final else f"{self.id}.{self.attempt}"


@dataclass(frozen=True)
class Document:
    """A part of the provenance graph: activities with all that hangs on them, and loose entities."""

    activities: tuple[ActivityRecord, ...]
    entities: tuple[EntityRecord, ...] = ()
    derivations: tuple[tuple[str, str], ...] = ()
    """WasDerivedFrom between entities whose generating activity is not here: (generated, used)."""
    truncated: bool = False
    """There is more than the limit of nodes."""

    def all_entities(self) -> dict[str, EntityRecord]:
        """Every entity once, by identifier."""
        found: dict[str, EntityRecord] = {entity.id: entity for entity in self.entities}
        for activity in self.activities:
            for used in activity.used:
                found.setdefault(used.entity.id, used.entity)
            for generated in activity.generated:
                found.setdefault(generated.entity.id, generated.entity)
        return found


def platform_entity(platform: str) -> EntityRecord:
    """The platform as a value: equal platforms are one entity."""
    digest = hashlib.sha256(platform.encode()).hexdigest()[:16]
    return EntityRecord(id=f"platform:{digest}", name="Execution platform", value=platform)


def container_entity(image: str) -> EntityRecord:
    """The container image as a value."""
    digest = hashlib.sha256(image.encode()).hexdigest()[:16]
    return EntityRecord(id=f"container:{digest}", name="Container", value=image)


def context_of(activity: ActivityRecord) -> tuple[UsedRecord, ...]:
    """Platform and container as what the activity used with type Context."""
    found = []
    if activity.platform:
        found.append(UsedRecord(platform_entity(activity.platform), "platform", RelationType.CONTEXT))
    if activity.container:
        found.append(UsedRecord(container_entity(activity.container), "container", RelationType.CONTEXT))
    return tuple(found)
