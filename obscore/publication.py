"""From the database's observations to the published table ivoa.obscore."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict

from gateway.vo.columns import Schema
from obscore import definition, withdrawals
from obscore.models import Collection, Observation, Publication
from tap import archive


def collection_info(collections: list[Collection]) -> tuple[tuple[str, str], ...]:
    """INFO elements about the origin of rows: citation, rights and terms of each collection."""
    info: list[tuple[str, str]] = []
    for collection in collections:
        prefix = f"{collection.title} ({collection.name}): "
        if collection.simulated:
            info.append(("notice", f"{prefix}SIMULATED data, not an observation of the sky"))
        for name, value in (
            ("citation", collection.citation),
            ("rights", collection.rights),
            ("reference", collection.reference),
        ):
            if value:
                info.append((name, prefix + value))
        if collection.terms:
            info.append(("terms", f"{prefix}the terms of use are served at {collection.terms_path}"))
    return tuple(info)


def publish_obscore(*, force: bool = False) -> tuple[Publication, bool]:
    """Publish ivoa.obscore from the observations that are there, if anything changed.

    Returns
    -------
    (Publication, bool)
        What is published now, and whether this call published it.
    """
    present = Observation.objects.filter(missing=False).order_by("collection__name", "obs_id")
    why = withdrawals.reasons()
    rows = [
        observation.row | ({"withdrawn": why[observation.did]} if observation.did in why else {})
        for observation in present
    ]
    collections = list(Collection.objects.filter(observations__missing=False).distinct().order_by("name"))
    schema = definition.ivoa_schema(collection_info(collections), len(rows))
    digest = _digest(schema, rows)
    known = Publication.objects.filter(schema=schema.name).first()
    manifest = archive.current()
    path = manifest.files.get(schema.name)
    there = schema.name in manifest.stored and (path is None or path.exists())
    if known is not None and known.digest == digest and there and not force:
        if known.version != manifest.version:
            known.version = manifest.version
        return known, False
    from tap import publish  # DuckDB and the spatial index: only publishers need them

    manifest = publish.publish_schema(schema, {"obscore": definition.arrow_table(rows)})
    state, _ = Publication.objects.update_or_create(
        schema=schema.name, defaults={"digest": digest, "rows": len(rows), "version": manifest.version}
    )
    return state, True


def after_withdrawal() -> None:
    """Something has been withdrawn (`VOGATE_AFTER_WITHDRAWAL`): the table says so, where there is one."""
    if Publication.objects.exists():
        publish_obscore()


def _digest(schema: Schema, rows: list[dict[str, object]]) -> str:
    state = {"metadata": asdict(schema), "rows": rows, "format": archive.FORMAT}
    return hashlib.sha256(json.dumps(state, sort_keys=True, default=str).encode()).hexdigest()
