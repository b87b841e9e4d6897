"""What site.toml may say: sections, keys and kinds of values.  A mistake is named with its line when the gateway starts.

`[executors]`, `[tools]` and `[containers]` are checked where they are used (`uws.executors`), `[[downtimes]]` by
`gateway.site`.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


class SiteError(ValueError):
    """The site folder or its `site.toml` cannot be used; the message says what to change."""


@dataclass(frozen=True)
class Kind:
    """What a value has to be."""

    of: type
    said: str
    minimum: int | None = None
    form: str = ""
    """Regular expression of a text."""
    items: type | None = None
    """Of a list."""

    def fits(self, value: object) -> bool:
        if not isinstance(value, self.of) or (isinstance(value, bool) and self.of is not bool):
            return False
        if isinstance(value, list):
            return self.items is None or all(isinstance(item, self.items) for item in value)
        if isinstance(value, int):
            return self.minimum is None or value >= self.minimum
        return not (isinstance(value, str) and self.form) or re.fullmatch(self.form, value, re.I) is not None


TEXT = Kind(str, "a text")
YES_NO = Kind(bool, "true or false")
COUNT = Kind(int, "a whole number, 0 or more", 0)
POSITIVE = Kind(int, "a whole number, 1 or more", 1)
TEXTS = Kind(list, "a list of texts", items=str)
TABLES = Kind(list, "a list of tables", items=dict)
TABLE = Kind(dict, "a table")
SIZE = Kind(str, 'a text like "768MB"', form=r"\d+(\.\d+)?\s*([KMGT]i?)?B")

_LIMITS = {
    "execution_duration": POSITIVE, "lifetime": POSITIVE, "active_jobs": COUNT, "inputs": COUNT, "batch": COUNT
}  # fmt: skip
ANY = "*"
"""Stands for all keys of a section that are names of something else."""
SECTIONS: Mapping[str, Mapping[str, Kind]] = {
    "": {
        "site": TABLE, "limits": TABLE, "query": TABLE, "jobs": TABLE, "reuse": TABLE, "products": TABLE,
        "provenance": TABLE, "tap": TABLE, "executors": TABLE, "tools": TABLE, "containers": TABLE,
        "downtimes": Kind(object, ""),
    },
    "site": dict.fromkeys(("name", "title", "tagline", "authority", "publisher", "contact", "notice"), TEXT),
    "limits": {
        "anonymous": TABLE, "signed_in": TABLE, "tools": TABLE, "bytes": TABLE, "running_per_user": COUNT
    },
    "limits.anonymous": _LIMITS,
    "limits.signed_in": _LIMITS,
    "limits.bytes": {"anonymous": COUNT, "signed_in": COUNT},
    "limits.tools": {ANY: COUNT},
    "query": {
        "default_maxrec": COUNT, "hard_maxrec": POSITIVE, "sync_seconds": POSITIVE, "async_seconds": POSITIVE,
        "upload_rows": COUNT, "upload_bytes": COUNT, "upload_hosts": TEXTS, "short_workers": POSITIVE,
        "long_workers": POSITIVE, "caller_queries": COUNT, "caller_waiting": COUNT, "extensions": TEXTS,
        "worker_memory": SIZE, "worker_temporary_files": SIZE, "worker_threads": COUNT, "copies": YES_NO,
        "work_mem": SIZE, "metrics_from": TEXTS, "examples": TABLES,
    },
    "jobs": {
        "upload_bytes": COUNT, "trusted_hosts": TEXTS, "minimum_free_bytes": COUNT, "log_bytes": COUNT,
        "sandbox": Kind(str, 'one of "auto", "bwrap" and "none"', form="auto|bwrap|none"), "warm": YES_NO,
    },
    "reuse": {"tools": TEXTS, "off": TEXTS},
    "products": {
        "publish": Kind(str, 'one of "signed-in", "staff" and "nobody"', form="signed-in|staff|nobody")
    },
    "provenance": {"nodes": POSITIVE},
    "tap": {"database": TEXT},
}  # fmt: skip


def check(raw: Mapping[str, Any], text: str, path: object) -> None:
    """Look through all sections.

    Parameters
    ----------
    raw
        The file's content.
    text
        The file itself, in which lines are counted.
    path
        How it is called in messages.

    Raises
    ------
    SiteError
        For the first section or key that is not known, or value that cannot be, with its line.
    """
    for section, keys in SECTIONS.items():
        table: Any = raw
        for part in filter(None, section.split(".")):
            table = table.get(part, {})
        for key, value in table.items():
            kind = keys.get(key) or keys.get(ANY)
            where = f"{_place(text, path, section, key)}{f'[{section}] ' if section else ''}"
            if kind is None:
                near = difflib.get_close_matches(key, keys, n=1)
                rest = f"did you mean {near[0]}?" if near else f"known are: {', '.join(keys)}"
                raise SiteError(f"{where}unknown {'key' if section else 'section'} {key!r}; {rest}")
            if not kind.fits(value):
                raise SiteError(f"{where}{key} = {_shown(value)}: it is {kind.said}")


def _shown(value: object) -> str:
    return f"{value!r:.60}"


def _place(text: str, path: object, section: str, key: str) -> str:
    """The file's name and, where it can be told, the line of a key or section."""
    here, name = "", re.escape(key)
    header = re.compile(rf"\s*\[\[?\s*{re.escape(section + '.') if section else ''}{name}\s*[.\]]")
    for number, line in enumerate(text.splitlines(), start=1):
        if found := re.match(r"\s*\[\[?\s*([\w.-]+)\s*\]", line):
            here = found[1]
        if header.match(line) or (here == section and re.match(rf"\s*{name}\s*[.=]", line)):
            return f"{path}, line {number}: "
    return f"{path}: "
