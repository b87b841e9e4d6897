"""DataLink service descriptors: how TOPCAT and pyvo call a tool from a row of a table.

DataLink 1.1, section 4: a RESOURCE of type `meta` and utype `adhoc:service`, with the access URL, and the
input parameters in the GROUP `inputParams`.
"""

from __future__ import annotations

import re
from typing import Any

from lxml import etree

from uws.tools.description import InputRole, Parameter, ParameterType, Tool

NAMESPACE = "http://www.ivoa.net/xml/VOTable/v1.3"

_DATATYPES = {
    ParameterType.FLOAT: "double",
    ParameterType.INTEGER: "long",
    ParameterType.BOOLEAN: "boolean",
    ParameterType.STRING: "char",
}


def service_descriptor(tool: Tool, base_url: str, *, id_ref: str = "", namespace: str = "") -> etree._Element:
    """The RESOURCE element that describes a tool's synchronous endpoint.

    Parameters
    ----------
    base_url
        Public URL of the service, without a slash at its end.
    id_ref
        XML ID of the FIELD that holds the identifier which the tool's first input takes (the DataLink
        table's ID, or obs_publisher_did in a TAP result).  Without it the input is a free parameter.
    namespace
        XML namespace of the VOTable that the element is put into.
    """
    resource = Maker(namespace)("RESOURCE", type="meta", utype="adhoc:service", name=tool.name)
    resource.set("ID", xml_id(f"tool_{tool.name}"))
    make = Maker(namespace, resource)
    make("DESCRIPTION").text = f"{tool.title}: {tool.summary}"
    url = f"{base_url}/uws/{tool.name}/sync"
    make("PARAM", name="accessURL", datatype="char", arraysize="*", value=url)
    if tool.main_output:
        media_type = tool.main_output.media_type
        make("PARAM", name="contentType", datatype="char", arraysize="*", value=media_type)
    group = make("GROUP", name="inputParams")
    for index, role in enumerate(tool.inputs):
        _input(Maker(namespace, group), role, id_ref if index == 0 else "")
    for parameter in tool.parameters:
        parameter_element(Maker(namespace, group), parameter)
    return resource


def service_votable(tool: Tool, base_url: str) -> bytes:
    """A VOTable with nothing but the descriptor; its first input is a free parameter."""
    return document(service_descriptor(tool, base_url, namespace=NAMESPACE))


def document(resource: etree._Element) -> bytes:
    """A VOTable 1.4 with this RESOURCE."""
    namespaces: Any = {None: NAMESPACE}  # the stubs know no default namespace
    root = etree.Element(f"{{{NAMESPACE}}}VOTABLE", {"version": "1.4"}, nsmap=namespaces)
    root.append(resource)
    etree.cleanup_namespaces(root)
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True)


def xml_id(text: str) -> str:
    """A text as an XML ID."""
    return re.sub(r"[^A-Za-z0-9_.]", "_", text)


class Maker:
    """Makes elements of one namespace, under one parent."""

    def __init__(self, namespace: str, parent: etree._Element | None = None) -> None:
        self.prefix = f"{{{namespace}}}" if namespace else ""
        self.parent = parent

    def __call__(self, tag: str, **attributes: str) -> etree._Element:
        filled = {name: value for name, value in attributes.items() if value or name == "value"}
        if self.parent is None:
            return etree.Element(self.prefix + tag, filled)
        return etree.SubElement(self.parent, self.prefix + tag, filled)

    def under(self, parent: etree._Element) -> Maker:
        maker = Maker("", parent)
        maker.prefix = self.prefix
        return maker


def _input(make: Maker, role: InputRole, id_ref: str) -> None:
    param = make("PARAM", name=role.name, datatype="char", arraysize="*", ucd=role.ucd, ref=id_ref, value="")
    make.under(param)("DESCRIPTION").text = f"{role.title}. {role.help}".strip()


def parameter_element(make: Maker, parameter: Parameter) -> None:
    """A PARAM with description, limits and options."""
    scalar = parameter.type is not ParameterType.STRING and not parameter.multiple
    param = make(
        "PARAM",
        name=parameter.name,
        datatype=_DATATYPES[parameter.type],
        arraysize="" if scalar else "*",
        unit=parameter.unit,
        ucd=parameter.ucd,
        value=_default(parameter),
    )
    make = make.under(param)
    make("DESCRIPTION").text = f"{parameter.title}. {parameter.help}".strip()
    limited = parameter.minimum is not None or parameter.maximum is not None
    if not limited and not parameter.options:
        return
    make = make.under(make("VALUES"))
    if parameter.minimum is not None:
        inclusive = "no" if parameter.exclusive_minimum else ""
        make("MIN", value=_text(parameter.minimum), inclusive=inclusive)
    if parameter.maximum is not None:
        make("MAX", value=_text(parameter.maximum))
    for option in parameter.options:
        make("OPTION", name=option.label, value=_text(option.value))


def _default(parameter: Parameter) -> str:
    """The default as a VOTable value; NaN is its null for a number, which clients may send back.

    pyvo 1.9 cannot use a descriptor with a scalar number of value "".
    """
    if parameter.default is None and parameter.type is ParameterType.FLOAT and not parameter.multiple:
        return "NaN"
    return _text(parameter.default)


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return " ".join(map(_text, value))
    return f"{value:g}" if isinstance(value, float) else str(value)
