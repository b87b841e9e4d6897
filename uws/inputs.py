"""Identifiers of inputs, and the files they stand for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from django.conf import settings
from django.utils.module_loading import import_string

from gateway.vo.caller import Caller
from gateway.vo.errors import NotFound, TooLarge, UsageError


@dataclass(frozen=True)
class ResolvedInput:
    """A file (or a folder of files) on this machine that an identifier stands for."""

    identifier: str
    """The canonical identifier, e.g. the publisher DID whatever form the user gave."""
    path: Path
    sha256: str = ""
    size: int | None = None
    media_type: str = ""
    title: str = ""
    collection: str = ""
    terms: str = ""
    """Terms of use of the file."""
    notice: str = ""
    """What everything made from the file has to say, e.g. that it is simulated."""
    provenance_url: str = ""
    owned: bool = False
    """The file lies in the job's own folder."""


Resolver = Callable[[str, Caller], ResolvedInput | None]


@lru_cache(maxsize=1)
def _resolvers(paths: tuple[str, ...]) -> tuple[Resolver, ...]:
    return tuple(import_string(path) for path in paths)


def find(identifier: str, caller: Caller) -> ResolvedInput | None:
    """The file behind an identifier, None if no resolver knows it."""
    for resolver in _resolvers(tuple(settings.VOGATE_INPUT_RESOLVERS)):
        found = resolver(identifier, caller)
        if found is not None:
            return found
    return None


def resolve(identifier: str, caller: Caller) -> ResolvedInput:
    """Ask each of `VOGATE_INPUT_RESOLVERS` for the file behind an identifier.

    Raises
    ------
    UsageError
        If no resolver knows the identifier.
    gateway.vo.errors.Forbidden
        If one does, but the caller has no right to it.
    """
    found = find(identifier, caller)
    if found is not None:
        return found
    raise UsageError(
        f"{identifier[:200]!r} is neither an observation of this archive nor a result of a job here.",
        hint="Give a publisher DID (obs_publisher_did), the URL of a job's result, or upload the file.",
    )


def resolve_all(
    identifiers: Mapping[str, Sequence[str]],
    caller: Caller,
    fetch: Callable[[str], ResolvedInput] | None = None,
) -> dict[str, list[ResolvedInput]]:
    """Resolve the identifiers of each role; a UsageError names the role in `.field`.

    Parameters
    ----------
    fetch
        Gets a file from a web server elsewhere, for URLs that no resolver knows.
    """
    resolved: dict[str, list[ResolvedInput]] = {}
    for role, values in identifiers.items():
        for value in values:
            try:
                known = find(value, caller) if fetch and _is_url(value) else resolve(value, caller)
                resolved.setdefault(role, []).append(known or fetch(value))  # type: ignore[misc]
            except (UsageError, NotFound, TooLarge) as error:
                refusal = TooLarge if isinstance(error, TooLarge) else UsageError
                raise refusal(error.message, hint=error.hint, field=role) from None
    return resolved


def _is_url(identifier: str) -> bool:
    return identifier.lower().startswith(("http://", "https://"))
