"""A job as one zip file: results, log, parameters, provenance, terms.  Streamed, never whole in memory."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from django.conf import settings

from gateway.vo.errors import GatewayError
from provenance import recorder
from provenance.serialise import prov_json, prov_n
from uws import batch, links, xml
from uws.logs import LOG_NAME
from uws.models import Job, JobResult
from uws.results import terms_of

_BLOCK = 1 << 18
_COMPRESSED = (".gz", ".zip", ".png", ".jpg", ".jpeg", ".bz2", ".xz", ".zst", ".parquet", ".pdf")
_BIG = 256 << 20
"""From this size on compressing takes longer than it saves."""


class _Pipe(io.RawIOBase):
    """Collects what zipfile writes, for the generator to hand on."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.parts.append(bytes(data))
        return len(data)

    def take(self) -> bytes:
        taken = b"".join(self.parts)
        self.parts.clear()
        return taken


def stream(job: Job, base: str) -> Iterator[bytes]:
    """The zip file, block by block."""
    folder = f"{job.tool_name}-{job.pk[:8]}"
    pipe = _Pipe()
    with zipfile.ZipFile(pipe, "w", allowZip64=True) as packed:  # type: ignore[arg-type]
        for name, content in _texts(job, base):
            packed.writestr(_entry(f"{folder}/{name}", job), content, zipfile.ZIP_DEFLATED)
            yield pipe.take()
        for name, row in _files(job):
            yield from _file(packed, pipe, f"{folder}/results/{name}", row.path, job)
        log = job.attempt_folder / LOG_NAME
        if log.is_file():
            yield from _file(packed, pipe, f"{folder}/log.txt", log, job)
    yield pipe.take()


def _files(job: Job) -> Iterator[tuple[str, JobResult]]:
    """(path, result): a batch has a folder for each of its children."""
    for _, row in batch.listed(job):
        yield (f"{row.job.child_number:04d}/{row.file_name}" if job.is_batch else row.file_name), row


def _entry(name: str, job: Job) -> zipfile.ZipInfo:
    moment: datetime = job.end_time or job.creation_time
    entry = zipfile.ZipInfo(name, moment.timetuple()[:6])
    entry.external_attr = 0o644 << 16
    return entry


def _file(packed: zipfile.ZipFile, pipe: _Pipe, name: str, path: Path, job: Job) -> Iterator[bytes]:
    size = path.stat().st_size
    entry = _entry(name, job)
    stored = name.lower().endswith(_COMPRESSED) or size > _BIG
    entry.compress_type = zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED
    with path.open("rb") as source, packed.open(entry, "w", force_zip64=size > 1 << 31) as target:
        while block := source.read(_BLOCK):
            target.write(block)
            if pipe.parts:
                yield pipe.take()
    yield pipe.take()


def _texts(job: Job, base: str) -> Iterator[tuple[str, str]]:
    yield "README.txt", _readme(job, base)
    yield "parameters.json", json.dumps(_request(job), indent=2, ensure_ascii=False) + "\n"
    terms = terms_of(job)
    if terms:
        yield "TERMS.txt", "\n\n".join(terms) + "\n"
    try:
        document = recorder.document(job.pk)
    except GatewayError:  # not ended yet
        return
    yield "provenance.json", prov_json(document, base)
    yield "provenance.provn", prov_n(document, base)


def _request(job: Job) -> dict[str, Any]:
    inputs: dict[str, list[dict[str, Any]]] = {}
    for row in job.inputs.all():
        inputs.setdefault(row.role, []).append(
            {"id": row.identifier, "title": row.title, "sha256": row.sha256, "collection": row.collection}
        )
    return {
        "job": job.pk,
        "tool": job.tool_name,
        "version": job.tool_version,
        "digest": job.tool_digest,
        "parameters": job.parameters,
        "inputs": inputs,
    }


def _readme(job: Job, base: str) -> str:
    lines = [
        f"{job.tool_name} {job.tool_version}, job {job.pk}",
        f"Phase {job.phase}, made {xml.instant(job.creation_time)}, ended {xml.instant(job.end_time) or '-'}",
        f"From {settings.SITE.title}, {links.page_url(job, base)}",
        job.notice,
        job.error_message,
        "",
        "results/          what the tool made",
        "log.txt           what it said",
        "parameters.json   what it was asked for, with the inputs' identifiers and checksums",
        "provenance.json   where the results come from (PROV-JSON; .provn the same as PROV-N)",
        "TERMS.txt         terms of use of the data that went in; they hold for the results too",
    ]
    checksums = [f"{row.sha256}  results/{name}" for name, row in _files(job)]
    return "\n".join([line for line in lines if line is not None] + ["", "SHA-256:", *checksums]) + "\n"
