"""The classes of the model as tables: one list for ProvTAP and for PROV-VOTable.

Table and column names are those of the model in lower case.  Names that ADQL reserves get the prefix
`prov_` (prov_value, prov_time, prov_min, prov_max, prov_default, prov_size).  The utype tells the class
and attribute (`voprov:Activity.startTime`), or `vogate:` where the model has no slot.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.vo.columns import Column, ForeignKey, Schema, Table

SCHEMA_NAME = "provenance"


@dataclass(frozen=True)
class Spec:
    """One column, and the path of Django's field that it is filled from."""

    column: Column
    source: str


@dataclass(frozen=True)
class ClassTable:
    """One class of the model."""

    name: str
    cls: str
    description: str
    specs: tuple[Spec, ...]
    keys: tuple[tuple[str, str, str], ...] = ()
    """(column, table, column of that table)."""

    @property
    def columns(self) -> tuple[Column, ...]:
        return tuple(spec.column for spec in self.specs)


def _columns(cls: str, *lines: str) -> tuple[Spec, ...]:
    """Columns from lines `name | source | type | attribute of the model | description | ucd`.

    The type is a VOTable one; `text` is char(*), `time` a timestamp.  An attribute with a colon is a whole utype.
    """
    specs = []
    for line in lines:
        name, source, kind, attribute, description, *more = (part.strip() for part in line.split("|"))
        utype = attribute if ":" in attribute else f"voprov:{cls}.{attribute or source}"
        datatype = {"text": "char", "time": "char"}.get(kind, kind)
        column = Column(
            name,
            datatype,
            arraysize="*" if datatype == "char" else "",
            xtype="timestamp" if kind == "time" else "",
            ucd=more[0] if more else "",
            unit=more[1] if len(more) > 1 else "",
            utype=utype,
            description=description,
            principal=name in ("id", "name", "role", "activity_id", "entity_id", "phase"),
            indexed=name == "id" or name.endswith("_id"),
            timesys="UTC_ISO" if kind == "time" else "",
        )
        specs.append(Spec(column, source or name))
    return tuple(specs)


_RELATION_DESCRIPTION = (
    "id | | text | id | identifier of the description | meta.id",
    "activitydescription_id | activityDescription_id | text | activityDescription | the description of the activity",
    "role | | text | role | role, as the relation has it",
    "description | | text | description | what it is for | meta.note",
    "type | | text | type | Main, Preview, Log, Quality, Context, Calibration or Setup | meta.code.class",
    "multiplicity | | text | multiplicity | how many entities may have the role",
    "entitydescription_id | entityDescription_id | text | entityDescription | the kind of entity",
)
_DESCRIBES = (
    ("activitydescription_id", "activitydescription", "id"),
    ("entitydescription_id", "entitydescription", "id"),
)

TABLES: tuple[ClassTable, ...] = (
    ClassTable(
        "activity",
        "Activity",
        "what was done: the runs of tools, queries and ingests that you may see",
        _columns(
            "Activity",
            "id | | text | id | identifier | meta.id;meta.main",
            "name | | text | name | name for people | meta.title",
            "starttime | startTime | time | startTime | when it began, UTC | time.start",
            "endtime | endTime | time | endTime | when it ended, UTC | time.end",
            "comment | | text | comment | for a failure: what went wrong | meta.note",
            "activitydescription_id | activityDescription_id | text | activityDescription | the tool in its version",
            "job | | text | vogate:job | public identifier of the job | meta.id",
            "attempt | | int | vogate:attempt | number of the attempt, from 1 | meta.number",
            "step | | text | vogate:step | name of a step inside the job, as its tool told it",
            "phase | | text | vogate:phase | UWS phase in which it ended | meta.code.status",
            "exitcode | exitCode | int | vogate:exitCode | exit status of the tool | meta.code.status",
            "runid | runId | text | vogate:runId | label that the client chose",
            "location | | text | vogate:location | path of the job on this service | meta.ref.url",
            "cputime | cpuTime | double | vogate:cpuTime | processor time | time.processing | s",
            "peakmemory | peakMemory | long | vogate:peakMemory | most memory in use | phys.size;meta.file | byte",
            "invalidatedattime | invalidatedAtTime | time | vogate:invalidatedAtTime | when the job was deleted, UTC | time",
        ),
        (("activitydescription_id", "activitydescription", "id"),),
    ),
    ClassTable(
        "entity",
        "Entity",
        "files, datasets and values that you may see; what was deleted stays with the time when it was",
        _columns(
            "Entity",
            "id | | text | id | identifier: a publisher DID, job/result, or sha256:hash | meta.id;meta.main",
            "kind | | text | vogate:kind | subclass: Dataset, Value or Collection | meta.code.class",
            "name | | text | name | name for people | meta.title",
            "location | | text | location | URL, or path on this service | meta.ref.url",
            "generatedattime | generatedAtTime | time | generatedAtTime | when it was made, UTC | time.creation",
            "invalidatedattime | invalidatedAtTime | time | invalidatedAtTime | when it was deleted, UTC | time",
            "comment | | text | comment | remark | meta.note",
            "prov_value | value | text | voprov:ValueEntity.value | value, of a ValueEntity",
            "entitydescription_id | entityDescription_id | text | entityDescription | what kind of entity it is",
            "sha256 | content_id | text | vogate:sha256 | SHA-256 of its bytes | meta.checksum",
            "prov_size | content__size | long | vogate:size | size of its bytes | phys.size;meta.file | byte",
            "rights | | text | vogate:rights | public, proprietary or secure, as data_rights of ObsCore | meta.code",
            "collection | | text | vogate:collection | collection of the archive | meta.id",
            "withdrawn | withdrawal__reason | text | vogate:withdrawn | why it is not to be relied on any more | meta.note",
        ),
        (("entitydescription_id", "entitydescription", "id"),),
    ),
    ClassTable(
        "agent",
        "Agent",
        "who was responsible; no e-mail addresses",
        _columns(
            "Agent",
            "id | | text | id | identifier | meta.id;meta.main",
            "name | | text | name | name | meta.title",
            "type | | text | type | Person, Organization or SoftwareAgent | meta.code.class",
            "comment | | text | comment | remark | meta.note",
            "affiliation | | text | affiliation | institute | meta.title",
            "url | | text | url | page | meta.ref.url",
        ),
    ),
    ClassTable(
        "used",
        "Used",
        "which activity used which entity",
        _columns(
            "Used",
            "activity_id | | text | vogate:Used.activity | the activity",
            "entity_id | | text | entity | the entity",
            "role | | text | role | as what it was used",
            "prov_time | time | time | time | when its use began, UTC | time.start",
            "usagedescription_id | usageDescription_id | text | usageDescription | the tool's description of the role",
            "sha256 | content_id | text | vogate:sha256 | SHA-256 of the bytes it had then | meta.checksum",
        ),
        (
            ("activity_id", "activity", "id"),
            ("entity_id", "entity", "id"),
            ("usagedescription_id", "usagedescription", "id"),
        ),
    ),
    ClassTable(
        "wasgeneratedby",
        "WasGeneratedBy",
        "which activity made which entity",
        _columns(
            "WasGeneratedBy",
            "entity_id | | text | vogate:WasGeneratedBy.entity | the entity",
            "activity_id | | text | activity | the activity",
            "role | | text | role | as what it was made",
            "generationdescription_id | generationDescription_id | text | generationDescription |"
            " the tool's description of the role",
        ),
        (
            ("activity_id", "activity", "id"),
            ("entity_id", "entity", "id"),
            ("generationdescription_id", "generationdescription", "id"),
        ),
    ),
    ClassTable(
        "wasderivedfrom",
        "WasDerivedFrom",
        "which entity was made from which, where that is known more precisely than from all inputs",
        _columns(
            "Entity",
            "generatedentity_id | generatedEntity_id | text | vogate:WasDerivedFrom.generatedEntity | the newer entity",
            "usedentity_id | usedEntity_id | text | usedEntity | the older entity",
        ),
        (("generatedentity_id", "entity", "id"), ("usedentity_id", "entity", "id")),
    ),
    ClassTable(
        "wasinformedby",
        "WasInformedBy",
        "which activity depends on which: an attempt on those lost before",
        _columns(
            "Activity",
            "informed_id | | text | vogate:WasInformedBy.informed | the later activity",
            "informant_id | | text | informant | the earlier activity",
        ),
        (("informed_id", "activity", "id"), ("informant_id", "activity", "id")),
    ),
    ClassTable(
        "wasassociatedwith",
        "WasAssociatedWith",
        "who was responsible for which activity",
        _columns(
            "WasAssociatedWith",
            "activity_id | | text | vogate:WasAssociatedWith.activity | the activity",
            "agent_id | | text | agent | the agent",
            "role | | text | role | Operator, Provider, ...",
        ),
        (("activity_id", "activity", "id"), ("agent_id", "agent", "id")),
    ),
    ClassTable(
        "wasattributedto",
        "WasAttributedTo",
        "who was responsible for which entity",
        _columns(
            "WasAttributedTo",
            "entity_id | | text | vogate:WasAttributedTo.entity | the entity",
            "agent_id | | text | agent | the agent",
            "role | | text | role | Creator, Publisher, ...",
        ),
        (("entity_id", "entity", "id"), ("agent_id", "agent", "id")),
    ),
    ClassTable(
        "hadmember",
        "HadMember",
        "the members of collections",
        _columns(
            "Collection",
            "collection_id | | text | vogate:HadMember.collection | the collection",
            "entity_id | | text | entity | the member",
        ),
        (("collection_id", "entity", "id"), ("entity_id", "entity", "id")),
    ),
    ClassTable(
        "activitydescription",
        "ActivityDescription",
        "tools in their versions",
        _columns(
            "ActivityDescription",
            "id | | text | vogate:ActivityDescription.id | identifier: name@version+digest | meta.id;meta.main",
            "name | | text | name | name of the tool | meta.title",
            "version | | text | version | its version | meta.version",
            "description | | text | description | what it does | meta.note",
            "docurl | | text | docurl | where it is documented | meta.ref.url",
            "type | | text | type | Analysis, Selection, ... | meta.code.class",
            "subtype | | text | subtype | more specific type | meta.code.class",
            "digest | | text | vogate:digest | SHA-256 of the tool's description | meta.checksum",
        ),
    ),
    ClassTable(
        "entitydescription",
        "EntityDescription",
        "kinds of entities: DatasetDescription and ValueDescription",
        _columns(
            "EntityDescription",
            "id | | text | vogate:EntityDescription.id | identifier | meta.id;meta.main",
            "kind | | text | vogate:kind | subclass: Dataset or Value | meta.code.class",
            "name | | text | name | name | meta.title",
            "description | | text | description | what it is | meta.note",
            "docurl | | text | docurl | where it is documented | meta.ref.url",
            "type | | text | type | type | meta.code.class",
            "contenttype | contentType | text | voprov:DatasetDescription.contentType | media type | meta.code.mime",
            "valuetype | valueType | text | voprov:ValueDescription.valueType | VOTable type of a value",
            "unit | | text | voprov:ValueDescription.unit | unit of a value | meta.unit",
            "ucd | | text | voprov:ValueDescription.ucd | UCD of a value | meta.ucd",
            "utype | | text | voprov:ValueDescription.utype | utype of a value",
        ),
    ),
    ClassTable(
        "usagedescription",
        "UsageDescription",
        "what tools can use",
        _columns("UsageDescription", *_RELATION_DESCRIPTION),
        _DESCRIBES,
    ),
    ClassTable(
        "generationdescription",
        "GenerationDescription",
        "what tools can make",
        _columns("GenerationDescription", *_RELATION_DESCRIPTION),
        _DESCRIBES,
    ),
    ClassTable(
        "parameterdescription",
        "ParameterDescription",
        "parameters that tools have",
        _columns(
            "ParameterDescription",
            "id | | text | vogate:ParameterDescription.id | identifier | meta.id;meta.main",
            "activitydescription_id | activityDescription_id | text | vogate:activityDescription | the tool",
            "name | | text | name | name | meta.title",
            "valuetype | valueType | text | valueType | VOTable type: datatype, arraysize and xtype",
            "unit | | text | unit | unit of the value | meta.unit",
            "ucd | | text | ucd | UCD of the value | meta.ucd",
            "utype | | text | utype | utype of the value",
            "prov_min | min | text | min | smallest value | meta.note",
            "prov_max | max | text | max | largest value | meta.note",
            "prov_default | default | text | default | value that it has when none is given",
            "options | | text | options | the values that it can have, as JSON",
            "description | | text | description | what it sets | meta.note",
        ),
        (("activitydescription_id", "activitydescription", "id"),),
    ),
    ClassTable(
        "configfiledescription",
        "ConfigFileDescription",
        "configuration files that tools have",
        _columns(
            "ConfigFileDescription",
            "id | | text | vogate:ConfigFileDescription.id | identifier | meta.id;meta.main",
            "activitydescription_id | activityDescription_id | text | vogate:activityDescription | the tool",
            "name | | text | name | name | meta.title",
            "contenttype | contentType | text | contentType | media type | meta.code.mime",
            "description | | text | description | what it sets | meta.note",
        ),
        (("activitydescription_id", "activitydescription", "id"),),
    ),
    ClassTable(
        "parameter",
        "Parameter",
        "settings of activities",
        _columns(
            "Parameter",
            "activity_id | | text | vogate:Parameter.activity | the activity that it set",
            "name | | text | name | name of the parameter | meta.title",
            "prov_value | value | text | value | its value",
            "parameterdescription_id | parameterDescription_id | text | parameterDescription | its description",
        ),
        (("activity_id", "activity", "id"), ("parameterdescription_id", "parameterdescription", "id")),
    ),
    ClassTable(
        "configfile",
        "ConfigFile",
        "configuration files of activities",
        _columns(
            "ConfigFile",
            "activity_id | | text | vogate:ConfigFile.activity | the activity that it set",
            "name | | text | name | name of the file | meta.title",
            "location | | text | location | URL, or path on this service | meta.ref.url",
            "comment | | text | comment | remark | meta.note",
            "configfiledescription_id | configFileDescription_id | text | configFileDescription | its description",
            "sha256 | content_id | text | vogate:sha256 | SHA-256 of its bytes | meta.checksum",
        ),
        (("activity_id", "activity", "id"), ("configfiledescription_id", "configfiledescription", "id")),
    ),
    ClassTable(
        "wasconfiguredby",
        "WasConfiguredBy",
        "what set activities",
        _columns(
            "WasConfiguredBy",
            "activity_id | | text | vogate:WasConfiguredBy.activity | the activity",
            "artefacttype | artefactType | text | artefactType | Parameter or ConfigFile | meta.code.class",
            "name | | text | vogate:WasConfiguredBy.name | name of the parameter or file | meta.title",
        ),
        (("activity_id", "activity", "id"),),
    ),
)


def schema() -> Schema:
    """The schema `provenance` of the TAP service."""
    return Schema(
        SCHEMA_NAME,
        tuple(
            Table(
                SCHEMA_NAME,
                item.name,
                item.columns,
                description=item.description,
                utype=f"voprov:{item.cls}",
                table_index=number,
                keys=tuple(
                    ForeignKey(f"{SCHEMA_NAME}.{table}", (column,), (target,))
                    for column, table, target in item.keys
                ),
            )
            for number, item in enumerate(TABLES, start=1)
        ),
        description="the IVOA Provenance Data Model 1.0 as tables: what was made from what, by what and by whom;"
        " each caller finds the rows that the caller may see",
        utype="voprov:Provenance",
        schema_index=50,
    )
