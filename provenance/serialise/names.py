"""Qualified names for the identifiers of records.

PROV writes every identifier as prefix and local part.  DIDs and URIs get a prefix for what stands before
their last part; our own identifiers get the prefixes `job`, `tool`, `agent` and `vogate`.
"""

from __future__ import annotations

import re
from urllib.parse import quote

from lxml import etree
from prov.identifier import Namespace, QualifiedName
from prov.model import ProvDocument

# The address that voprov and OPUS write; the Recommendation defines none.
VOPROV = Namespace("voprov", "http://www.ivoa.net/documents/ProvenanceDM/index.html#")
VOGATE = Namespace("vogate", "urn:vogate:provenance#")

# A URI up to and with its last separator, and what is left.
_URI = re.compile(r"^([a-zA-Z][a-zA-Z0-9+.-]*:.*[/?#=])([^/?#=]+)$")
# What may stand in a local part without being percent-encoded by anyone.
_SAFE = "/@~&+*?#$!-._:=,;()[]'%"
_BARE_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
# ASCII without letters, digits, `_`, `.` and `-`; none but letters and `_` at the beginning.
_NOT_IN_NAME = re.compile(r"[\x00-,/:-@\[-^`{-\u00bf\u00d7\u00f7]|^[-.0-9]")
_ESCAPE_LIKE = re.compile(r"_x(?=[0-9A-F]{4}_)")
_ESCAPED = re.compile(r"_x([0-9A-F]{4})_")
_PROV = "{http://www.w3.org/ns/prov#}"
_IDENTIFIERS = (f"{_PROV}id", f"{_PROV}ref")
_XSI_TYPE = "{http://www.w3.org/2001/XMLSchema-instance}type"


def _local(text: str) -> str:
    """A local part that every serialisation can write, percent-encoded where there is no other way."""
    return quote(_BARE_PERCENT.sub("%25", text), safe=_SAFE)


def xml_local(local: str) -> str:
    """A local part as an NCName: what that cannot have becomes `_xHHHH_` (ISO/IEC 9075-14, 9.1)."""
    text = _ESCAPE_LIKE.sub("_x005F_x", local)
    return _NOT_IN_NAME.sub(lambda found: f"_x{ord(found.group()):04X}_", text)


def from_xml_local(name: str) -> str:
    """Inverse of `xml_local`."""
    return _ESCAPED.sub(lambda found: chr(int(found.group(1), 16)), name)


def legal_xml(text: str) -> str:
    """A PROV-XML document with its identifiers made legal QNames."""
    root = etree.fromstring(text.encode())
    for element in root.iter(etree.Element):
        for attribute in _IDENTIFIERS:
            value = element.get(attribute)
            if value:
                element.set(attribute, _legal(value))
        if element.get(_XSI_TYPE) == "xsd:QName" and element.text:
            element.text = _legal(element.text)
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True).decode()


def _legal(name: str) -> str:
    prefix, colon, local = name.partition(":")
    return f"{prefix}:{xml_local(local)}" if colon else name


class Names:
    """Makes the qualified names of one document and remembers its prefixes.

    Parameters
    ----------
    document
        Gets the namespaces as they come into use.
    base_url
        Public URL of the service, without a slash at its end.
    """

    def __init__(self, document: ProvDocument, base_url: str) -> None:
        self._document = document
        self._own = {
            "job": Namespace("job", f"{base_url}/jobs/"),
            "tool": Namespace("tool", f"{base_url}/tools/"),
            "agent": Namespace("agent", f"{base_url}/provenance/agent/"),
        }
        self._foreign: dict[str, Namespace] = {}
        for namespace in (VOPROV, VOGATE):
            document.add_namespace(namespace)

    def _name(self, prefix: str, local: str) -> QualifiedName:
        namespace = self._own[prefix]
        self._document.add_namespace(namespace)
        return namespace[_local(local)]

    def activity(self, key: str) -> QualifiedName:
        if key.startswith("withheld:"):
            return VOGATE[_local(key)]
        return self._name("job", key)

    def tool(self, key: str) -> QualifiedName:
        return self._name("tool", key)

    def parameter(self, activity: str, name: str) -> QualifiedName:
        return self._name("job", f"{activity}#{name}")

    def agent(self, identifier: str) -> QualifiedName:
        """`user:7`, `site`, `anonymous`, or a URI such as an ORCID."""
        return self._uri(identifier) or self._name("agent", identifier)

    def entity(self, identifier: str) -> QualifiedName:
        """A DID or another URI, a hash, a platform, or a job's result (`<job>/<name>`)."""
        scheme, _, rest = identifier.partition(":")
        if scheme in ("sha256", "platform", "container", "withheld") and "/" not in rest:
            return VOGATE[_local(identifier)]
        return self._uri(identifier) or self._name("job", identifier)

    def _uri(self, identifier: str) -> QualifiedName | None:
        match = _URI.match(identifier)
        if not match:
            return None
        start, local = match.groups()
        if start not in self._foreign:
            kind = "did" if start.startswith("ivo:") else "ns"
            count = sum(name.prefix.startswith(kind) for name in self._foreign.values())
            self._foreign[start] = Namespace(f"{kind}{count + 1}", start)
            self._document.add_namespace(self._foreign[start])
        return self._foreign[start][_local(local)]
