"""Results as HTTP responses: whole where they are short, streamed and perhaps compressed where not."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase

from tap.formats import Format, ResultInfo
from tap.service import Result

COMPRESSION = 1
"""The fastest level: bandwidth is saved without holding up the stream."""
WORTH_COMPRESSING = 4096


class Body:
    """The document in pieces; closing it stops the query."""

    def __init__(self, pieces: Iterator[bytes], result: Result, compress: bool) -> None:
        self._pieces = _compressed(pieces) if compress else pieces
        self._result = result

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        return next(self._pieces)

    def close(self) -> None:
        self._result.close()


def _compressed(pieces: Iterator[bytes]) -> Iterator[bytes]:
    packer = zlib.compressobj(COMPRESSION, wbits=31)
    for piece in pieces:
        if packed := packer.compress(piece):
            yield packed
    yield packer.flush()


def accepts_gzip(request: HttpRequest) -> bool:
    """Whether the client asks for gzip (RFC 9110, section 12.5.3)."""
    for item in request.headers.get("Accept-Encoding", "").lower().split(","):
        name, _, quality = item.partition(";")
        if name.strip() in ("gzip", "*"):
            return quality.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False


def respond(request: HttpRequest, result: Result, form: Format, info: ResultInfo) -> HttpResponseBase:
    """The response of a query that has begun to answer.

    A result that has arrived completely is sent with its length; otherwise rows are sent as they come.
    """
    # What is here already needs no threads that convert ahead (tap.formats.pipeline).
    batches = list(result.batches()) if result.finished else result.batches()
    pieces = form.write(result.columns, batches, info)
    compress = accepts_gzip(request)
    response: HttpResponseBase
    if result.finished:
        data = b"".join(pieces)
        compress = compress and len(data) > WORTH_COMPRESSING
        response = HttpResponse(zlib.compress(data, COMPRESSION, wbits=31) if compress else data)
    else:
        response = StreamingHttpResponse(Body(pieces, result, compress))
    response.headers["Content-Type"] = form.mime
    response.headers["Content-Disposition"] = f'inline; filename="result.{form.extension}"'
    response.headers["Vary"] = "Accept-Encoding"
    if compress:
        response.headers["Content-Encoding"] = "gzip"
    if result.finished and result.overflow:
        response.headers["X-VO-Overflow"] = str(result.maxrec)
    return response
