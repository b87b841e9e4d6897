"""A tool as ActivityDescription of the IVOA Provenance Data Model 1.0 (section 3.2), in a VOTable.

One RESOURCE of utype `voprov:ActivityDescription`; its parameters, inputs and outputs are groups with the
names of the model's description classes, as OPUS writes its job definitions.
"""

from __future__ import annotations

from uws.tools.description import InputRole, Output, Tool
from uws.tools.descriptors import NAMESPACE, Maker, document, parameter_element, xml_id


def votable(tool: Tool, base_url: str) -> bytes:
    """The VOTable of one tool version."""
    resource = Maker(NAMESPACE)("RESOURCE", type="meta", utype="voprov:ActivityDescription", name=tool.name)
    resource.set("ID", xml_id(f"activity_{tool.name}"))
    make = Maker(NAMESPACE, resource)
    make("DESCRIPTION").text = tool.description or tool.summary
    if tool.reference.startswith(("http://", "https://")):
        make("LINK", **{"content-role": "doc", "href": tool.reference})
    for name, value, utype in (
        ("name", tool.name, "voprov:ActivityDescription.name"),
        ("version", tool.version, "voprov:ActivityDescription.version"),
        ("label", tool.title, "voprov:ActivityDescription.label"),
        ("type", "Analysis", "voprov:ActivityDescription.type"),
        ("subtype", tool.category, "voprov:ActivityDescription.subtype"),
        ("docurl", tool.reference, "voprov:ActivityDescription.docurl"),
        ("digest", tool.digest, ""),
        ("executionduration", str(tool.limits.seconds), ""),
        ("accessURL", f"{base_url}/uws/{tool.id}/async", ""),
    ):
        make("PARAM", name=name, datatype="char", arraysize="*", value=value, utype=utype)
    group = make("GROUP", name="InputParams", utype="voprov:ParameterDescription")
    for parameter in tool.parameters:
        parameter_element(Maker(NAMESPACE, group), parameter)
    group = make("GROUP", name="Used", utype="voprov:UsageDescription")
    for role in tool.inputs:
        _used(Maker(NAMESPACE, group), role)
    group = make("GROUP", name="Generated", utype="voprov:GenerationDescription")
    for output in tool.outputs:
        _generated(Maker(NAMESPACE, group), output)
    return document(resource)


def _entity(make: Maker, name: str, kind: str, text: str) -> Maker:
    element = make("GROUP", name=name, utype=f"voprov:{kind}")
    inner = Maker(NAMESPACE, element)
    inner("DESCRIPTION").text = text
    inner("PARAM", name="role", datatype="char", arraysize="*", value=name, utype=f"voprov:{kind}.role")
    return inner


def _used(make: Maker, role: InputRole) -> None:
    inner = _entity(make, role.name, "UsageDescription", f"{role.title}. {role.help}".strip())
    most = "*" if role.max_count is None else str(role.max_count)
    multiplicity = f"{role.min_count}..{most}"
    inner("PARAM", name="multiplicity", datatype="char", arraysize="*", value=multiplicity,
          utype="voprov:UsageDescription.multiplicity")  # fmt: skip
    inner("PARAM", name="content_type", datatype="char", arraysize="*", value=" ".join(role.formats),
          utype="voprov:DatasetDescription.contentType")  # fmt: skip


def _generated(make: Maker, output: Output) -> None:
    inner = _entity(make, output.name, "GenerationDescription", output.title)
    for name, value, utype in (
        ("multiplicity", "1" if output.required else "0..*", "voprov:GenerationDescription.multiplicity"),
        ("type", output.role, "voprov:GenerationDescription.type"),
        ("content_type", output.media_type, "voprov:DatasetDescription.contentType"),
        ("url", output.path, ""),
    ):
        inner("PARAM", name=name, datatype="char", arraysize="*", value=value, utype=utype)
