"""The provenance of an ingest: one activity per run that found something new, files in, observations out."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from gateway.vo.caller import Caller
from obscore.models import Collection, Observation, Role
from provenance import models, recorder
from provenance.records import (
    ActivityRecord,
    AgentRecord,
    AgentRole,
    AgentType,
    DescriptionRecord,
    EntityRecord,
    GeneratedRecord,
    RelationType,
    UsedRecord,
    result_id,
    upload_id,
)
from provenance.withdrawn import version_id
from uws.models import JobResult

__all__ = ["record_ingest", "record_publication", "record_retreat"]


def record_ingest(collection: Collection, obs_ids: Iterable[str], began: datetime) -> str:
    """Record what a run brought; returns the activity's id, '' if there was nothing new.

    Observations that are in the archive without a record (of a gateway of before) are taken in, too.

    The first time an observation is seen its publisher DID is the entity that was generated.  When its file
    or row changes later, the run generates `<did>#<first 12 of the file's hash>`, derived from the DID.
    """
    present = Observation.objects.filter(collection=collection, missing=False)
    recorded = models.WasGeneratedBy.objects.filter(entity_id__in=present.values("did"))
    rows = list(
        present.filter(Q(obs_id__in=list(obs_ids)) | ~Q(did__in=recorded.values("entity_id")))
        .prefetch_related("files")
        .order_by("obs_id")
    )
    if not rows:
        return ""
    now = timezone.now()
    key = f"ingest-{secrets.token_hex(10)}"
    origins = models.WasGeneratedBy.objects.filter(entity_id__in=[row.did for row in rows])
    known = set(origins.values_list("entity_id", flat=True))
    publisher = AgentRecord(
        "site", settings.SITE.publisher, AgentRole.PUBLISHER, AgentType.ORGANIZATION, settings.SITE.contact
    )
    generated = [_generated(row, collection, now, known, publisher) for row in rows]
    versions = [made.entity.id for made in generated]
    taken = models.WasGeneratedBy.objects.filter(entity_id__in=versions)
    gone = set(taken.values_list("entity_id", flat=True))  # a file that went back to what it was before
    with transaction.atomic():
        recorder.record(
            ActivityRecord(
                id=key,
                name=f"Ingest of {collection.title or collection.name}",
                description=DescriptionRecord(
                    name="ingest",
                    version=collection.recipe[:12],
                    description="Reads the headers of files and makes their rows of ivoa.obscore.",
                    type="Selection",
                ),
                startTime=began,
                endTime=now,
                used=tuple(use for row in rows for use in _used(row, collection, began)),
                generated=tuple(made for made in generated if made.entity.id not in gone),
                agents=(publisher,),
                access="public",
                itemised=True,
            )
        )
        recorder.describe([_whole(collection, publisher)])
    return key


def _whole(collection: Collection, publisher: AgentRecord) -> EntityRecord:
    """The collection with its observations as members."""
    dids = Observation.objects.filter(collection=collection).order_by("did").values_list("did", flat=True)
    return EntityRecord(
        id=f"ivo://{settings.SITE.authority}/{collection.name}",
        name=collection.title,
        location=collection.reference,
        collection=collection.name,
        rights="public",
        agents=(publisher,),
        members=tuple(dids),
    )


def _rights(row: Observation) -> str:
    return str(row.row.get("data_rights") or "public")


def _used(row: Observation, collection: Collection, began: datetime) -> list[UsedRecord]:
    """The files of an observation, by their hashes: they are the same bytes whichever way they came."""
    found = []
    for file in row.files.all():
        main = file.role == Role.THIS
        found.append(
            UsedRecord(
                EntityRecord(
                    id=upload_id(file.sha256),
                    name=file.name,
                    location=file.url_path,
                    contentType=file.media_type,
                    sha256=file.sha256,
                    size=file.size,
                    rights=_rights(row),
                    collection=collection.name,
                ),
                role="file" if main else "calibration",
                type=RelationType.MAIN if main else RelationType.CALIBRATION,
                time=began,
                multiplicity="1..*",
            )
        )
    return found


def _generated(
    row: Observation, collection: Collection, now: datetime, known: set[str], publisher: AgentRecord
) -> GeneratedRecord:
    product = row.product
    checksum = product.sha256 if product else ""
    again = row.did in known
    return GeneratedRecord(
        EntityRecord(
            id=version_id(row.did, checksum) if again else row.did,
            name=row.title,
            location="" if product is None else product.url_path,
            generatedAtTime=now,
            contentType=product.media_type if product else "",
            sha256=checksum,
            size=product.size if product else None,
            rights=_rights(row),
            collection=collection.name,
            agents=(publisher,),
        ),
        role="observation",
        multiplicity="1..*",
        derivedFrom=(*((row.did,) if again else ()), *(upload_id(file.sha256) for file in row.files.all())),
    )


def record_publication(row: Observation, result: JobResult, caller: Caller) -> None:
    """Record that an owner published a result: the archive's entity was derived from the job's.

    One that was taken back and is published again is the same entity, which is valid again.
    """
    if models.WasGeneratedBy.objects.filter(entity_id=row.did).exists():
        models.Entity.objects.filter(pk=row.did).update(
            invalidatedAtTime=None, name=row.title[:300], location=row.product.url_path if row.product else ""
        )
        return
    now = timezone.now()
    source = result_id(result.job_id, result.name)
    known: dict[str, Any] = {"contentType": result.media_type, "sha256": result.sha256, "size": result.size}
    owner = AgentRecord(f"user:{caller.user_id}", caller.username)
    publisher = AgentRecord(
        "site", settings.SITE.publisher, AgentRole.PUBLISHER, AgentType.ORGANIZATION, settings.SITE.contact
    )
    entity = EntityRecord(
        id=row.did,
        name=row.title,
        location=row.product.url_path if row.product else "",
        generatedAtTime=now,
        rights="public",
        collection=row.collection.name,
        agents=(
            AgentRecord(f"user:{caller.user_id}", caller.username, AgentRole.CREATOR),
            publisher,
        ),
        **known,
    )
    recorder.record(
        ActivityRecord(
            id=f"publish-{secrets.token_hex(10)}",
            name=f"Publication of {row.title}"[:200],
            description=DescriptionRecord(
                name="publish",
                version="1",
                description="Takes a result into the archive and makes its row of ivoa.obscore.",
                type="Selection",
            ),
            startTime=now,
            endTime=now,
            used=(
                UsedRecord(EntityRecord(id=source, name=result.file_name, **known), role="result", time=now),
            ),
            generated=(GeneratedRecord(entity, role="product", multiplicity="1", derivedFrom=(source,)),),
            agents=(owner, publisher),
            access="public",
        )
    )


def record_retreat(did: str) -> None:
    """The product is not in the archive any more: a tombstone."""
    models.Entity.objects.filter(pk=did, invalidatedAtTime__isnull=True).update(
        invalidatedAtTime=timezone.now(), location=""
    )
