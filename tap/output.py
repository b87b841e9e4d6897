"""What goes into a result's document beside its rows: origin, terms, service descriptors."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version

from django.conf import settings
from django.utils.module_loading import import_string

from gateway.vo.columns import Column
from tap.formats import ResultInfo
from tap.service import Result

log = logging.getLogger("vogate.query")

_OWN_FILE = re.compile(r"(?<=\s)(/data/\S+)$")

Decorator = Callable[[tuple[Column, ...], frozenset[tuple[str, str]], str], list[str]]


@lru_cache(maxsize=1)
def server_software() -> str:
    """Name and version, as a product token."""
    try:
        return f"vogate/{version('vogate')}"
    except PackageNotFoundError:
        return "vogate"


def decorations(result: Result, base_url: str) -> tuple[str, ...]:
    """The RESOURCE elements that `VOGATE_RESULT_DECORATORS` add to this result."""
    tables = frozenset((table.schema, table.name) for table in result.tables)
    found: list[str] = []
    for path in settings.VOGATE_RESULT_DECORATORS:
        decorate: Decorator = import_string(path)
        found.extend(decorate(result.columns, tables, base_url))
    return tuple(found)


def with_addresses(infos: Iterable[tuple[str, str]], base_url: str) -> tuple[tuple[str, str], ...]:
    """A table's facts; a file of ours that one ends with (`served at /data/...`) gets its whole address.

    Tables are published without a base URL, and what leaves the gateway is read elsewhere.
    """
    return tuple((name, _OWN_FILE.sub(lambda path: base_url + path[1], value)) for name, value in infos)


def result_info(result: Result, query: str, base_url: str) -> ResultInfo:
    """The facts about a running query that its document carries (STANDARDS 16 to 18)."""
    site = settings.SITE
    infos = dict.fromkeys(item for table in result.tables for item in table.info)
    return ResultInfo(
        query=query,
        server=server_software(),
        publisher=site.publisher,
        contact=site.contact,
        service_url=f"{base_url}/tap",
        notice=site.notice,
        infos=with_addresses(infos, base_url),
        resources=decorations(result, base_url),
        overflow=lambda: result.overflow,
    )
