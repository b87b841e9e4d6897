"""The forms in which a provenance document is answered."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import NoReverseMatch, reverse

from gateway.vo.errors import UsageError
from provenance.records import Document, EntityRecord
from provenance.serialise import Flavour, default_link, prov_json, prov_n, prov_xml
from provenance.serialise.graph import graph_json, graph_of, lineage_svg

__all__ = ["FORMS", "Form", "base_url", "by_name", "page_of", "respond"]

Write = Callable[[Document, str, Flavour], str | bytes]


@dataclass(frozen=True)
class Form:
    """One serialisation."""

    name: str
    """What RESPONSEFORMAT calls it."""
    mime: str
    extension: str
    write: Write
    aliases: tuple[str, ...] = ()
    """Other values of RESPONSEFORMAT, in lower case."""
    ivoa_only: bool = False


def page_of(entity: EntityRecord) -> str:
    """Where the graph's box leads: the entity's location, or the page of an observation of this archive."""
    collection, question, obs_id = entity.id.removeprefix(f"ivo://{settings.SITE.authority}/").partition("?")
    if not entity.location and question and ":" not in collection:
        try:
            return reverse("portal:observation", kwargs={"collection": collection, "obs_id": obs_id})
        except NoReverseMatch:
            return ""
    return default_link(entity)


def base_url(request: HttpRequest) -> str:
    """The public URL of the service."""
    return settings.VOGATE_BASE_URL or request.build_absolute_uri("/").rstrip("/")


def _svg(document: Document, base: str, flavour: Flavour) -> str:
    return lineage_svg(document, page_of)


def _turtle(document: Document, base: str, flavour: Flavour) -> str:
    from provenance.serialise import rdf  # rdflib takes 0.3 s to import

    return rdf.turtle(document, base, flavour)


def _json_ld(document: Document, base: str, flavour: Flavour) -> str:
    from provenance.serialise import rdf

    return rdf.json_ld(document, base, flavour)


def _votable(document: Document, base: str, flavour: Flavour) -> str:
    from provenance.serialise.votable import prov_votable

    return prov_votable(document, base)


def _graph(document: Document, base: str, flavour: Flavour) -> str:
    return json.dumps(graph_json(graph_of(document, page_of, agents=True)))


def _png(document: Document, base: str, flavour: Flavour) -> bytes:
    from provenance.serialise import pictures

    return pictures.png(_svg(document, base, flavour))


def _pdf(document: Document, base: str, flavour: Flavour) -> bytes:
    from provenance.serialise import pictures

    return pictures.pdf(_svg(document, base, flavour))


_ALL = (
    Form("PROV-JSON", "application/json", "json", prov_json, ("json", "application/provenance+json")),
    Form("PROV-XML", "application/provenance+xml", "xml", prov_xml, ("xml", "text/xml", "application/xml")),
    Form("PROV-N", "text/provenance-notation; charset=utf-8", "provn", prov_n, ("provn", "text/plain")),
    Form(
        "PROV-VOTABLE",
        "application/x-votable+xml",
        "vot",
        _votable,
        ("votable", "text/x-votable+xml", "prov-vot"),
        ivoa_only=True,
    ),
    Form("TURTLE", "text/turtle; charset=utf-8", "ttl", _turtle, ("ttl", "rdf", "prov-o")),
    Form("JSON-LD", "application/ld+json", "jsonld", _json_ld, ("jsonld",)),
    Form("GRAPH", "application/json", "graph", _graph, ("nodes",)),
    Form("SVG", "image/svg+xml; charset=utf-8", "svg", _svg, ("prov-svg",)),
    Form("PNG", "image/png", "png", _png, ("prov-png",)),
    Form("PDF", "application/pdf", "pdf", _pdf, ("prov-pdf",)),
)
FORMS = {form.extension: form for form in _ALL}


def by_name(text: str) -> Form:
    """The form that RESPONSEFORMAT names, by name or media type.  Raises UsageError."""
    wanted = text.strip().lower()
    plain = wanted.partition(";")[0].strip()
    for form in _ALL:
        if wanted == form.name.lower() or plain in (form.mime.partition(";")[0], *form.aliases):
            return form
    raise UsageError(
        f"RESPONSEFORMAT={text[:60]!r} is not offered.",
        hint=f"Use one of {', '.join(form.name for form in _ALL)}.",
        field="RESPONSEFORMAT",
    )


def respond(
    document: Document, form: Form, base: str, flavour: Flavour = Flavour.IVOA, *, name: str
) -> HttpResponse:
    """The document in this form, as a file `<name>.<extension>` that the browser shows."""
    response = HttpResponse(form.write(document, base, flavour), content_type=form.mime)
    response["Content-Disposition"] = f'inline; filename="{name}.{form.extension}"'
    response["Content-Security-Policy"] = "default-src 'none'; style-src 'unsafe-inline'"
    response["Cache-Control"] = "private, no-cache"
    return response
