"""VOSI 1.1 documents that the services share: availability, capabilities, tables. Pure text."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from gateway.vo.columns import Column, ForeignKey, Schema, Table
from gateway.vo.votable import escape, quote

__all__ = [
    "AVAILABILITY",
    "CAPABILITIES",
    "EXAMPLES",
    "TABLES",
    "TYPE",
    "Capability",
    "Interface",
    "availability",
    "capabilities",
    "element",
    "table_document",
    "tableset",
]

TYPE = "text/xml; charset=utf-8"

CAPABILITIES = "ivo://ivoa.net/std/VOSI#capabilities"
AVAILABILITY = "ivo://ivoa.net/std/VOSI#availability"
TABLES = "ivo://ivoa.net/std/VOSI#tables-1.1"
EXAMPLES = "ivo://ivoa.net/std/DALI#examples"

_DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'
_XSI = "http://www.w3.org/2001/XMLSchema-instance"
_NAMESPACES = {
    "vr": "http://www.ivoa.net/xml/VOResource/v1.0",
    "vs": "http://www.ivoa.net/xml/VODataService/v1.1",
    "tr": "http://www.ivoa.net/xml/TAPRegExt/v1.0",
    "uws": "http://www.ivoa.net/xml/UWSRegExt/v0.1",
    "cs": "http://www.ivoa.net/xml/ConeSearch/v1.0",
}


def element(name: str, content: str = "", **attributes: str) -> str:
    """An element whose content is text; nothing at all if that is empty."""
    if not content:
        return ""
    written = "".join(f" {key}={quote(value)}" for key, value in attributes.items() if value)
    return f"<{name}{written}>{escape(content)}</{name}>\n"


def _utc(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def availability(
    available: bool,
    *,
    up_since: datetime | None = None,
    down_at: datetime | None = None,
    back_at: datetime | None = None,
    notes: Sequence[str] = (),
) -> str:
    """The availability document (VOSI 1.1, section 3.4); times in UTC."""
    body = f"<vosi:available>{'true' if available else 'false'}</vosi:available>\n"
    for name, moment in (("upSince", up_since), ("downAt", down_at), ("backAt", back_at)):
        body += f"<vosi:{name}>{_utc(moment)}</vosi:{name}>\n" if moment else ""
    body += "".join(element("vosi:note", note) for note in notes)
    namespace = "http://www.ivoa.net/xml/VOSIAvailability/v1.0"
    return f'{_DECLARATION}<vosi:availability xmlns:vosi="{namespace}">\n{body}</vosi:availability>\n'


@dataclass(frozen=True)
class Interface:
    """Where a capability is found."""

    url: str
    use: str = "full"
    """`base` where clients append parameters or path segments, else `full`."""
    type: str = "vs:ParamHTTP"
    role: str = "std"
    version: str = ""
    security: tuple[str, ...] = ()
    """Security methods by IVOID, e.g. `ivo://ivoa.net/sso#BasicAA`; anonymous access needs none."""

    def elements(self) -> str:
        """One interface, with the security methods as alternatives to anonymous access."""
        attributes = "".join(
            f" {name}={quote(value)}"
            for name, value in (("role", self.role), ("version", self.version))
            if value
        )
        methods = ""
        if self.security:
            methods = "<securityMethod/>\n" + "".join(
                f"<securityMethod standardID={quote(method)}/>\n" for method in self.security
            )
        return (
            f'<interface xsi:type="{self.type}"{attributes}>\n'
            f'<accessURL use="{self.use}">{escape(self.url)}</accessURL>\n{methods}</interface>\n'
        )


@dataclass(frozen=True)
class Capability:
    """One capability; `body` is what its type adds after the interfaces."""

    standard_id: str
    interfaces: tuple[Interface, ...]
    type: str = ""
    body: str = ""
    description: str = ""

    def elements(self) -> str:
        kind = f' xsi:type="{self.type}"' if self.type else ""
        standard = f" standardID={quote(self.standard_id)}" if self.standard_id else ""
        return (
            f"<capability{standard}{kind}>\n"
            + element("description", self.description)
            + "".join(interface.elements() for interface in self.interfaces)
            + self.body
            + "</capability>\n"
        )


def capabilities(found: Iterable[Capability]) -> str:
    """The capabilities document (VOSI 1.1, section 3.2)."""
    names = "".join(f' xmlns:{prefix}="{uri}"' for prefix, uri in _NAMESPACES.items())
    namespace = "http://www.ivoa.net/xml/VOSICapabilities/v1.0"
    body = "".join(capability.elements() for capability in found)
    return (
        f'{_DECLARATION}<vosi:capabilities xmlns:vosi="{namespace}"{names} xmlns:xsi="{_XSI}">\n'
        f"{body}</vosi:capabilities>\n"
    )


@dataclass(frozen=True)
class Naming:
    """How tables and columns are written in the document: the names that queries use."""

    name: Callable[[str], str] = str
    """Quotes a name where queries have to."""

    def table(self, schema: str, name: str) -> str:
        return f"{self.name(schema)}.{self.name(name)}"


def _column(column: Column, naming: Naming) -> str:
    kind = {"arraysize": column.arraysize, "extendedType": column.xtype}
    return (
        ('<column std="true">\n' if column.std else "<column>\n")
        + element("name", naming.name(column.name))
        + element("description", column.description)
        + element("unit", column.unit)
        + element("ucd", column.ucd)
        + element("utype", column.utype)
        + element("dataType", column.datatype, **{"xsi:type": "vs:VOTableType"}, **kind)
        + ("<flag>indexed</flag>\n" if column.indexed else "")
        + ("<flag>principal</flag>\n" if column.principal else "")
        + "</column>\n"
    )


def _foreign_key(key: ForeignKey, naming: Naming) -> str:
    schema, _, table = key.target_table.partition(".")
    pairs = "".join(
        "<fkColumn>\n"
        + element("fromColumn", naming.name(source))
        + element("targetColumn", naming.name(target))
        + "</fkColumn>\n"
        for source, target in zip(key.from_columns, key.target_columns, strict=True)
    )
    return (
        "<foreignKey>\n"
        + element("targetTable", naming.table(schema, table))
        + pairs
        + element("description", key.description)
        + "</foreignKey>\n"
    )


def _table(table: Table, naming: Naming, name: str, attributes: str, *, full: bool) -> str:
    rows = f"<nrows>{table.nrows}</nrows>\n" if table.nrows is not None else ""
    body = (
        element("name", naming.table(table.schema, table.name))
        + element("description", table.description)
        + element("utype", table.utype)
        + rows
    )
    if full:
        body += "".join(_column(column, naming) for column in table.columns)
        body += "".join(_foreign_key(key, naming) for key in table.keys)
    return f"<{name}{attributes} type={quote(table.table_type)}>\n{body}</{name}>\n"


_TABLES_ROOT = (
    f' xmlns:vosi="http://www.ivoa.net/xml/VOSITables/v1.0" xmlns:vs="{_NAMESPACES["vs"]}" xmlns:xsi="{_XSI}"'
)


def tableset(schemas: Iterable[Schema], *, full: bool = True, quoted: Callable[[str], str] = str) -> str:
    """The tables document (VOSI 1.1, section 3.3); without columns unless `full` (detail=min)."""
    naming = Naming(quoted)
    body = "".join(
        "<schema>\n"
        + element("name", naming.name(schema.name))
        + element("description", schema.description)
        + element("utype", schema.utype)
        + "".join(_table(table, naming, "table", "", full=full) for table in schema.tables)
        + "</schema>\n"
        for schema in schemas
    )
    return f"{_DECLARATION}<vosi:tableset{_TABLES_ROOT}>\n{body}</vosi:tableset>\n"


def table_document(table: Table, *, quoted: Callable[[str], str] = str) -> str:
    """The document of one table, `/tables/<name>`."""
    return _DECLARATION + _table(table, Naming(quoted), "vosi:table", _TABLES_ROOT, full=True)
