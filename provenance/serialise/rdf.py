"""PROV-O (W3C Recommendation 2013) as Turtle and JSON-LD, by `prov` and rdflib."""

from __future__ import annotations

from provenance.records import Document
from provenance.serialise.w3c import Flavour, to_prov


def turtle(document: Document, base_url: str, flavour: Flavour = Flavour.IVOA) -> str:
    """RDF 1.1 Turtle."""
    return _rdf(document, base_url, flavour, "turtle")


def json_ld(document: Document, base_url: str, flavour: Flavour = Flavour.IVOA) -> str:
    """JSON-LD, expanded."""
    return _rdf(document, base_url, flavour, "json-ld")


def _rdf(document: Document, base_url: str, flavour: Flavour, form: str) -> str:
    text = to_prov(document, base_url, flavour).serialize(format="rdf", rdf_format=form)
    assert text is not None
    return text
