"""Inner steps of a tool: a PROV-JSON file that it leaves, checked and joined to the job's own record.

A tool that knows what it did inside writes `steps.prov.json` into its work folder.  Its activities become
steps of the job, by which the job's activity WasInformedBy; its entities become entities of the job.  An
entity that names an input or a result of the job (by identifier, path or file name) is that one.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from provenance.records import (
    ActivityRecord,
    DescriptionRecord,
    EntityRecord,
    GeneratedRecord,
    ParameterRecord,
    UsedRecord,
)

__all__ = ["FILE_NAME", "StepError", "Steps", "read"]

FILE_NAME = "steps.prov.json"
MAX_BYTES = 4 << 20
MAX_RECORDS = 5000
_NAME = re.compile(r"[^A-Za-z0-9_.-]+")
Raw = Mapping[str, Any]


class StepError(ValueError):
    """The file cannot be used; the text says why."""


@dataclass(frozen=True)
class Steps:
    """What the file says, as records."""

    activities: tuple[ActivityRecord, ...] = ()
    derived: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By name of a result: the inner entities that it was derived from."""
    problem: str = ""
    """Why the file was not used; '' if it was, or if there is none."""


def read(
    path: Path, job: str, attempt: int, inputs: Mapping[str, EntityRecord], results: Mapping[str, str]
) -> Steps:
    """The steps in a file; never raises: a file that cannot be used is no failure of the job.

    Parameters
    ----------
    inputs
        The entities that the job used, by identifier, path and file name.
    results
        Names of results by file name in the work folder.
    """
    try:
        if path.is_symlink() or not path.is_file():
            return Steps()
        if path.stat().st_size > MAX_BYTES:
            raise StepError(f"it is larger than {MAX_BYTES >> 20} MB")
        document = json.loads(path.read_text(encoding="utf-8"))
        return _Reader(document, job, attempt, inputs, results).steps()
    except StepError as error:
        return Steps(problem=f"{FILE_NAME} was not used: {error}.")
    except (OSError, ValueError, RecursionError):
        return Steps(problem=f"{FILE_NAME} was not used: it is no JSON.")


def _text(value: Any) -> str:
    """A value of PROV-JSON: plain, or with a type."""
    if isinstance(value, list):
        value = value[0] if value else ""
    if isinstance(value, dict):
        value = value.get("$", "")
    return "" if value is None or isinstance(value, dict | list) else _plain(str(value))[:2000]


def _plain(text: str) -> str:
    """Without what databases cannot hold: lone surrogates and NUL."""
    return text.encode("utf-8", "replace").decode("utf-8").replace("\0", "")


def _time(value: Any) -> datetime | None:
    text = _text(value)
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise StepError(f"{text[:40]!r} is no time") from None
    if moment.tzinfo is None:
        raise StepError(f"the time {text[:40]} has no zone")
    return moment


class _Reader:
    """Makes the records; raises StepError for what is wrong."""

    def __init__(
        self,
        document: Any,
        job: str,
        attempt: int,
        inputs: Mapping[str, EntityRecord],
        results: Mapping[str, str],
    ) -> None:
        if not isinstance(document, dict):
            raise StepError("it is no PROV-JSON document")
        self.job, self.attempt, self.inputs, self.results = job, attempt, inputs, results
        self.activities = _elements(document, "activity")
        self.entities = _elements(document, "entity")
        self.relations = {name: _relations(document, name) for name in _RELATIONS}
        number = len(self.activities) + len(self.entities) + sum(map(len, self.relations.values()))
        if number > MAX_RECORDS:
            raise StepError(f"it has {number} records, more than {MAX_RECORDS}")
        self.names = {key: _name(key) for key in self.activities}
        if len(set(self.names.values())) < len(self.names):
            raise StepError("two activities have the same name")
        self.origins: dict[str, str] = {}
        self.derived: dict[str, list[str]] = {}

    def steps(self) -> Steps:
        used: dict[str, list[UsedRecord]] = {key: [] for key in self.activities}
        made: dict[str, list[GeneratedRecord]] = {key: [] for key in self.activities}
        informed: dict[str, list[str]] = {key: [] for key in self.activities}
        for item in self.relations["used"]:
            entity = self._entity(_text(item.get("prov:entity")))
            role = _text(item.get("prov:role"))[:100] or "input"
            used[self._activity(item, "prov:activity")].append(
                UsedRecord(entity, role, time=_time(item.get("prov:time")))
            )
        for item in self.relations["wasGeneratedBy"]:
            activity = self._activity(item, "prov:activity")
            entity = self._made(_text(item.get("prov:entity")), activity, _time(item.get("prov:time")))
            role = _text(item.get("prov:role"))[:100] or "output"
            made[activity].append(GeneratedRecord(entity, role))
        for item in self.relations["wasInformedBy"]:
            other = self._activity(item, "prov:informant")
            informed[self._activity(item, "prov:informed")].append(self._key(other))
        records = [
            self._record(key, tuple(used[key]), tuple(made[key]), tuple(informed[key]))
            for key in self.activities
        ]
        return Steps(tuple(records), {name: tuple(ids) for name, ids in self.derived.items()})

    def _key(self, activity: str) -> str:
        return f"{self.job}.{self.attempt}.{self.names[activity]}"

    def _activity(self, relation: Raw, slot: str) -> str:
        name = _text(relation.get(slot))
        if name not in self.activities:
            raise StepError(f"a relation names the activity {name[:60]!r}, which is not described")
        return name

    def _entity(self, name: str) -> EntityRecord:
        """The job's own input, or an entity of the steps."""
        if name not in self.entities:
            raise StepError(f"a relation names the entity {name[:60]!r}, which is not described")
        for text in self._called(name):
            if text in self.inputs:
                return self.inputs[text]
        return self._inner(name)

    def _inner(self, name: str) -> EntityRecord:
        attributes = self.entities[name]
        value = _text(attributes.get("prov:value"))
        return EntityRecord(
            id=f"{self.job}/step:{_name(name)}",
            name=_text(attributes.get("prov:label"))[:300] or _plain(name.partition(":")[2] or name),
            value=value or None,
            contentType="" if value else _text(attributes.get("voprov:contentType"))[:150],
        )

    def _called(self, name: str) -> list[str]:
        """What an entity may be recognised by."""
        attributes = self.entities[name]
        location = _text(attributes.get("prov:location"))
        local = name.partition(":")[2]
        return [text for text in (name, local, location, Path(location).name if location else "") if text]

    def _made(self, name: str, activity: str, time: datetime | None) -> EntityRecord:
        """An entity that a step made; a result of the job was derived from it, since the job made that."""
        entity = self._entity(name)
        if self.origins.setdefault(entity.id, activity) != activity:
            raise StepError(f"{name[:60]!r} was generated twice")
        if not entity.id.startswith(f"{self.job}/step:"):
            raise StepError(f"{name[:60]!r} is an input of the job, and was not generated by a step")
        for text in self._called(name):
            if text in self.results:
                self.derived.setdefault(self.results[text], []).append(entity.id)
                break
        return EntityRecord(
            id=entity.id,
            name=entity.name,
            value=entity.value,
            contentType=entity.contentType,
            generatedAtTime=time,
        )

    def _record(
        self,
        key: str,
        used: tuple[UsedRecord, ...],
        made: tuple[GeneratedRecord, ...],
        informed: tuple[str, ...],
    ) -> ActivityRecord:
        attributes = self.activities[key]
        own = {
            name: value for name, value in attributes.items() if not name.startswith("prov:") and _text(value)
        }
        return ActivityRecord(
            id=self.job,
            attempt=self.attempt,
            step=self.names[key],
            description=DescriptionRecord(name=f"step {self.names[key]}"[:100]),
            name=_text(attributes.get("prov:label"))[:200] or self.names[key],
            startTime=_time(attributes.get("prov:startTime")),
            endTime=_time(attributes.get("prov:endTime")),
            parameters=tuple(
                ParameterRecord(_plain(name.partition(":")[2] or name)[:100], _text(value), arraysize="*")
                for name, value in own.items()
            ),
            used=used,
            generated=made,
            informedBy=informed,
        )


def _elements(document: Raw, name: str) -> dict[str, Raw]:
    part = document.get(name, {})
    if not isinstance(part, dict) or not all(isinstance(value, dict) for value in part.values()):
        raise StepError(f"{name} is no object of objects")
    return part


def _relations(document: Raw, name: str) -> list[Raw]:
    """The relations of one kind; one identifier may have several."""
    part = document.get(name, {})
    if not isinstance(part, dict):
        raise StepError(f"{name} is no object")
    found = [item for value in part.values() for item in (value if isinstance(value, list) else [value])]
    if not all(isinstance(item, dict) for item in found):
        raise StepError(f"a record of {name} is no object")
    return found


_RELATIONS = ("used", "wasGeneratedBy", "wasInformedBy")


def _name(identifier: str) -> str:
    """A name for identifiers: the local part without what URLs cannot have."""
    local = _NAME.sub("_", identifier.partition(":")[2] or identifier).strip("_.") or "step"
    if len(local) > 60:
        local = f"{local[:48]}-{hashlib.sha256(identifier.encode()).hexdigest()[:10]}"
    return local
