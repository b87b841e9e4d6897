"""Provenance records written out: PROV-JSON, PROV-N and PROV-XML by `prov`, and a drawing of our own."""

from provenance.serialise.drawing import default_link, svg
from provenance.serialise.w3c import Flavour, prov_json, prov_n, prov_xml, to_prov

__all__ = ["Flavour", "default_link", "prov_json", "prov_n", "prov_xml", "svg", "to_prov"]
