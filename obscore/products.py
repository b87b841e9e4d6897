"""Results that their owners publish: they become observations of the archive, with what they were made from.

The file is a second name of the result's bytes, so that the job may go.  The job's record, and if the owner
wants the records of their earlier jobs that led to it, become public with it; taking it back undoes both.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from gateway.vo.caller import Caller
from gateway.vo.errors import Conflict, Forbidden, NotAuthenticated, NotFound, UsageError
from obscore import definition, product_row, publication, record
from obscore.models import ArchiveFile, Collection, Observation, Product, Progenitor, Role
from obscore.rows import access_path, publisher_did
from provenance import models as provenance
from provenance.access import chunks
from provenance.lineage import Direction, Node, reach
from provenance.records import result_id
from uws.access import get_job
from uws.models import Job, JobResult, Rights
from uws.phases import Phase

__all__ = ["Draft", "collections", "draft", "published", "publish", "refusal", "take_back"]

PUBLIC_NAME, SIMULATED_NAME = "products", "simulated-products"


@dataclass(frozen=True)
class Draft:
    """What publishing a result would do."""

    result: JobResult
    sources: tuple[Observation, ...]
    """The observations that it was made from, directly or through other products."""
    kind: str
    title: str
    target: str
    opened: tuple[str, ...]
    """The owner's jobs whose records lead to it, its own job first; what would tell secrets is left out."""


def refusal(caller: Caller) -> str:
    """Why this caller may publish nothing; '' if they may.

    `[products] publish = "signed-in"` (or "staff", "nobody") in site.toml.
    """
    who = str(settings.SITE.raw.get("products", {}).get("publish", "signed-in"))
    if who == "nobody" or (who == "staff" and not caller.is_staff):
        return "Products are published by the operators here."
    return "" if caller.is_authenticated else "Sign in: a published product has an owner."


def draft(job_id: str, name: str, caller: Caller) -> Draft:
    """What publishing the result `name` of a job would do.

    Raises
    ------
    NotFound, Forbidden, NotAuthenticated
        If there is no such result, or it is not the caller's to publish.
    Conflict
        If the job did not complete, or the result has been withdrawn.
    """
    job = get_job(job_id, caller)
    why = refusal(caller)
    if why:
        raise (Forbidden if caller.is_authenticated else NotAuthenticated)(why)
    if job.rights != Rights.ACCOUNT:
        raise Forbidden("This job is no account's.", hint="Run it again while you are signed in.")
    if job.phase != Phase.COMPLETED:
        raise Conflict(f"The job is {job.phase}; only results of completed jobs are published.")
    result = job.results.filter(name=name).select_related("job").first()
    if result is None or not result.path.is_file():
        raise NotFound(f"Job {job.pk} has no result {name[:80]!r}.")
    key = result_id(job.pk, name)
    if provenance.Entity.objects.filter(pk=key, withdrawal__isnull=False).exists():
        raise Conflict("This result has been withdrawn: it was made with something that was wrong.")
    nodes, _ = reach([Node("e", key)], Direction.BACK)
    sources = _sources(nodes)
    targets = sorted({str(o.row["target_name"]) for o in sources if o.row.get("target_name")})
    return Draft(
        result,
        tuple(sources),
        product_row.kind_of(result.preview, result.file_name),
        f"{result.label or result.file_name} of {', '.join(targets)}" if targets else result.file_name,
        ", ".join(targets),
        _own_jobs(nodes, job, caller),
    )


def _sources(nodes: dict[Node, int]) -> list[Observation]:
    dids = {node.id.partition("#")[0] for node in nodes if node.kind == "e" and node.id.startswith("ivo://")}
    found: list[Observation] = []
    for part in chunks(sorted(dids)):
        rows = Observation.objects.filter(did__in=part, product_of__isnull=True)
        found += rows.select_related("collection").order_by("did")
    return found


def _own_jobs(nodes: dict[Node, int], job: Job, caller: Caller) -> tuple[str, ...]:
    """The jobs among these nodes that the owner ran, deleted ones as well."""
    keys = [node.id for node in nodes if node.kind == "a"]
    found: set[str] = set()
    for part in chunks(keys):
        rows = provenance.Activity.objects.filter(pk__in=part, access="")
        mine = Q(wasAssociatedWith__agent_id=f"user:{caller.user_id}")
        found.update(rows.filter(mine).values_list("job", flat=True))
    jobs = [job.pk, *sorted(found - {job.pk})]
    secret = _with_secret_inputs(jobs)
    return tuple(one for one in jobs if one not in secret)


def _with_secret_inputs(jobs: list[str]) -> set[str]:
    """Those of these jobs that used results of jobs which whoever knows their name may read (STANDARDS 26).

    Their records would tell that name.
    """
    used = provenance.Used.objects.filter(activity__job__in=jobs).values_list("activity__job", "entity_id")
    pairs = [(job, entity.partition("/")[0]) for job, entity in used]
    open_jobs = Job.objects.filter(pk__in={other for _, other in pairs}, rights=Rights.CAPABILITY)
    secret = set(open_jobs.values_list("pk", flat=True))
    return {job for job, other in pairs if other in secret}


def publish(
    job_id: str,
    name: str,
    caller: Caller,
    *,
    title: str = "",
    target: str = "",
    kind: str = "",
    lineage: bool = True,
) -> Observation:
    """Take a result into ivoa.obscore; publishing it again changes its title, target and type.

    Parameters
    ----------
    title, target, kind
        obs_title, target_name and dataproduct_type; what is empty is taken from `draft`.
    lineage
        Make public the records of the owner's earlier jobs that led to it, too, not of its job alone.

    Raises
    ------
    UsageError
        If `kind` is none of ObsCore's product types.
    GatewayError
        As `draft`.
    """
    wanted = draft(job_id, name, caller)
    if kind and kind not in definition.PRODUCT_TYPES:
        raise UsageError(f"{kind[:40]!r} is none of ObsCore's product types.", field="kind")
    opened = wanted.opened if lineage else wanted.opened[:1]
    row = product_row.row_of([one.row for one in wanted.sources], wanted.result.path, kind or wanted.kind)
    row |= {"obs_title": (title or wanted.title)[:400], "target_name": target or wanted.target or None}
    with transaction.atomic():
        collection = _collection(wanted)
        observation = _store(wanted, collection, row, caller, opened)
        _open(opened)
        record.record_publication(observation, wanted.result, caller)
    publication.publish_obscore()
    return observation


def _collection(wanted: Draft) -> Collection:
    simulated = any(one.collection.simulated for one in wanted.sources)
    name = SIMULATED_NAME if simulated else PUBLIC_NAME
    folder = Path(settings.VOGATE_HOME) / "products"
    collection, _ = Collection.objects.get_or_create(
        name=name,
        defaults={
            "title": f"Products of users of {settings.SITE.title}" + (" (simulated data)" * simulated),
            "description": "Results of jobs that their owners have published, with their provenance.",
            "folder": str(folder),
            "simulated": simulated,
        },
    )
    return collection


def _store(
    wanted: Draft, collection: Collection, row: dict[str, Any], caller: Caller, opened: tuple[str, ...]
) -> Observation:
    result = wanted.result
    obs_id = f"{result.job_id}.{result.name}"
    did = publisher_did(settings.SITE.authority, collection.name, obs_id)
    row |= {
        "obs_collection": collection.name,
        "obs_id": obs_id,
        "obs_publisher_did": did,
        "access_url": access_path(did),
        "access_format": definition.DATALINK_FORMAT,
        "access_estsize": -(-result.size // 1000),
        "data_rights": "public",
        "obs_release_date": timezone.now().strftime("%Y-%m-%dT%H:%M:%S"),
    }
    observation, _ = Observation.objects.update_or_create(
        did=did,
        defaults={
            "collection": collection,
            "obs_id": obs_id,
            "title": row["obs_title"],
            "row": row,
            "recipe": result.sha256,
            "missing": False,
        },
    )
    _store_file(observation, collection, result)
    Product.objects.update_or_create(
        observation=observation,
        defaults={
            "job": result.job_id,
            "result": result.name,
            "owner_id": caller.user_id,
            "opened": list(opened),
        },
    )
    Progenitor.objects.filter(product=observation).delete()
    Progenitor.objects.bulk_create(
        Progenitor(product=observation, source=source) for source in wanted.sources
    )
    return observation


def _store_file(observation: Observation, collection: Collection, result: JobResult) -> None:
    path = Path(result.job_id[:2]) / result.job_id / result.file_name
    target = Path(collection.folder) / path
    target.parent.mkdir(parents=True, exist_ok=True)
    if not target.exists():
        try:
            os.link(result.path, target)
        except OSError:
            shutil.copyfile(result.path, target)
    ArchiveFile.objects.update_or_create(
        collection=collection,
        path=path.as_posix(),
        defaults={
            "observation": observation,
            "role": Role.THIS,
            "name": result.file_name,
            "size": result.size,
            "mtime_ns": target.stat().st_mtime_ns,
            "sha256": result.sha256,
            "media_type": result.media_type[:100],
            "missing": False,
        },
    )


def _open(jobs: tuple[str, ...]) -> None:
    """Let everybody read the records of these jobs."""
    rows = provenance.Activity.objects.filter(job__in=jobs, access="")
    rows.update(access=provenance.Access.PUBLIC)


def published(job_id: str) -> dict[str, Observation]:
    """The results of a job that are in the archive, by name."""
    rows = Product.objects.filter(job=job_id, observation__missing=False).select_related(
        "observation__collection"
    )
    return {row.result: row.observation for row in rows}


def collections() -> tuple[str, str]:
    """Names of the collections that published products are in; no profile may use them."""
    return PUBLIC_NAME, SIMULATED_NAME


def take_back(did: str, caller: Caller) -> None:
    """Take a product out of ivoa.obscore; its file is not served any more, its provenance stays.

    Records of jobs that it alone had made public are their owner's again.

    Raises
    ------
    NotFound
        If there is no such product.
    Forbidden
        If it is not the caller's (nor are they staff).
    """
    product = Product.objects.filter(observation__did=did, observation__missing=False).first()
    if product is None:
        raise NotFound("There is no such published product.")
    if not caller.is_staff and (not caller.is_authenticated or product.owner_id != caller.user_id):
        raise Forbidden("This product was published by somebody else.")
    with transaction.atomic():
        Observation.objects.filter(pk=product.observation_id).update(missing=True)
        ArchiveFile.objects.filter(observation=product.observation_id).update(missing=True)
        others = Product.objects.filter(observation__missing=False).values_list("opened", flat=True)
        still = {job for jobs in others for job in jobs}
        closed = [job for job in product.opened if job not in still]
        provenance.Activity.objects.filter(job__in=closed, access=provenance.Access.PUBLIC).update(access="")
        record.record_retreat(did)
    publication.publish_obscore()
