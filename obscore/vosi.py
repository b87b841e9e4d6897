"""VOSI 1.1 of the DataLink service."""

from __future__ import annotations

from xml.sax.saxutils import escape

from obscore.datalink import STANDARD_ID
from obscore.definition import DATALINK_FORMAT

_SCHEMAS = (
    'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
    'xmlns:vosi="http://www.ivoa.net/xml/VOSICapabilities/v1.0" '
    'xmlns:vr="http://www.ivoa.net/xml/VOResource/v1.0" '
    'xmlns:vs="http://www.ivoa.net/xml/VODataService/v1.1"'
)


def capabilities(url: str) -> str:
    """The capabilities document of the service at `url` (DataLink 1.1, section 2.2)."""
    endpoint = escape(url)

    def plain(name: str) -> str:
        return (
            f'<capability standardID="ivo://ivoa.net/std/VOSI#{name}">'
            '<interface xsi:type="vs:ParamHTTP" role="std" version="1.1">'
            f'<accessURL use="full">{endpoint}/{name}</accessURL></interface></capability>'
        )

    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<vosi:capabilities {_SCHEMAS}>\n"
        f'<capability standardID="{STANDARD_ID}">'
        '<interface xsi:type="vs:ParamHTTP" role="std" version="1.1">'
        f'<accessURL use="base">{endpoint}/links</accessURL>'
        "<queryType>GET</queryType><queryType>POST</queryType>"
        f"<resultType>{DATALINK_FORMAT}</resultType>"
        '<param std="true" use="required"><name>ID</name>'
        "<description>publisher dataset identifier</description>"
        "<ucd>meta.id;meta.main</ucd><dataType>string</dataType></param>"
        '<param std="true" use="optional"><name>RESPONSEFORMAT</name>'
        "<description>format of the answer (VOTable)</description><dataType>string</dataType></param>"
        "</interface></capability>\n"
        f"{plain('capabilities')}\n{plain('availability')}\n"
        "</vosi:capabilities>\n"
    )
