"""What query workers send, and how they fail."""

from __future__ import annotations

import json
from typing import Any

Frames = list[tuple[bytes, Any]]
"""Kinds and payloads, see `tap.engines.wire`."""


class Failure(Exception):
    """What the database says about a query.

    `kind` is its own name of the error; `fault` is a value of `tap.engines.base.Fault`, or `timeout`, `cancelled`, `stale`
    where a table is not there any more, or `gone` where the connection was lost before.
    """

    def __init__(self, kind: str, message: str, fault: str) -> None:
        super().__init__(message)
        self.kind, self.message, self.fault = kind, message, fault

    def frame(self) -> bytes:
        return json.dumps({"kind": self.kind, "message": self.message, "fault": self.fault}).encode()


class Refused(Exception):
    """An uploaded table that the database does not take; the message says why."""
