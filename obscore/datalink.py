"""DataLink 1.1: the links of an observation, and the descriptor that TAP results carry."""

from __future__ import annotations

import logging
from collections.abc import Collection as Container
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from lxml import etree

from gateway.vo import votable
from gateway.vo.caller import Caller
from gateway.vo.columns import Column
from obscore import definition, lookup, origins, rights, withdrawals
from obscore.links import Link, file_link
from obscore.models import ArchiveFile, Observation, Role
from uws.tools import descriptors, registry
from uws.tools.description import Access, Tool

log = logging.getLogger("vogate.datalink")

STANDARD_ID = "ivo://ivoa.net/std/DataLink#links-1.1"
MAX_IDS = 1000
"""Identifiers that one request may ask for; further ones are left out, and the answer says so."""


def _text(name: str, ucd: str, description: str) -> Column:
    return Column(name, "char", "*", ucd=ucd, description=description)


COLUMNS: tuple[Column, ...] = (
    _text("ID", "meta.id;meta.main", "Identifier that was asked for"),
    _text("access_url", "meta.ref.url", "Where the linked resource is"),
    _text("service_def", "meta.ref", "ID of the RESOURCE that describes the linked service"),
    _text("error_message", "meta.code.error", "Why there is no link"),
    _text("description", "meta.note", "What the link leads to"),
    _text("semantics", "meta.code", "Relation of the linked resource to the identified dataset"),
    _text("content_type", "meta.code.mime", "Media type of what the link returns"),
    Column(
        "content_length",
        "long",
        unit="byte",
        ucd="phys.size;meta.file",
        description="Size of what the link returns",
    ),
    _text("content_qualifier", "", "Kind of the linked data product"),
    _text("link_auth", "meta.code", "Whether the link needs authentication: false, optional or true"),
    Column("link_authorized", "boolean", ucd="meta.code", description="Whether the caller may use the link"),
)
_NULL_LENGTH = -1


@dataclass(frozen=True)
class Answer:
    """The links for a request, the tools they refer to, and whether identifiers were left out."""

    links: tuple[Link, ...] = ()
    tools: tuple[Tool, ...] = ()
    overflow: bool = False


def answer(identifiers: Iterable[str], caller: Caller, base_url: str, *, maxrec: int | None = None) -> Answer:
    """All links of some datasets.

    Parameters
    ----------
    identifiers
        Publisher DIDs; repeated ones count once.
    maxrec
        Stop before the dataset whose links would exceed this number of rows (DALI 3.4.4); links of one
        dataset are never divided.
    """
    wanted = list(dict.fromkeys(identifiers))
    links: list[Link] = []
    tools: dict[str, Tool] = {}
    for number, identifier in enumerate(wanted):
        found, used = _links(identifier, caller, base_url)
        too_many = maxrec is not None and len(links) + len(found) > maxrec
        if number >= MAX_IDS or too_many:
            return Answer(tuple(links), tuple(tools.values()), overflow=True)
        links += found
        tools |= {tool.name: tool for tool in used}
    return Answer(tuple(links), tuple(tools.values()), overflow=maxrec == 0)


def tools_for(observation: Observation) -> list[Tool]:
    """The site's tools, installed here, that take the observation as their first input."""
    product = observation.product
    kind = observation.row.get("dataproduct_type")
    return [
        tool
        for tool in registry.all_tools()
        if tool.available
        and tool.inputs
        and (not tool.inputs[0].product_types or kind in tool.inputs[0].product_types)
        and (not tool.inputs[0].formats or (product and product.media_type in tool.inputs[0].formats))
    ]


def _links(identifier: str, caller: Caller, base_url: str) -> tuple[list[Link], list[Tool]]:
    observation = lookup.find(identifier)
    if observation is None:
        return [_fault(identifier, "is not in this archive")], []
    product = observation.product
    if observation.missing or product is None:
        return [_fault(identifier, "was withdrawn from this archive")], []
    allowed = rights.may_read(observation.row, caller)
    auth = "false" if rights.is_public(observation.row) else "true"
    links = [file_link(identifier, file, base_url, auth, allowed) for file in _ordered(observation, product)]
    if withdrawal := withdrawals.of(observation):
        # Clients show the description of #this; few look further.
        links[0] = replace(
            links[0], description=f"{withdrawals.sentence(withdrawal)} ({links[0].description})"
        )
        links.append(withdrawals.link(identifier, withdrawal, base_url))
    links += origins.links(observation, identifier, caller, base_url)
    links += _documentation(identifier, observation, base_url)
    tools = tools_for(observation)
    links += [
        Link(
            identifier,
            "#proc",
            service_def=descriptors.xml_id(f"tool_{tool.name}"),
            description=f"{tool.title}: {tool.summary}",
            content_type=tool.main_output.media_type if tool.main_output else "",
            link_auth="optional" if auth == "false" and tool.access is Access.EVERYONE else "true",
            link_authorized=allowed and not tool.refusal(caller),
        )
        for tool in tools
    ]
    return links, tools


def _fault(identifier: str, reason: str) -> Link:
    return Link(identifier, "#this", error_message=f"NotFoundFault: {identifier} {reason}")


def _ordered(observation: Observation, product: ArchiveFile) -> Iterator[ArchiveFile]:
    yield product
    yield from (
        file for file in observation.files.all() if file.role == Role.CALIBRATION and not file.missing
    )
    yield from observation.collection.files.filter(role=Role.AUXILIARY, missing=False).select_related(
        "collection"
    )


def _documentation(identifier: str, observation: Observation, base_url: str) -> list[Link]:
    collection = observation.collection
    documents: list[tuple[str, str, str, int | None]] = []
    # What holds for the sources holds for what was made from them.
    for one in [collection, *origins.collections_of(observation)]:
        if one.terms:
            size = len(one.terms.encode())
            documents.append((base_url + one.terms_path, f"Terms of use of {one.title}", "text/plain", size))
        if one.reference:
            documents.append((one.reference, f"Publication about {one.title}", "text/html", None))
        if one.home:
            documents.append((one.home, f"Home page of {one.title}", "text/html", None))
    documents += origins.documents(observation, base_url)
    return [
        Link(
            identifier,
            "#documentation",
            access_url=url,
            description=what,
            content_type=content_type,
            content_length=size,
            link_auth="false",
            link_authorized=True,
        )
        for url, what, content_type, size in documents
    ]


def document(found: Answer, base_url: str) -> str:
    """An answer as VOTable: TABLEDATA, with a descriptor of each tool and, without links, of this service."""
    ids = votable.field_ids(COLUMNS)
    id_field = ids[0]
    parts = [
        votable.head(),
        '<RESOURCE type="results">\n',
        votable.info("QUERY_STATUS", "OK"),
        votable.info("standardID", STANDARD_ID),
        "<TABLE>\n",
        *(votable.field(column, identifier, null=_null(column)) for column, identifier in zip(COLUMNS, ids)),
        "<DATA><TABLEDATA>\n",
        *(_row(link) for link in found.links),
        "</TABLEDATA></DATA>\n</TABLE>\n",
        votable.info("QUERY_STATUS", "OVERFLOW") if found.overflow else "",
        "</RESOURCE>\n",
        *(_tool(tool, base_url, id_field) for tool in found.tools),
        "" if found.links else _self_description(base_url),
        votable.TAIL,
    ]
    return "".join(parts)


def _null(column: Column) -> int | None:
    return _NULL_LENGTH if column.name == "content_length" else None


def _row(link: Link) -> str:
    cells = []
    for column in COLUMNS:
        value = getattr(link, column.name)
        if column.datatype == "boolean":
            text = "" if value is None else str(value).lower()
        elif column.datatype == "long":
            text = str(_NULL_LENGTH if value is None else value)
        else:
            text = votable.escape(value)
        cells.append(f"<TD>{text}</TD>" if text else "<TD/>")
    return f"<TR>{''.join(cells)}</TR>\n"


def _tool(tool: Tool, base_url: str, id_field: str) -> str:
    # In no namespace, for the element is pasted into a document whose default namespace it takes.
    element = descriptors.service_descriptor(tool, base_url, id_ref=id_field)
    return etree.tostring(element, encoding="unicode") + "\n"


def _self_description(base_url: str) -> str:
    text = votable.service_descriptor(
        f"{base_url}/datalink/links",
        [votable.Param("ID", ucd="meta.id;meta.main", description="Publisher DID of a dataset (repeatable)")],
        description="The links of a dataset: its files, documentation, and the tools that take it",
        standard_id=STANDARD_ID,
        content_type=definition.DATALINK_FORMAT,
    )
    return text.replace('utype="adhoc:service"', 'utype="adhoc:this"', 1)


def describe_result(
    columns: Sequence[Column], tables: Container[tuple[str, str]], base_url: str
) -> list[str]:
    """Service descriptors for a query result: one for DataLink, where obs_publisher_did is in it.

    Parameters
    ----------
    columns
        The columns of the result, as it is written.
    tables
        (schema, table) of every table that the query read.
    base_url
        Public URL of the service.

    Returns
    -------
    list of str
        RESOURCE elements.
    """
    if not any((schema.lower(), name.lower()) == ("ivoa", "obscore") for schema, name in tables):
        return []
    wanted = "obscore:curation.publisherdid"
    for column, identifier in zip(columns, votable.field_ids(columns)):
        if column.utype.lower() == wanted:
            return [
                votable.service_descriptor(
                    f"{base_url}/datalink/links",
                    [votable.Param("ID", ucd="meta.id;meta.main", ref=identifier)],
                    name="links",
                    description="Files, documentation and tools of each observation",
                    standard_id=STANDARD_ID,
                    content_type=definition.DATALINK_FORMAT,
                )
            ]
    return []
