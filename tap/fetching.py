"""Fetching a table that UPLOAD names by URL (see `gateway.vo.fetching`)."""

from __future__ import annotations

import io
from collections.abc import Collection

from gateway.vo import fetching

__all__ = ["fetch"]


def fetch(url: str, limit: int, *, seconds: float = 30.0, trusted: Collection[str] = ()) -> bytes:
    """The content of `url`, of at most `limit` bytes.

    Raises
    ------
    UsageError, TooLarge
        As `gateway.vo.fetching.fetch`.
    """
    out = io.BytesIO()
    fetching.fetch(
        url, out, limit, seconds=seconds, trusted=trusted,
        what="The uploaded table", field="UPLOAD", agent="(IVOA-TAP upload)",
    )  # fmt: skip
    return out.getvalue()
