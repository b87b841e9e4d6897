"""What can go wrong between here and the gateway."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET


class ClientError(Exception):
    """The gateway cannot be reached, or answered with something that cannot be used."""


class Refused(ClientError):
    """The gateway refused a request, in its own words.

    Attributes
    ----------
    status
        HTTP status.
    field
        The parameter at fault, if the gateway named one.
    retry_after
        Seconds after which it is worth trying again, if the gateway said so.
    """

    def __init__(
        self, status: int, message: str, *, field: str = "", retry_after: float | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.field, self.retry_after = status, field, retry_after

    @classmethod
    def of(cls, status: int, headers: object, body: bytes) -> Refused:
        """From an answer: our JSON form, the INFO of a VOTable, or plain text."""
        text, field = body.decode("utf-8", "replace").strip(), ""
        if text.startswith("{"):
            try:
                data = json.loads(text)
                text = f"{data.get('message', text)} {data.get('hint', '')}".strip()
                field = data.get("field", "")
            except ValueError:
                pass
        elif text.startswith("<"):
            text = _info(text)
        after = getattr(headers, "get", lambda name: None)("Retry-After")
        seconds = float(after) if after and after.isdigit() else None
        return cls(status, text[:1000] or f"HTTP {status}", field=field, retry_after=seconds)


class JobFailed(ClientError):
    """A job ended otherwise than COMPLETED; `.job` is the job."""

    def __init__(self, message: str, job: object) -> None:
        super().__init__(message)
        self.job = job


def _info(text: str) -> str:
    try:
        for element in ET.fromstring(text).iter():
            if element.tag.endswith("INFO") and element.get("value") == "ERROR":
                return (element.text or "").strip()
    except ET.ParseError:
        pass
    return text
