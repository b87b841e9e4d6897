"""Files over HTTP: conditional and partial requests (RFC 9110, sections 13 and 14)."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from pathlib import Path

from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.utils.http import http_date

_BLOCK = 1 << 18


def serve_file(
    request: HttpRequest,
    path: Path,
    *,
    media_type: str,
    name: str = "",
    sha256: str = "",
    terms_url: str = "",
    inline: bool = False,
) -> HttpResponseBase:
    """A response with the file, a part of it, or word that the client has it already.

    Parameters
    ----------
    media_type
        The kind of content.  There is no Content-Encoding for compressed files: they are products as
        they are, with the checksum that provenance records.
    sha256
        Checksum in hexadecimal; it makes the ETag, so that caches survive a move of the files.
    terms_url
        URL of the terms of use, for `Link: rel="license"`.
    inline
        A browser may show it instead of saving it; only for types that cannot carry scripts.

    Raises
    ------
    OSError
        If the file cannot be read.
    """
    status = path.stat()
    etag = f'"{sha256 or f"{status.st_size:x}-{status.st_mtime_ns:x}"}"'
    modified = int(status.st_mtime)
    if _is_known(request, etag, modified):
        response: HttpResponseBase = HttpResponse(status=304)
        del response["Content-Type"]
    else:
        response = _content(request, path, status.st_size, etag, modified, media_type)
        kind = "inline" if inline else "attachment"
        response["Content-Disposition"] = f'{kind}; filename="{_plain(name or path.name)}"'
        if sha256:
            response["Repr-Digest"] = f"sha-256=:{base64.b64encode(bytes.fromhex(sha256)).decode()}:"
    response["ETag"] = etag
    response["Last-Modified"] = http_date(modified)
    response["Accept-Ranges"] = "bytes"
    response["Cache-Control"] = "no-cache"
    if terms_url:
        response["Link"] = f'<{terms_url}>; rel="license"'
    return response


def _content(
    request: HttpRequest, path: Path, size: int, etag: str, modified: int, media_type: str
) -> HttpResponseBase:
    span = _span(request, size, etag, modified)
    if span is not None and span[0] >= size:
        response: HttpResponseBase = HttpResponse(status=416, content_type="text/plain; charset=utf-8")
        response["Content-Range"] = f"bytes */{size}"
        return response
    first, last = span if span is not None else (0, size - 1)
    length = last - first + 1
    if request.method == "HEAD":
        response = HttpResponse(status=206 if span else 200, content_type=media_type)
    else:
        body = _blocks(path, first, length)
        response = StreamingHttpResponse(body, status=206 if span else 200, content_type=media_type)
    response["Content-Length"] = str(length)
    if span is not None:
        response["Content-Range"] = f"bytes {first}-{last}/{size}"
    return response


def _blocks(path: Path, first: int, length: int) -> Iterator[bytes]:
    with open(path, "rb") as file:
        file.seek(first)
        while length > 0 and (block := file.read(min(_BLOCK, length))):
            length -= len(block)
            yield block


def _is_known(request: HttpRequest, etag: str, modified: int) -> bool:
    """If-None-Match decides; If-Modified-Since only where there is none."""
    wanted = request.headers.get("If-None-Match")
    if wanted is not None:
        listed = [tag.strip().removeprefix("W/") for tag in wanted.split(",")]
        return "*" in listed or etag in listed
    since = _date(request.headers.get("If-Modified-Since", ""))
    return since is not None and modified <= since


def _span(request: HttpRequest, size: int, etag: str, modified: int) -> tuple[int, int] | None:
    """First and last byte of a request for one range; None for the whole file.

    Several ranges and forms that are not understood get the whole file, as RFC 9110 allows.
    """
    found = re.fullmatch(r"\s*bytes\s*=\s*(\d*)\s*-\s*(\d*)\s*", request.headers.get("Range", ""))
    if not found or found.groups() == ("", "") or not _still(request, etag, modified):
        return None
    start, end = found.groups()
    if not start:
        wanted = min(int(end), size)
        return (size - wanted, size - 1) if wanted else (size, size)
    if end and int(end) < int(start):
        return None
    return int(start), min(int(end), size - 1) if end else size - 1


def _still(request: HttpRequest, etag: str, modified: int) -> bool:
    """If-Range: the part is only wanted if the file is the one that the client has the rest of."""
    condition = request.headers.get("If-Range")
    if condition is None:
        return True
    return condition.strip() == etag or _date(condition) == modified


def _date(text: str) -> int | None:
    try:
        return int(parsedate_to_datetime(text).timestamp())
    except (TypeError, ValueError):
        return None


def _plain(name: str) -> str:
    return re.sub(r'[^\x20-\x7e]|["\\]', "_", name)
