"""Qualified names for the identifiers of records: one name in every serialisation, and the way back.

PROV-XML demands the most: prefix and local part are xsd:QName, so a local part begins with a letter or `_` and
has letters, digits, `_`, `.` and `-`.  Names that PROV-XML can write, all forms write as they are:

- A URI (a publisher DID, an ORCID, an address) is split before its longest such ending, so that prefix and local
  part give the URI again.  One that ends without a letter (`ivo://x/y?23523`) gets `_` there
  (`ivo://x/y?_23523`).
- What is the gateway's own gets the address `/provenance/id/<kind>/<name>`, which leads to its page: `job`,
  `result`, `parameter`, `file`, `tool`, `agent`, `entity`.  Hashes, platforms and what is withheld are the same
  everywhere and stand in the namespace `vogate`.  Two parts are joined by a dot (`result:<job>.<name>`), a
  name that does not begin with a letter gets `_` in front, and other characters are `_xHHHH_` (ISO/IEC 9075-14,
  9.1).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from urllib.parse import quote

from prov.identifier import Namespace, QualifiedName
from prov.model import ProvDocument

__all__ = ["OWN_PATH", "VOGATE", "VOPROV", "Names", "own_identifier", "uri_identifier"]

# The address that voprov and OPUS write; the Recommendation defines none.
VOPROV = Namespace("voprov", "http://www.ivoa.net/documents/ProvenanceDM/index.html#")
VOGATE = Namespace("vogate", "urn:vogate:provenance#")

OWN_PATH = "/provenance/id/"
"""Path of the addresses of nodes of our own; kind and name follow."""

_URI = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*:.*[/?#=]")
_EVERYWHERE = ("sha256", "platform", "container", "withheld")
_END = re.compile(r"[A-Za-z0-9_.-]*$")
_LETTER = re.compile(r"[A-Za-z]")
# What a namespace's URI may have; the rest is percent-encoded.
_SAFE = "/@~&+*?#$!-._:=,;()[]'%"
_ESCAPE_LIKE = re.compile(r"_(?=x[0-9A-F]{4,6}_)")
_NOT_IN_NAME = re.compile(r"[^A-Za-z0-9_.-]")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_ESCAPED = re.compile(r"_x([0-9A-F]{4,6})_")


def _escaped(text: str) -> str:
    text = _ESCAPE_LIKE.sub("_x005F_", text)
    return _NOT_IN_NAME.sub(lambda found: f"_x{ord(found.group()):04X}_", text)


def _begun(name: str) -> str:
    """With a legal beginning; whatever gets none of its own begins with `_`."""
    return name if _LETTER.match(name) else f"_{name}"


def _joined(first: str, second: str) -> str:
    """Two parts as one name, which the first dot divides."""
    return _begun(f"{_escaped(first).replace('.', '_x002E_')}.{_escaped(second)}")


def _parts(name: str) -> tuple[str, str]:
    """Inverse of `_joined`; of a name without a dot the second part is ''."""
    first, _, second = name.removeprefix("_").partition(".")
    return _plain(first), _plain(second)


def _plain(text: str) -> str:
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text)


# What the names of a prefix identify, and what stood where they have a dot: None if they are one part, "" if only
# the first part counts.
_KINDS = {
    "job": ("activity", None),
    "parameter": ("activity", ""),
    "file": ("activity", ""),
    "result": ("entity", "/"),
    "vogate": ("entity", ":"),
    "entity": ("entity", None),
    "agent": ("agent", ":"),
    "tool": ("tool", "@"),
}


def own_identifier(kind: str, name: str) -> tuple[str, str] | None:
    """What a name of ours identifies.

    Parameters
    ----------
    kind
        The prefix in a document, or the part of the address after `OWN_PATH`.
    name
        The local part.

    Returns
    -------
    (kind, identifier) with kind `activity`, `entity`, `agent` or `tool`; of a parameter or configuration file,
    its activity.  None if it is no such name.
    """
    if kind not in _KINDS or not _NAME.fullmatch(name):
        return None
    if any(_not_text(int(code, 16)) for code in _ESCAPED.findall(name)):
        return None
    what, separator = _KINDS[kind]
    if separator is None:
        return what, _plain(name.removeprefix("_"))
    first, second = _parts(name)
    return what, f"{first}{separator}{second}" if second and separator else first


def _not_text(code: int) -> bool:
    return code == 0 or 0xD800 <= code < 0xE000 or code > 0x10FFFF


def uri_identifier(uri: str) -> str:
    """The identifier that a node's URI stands for, where it is not the URI itself; else ''."""
    end = _END.search(uri)
    assert end is not None
    name = end.group()
    return uri[: end.start()] + name[1:] if name.startswith("_") else ""


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
        self._base = base_url + OWN_PATH
        self._namespaces: dict[str, Namespace] = {}
        self._numbers: Counter[str] = Counter()
        self._made: dict[tuple[str, str], QualifiedName] = {}
        for namespace in (VOPROV, VOGATE):
            document.add_namespace(namespace)

    def activity(self, key: str) -> QualifiedName:
        return self._once("activity", key, self._activity)

    def entity(self, identifier: str) -> QualifiedName:
        """A DID or another URI, a hash, a platform, or a job's result (`<job>/<name>`)."""
        return self._once("entity", identifier, self._entity)

    def agent(self, identifier: str) -> QualifiedName:
        """`user:7`, `site`, `anonymous`, or a URI such as an ORCID."""
        return self._once("agent", identifier, self._agent)

    def tool(self, key: str) -> QualifiedName:
        """`name@version`, or with the digest of its description `name@version+digest`."""
        name, _, version = key.partition("@")
        return self._own("tool", _joined(name, version))

    def parameter(self, activity: str, name: str) -> QualifiedName:
        return self._own("parameter", _joined(activity, name))

    def config_file(self, activity: str, name: str) -> QualifiedName:
        return self._own("file", _joined(activity, name))

    def _once(self, kind: str, key: str, make: Callable[[str], QualifiedName]) -> QualifiedName:
        if (kind, key) not in self._made:
            self._made[kind, key] = make(key)
        return self._made[kind, key]

    def _activity(self, key: str) -> QualifiedName:
        if key.startswith("withheld:"):
            return self._everywhere(key)
        return self._own("job", _begun(_escaped(key)))

    def _entity(self, identifier: str) -> QualifiedName:
        if identifier.partition(":")[0] in _EVERYWHERE:
            return self._everywhere(identifier)
        if _URI.match(identifier):
            return self._uri(identifier)
        job, slash, name = identifier.partition("/")
        if slash:
            return self._own("result", _joined(job, name))
        return self._own("entity", _begun(_escaped(identifier)))

    def _agent(self, identifier: str) -> QualifiedName:
        if _URI.match(identifier):
            return self._uri(identifier)
        kind, colon, rest = identifier.partition(":")
        return self._own("agent", _joined(kind, rest) if colon else _begun(_escaped(identifier)))

    def _everywhere(self, identifier: str) -> QualifiedName:
        kind, _, rest = identifier.partition(":")
        return VOGATE[_joined(kind, rest)]

    def _own(self, kind: str, name: str) -> QualifiedName:
        return self._namespace(kind, f"{self._base}{kind}/")[name]

    def _uri(self, uri: str) -> QualifiedName:
        end = _END.search(uri)
        assert end is not None
        letter = _LETTER.search(end.group())
        start = end.start() + (letter.start() if letter else 0)
        kind = "did" if uri.startswith("ivo:") else "ns"
        return self._namespace(kind, quote(uri[:start], safe=_SAFE), numbered=True)[_begun(uri[start:])]

    def _namespace(self, prefix: str, uri: str, *, numbered: bool = False) -> Namespace:
        found = self._namespaces.get(uri)
        if found is None:
            if numbered:
                self._numbers[prefix] += 1
                prefix += str(self._numbers[prefix])
            found = self._namespaces[uri] = Namespace(prefix, uri)
            self._document.add_namespace(found)
        return found
