"""The log of a job, as its page and its owner read it while it grows."""

from __future__ import annotations

from collections.abc import Iterator

from uws.models import Job

_BLOCK = 1 << 18

LOG_NAME = "log.txt"
"""In the attempt's folder: what the tool wrote to stdout and stderr, in order, and what the gateway says of it."""


def tail(job: Job, offset: int = 0, limit: int = 65536) -> tuple[str, int]:
    """A part of the current attempt's log.

    Parameters
    ----------
    offset
        Byte from which to read; 0 for the beginning.  Negative counts from the end.
    limit
        Most bytes to read.

    Returns
    -------
    text, next_offset
        The text and the offset to ask for next.  A character that is not complete yet is left for the
        next call.
    """
    path = job.attempt_folder / LOG_NAME
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            start = max(0, size + offset) if offset < 0 else min(offset, size)
            file.seek(start)
            data = file.read(limit)
    except OSError:
        return "", max(0, offset)
    data = data[: _complete(data)]
    return data.decode("utf-8", "replace"), start + len(data)


def _complete(data: bytes) -> int:
    """Length of `data` without an unfinished UTF-8 character at its end."""
    for back in range(1, min(4, len(data)) + 1):
        byte = data[-back]
        if byte < 0x80:
            return len(data)
        if byte >= 0xC0:  # a lead byte: complete if enough bytes follow
            needed = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return len(data) if back >= needed else len(data) - back
    return len(data)


def stream(job: Job) -> Iterator[bytes]:
    """The whole log as it is now, block by block."""
    try:
        with (job.attempt_folder / LOG_NAME).open("rb") as file:
            while block := file.read(_BLOCK):
                yield block
    except OSError:
        return
