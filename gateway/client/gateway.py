"""A gateway: its tools, its jobs, its archive."""

from __future__ import annotations

import os
import time
import urllib.parse
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .batch import Batch
from .errors import ClientError, Refused
from .http import Connection
from .jobs import Job
from .progress import ProgressBar

BUSY_SECONDS = 3600.0
"""How long a batch waits for the gateway to have room for the next job."""


@dataclass(frozen=True)
class Tool:
    """A tool as the gateway describes it."""

    name: str
    version: str
    title: str
    summary: str
    available: bool
    why_not: str
    deprecated: str
    details: Mapping[str, Any]
    """All that the gateway says; `parameters` is a JSON Schema."""

    @property
    def id(self) -> str:
        return f"{self.name}@{self.version}"

    @property
    def parameters(self) -> dict[str, Any]:
        """JSON Schema of each parameter by name."""
        return dict(self.details.get("parameters", {}).get("properties", {}))

    @property
    def inputs(self) -> list[str]:
        return [str(role["name"]) for role in self.details.get("inputs", [])]


class Gateway:
    """A gateway as one user sees it.

    Parameters
    ----------
    url
        Its address; without one, the environment's VOGATE_URL, else http://127.0.0.1:8000.
    token
        API token of an account (its page makes them); without one, VOGATE_TOKEN.  Without any, jobs are
        anonymous: whoever has a job's address may use it, and no list shows it.
    """

    def __init__(self, url: str = "", token: str = "") -> None:
        url = url or os.environ.get("VOGATE_URL", "http://127.0.0.1:8000")
        self.connection = Connection(url, token or os.environ.get("VOGATE_TOKEN", ""))

    def __repr__(self) -> str:
        return f"<Gateway {self.connection.url}>"

    def tools(self) -> list[Tool]:
        """Every version of every tool."""
        return [_tool(data) for data in self.connection.json("api/v1/tools")]

    def tool(self, name: str) -> Tool:
        """One tool by `name` or `name@version`, with its parameters and inputs."""
        return _tool(self.connection.json(f"api/v1/tools/{urllib.parse.quote(name, safe='@')}"))

    def submit(
        self,
        tool: str,
        parameters: Mapping[str, Any] | None = None,
        *,
        files: Mapping[str, str | Path | Sequence[str | Path]] | None = None,
        run_id: str = "",
        run: bool = True,
        reuse: bool | None = None,
        **values: Any,
    ) -> Job:
        """Make a job and queue it.

        Parameters
        ----------
        tool
            `name` or `name@version`.
        parameters, values
            Parameters and inputs by name (`values` for names that Python can write as arguments): numbers,
            texts ("500 GeV" where TeV is declared), lists.  Inputs are publisher DIDs, URLs of results,
            results of other jobs.
        files
            Files of this machine to upload, by input name.
        run_id
            A label of yours.
        run
            False leaves the job PENDING; `Job.start` queues it.
        reuse
            Whether an earlier result of the same request may answer it; None is as the gateway says.
        """
        given = {**(parameters or {}), **values}
        fields = [(name, _text(item)) for name, value in given.items() for item in _items(value)]
        fields += [("PHASE", "RUN")] if run else []
        fields += [("RUNID", run_id)] if run_id else []
        fields += [("REUSE", str(reuse).lower())] if reuse is not None else []
        uploads = [(name, Path(path)) for name, paths in (files or {}).items() for path in _items(paths)]
        for _, path in uploads:
            if not path.is_file():
                raise ClientError(f"There is no file {path}.")
        endpoint = f"uws/{urllib.parse.quote(tool, safe='@')}/async"
        return Job.at(self.connection, self.connection.post_form(endpoint, fields, uploads))

    def run(
        self,
        tool: str,
        parameters: Mapping[str, Any] | None = None,
        *,
        progress: bool | ProgressBar | Callable[[Job], object] = False,
        timeout: float | None = None,
        **options: Any,
    ) -> Job:
        """`submit`, and wait for the end; JobFailed if it is not COMPLETED."""
        return self.submit(tool, parameters, **options).wait(timeout, progress=progress)

    def submit_many(
        self,
        tool: str,
        calls: Iterable[Mapping[str, Any]],
        *,
        run_id: str = "",
        progress: bool = False,
        **common: Any,
    ) -> Batch:
        """One job for each of `calls` (its parameters and inputs); `common` values go into all of them.

        Where the gateway has no room for more of your jobs, this waits until some have ended.
        """
        batch = Batch(self.connection)
        bar = ProgressBar() if progress else None
        calls = list(calls)
        for number, call in enumerate(calls):
            batch.jobs.append(self._submit_when_possible(tool, {**common, **call}, run_id))
            if bar is not None:
                bar.show((number + 1) / len(calls), f"submitted {number + 1} of {len(calls)}")
        if bar is not None:
            bar.__exit__()
        return batch

    def _submit_when_possible(self, tool: str, values: Mapping[str, Any], run_id: str) -> Job:
        end = time.monotonic() + BUSY_SECONDS
        while True:
            try:
                return self.submit(tool, values, run_id=run_id)
            except Refused as error:
                # 503 with Retry-After: the limit of active jobs; without it the tool itself is not available.
                if error.status != 503 or error.retry_after is None or time.monotonic() > end:
                    raise
                time.sleep(min(error.retry_after, 2.0))

    def job(self, identifier: str) -> Job:
        """A job by id or address."""
        return Job.at(self.connection, identifier)

    def jobs(
        self, *, phase: str | Sequence[str] = (), tool: str = "", run_id: str = "", last: int = 0
    ) -> Batch:
        """Your jobs, the newest first.  Anonymous callers have no list."""
        query = [("phase", one) for one in _items(phase)]
        query += [
            (name, str(value))
            for name, value in (("tool", tool), ("run_id", run_id), ("last", last))
            if value
        ]
        states = self.connection.json(f"api/v1/jobs?{urllib.parse.urlencode(query)}")
        return Batch(self.connection, [Job(self.connection, state) for state in states])

    def search(self, adql: str, maxrec: int = 1000) -> list[dict[str, Any]]:
        """Rows of an ADQL query as dictionaries; for large results use pyvo or `/tap`."""
        answer = self.connection.json("api/v1/searches", {"query": adql, "maxrec": maxrec})
        names = [column["name"] for column in answer["columns"]]
        return [dict(zip(names, row)) for row in answer["rows"]]

    def observations(self, **conditions: Any) -> list[dict[str, Any]]:
        """Observations as ObsCore rows: by collection, target, product_type, ra, dec, radius (deg), limit, offset."""
        query = urllib.parse.urlencode({name: str(value) for name, value in conditions.items()})
        return list(self.connection.json(f"api/v1/observations?{query}")["observations"])


def _tool(data: Mapping[str, Any]) -> Tool:
    names = ("name", "version", "title", "summary", "available", "why_not", "deprecated")
    return Tool(**{name: data[name] for name in names}, details=dict(data))


def _items(value: Any) -> list[Any]:
    if isinstance(value, list | tuple | set):
        return list(value)
    return [] if value is None else [value]


def _text(value: Any) -> str:
    """A value as UWS takes it: a result or an observation stands for its address."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping) and "obs_publisher_did" in value:
        return str(value["obs_publisher_did"])
    url = getattr(value, "url", None)
    return str(url) if isinstance(url, str) else str(value)
