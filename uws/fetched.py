"""Inputs that lie elsewhere on the web: fetched once, when the job is made, into the job's own folder."""

from __future__ import annotations

import hashlib
import time
from pathlib import PurePosixPath
from typing import IO
from urllib.parse import unquote, urlsplit

from django.conf import settings

from gateway.vo import fetching
from gateway.vo.errors import NotAvailable
from uws import storage
from uws.inputs import ResolvedInput
from uws.models import Job

SECONDS = 60.0
"""For all files of one request."""
DEFAULT_UPLOAD_BYTES = 200 << 20
"""Largest uploaded or fetched file, unless `[jobs] upload_bytes` of site.toml says otherwise."""


def upload_bytes() -> int:
    """How large a file may be that a user brings."""
    return int(settings.SITE.raw.get("jobs", {}).get("upload_bytes", DEFAULT_UPLOAD_BYTES))


class _Hashing:
    """A file that is being written, and its checksum."""

    def __init__(self, out: IO[bytes]) -> None:
        self._out, self.digest, self.size = out, hashlib.sha256(), 0

    def write(self, block: bytes) -> int:
        self.digest.update(block)
        self.size += len(block)
        return self._out.write(block)


def fetch(job: Job, until: float, url: str) -> ResolvedInput:
    """Get a file from a public web server (`[jobs] trusted_hosts` may have private addresses, too).

    Parameters
    ----------
    until
        `time.monotonic()` at which all files of the request have to be here.

    Raises
    ------
    UsageError, TooLarge
        As `gateway.vo.fetching.fetch`.
    """
    name = PurePosixPath(unquote(urlsplit(url).path)).name or "input"
    try:
        path = storage.fresh_path(job.folder / "inputs", name)
        with path.open("xb") as file:
            out = _Hashing(file)
            kind = fetching.fetch(
                url,
                out,  # type: ignore[arg-type]
                upload_bytes(),
                seconds=max(0.0, until - time.monotonic()),
                trusted=tuple(settings.SITE.raw.get("jobs", {}).get("trusted_hosts", ())),
            )
    except OSError as error:
        raise NotAvailable(f"The file cannot be kept: {storage.plain(error)}.") from error
    return ResolvedInput(
        identifier=url[:500],
        path=path,
        sha256=out.digest.hexdigest(),
        size=out.size,
        media_type=kind or "application/octet-stream",
        title=name[:300],
        owned=True,
    )
