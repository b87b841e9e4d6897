"""PROV-VOTable: one TABLE per class of the model, with the columns of ProvTAP.

Follows the drafts and what OPUS writes; the Recommendation has no such serialisation (STANDARDS 33).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from gateway.vo.columns import Column
from gateway.vo.votable import TAIL, TIMESYS, escape, field, head, info, quote
from provenance.records import (
    ActivityRecord,
    AgentRecord,
    Document,
    EntityRecord,
    GeneratedRecord,
    UsedRecord,
    context_of,
)
from provenance.tables import TABLES, ClassTable

__all__ = ["prov_votable", "rows_of"]

Row = Mapping[str, Any]


def prov_votable(document: Document, base_url: str) -> str:
    """The records as a VOTable; classes of which there is nothing are left out."""
    rows = rows_of(document, base_url)
    parts = [
        head(),
        f'<TIMESYS ID="UTC_ISO" {TIMESYS["UTC_ISO"]}/>\n',
        '<RESOURCE type="results" name="provenance" utype="voprov:Provenance">\n',
        info("QUERY_STATUS", "OVERFLOW" if document.truncated else "OK"),
        info("datamodel", "ivo://ivoa.net/std/ProvenanceDM", "IVOA Provenance Data Model 1.0"),
    ]
    parts += [_table(table, rows[table.name]) for table in TABLES if rows[table.name]]
    return "".join([*parts, "</RESOURCE>\n", TAIL])


def _table(table: ClassTable, rows: Iterable[Row]) -> str:
    fields = "".join(
        field(
            column,
            f"{table.name}.{column.name}",
            null=-(2**31) if column.datatype in ("int", "long") else None,
        )
        for column in table.columns
    )
    body = "".join(
        f"<TR>{''.join(_cell(column, row.get(column.name)) for column in table.columns)}</TR>\n"
        for row in rows
    )
    return (
        f"<TABLE name={quote(table.cls)} utype={quote('voprov:' + table.cls)}>\n"
        f"<DESCRIPTION>{escape(table.description)}</DESCRIPTION>\n"
        f"{fields}<DATA><TABLEDATA>\n{body}</TABLEDATA></DATA>\n</TABLE>\n"
    )


def _cell(column: Column, value: Any) -> str:
    if value is None or value == "":
        return f"<TD>{-(2**31)}</TD>" if column.datatype in ("int", "long") else "<TD/>"
    if isinstance(value, datetime):
        value = value.astimezone(UTC).replace(tzinfo=None).isoformat()
    return f"<TD>{escape(str(value))}</TD>"


def rows_of(document: Document, base_url: str = "") -> dict[str, list[Row]]:
    """The rows of each table, by the table's name; locations are completed with `base_url`."""
    found = _Rows(base_url)
    entities = document.all_entities()
    for activity in document.activities:
        found.activity(activity, entities)
    for entity in entities.values():
        found.entity(entity)
    for made, source in document.derivations:
        found.add("wasderivedfrom", generatedentity_id=made, usedentity_id=source)
    return {table.name: found.rows(table.name) for table in TABLES}


class _Rows:
    """Rows, each once."""

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url
        self.found: dict[str, dict[str, Row]] = {table.name: {} for table in TABLES}

    def add(self, table: str, **values: Any) -> None:
        key = str(values.get("id") or tuple(values.items()))
        self.found[table].setdefault(key, values)

    def rows(self, table: str) -> list[Row]:
        return list(self.found[table].values())

    def location(self, path: str) -> str:
        return self.base_url + path if path.startswith("/") else path

    def activity(self, activity: ActivityRecord, entities: Mapping[str, EntityRecord]) -> None:
        tool = activity.description.key if activity.description.name else ""
        withheld = activity.withheld
        self.add(
            "activity",
            id=activity.key,
            name=activity.name,
            starttime=activity.startTime,
            endtime=activity.endTime,
            comment=activity.comment,
            activitydescription_id=tool,
            job="" if withheld else activity.id,
            attempt=None if withheld else activity.attempt,
            step=activity.step,
            phase=activity.phase,
            exitcode=activity.exitCode,
            runid=activity.runId,
            location=self.location(activity.location),
            cputime=activity.cpuTime,
            peakmemory=activity.peakMemory,
            invalidatedattime=activity.invalidatedAtTime,
        )
        if tool:
            self.description(activity, tool)
        for use in (*activity.used, *context_of(activity)):
            self.used(activity, use, tool)
            if use.entity.id not in entities:
                self.entity(use.entity)
        for made in activity.generated:
            self.generated(activity, made, tool)
        for other in activity.informedBy:
            self.add("wasinformedby", informed_id=activity.key, informant_id=other)
        for agent in activity.agents:
            self.agent(agent)
            self.add("wasassociatedwith", activity_id=activity.key, agent_id=agent.id, role=str(agent.role))
        self.configuration(activity, tool)

    def description(self, activity: ActivityRecord, tool: str) -> None:
        known = activity.description
        self.add(
            "activitydescription",
            id=tool,
            name=known.name,
            version=known.version,
            description=known.description,
            docurl=known.docurl,
            type=known.type,
            subtype=known.subtype,
            digest=known.digest,
        )

    def used(self, activity: ActivityRecord, use: UsedRecord, tool: str) -> None:
        described = f"{tool}#in:{use.role}" if tool and use.type else ""
        self.add(
            "used",
            activity_id=activity.key,
            entity_id=use.entity.id,
            role=use.role,
            prov_time=use.time,
            usagedescription_id=described,
            sha256=use.entity.sha256,
        )
        if described:
            self.relation_description("usagedescription", described, tool, use)

    def generated(self, activity: ActivityRecord, made: GeneratedRecord, tool: str) -> None:
        described = f"{tool}#out:{made.role}" if tool and made.type else ""
        self.add(
            "wasgeneratedby",
            entity_id=made.entity.id,
            activity_id=activity.key,
            role=made.role,
            generationdescription_id=described,
        )
        if described:
            self.relation_description("generationdescription", described, tool, made)
        for source in made.derivedFrom:
            self.add("wasderivedfrom", generatedentity_id=made.entity.id, usedentity_id=source)

    def relation_description(
        self, table: str, key: str, tool: str, relation: UsedRecord | GeneratedRecord
    ) -> None:
        self.add(
            table,
            id=key,
            activitydescription_id=tool,
            role=relation.role,
            description=relation.description,
            type=str(relation.type),
            multiplicity=relation.multiplicity,
            entitydescription_id=_kind(relation.entity),
        )

    def configuration(self, activity: ActivityRecord, tool: str) -> None:
        for item in activity.parameters:
            key = f"{tool}#{item.name}" if tool else ""
            self.add(
                "parameter",
                activity_id=activity.key,
                name=item.name,
                prov_value=item.value,
                parameterdescription_id=key,
            )
            self.add("wasconfiguredby", activity_id=activity.key, artefacttype="Parameter", name=item.name)
            if tool:
                self.add(
                    "parameterdescription",
                    id=key,
                    activitydescription_id=tool,
                    name=item.name,
                    valuetype=item.valueType,
                    unit=item.unit,
                    ucd=item.ucd,
                    utype=item.utype,
                    prov_min=item.min,
                    prov_max=item.max,
                    prov_default=item.default,
                    options=json.dumps(item.options) if item.options else "",
                    description=item.description,
                )
        for file in activity.configFiles:
            key = f"{tool}#file:{file.name}" if tool else ""
            self.add(
                "configfile",
                activity_id=activity.key,
                name=file.name,
                location=self.location(file.location),
                comment=file.comment,
                configfiledescription_id=key,
                sha256=file.sha256,
            )
            self.add("wasconfiguredby", activity_id=activity.key, artefacttype="ConfigFile", name=file.name)
            if tool:
                self.add(
                    "configfiledescription",
                    id=key,
                    activitydescription_id=tool,
                    name=file.name,
                    contenttype=file.contentType,
                    description=file.description,
                )

    def entity(self, entity: EntityRecord) -> None:
        kind = "Collection" if entity.members else "Dataset" if entity.value is None else "Value"
        self.add(
            "entity",
            id=entity.id,
            kind="" if entity.withheld else kind,
            name=entity.name,
            location=self.location(entity.location),
            generatedattime=entity.generatedAtTime,
            invalidatedattime=entity.invalidatedAtTime,
            comment=entity.comment,
            prov_value=entity.value,
            entitydescription_id=_kind(entity),
            sha256=entity.sha256,
            prov_size=entity.size,
            rights=entity.rights,
            collection=entity.collection,
            withdrawn=entity.withdrawn,
        )
        if _kind(entity):
            value = entity.value is not None
            self.add(
                "entitydescription",
                id=_kind(entity),
                kind="Value" if value else "Dataset",
                name=_kind(entity).partition(":")[2],
                contenttype="" if value else entity.contentType,
                valuetype="char arraysize=*" if value else "",
            )
        for member in entity.members:
            self.add("hadmember", collection_id=entity.id, entity_id=member)
        for agent in entity.agents:
            self.agent(agent)
            self.add("wasattributedto", entity_id=entity.id, agent_id=agent.id, role=str(agent.role))

    def agent(self, agent: AgentRecord) -> None:
        self.add(
            "agent",
            id=agent.id,
            name=agent.public_name,
            type=str(agent.type),
            comment=agent.comment,
            affiliation=agent.affiliation,
            url=agent.url,
        )


def _kind(entity: EntityRecord) -> str:
    """The identifier of the entity's description, as the recorder makes it."""
    if entity.withheld:
        return ""
    if entity.value is not None:
        return f"value:{entity.name or 'value'}"
    return f"dataset:{entity.contentType}" if entity.contentType else ""
