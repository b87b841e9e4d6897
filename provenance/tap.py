"""ProvTAP: the rows of the provenance tables that a caller may see (`VOGATE_LIVE_SCHEMAS`)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
from django.db.models import Q, QuerySet

from gateway.vo.caller import Caller
from gateway.vo.columns import Column, Schema
from provenance import access, models, tables
from provenance.records import AgentRecord, ParameterRecord

TYPES: dict[str, pa.DataType] = {
    "int": pa.int32(),
    "long": pa.int64(),
    "double": pa.float64(),
    "char": pa.string(),
}


def schema() -> Schema:
    """The metadata."""
    return tables.schema()


def rows(table: str, caller: Caller) -> pa.Table:
    """The rows of one table; relations and descriptions are there if their activity is."""
    definition = next(item for item in tables.TABLES if item.name == table)
    queryset = _queryset(definition.cls, caller)
    if queryset is None:
        records: Iterable[Sequence[Any]] = _configurations(caller)
    elif definition.cls == "ParameterDescription":
        records = _parameter_descriptions(queryset, definition.specs)
    else:
        records = queryset.order_by().values_list(*(spec.source for spec in definition.specs))
        if definition.cls == "Agent":
            records = _public_agents(records)
    return _arrow(definition.columns, list(records))


def _arrow(columns: Sequence[Column], records: list[Sequence[Any]]) -> pa.Table:
    arrays = []
    values = list(zip(*records, strict=True)) or [()] * len(columns)
    for column, items in zip(columns, values, strict=True):
        if column.xtype == "timestamp":
            items = tuple(instant(item) for item in items)
        elif column.datatype == "char":
            items = tuple(item or None for item in items)  # an empty slot is a null
        arrays.append(pa.array(items, TYPES[column.datatype]))
    return pa.Table.from_arrays(arrays, names=[column.name for column in columns])


def instant(moment: datetime | None) -> str | None:
    """A DALI timestamp: ISO 8601 in UTC, without a zone."""
    if moment is None:
        return None
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds")


def _queryset(cls: str, caller: Caller) -> QuerySet[Any] | None:
    """The rows of a class that the caller may see; None for what is made of two tables."""
    if cls.endswith("Description"):
        return _descriptions(cls, caller)
    if cls == "WasConfiguredBy":
        return None
    make: dict[str, Callable[[Caller], QuerySet[Any]]] = {
        "Activity": access.activities,
        "Entity": access.entities,
        "Agent": _agents,
        "WasDerivedFrom": lambda who: _both(
            models.WasDerivedFrom, "generatedEntity_id", "usedEntity_id", who
        ),
        "HadMember": lambda who: _both(models.HadMember, "collection_id", "entity_id", who),
        "WasInformedBy": _communications,
        "WasAttributedTo": lambda who: models.WasAttributedTo.objects.filter(
            entity_id__in=access.entities(who).order_by().values("pk")
        ),
    }
    if cls in make:
        return make[cls](caller)
    return getattr(models, cls).objects.filter(
        activity_id__in=access.activities(caller).order_by().values("pk")
    )


def _descriptions(cls: str, caller: Caller) -> QuerySet[Any]:
    """The descriptions of what can be seen: tools' inner steps and values may have telling names."""
    rows = getattr(models, cls).objects.all()
    if caller.is_staff:
        return rows
    if cls == "EntityDescription":
        return rows.filter(pk__in=access.entities(caller).order_by().values("entityDescription_id"))
    tools = access.activities(caller).order_by().values("activityDescription_id")
    return (
        rows.filter(pk__in=tools)
        if cls == "ActivityDescription"
        else rows.filter(activityDescription_id__in=tools)
    )


def _both(model: Any, first: str, second: str, caller: Caller) -> QuerySet[Any]:
    """Relations of two entities that can both be seen."""
    seen = access.entities(caller).order_by().values("pk")
    return model.objects.filter(Q(**{f"{first}__in": seen}), Q(**{f"{second}__in": seen}))


def _communications(caller: Caller) -> QuerySet[models.WasInformedBy]:
    seen = access.activities(caller).order_by().values("pk")
    return models.WasInformedBy.objects.filter(informed_id__in=seen, informant_id__in=seen)


def _agents(caller: Caller) -> QuerySet[models.Agent]:
    """The agents of what can be seen."""
    if caller.is_staff:
        return models.Agent.objects.all()
    associated = models.WasAssociatedWith.objects.filter(
        activity_id__in=access.activities(caller).order_by().values("pk")
    )
    attributed = models.WasAttributedTo.objects.filter(
        entity_id__in=access.entities(caller).order_by().values("pk")
    )
    return models.Agent.objects.filter(
        Q(pk__in=associated.values("agent_id")) | Q(pk__in=attributed.values("agent_id"))
    )


def _public_agents(records: Iterable[Sequence[Any]]) -> Iterable[Sequence[Any]]:
    """Without the domain of an account name that is an e-mail address."""
    for key, name, *rest in records:
        yield key, AgentRecord(id=key, name=name).public_name, *rest


def _parameter_descriptions(queryset: QuerySet[Any], specs: Sequence[tables.Spec]) -> Iterable[Sequence[Any]]:
    for row in queryset:
        record = ParameterRecord(row.name, "", row.datatype, row.arraysize, row.xtype)
        composed = {"valueType": record.valueType, "options": json.dumps(row.options) if row.options else ""}
        yield tuple(
            composed[spec.source] if spec.source in composed else getattr(row, spec.source) for spec in specs
        )


def _configurations(caller: Caller) -> list[tuple[str, str, str]]:
    seen = access.activities(caller).order_by().values("pk")
    found = []
    for kind, model in (("Parameter", models.Parameter), ("ConfigFile", models.ConfigFile)):
        pairs = model.objects.filter(activity_id__in=seen).values_list("activity_id", "name")  # type: ignore[attr-defined]
        found += [(activity, kind, name) for activity, name in pairs]
    return found
