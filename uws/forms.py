"""What a request says to the job controller: control parameters, a tool's own values, files."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from django.http import HttpRequest

from gateway.vo.errors import UsageError
from uws.creation import Upload
from uws.phases import Phase

CREATION = ("PHASE", "RUNID", "EXECUTIONDURATION", "DESTRUCTION", "EACH", "REUSE")
"""Names to which UWS itself gives a meaning where a job is made; case does not matter."""

_YEAR, _MONTH = re.compile(r"\d{4}"), re.compile(r"\d{4}-\d{2}")


@dataclass
class Request:
    """A request's parameters, divided."""

    controls: dict[str, list[str]] = field(default_factory=dict)
    """By name in upper case."""
    values: dict[str, Any] = field(default_factory=dict)
    """All others, a tool's own: a text, or a list where a name was repeated (whatever its case)."""
    uploads: list[Upload] = field(default_factory=list)

    def one(self, name: str) -> str | None:
        """The only value of a control parameter, None if it is not there."""
        values = list(dict.fromkeys(self.controls.get(name, [])))
        if len(values) > 1:
            raise UsageError(f"{name} is given {len(values)} times with different values.", field=name)
        return values[0].strip() if values else None


def read(request: HttpRequest, controls: Collection[str] = ()) -> Request:
    """Divide the parameters of query string and body into these controls and all others."""
    result = Request()
    spelled: dict[str, str] = {}
    for name, value in _pairs(request):
        upper = name.upper()
        if upper in controls:
            result.controls.setdefault(upper, []).append(value)
            continue
        name = spelled.setdefault(upper, name)
        before = result.values.get(name)
        if before is None:
            result.values[name] = value
        else:
            result.values[name] = [*before, value] if isinstance(before, list) else [before, value]
    for part, files in request.FILES.lists():
        for file in files:
            result.uploads.append(Upload(part, file.name or part, file, file.content_type or ""))
    return result


def _pairs(request: HttpRequest) -> Iterator[tuple[str, str]]:
    for source in (request.GET, request.POST):
        for name, values in source.lists():
            if name == "csrfmiddlewaretoken":
                continue
            for value in values:
                yield name, str(value)


def phase(text: str) -> Phase:
    """An execution phase; UsageError for a word that is none."""
    try:
        return Phase(text.strip().upper())
    except ValueError:
        names = ", ".join(p.value for p in Phase)
        raise UsageError(
            f"PHASE={text[:40]!r} is no phase.", hint=f"There are {names}.", field="PHASE"
        ) from None


def instant(name: str, text: str) -> datetime:
    """An ISO 8601 time, to whatever precision (`2026`, `2026-W05`); UTC unless it says otherwise."""
    text = text.strip()
    # What fromisoformat does not take: years and months, which mean their beginning.
    whole = f"{text}-01-01" if _YEAR.fullmatch(text) else f"{text}-01" if _MONTH.fullmatch(text) else text
    try:
        moment = datetime.fromisoformat(whole)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise UsageError(
            f"{name}={text[:40]!r} is not a time.", hint="Write it as 2026-01-31T12:00:00Z.", field=name
        ) from None


def boolean(name: str, text: str) -> bool:
    """A truth value as DALI writes it (true, false, 1, 0), or yes and no."""
    word = text.strip().lower()
    if word not in ("true", "1", "yes", "false", "0", "no"):
        raise UsageError(f"{name}={text[:40]!r} is neither true nor false.", field=name)
    return word in ("true", "1", "yes")


def integer(name: str, text: str, *, minimum: int) -> int:
    """An integer of at least `minimum`."""
    try:
        value = int(text)
    except ValueError:
        raise UsageError(f"{name}={text[:40]!r} is not an integer.", field=name) from None
    if value < minimum:
        raise UsageError(f"{name} must be {minimum} or more, not {value}.", field=name)
    return value
