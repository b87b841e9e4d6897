"""The provenance of tables: from the files that were published to the queries that read them.

A table is an entity in each version: `ivo://<authority>/tap?<schema>.<table>#<edition>`, where the
edition is another with every publication (`Manifest.edition`).  Tables whose rows are made for each caller have no versions.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from django.conf import settings
from django.utils import timezone

from gateway.vo.columns import Schema
from provenance import models, recorder
from provenance.records import (
    ActivityRecord,
    AgentRecord,
    AgentRole,
    AgentType,
    DescriptionRecord,
    EntityRecord,
    GeneratedRecord,
    UsedRecord,
    upload_id,
)
from tap import archive
from tap.archive import Manifest
from uws.record import QUERIED_ROLE

__all__ = ["record_tables", "table_entity", "used_tables"]

BLOCK = 1 << 20


def table_entity(manifest: Manifest, schema: str, table: str) -> EntityRecord:
    """A table in the version that this manifest has of it."""
    known = manifest.table(schema, table)
    name = f"{known.schema}.{known.name}"
    edition = manifest.edition(known)
    version = f"#{edition}" if edition else ""
    return EntityRecord(
        id=f"ivo://{settings.SITE.authority}/tap?{name}{version}",
        name=name,
        location=f"/tap/tables/{name}",
        comment=known.description,
        rights="public",
    )


def used_tables(tables: Iterable[tuple[str, str]]) -> list[UsedRecord]:
    """The tables that a query read, as what it used; uploads are inputs of their own."""
    manifest = archive.current()
    found = []
    for schema, table in sorted(tables):
        try:
            found.append(UsedRecord(table_entity(manifest, schema, table), QUERIED_ROLE, time=timezone.now()))
        except KeyError:
            continue
    return found


def record_tables(schema: Schema, files: dict[str, list[Path]], manifest: Manifest, began: datetime) -> str:
    """Record that tables were published; returns the activity's id.

    Parameters
    ----------
    files
        By table, the files that its rows came from.
    """
    site = settings.SITE
    publisher = AgentRecord("site", site.publisher, AgentRole.PUBLISHER, AgentType.ORGANIZATION, site.contact)
    used: dict[str, UsedRecord] = {}
    generated = []
    for table, paths in files.items():
        entity = table_entity(manifest, schema.name, table)
        sources = [_file(path) for path in paths]
        used |= {one.id: UsedRecord(one, "file", time=began, multiplicity="1..*") for one in sources}
        before = _earlier(entity.id)
        generated.append(
            GeneratedRecord(
                EntityRecord(
                    id=entity.id,
                    name=entity.name,
                    location=entity.location,
                    comment=entity.comment,
                    rights="public",
                    generatedAtTime=timezone.now(),
                    agents=(publisher,),
                ),
                role="table",
                multiplicity="1..*",
                derivedFrom=(*(one.id for one in sources), *before),
            )
        )
    key = f"publish-{secrets.token_hex(10)}"
    recorder.record(
        ActivityRecord(
            id=key,
            name=f"Publication of {', '.join(f'{schema.name}.{table}' for table in files)}"[:200],
            description=DescriptionRecord(
                name="publish tables",
                version="1",
                description="Takes tables from files into the TAP service.",
                type="Selection",
            ),
            startTime=began,
            endTime=timezone.now(),
            used=tuple(used.values()),
            generated=tuple(generated),
            agents=(publisher,),
            access="public",
            itemised=True,
        )
    )
    return key


def _earlier(identifier: str) -> tuple[str, ...]:
    """The version before this one, if there is one."""
    rows = models.Entity.objects.filter(
        pk__startswith=identifier.partition("#")[0] + "#", wasGeneratedBy__isnull=False
    )
    newest = rows.exclude(pk=identifier).order_by("-generatedAtTime").first()
    return (newest.pk,) if newest is not None else ()


def _file(path: Path) -> EntityRecord:
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
            size += len(block)
    return EntityRecord(
        id=upload_id(digest.hexdigest()),
        name=path.name,
        sha256=digest.hexdigest(),
        size=size,
        rights="public",
    )
