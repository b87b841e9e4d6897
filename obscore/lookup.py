"""From what people and programs call an observation to its record."""

from __future__ import annotations

from urllib.parse import parse_qs, unquote, urlsplit

from django.db.models import Prefetch, QuerySet

from obscore.models import ArchiveFile, Observation


def observations() -> QuerySet[Observation]:
    """Observations with their collection and files, in two queries."""
    files = ArchiveFile.objects.select_related("collection", "observation")
    return Observation.objects.select_related("collection").prefetch_related(
        Prefetch("files", queryset=files)
    )


def find(identifier: str) -> Observation | None:
    """The observation behind a publisher DID, a DataLink URL, a product URL or `collection/obs_id`.

    The scheme and authority of an IVOID have no case (IVOA Identifiers 2.0, section 2.3).
    """
    text = identifier.strip()
    if text.lower().startswith("ivo://"):
        return _by_did(text)
    parts = urlsplit(text)
    if parts.scheme not in ("", "http", "https"):
        return None
    if parts.path.endswith("/datalink/links"):
        found = [
            value
            for name, values in parse_qs(parts.query).items()
            if name.upper() == "ID"
            for value in values
        ]
        return _by_did(found[0]) if len(found) == 1 else None
    pieces = [unquote(piece) for piece in parts.path.split("/")]
    if "data" in pieces[:-2]:
        return _by_id(*pieces[pieces.index("data") + 1 :][:2])
    if "obs" in pieces[:-2]:  # the observation's page
        return _by_id(*pieces[pieces.index("obs") + 1 :][:2])
    return _by_id(*pieces) if len(pieces) == 2 and not parts.scheme and all(pieces) else None


def _by_did(did: str) -> Observation | None:
    found = observations().filter(did=did).first()
    if found is None:
        scheme, _, rest = did.partition("://")
        authority, slash, path = rest.partition("/")
        found = observations().filter(did__iexact=did).first()
        if found is not None and found.did.partition("://")[2].partition("/")[2] != path:
            return None  # the path of an IVOID does have case
    return found


def _by_id(collection: str, obs_id: str = "") -> Observation | None:
    return observations().filter(collection__name=collection, obs_id=obs_id).first()
