"""Running a saved query for a page: one page of rows, the total, all identifiers."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

from gateway.portal.results_table import DID, View
from gateway.vo.caller import Caller
from gateway.vo.columns import Column
from gateway.vo.errors import UsageError
from tap import adql, archive, service, workers

MAX_IDENTIFIERS = 2000
"""Most rows that "select all" takes: no tool accepts more, and URLs have an end."""

PAGE_SECONDS = 30.0
"""How long a page waits for a query; longer ones are for TAP's asynchronous jobs."""


@dataclass(frozen=True)
class ResultPage:
    """One page of a result."""

    columns: tuple[Column, ...]
    rows: list[tuple[Any, ...]]
    total: int
    view: View
    """The view as it was served: its page lies within the result, its sort column exists."""
    at_limit: bool = False
    """The total is the most that the service gives; there may be more rows."""

    @property
    def first(self) -> int:
        """Number of the first row shown, from 1; 0 in an empty result."""
        return (self.view.page - 1) * self.view.size + 1 if self.rows else 0

    @property
    def last(self) -> int:
        return (self.view.page - 1) * self.view.size + len(self.rows)

    @property
    def pages(self) -> int:
        return max(1, -(-self.total // self.view.size))

    def values(self, name: str) -> list[Any]:
        """The values of a column on this page; [] where the result has no such column."""
        index = next((i for i, column in enumerate(self.columns) if column.name.lower() == name), None)
        return [] if index is None else [row[index] for row in self.rows]


def compiled_columns(text: str) -> tuple[Column, ...]:
    """The columns that a query will give, without running it.

    Raises
    ------
    gateway.vo.errors.QueryError
        With line and column, if the query is wrong.
    """
    schemas = archive.ready().schemas
    return tuple(adql.compile_query(text, schemas, extensions=workers.extensions()).columns)


def check(text: str, caller: Caller) -> None:
    """Raise QueryError if the text is no query that this archive can answer."""
    compiled_columns(text)


def run_page(text: str, caller: Caller, view: View, *, base_url: str = "") -> ResultPage:
    """The rows that a view shows.

    Raises
    ------
    GatewayError
        If the query is wrong, fails or runs out of time.
    """
    columns = compiled_columns(text)
    names = [column.name.lower() for column in columns]
    wanted = (view.sort or _usual_order(text, names)).lower()
    sort = names.index(wanted) if wanted in names else None
    hard = workers.query_settings().hard_maxrec
    total = service.count(text, caller, seconds=PAGE_SECONDS)
    pages = max(1, -(-total // view.size))
    served = replace(
        view,
        page=min(view.page, pages),
        sort=columns[sort].name if sort is not None else "",
        descending=view.descending,
    )
    part = service.Page(sort, served.descending, (served.page - 1) * served.size, served.size)
    found, table = service.fetch(
        text, caller, maxrec=hard, base_url=base_url, page=part, seconds=PAGE_SECONDS
    )
    values = [column.to_pylist() for column in table.columns]
    return ResultPage(found, list(zip(*values)) if values else [], total, served, total >= hard)


def _usual_order(text: str, names: list[str]) -> str:
    """Observations come by time, unless the query says otherwise; other results as they are stored."""
    ordered = re.search(r"\border\s+by\b", text, re.I)
    return "t_min" if DID in names and not ordered else ""


def identifiers(text: str, caller: Caller) -> list[str]:
    """The publisher DIDs of a query's rows, each once, in the query's order; at most `MAX_IDENTIFIERS`.

    Raises
    ------
    UsageError
        If the result has no obs_publisher_did, or more rows than can be selected.
    """
    names = [column.name.lower() for column in compiled_columns(text)]
    if DID not in names:
        raise UsageError("The rows of this result are no data products: it has no obs_publisher_did.")
    _, table = service.fetch(text, caller, maxrec=MAX_IDENTIFIERS + 1)
    if table.num_rows > MAX_IDENTIFIERS:
        raise UsageError(f"More than {MAX_IDENTIFIERS} rows cannot be selected at once; narrow the search.")
    found = table.column(names.index(DID)).to_pylist()
    return list(dict.fromkeys(value for value in found if value))
