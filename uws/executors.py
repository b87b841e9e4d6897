"""Which executor runs which tool: `[executors]` and `[tools.<name>]` of site.toml, checked at start.

[executors]
default = "local"                 # where tools run that say nothing else

[executors.celery]
broker = "redis://localhost:6379/0"

[executors.slurm]
partition = "long"

[executors.padova]
type = "uws"
url = "https://gateway.example.org/uws"

[tools.spectrum]
executor = "slurm"                # the one line that moves a tool
memory_mb = 8000                  # and what it needs there, instead of the executor's own
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from django.conf import settings

from gateway.site import SiteError
from uws.tools import containers

LOCAL = "local"
RESERVED = ("runner", "batch")
"""Names that jobs without a shepherd use."""


class ExecutorType(str, Enum):
    """What executes the attempts."""

    LOCAL = "local"
    """Shepherds of `vogate worker`, on its machine."""
    CELERY = "celery"
    """Shepherds of Celery workers, on any number of machines."""
    SLURM = "slurm"
    """Shepherds in Slurm's allocations."""
    UWS = "uws"
    """A partner's UWS service."""


@dataclass(frozen=True)
class _Option:
    """A key of an `[executors.<name>]` table."""

    kind: type
    tool: bool = False
    """A `[tools.<name>]` table may set it, too."""
    minimum: int | None = None


_OPTIONS: Mapping[ExecutorType, Mapping[str, _Option]] = {
    ExecutorType.LOCAL: {},
    ExecutorType.CELERY: {"broker": _Option(str), "queue": _Option(str)},
    ExecutorType.SLURM: {
        "partition": _Option(str, tool=True),
        "account": _Option(str, tool=True),
        "qos": _Option(str, tool=True),
        "memory_mb": _Option(int, tool=True, minimum=1),
        "cpus": _Option(int, tool=True, minimum=1),
        "minutes": _Option(int, tool=True, minimum=1),
        "options": _Option(list, tool=True),
        "max_jobs": _Option(int, minimum=1),
        "array_size": _Option(int, minimum=1),
        "start_seconds": _Option(int, minimum=1),
        "config": _Option(str),
    },
    ExecutorType.UWS: {
        "url": _Option(str),
        "token_file": _Option(str),
        "tool": _Option(str, tool=True),
        "max_jobs": _Option(int, minimum=1),
    },
}
_REQUIRED = {ExecutorType.UWS: ("url",)}


@dataclass(frozen=True)
class ExecutorConfig:
    """One executor of the site."""

    name: str
    type: ExecutorType
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Assignment:
    """Where a tool runs, and with which options."""

    executor: ExecutorConfig
    options: Mapping[str, Any]
    """The executor's own, with what the tool's table says instead."""


def configured(raw: Mapping[str, Any] | None = None) -> dict[str, ExecutorConfig]:
    """The site's executors by name; `local` is always there.

    Raises
    ------
    SiteError
        If `[executors]` has an unknown key or a value of the wrong kind; the message says which.
    """
    found = {LOCAL: ExecutorConfig(LOCAL, ExecutorType.LOCAL)}
    for name, table in _table(_raw(raw), "executors").items():
        if name == "default":
            continue
        where = f"[executors.{name}]"
        if not isinstance(table, Mapping):
            raise SiteError(f"[executors] {name} = {table!r}: an executor is a table, {where}")
        if name in RESERVED or not name.isidentifier() or len(name) > 20:
            raise SiteError(f"{where}: {name!r} cannot be the name of an executor; choose another")
        kind = _type(table.get("type", name), where)
        options = {key: value for key, value in table.items() if key != "type"}
        _check_options(options, _OPTIONS[kind], where)
        for key in _REQUIRED.get(kind, ()):
            if key not in options:
                raise SiteError(f"{where}: {key} is missing")
        found[name] = ExecutorConfig(name, kind, options)
    brokers = {c.options["broker"] for c in found.values() if "broker" in c.options}
    if len(brokers) > 1:
        raise SiteError("[executors]: all Celery executors share one broker; tell them apart by queue")
    return found


def assignment(tool: str, raw: Mapping[str, Any] | None = None) -> Assignment:
    """Where jobs of a tool run, by `[tools.<name>]` and `[executors] default`.

    Raises
    ------
    SiteError
        If the tool's table names no executor of the site, or sets what that executor does not know.
    """
    content = _raw(raw)
    executors = configured(content)
    table = _table(content, "tools").get(tool, {})
    where = f"[tools.{tool}]"
    if not isinstance(table, Mapping):
        raise SiteError(f"[tools] {tool} = {table!r}: a tool's settings are a table, {where}")
    if "executor" in table:
        executor = _executor(table["executor"], executors, f"{where} executor")
    else:
        executor = _executor(
            _table(content, "executors").get("default", LOCAL), executors, "[executors] default"
        )
    own = {key: value for key, value in table.items() if key != "executor"}
    allowed = {key: option for key, option in _OPTIONS[executor.type].items() if option.tool}
    _check_options(own, allowed, where, f" on {executor.name}")
    return Assignment(executor, {**executor.options, **own})


def check(raw: Mapping[str, Any] | None = None) -> None:
    """Read all of it once; SiteError if anything cannot be used."""
    content = _raw(raw)
    configured(content)
    assignment("", content)
    for tool in _table(content, "tools"):
        assignment(tool, content)


def container_options(raw: Mapping[str, Any] | None = None) -> dict[str, tuple[str, ...]]:
    """`[containers.podman] options = [...]` of site.toml, by engine.

    Raises
    ------
    SiteError
        If an engine is unknown, or its options are no list of texts.
    """
    found = {}
    for name, table in _table(_raw(raw), "containers").items():
        where = f"[containers.{name}]"
        if name not in containers.ENGINES or not isinstance(table, Mapping):
            raise SiteError(f"{where}: there are tables for {' and '.join(containers.ENGINES)}")
        _check_options(table, {"options": _Option(list)}, where)
        found[name] = tuple(table.get("options", ()))
    return found


def of_type(kind: ExecutorType) -> dict[str, ExecutorConfig]:
    """The site's executors of one type."""
    return {name: config for name, config in configured().items() if config.type is kind}


def _raw(raw: Mapping[str, Any] | None) -> Mapping[str, Any]:
    return settings.SITE.raw if raw is None else raw


def _table(raw: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    table = raw.get(name, {})
    if not isinstance(table, Mapping):
        raise SiteError(f"{name} = {table!r}: it is a table, [{name}]")
    return table


def _type(value: object, where: str) -> ExecutorType:
    try:
        return ExecutorType(value)
    except ValueError:
        known = ", ".join(kind.value for kind in ExecutorType)
        raise SiteError(f"{where}: type = {value!r}: it is one of {known}") from None


def _executor(name: object, known: Mapping[str, ExecutorConfig], where: str) -> ExecutorConfig:
    if isinstance(name, str) and name in known:
        return known[name]
    hint = f"add a table [executors.{name}], or use one of {', '.join(known)}"
    raise SiteError(f"{where} = {name!r}: there is no such executor; {hint}")


def _check_options(
    options: Mapping[str, Any], allowed: Mapping[str, _Option], where: str, whose: str = ""
) -> None:
    for key, value in options.items():
        option = allowed.get(key)
        if option is None:
            near = difflib.get_close_matches(key, allowed, n=1)
            rest = f"did you mean {near[0]}?" if near else f"known are: {', '.join(allowed) or 'none'}"
            raise SiteError(f"{where}: unknown key {key!r}{whose}; {rest}")
        right = isinstance(value, option.kind) and not isinstance(value, bool)
        if not right:
            kinds = {str: "a text", int: "a whole number", list: "a list of texts"}
            raise SiteError(f"{where}: {key} = {value!r}: it is {kinds[option.kind]}")
        if option.kind is list and not all(isinstance(item, str) for item in value):
            raise SiteError(f"{where}: {key} = {value!r}: it is a list of texts")
        if option.minimum is not None and value < option.minimum:
            raise SiteError(f"{where}: {key} = {value}: it is at least {option.minimum}")
