"""The elements of a VOTable document that all protocols write: head, FIELD, INFO, systems, descriptors.

Pure text: no parser, no Django, no Arrow.  Versions 1.4 (default) and 1.5 differ here only in the
version attribute; both use the namespace of 1.3 (VOTable 1.4, section 3.1).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from gateway.vo.columns import Column

__all__ = [
    "COOSYS",
    "DEFAULT_VERSION",
    "TAIL",
    "TIMESYS",
    "VERSIONS",
    "Param",
    "clean",
    "escape",
    "field",
    "field_ids",
    "head",
    "info",
    "quote",
    "service_descriptor",
    "systems",
    "xml_id",
]

NAMESPACE = "http://www.ivoa.net/xml/VOTable/v1.3"
DEFAULT_VERSION = "1.4"
VERSIONS = ("1.4", "1.5")
TAIL = "</VOTABLE>\n"

# XML 1.0 cannot hold these characters, not even as references.
_IMPOSSIBLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")

COOSYS: dict[str, str] = {
    "ICRS": 'system="ICRS"',
    "GALACTIC": 'system="GALACTIC"',
    "FK5": 'system="FK5" equinox="J2000"',
    "FK4": 'system="FK4" equinox="B1950"',
    "ECLIPTIC": 'system="ECLIPTIC"',
}
"""Values of `Column.coosys` and what the COOSYS element says; ICRS is in every document."""

TIMESYS: dict[str, str] = {
    "UTC": 'timescale="UTC" refposition="TOPOCENTER" timeorigin="MJD-origin"',
    "TT": 'timescale="TT" refposition="TOPOCENTER" timeorigin="MJD-origin"',
    "TDB": 'timescale="TDB" refposition="BARYCENTER" timeorigin="MJD-origin"',
    "UTC_ISO": 'timescale="UTC" refposition="TOPOCENTER"',
}
"""Values of `Column.timesys`: MJD in UTC (in every document), TT or TDB; ISO 8601 dates in UTC."""


def clean(text: str, substitute: str = "\N{REPLACEMENT CHARACTER}") -> str:
    """`text` without the characters that XML 1.0 forbids."""
    return _IMPOSSIBLE.sub(substitute, text)


def escape(text: str) -> str:
    """`text` as XML character data."""
    return clean(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\r", "&#13;")


def quote(text: str) -> str:
    """`text` as an XML attribute value, quotes included; line ends and tabs survive."""
    body = escape(text).replace('"', "&quot;").replace("\n", "&#10;").replace("\t", "&#9;")
    return f'"{body}"'


def xml_id(name: str) -> str:
    """`name` made an XML ID (an NCName): other characters become underscores."""
    text = re.sub(r"[^A-Za-z0-9_.-]", "_", name)
    return text if re.match(r"[A-Za-z_]", text) else f"_{text}"


def field_ids(columns: Sequence[Column]) -> list[str]:
    """One ID per column, the column's name where that is possible; never one of a COOSYS or TIMESYS."""
    taken = set(COOSYS) | set(TIMESYS)
    found = []
    for column in columns:
        base = identifier = xml_id(column.name)
        number = 2
        while identifier in taken:
            identifier = f"{base}_{number}"
            number += 1
        taken.add(identifier)
        found.append(identifier)
    return found


def _attributes(**values: str) -> str:
    return "".join(f" {name}={quote(value)}" for name, value in values.items() if value)


def head(version: str = DEFAULT_VERSION) -> str:
    """The XML declaration and the start of VOTABLE."""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<VOTABLE version="{version}" xmlns="{NAMESPACE}" '
        'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
        f'xsi:schemaLocation="{NAMESPACE} {NAMESPACE}">\n'
    )


@lru_cache(maxsize=512)
def info(name: str, value: str, content: str = "", *, ucd: str = "") -> str:
    """An INFO element; `content` is text for people."""
    start = f"<INFO name={quote(name)}{_attributes(ucd=ucd)} value={quote(value)}"
    return f"{start}>{escape(content)}</INFO>\n" if content else f"{start}/>\n"


def systems(columns: Iterable[Column] = ()) -> str:
    """COOSYS and TIMESYS elements: ICRS and MJD in UTC always, others where columns refer to them."""
    coosys, timesys = {"ICRS"}, {"UTC"}
    for column in columns:
        coosys.update({column.coosys} & COOSYS.keys())
        timesys.update({column.timesys} & TIMESYS.keys())
    return "".join(
        [f'<COOSYS ID="{name}" {text}/>\n' for name, text in COOSYS.items() if name in coosys]
        + [f'<TIMESYS ID="{name}" {text}/>\n' for name, text in TIMESYS.items() if name in timesys]
    )


def field(column: Column, identifier: str = "", *, null: int | None = None) -> str:
    """The FIELD of a column.

    Parameters
    ----------
    identifier
        Its ID, for references from service descriptors.
    null
        Value that stands for null in this serialisation (`VALUES null`), None for no such value.
    """
    reference = column.coosys if column.coosys in COOSYS else ""
    reference = reference or (column.timesys if column.timesys in TIMESYS else "")
    start = "<FIELD" + _attributes(
        ID=identifier,
        name=column.name,
        datatype=column.datatype,
        arraysize=column.arraysize,
        xtype=column.xtype,
        unit=column.unit,
        ucd=column.ucd,
        utype=column.utype,
        ref=reference,
    )
    parts = []
    if column.description:
        parts.append(f"<DESCRIPTION>{escape(column.description)}</DESCRIPTION>")
    if null is not None:
        parts.append(f'<VALUES null="{null}"/>')
    return f"{start}>{''.join(parts)}</FIELD>\n" if parts else f"{start}/>\n"


@dataclass(frozen=True)
class Param:
    """A PARAM of a service descriptor; `ref` is the ID of the FIELD that gives its values."""

    name: str
    value: str = ""
    datatype: str = "char"
    arraysize: str = "*"
    unit: str = ""
    ucd: str = ""
    xtype: str = ""
    ref: str = ""
    description: str = ""
    minimum: str = ""
    maximum: str = ""
    options: tuple[str, ...] = ()

    def element(self) -> str:
        start = (
            f"<PARAM name={quote(self.name)} datatype={quote(self.datatype)}"
            + _attributes(
                arraysize=self.arraysize, unit=self.unit, ucd=self.ucd, xtype=self.xtype, ref=self.ref
            )
            + f" value={quote(self.value)}"
        )
        parts = []
        if self.description:
            parts.append(f"<DESCRIPTION>{escape(self.description)}</DESCRIPTION>")
        limits = [f"<MIN value={quote(self.minimum)}/>"] if self.minimum else []
        limits += [f"<MAX value={quote(self.maximum)}/>"] if self.maximum else []
        limits += [f"<OPTION value={quote(option)}/>" for option in self.options]
        if limits:
            parts.append(f"<VALUES>{''.join(limits)}</VALUES>")
        return f"{start}>{''.join(parts)}</PARAM>\n" if parts else f"{start}/>\n"


def service_descriptor(
    access_url: str,
    inputs: Sequence[Param],
    *,
    identifier: str = "",
    name: str = "",
    description: str = "",
    standard_id: str = "",
    content_type: str = "",
    other: Sequence[Param] = (),
) -> str:
    """A DataLink service descriptor (DataLink 1.1, section 4): RESOURCE type="meta" utype="adhoc:service".

    `other` are further PARAMs beside the inputs (`exampleURL`, `resourceIdentifier`).
    """
    params = [Param("accessURL", access_url)]
    if standard_id:
        params.append(Param("standardID", standard_id))
    if content_type:
        params.append(Param("contentType", content_type))
    return (
        f'<RESOURCE type="meta" utype="adhoc:service"{_attributes(ID=identifier, name=name)}>\n'
        + (f"<DESCRIPTION>{escape(description)}</DESCRIPTION>\n" if description else "")
        + "".join(param.element() for param in [*params, *other])
        + '<GROUP name="inputParams">\n'
        + "".join(param.element() for param in inputs)
        + "</GROUP>\n</RESOURCE>\n"
    )
