"""A job as an RO-Crate 1.1: results, log, parameters, provenance and terms, described for a repository.

The metadata follow https://w3id.org/ro/crate/1.1 and its provenance of a process run: a CreateAction whose
instrument is the tool, whose objects are the inputs and whose results are the products.  Inputs are named,
not contained: their terms and rights are their own.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase, StreamingHttpResponse

from gateway.vo.errors import Conflict
from provenance import recorder
from provenance.formats import base_url
from provenance.serialise import prov_xml
from provenance.serialise.votable import prov_votable
from uws.access import get_job
from uws.archive import _entry, _file, _Pipe, _texts
from uws.logs import LOG_NAME
from uws.models import Job
from uws.results import terms_of
from uws.views import methods

__all__ = ["download", "metadata", "stream"]

CONTEXT = ["https://w3id.org/ro/crate/1.1/context", {"sha256": "https://schema.org/sha256"}]
"""The context of RO-Crate 1.1 has no term for checksums yet."""
PROFILE = "https://w3id.org/ro/crate/1.1"
METADATA = "ro-crate-metadata.json"
ABOUT = {
    "README.txt": "What this is, and the checksums of the results",
    "parameters.json": "What was asked for",
    "TERMS.txt": "Terms of use of the data that went in; they hold for the results too",
    "provenance.json": "Provenance as PROV-JSON",
    "provenance.provn": "Provenance as PROV-N",
    "provenance.xml": "Provenance as PROV-XML",
    "provenance.vot": "Provenance as PROV-VOTable",
}
TYPES = {
    "txt": "text/plain",
    "json": "application/json",
    "provn": "text/provenance-notation",
    "xml": "application/provenance+xml",
    "vot": "application/x-votable+xml",
}


@methods("GET", "HEAD")
def download(request: HttpRequest, job_id: str) -> HttpResponseBase:
    """`/provenance/<job>.crate.zip`, for whoever may see the job."""
    job = get_job(job_id, request.caller)  # type: ignore[attr-defined]
    if not job.is_final:
        raise Conflict(f"The job is {job.phase}; a crate is packed of jobs that have ended.")
    body = stream(job, base_url(request)) if request.method == "GET" else ()
    response = StreamingHttpResponse(body, content_type="application/zip")
    response["Content-Disposition"] = f'attachment; filename="{job.tool_name}-{job.pk[:8]}.crate.zip"'
    return response


def stream(job: Job, base: str) -> Iterator[bytes]:
    """The zip file, block by block; the crate's root is the root of the archive."""
    document = recorder.document(job.pk)
    texts = dict(_texts(job, base))
    texts["provenance.xml"] = prov_xml(document, base)
    texts["provenance.vot"] = prov_votable(document, base)
    pipe = _Pipe()
    with zipfile.ZipFile(pipe, "w", allowZip64=True) as packed:  # type: ignore[arg-type]
        described = json.dumps(metadata(job, base, texts), indent=1, ensure_ascii=False)
        for name, content in {METADATA: described, **texts}.items():
            packed.writestr(_entry(name, job), content, zipfile.ZIP_DEFLATED)
            yield pipe.take()
        for row in job.results.all():
            yield from _file(packed, pipe, f"results/{row.file_name}", row.path, job)
        log = job.attempt_folder / LOG_NAME
        if log.is_file():
            yield from _file(packed, pipe, "log.txt", log, job)
    yield pipe.take()


def metadata(job: Job, base: str, texts: dict[str, str]) -> dict[str, Any]:
    """The contents of `ro-crate-metadata.json`; `texts` are the small files by name."""
    page = f"{base}{job.page_url}"
    files = _small_files(job, texts) + _results(job)
    publisher = {
        "@id": base or "#publisher",
        "@type": "Organization",
        "name": settings.SITE.publisher or settings.SITE.title,
        "url": base,
    }
    author = {"@id": "#owner", "@type": "Person", "name": job.owner_name} if job.owner else publisher
    tool = {
        "@id": f"{base}/tools/{job.tool_name}@{job.tool_version}",
        "@type": "SoftwareApplication",
        "name": job.tool_name,
        "softwareVersion": job.tool_version or "1",
        "identifier": f"sha256:{job.tool_digest}",
    }
    inputs = _inputs(job, base)
    settings_ = [
        {"@id": f"#parameter-{name}", "@type": "PropertyValue", "name": name, "value": value}
        for name, value in job.parameters.items()
    ]
    moment = (job.end_time or job.creation_time).isoformat()
    licence = {"@id": "TERMS.txt"} if terms_of(job) else {"@id": "#terms"}
    action = {
        "@id": page,
        "@type": "CreateAction",
        "name": f"{job.tool_name} {job.tool_version}, job {job.pk}",
        "instrument": {"@id": tool["@id"]},
        "object": _references([*inputs, *settings_]),
        "result": _references(_results(job)),
        "agent": {"@id": author["@id"]},
        "endTime": moment,
        "actionStatus": {
            "@id": "http://schema.org/CompletedActionStatus"
            if job.phase == "COMPLETED"
            else "http://schema.org/FailedActionStatus"
        },
    }
    if job.start_time:
        action["startTime"] = job.start_time.isoformat()
    root = {
        "@id": "./",
        "@type": "Dataset",
        "identifier": page,
        "name": f"{job.tool_name} {job.run_id or job.pk}",
        "description": f"Results of {job.tool_name} {job.tool_version} from {settings.SITE.title}, with parameters, "
        "provenance and terms of use",
        "datePublished": moment,
        "license": licence,
        "author": {"@id": author["@id"]},
        "publisher": {"@id": publisher["@id"]},
        "hasPart": _references(files),
        "mentions": {"@id": action["@id"]},
    }
    descriptor = {
        "@id": METADATA,
        "@type": "CreativeWork",
        "conformsTo": {"@id": PROFILE},
        "about": {"@id": "./"},
    }
    graph: list[dict[str, Any]] = [descriptor, root, *files, action, tool, publisher, *inputs, *settings_]
    if author is not publisher:
        graph.append(author)
    if licence["@id"] == "#terms":
        graph.append(
            {"@id": "#terms", "@type": "CreativeWork", "name": settings.SITE.notice or "No terms are stated"}
        )
    return {"@context": CONTEXT, "@graph": graph}


def _references(items: list[dict[str, Any]]) -> Any:
    """References to these; of one alone it is no list (RO-Crate 1.1, appendix on JSON-LD)."""
    found = [{"@id": item["@id"]} for item in items]
    return found[0] if len(found) == 1 else found


def _small_files(job: Job, texts: dict[str, str]) -> list[dict[str, Any]]:
    found = [
        {
            "@id": name,
            "@type": "File",
            "name": name,
            "description": ABOUT.get(name, name),
            "encodingFormat": TYPES.get(name.rpartition(".")[2], "text/plain"),
            "contentSize": str(len(text.encode())),
        }
        for name, text in texts.items()
    ]
    if (job.attempt_folder / LOG_NAME).is_file():
        found.append({"@id": "log.txt", "@type": "File", "name": "log.txt", "encodingFormat": "text/plain"})
    return found


def _results(job: Job) -> list[dict[str, Any]]:
    return [
        {
            "@id": f"results/{quote(row.file_name)}",
            "@type": "File",
            "name": row.label or row.file_name,
            "encodingFormat": row.media_type,
            "contentSize": str(row.size),
            "sha256": row.sha256,
        }
        for row in job.results.all()
    ]


def _inputs(job: Job, base: str) -> list[dict[str, Any]]:
    """The inputs by their identifiers; an upload is known by its hash."""
    found = {}
    for row in job.inputs.all():
        upload = row.identifier.startswith("param:")
        key = f"urn:sha256:{row.sha256}" if upload else row.identifier
        entity: dict[str, Any] = {"@id": key, "@type": "CreativeWork", "name": row.title or row.identifier}
        if row.sha256:
            entity["sha256"] = row.sha256
        if row.collection:
            entity["isPartOf"] = row.collection
        found[key] = entity
    return list(found.values())
