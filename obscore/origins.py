"""DataLink: what a product was made from, what was made from it, and its provenance as a document."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from urllib.parse import quote

from django.db.models import Prefetch

from gateway.vo.caller import Caller
from obscore import rights
from obscore.links import Link, file_link
from obscore.models import ArchiveFile, Collection, Observation, Progenitor, Role
from provenance.models import Entity

__all__ = ["collections_of", "documents", "links"]

MOST = 500
"""Progenitors, and derivations, of one dataset that are listed: its provenance has all of them."""


def links(observation: Observation, identifier: str, caller: Caller, base_url: str) -> Iterator[Link]:
    """Rows #progenitor and #calibration of a published product, #derivation of anything that one came from."""
    for source in _observations(_sources(observation)):
        allowed = rights.may_read(source.row, caller)
        auth = "false" if rights.is_public(source.row) else "true"
        for file in source.files.all():
            main = file.role == Role.THIS
            yield file_link(
                identifier,
                file,
                base_url,
                auth,
                allowed,
                semantics="#progenitor" if main else "#calibration",
                description=f"Made from {source.title}"
                if main
                else f"Responses or calibration of {source.title}: {file.name}",
            )
    derived = Progenitor.objects.filter(source=observation, product__missing=False).order_by("-pk")
    for product in _observations(derived.values_list("product", flat=True)):
        for file in product.files.all():
            yield file_link(
                identifier,
                file,
                base_url,
                "false",
                True,
                semantics="#derivation",
                description=f"Made from this: {product.title}",
            )


def _sources(observation: Observation) -> Iterable[int]:
    return Progenitor.objects.filter(product=observation).order_by("pk").values_list("source", flat=True)


def _observations(keys: Iterable[int]) -> list[Observation]:
    """Observations with their files, in this order; those that are gone are left out."""
    keys = list(keys)[:MOST]
    if not keys:
        return []
    files = ArchiveFile.objects.filter(missing=False).select_related("collection", "observation")
    rows = Observation.objects.filter(pk__in=keys, missing=False).select_related("collection")
    found = {row.pk: row for row in rows.prefetch_related(Prefetch("files", queryset=files))}
    return [found[key] for key in keys if key in found]


def collections_of(observation: Observation) -> list[Collection]:
    """The collections of what a published product was made from: their terms hold for it."""
    return list(
        Collection.objects.filter(observations__derivations__product=observation).distinct().order_by("name")
    )


def documents(observation: Observation, base_url: str) -> list[tuple[str, str, str, int | None]]:
    """Where its provenance is to be had: (URL, description, media type, size)."""
    if not Entity.objects.filter(pk=observation.did).exists():
        return []
    did = quote(observation.did, safe="")
    return [
        (
            f"{base_url}/provsap?ID={did}&DEPTH=ALL&DIRECTION=BACK&RESPONSEFORMAT=PROV-JSON",
            "Provenance: everything that this was made from (PROV-JSON)",
            "application/json",
            None,
        ),
        (f"{base_url}/provenance/entity/{did}/", "Provenance as a page, with a graph", "text/html", None),
    ]
