"""One job, and its results."""

from __future__ import annotations

import hashlib
import json
import time
import urllib.parse
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import ClientError, JobFailed
from .http import Connection
from .progress import ProgressBar

FINAL_PHASES = ("COMPLETED", "ERROR", "ABORTED", "ARCHIVED")
POLL_SECONDS = 2


@dataclass(frozen=True)
class Result:
    """One result of a job."""

    connection: Connection
    name: str
    file_name: str
    url: str
    media_type: str
    size: int
    sha256: str
    role: str
    label: str

    def read(self) -> bytes:
        """The whole file."""
        with self.connection.open(self.url) as response:
            return response.read()

    def json(self) -> Any:
        return json.loads(self.read())

    def text(self) -> str:
        return self.read().decode("utf-8")

    def save(self, folder: str | Path = ".") -> Path:
        """Save the file under its name; its checksum is verified."""
        path = Path(folder)
        path.mkdir(parents=True, exist_ok=True)
        path /= Path(self.file_name).name
        self.connection.download(self.url, path)
        if self.sha256 and _sha256(path) != self.sha256:
            path.unlink()
            raise ClientError(f"{path.name} did not arrive as it was sent; try again.")
        return path


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


class Job:
    """A job on a gateway.  `state` is what the gateway last said of it (`/api/v1/jobs/<id>`)."""

    def __init__(self, connection: Connection, state: Mapping[str, Any]) -> None:
        self.connection = connection
        self.state = dict(state)

    @classmethod
    def at(cls, connection: Connection, identifier: str) -> Job:
        """A job by id, or by its UWS or page address."""
        parts = [part for part in urllib.parse.urlsplit(identifier).path.split("/") if part]
        if not parts:
            raise ClientError(f"{identifier!r} names no job.")
        return cls(connection, connection.json(f"api/v1/jobs/{urllib.parse.quote(parts[-1])}"))

    def __repr__(self) -> str:
        return f"<Job {self.id} {self.state['tool']} {self.phase}>"

    @property
    def id(self) -> str:
        return str(self.state["id"])

    @property
    def url(self) -> str:
        """The job's UWS address."""
        return str(self.state["url"])

    @property
    def phase(self) -> str:
        return str(self.state["phase"])

    @property
    def is_final(self) -> bool:
        return self.phase in FINAL_PHASES

    @property
    def error(self) -> str:
        """What went wrong; empty if nothing did."""
        if self.state.get("error_message"):
            return str(self.state["error_message"])
        return str((self.state.get("error") or {}).get("message", ""))

    @property
    def _path(self) -> str:
        return f"api/v1/jobs/{self.id}"

    def refresh(self) -> Job:
        """Ask the gateway how the job is."""
        self.state = self.connection.json(self._path)
        return self

    def wait(
        self,
        timeout: float | None = None,
        *,
        progress: bool | ProgressBar | Callable[[Job], object] = False,
        check: bool = True,
    ) -> Job:
        """Wait for the job's end.

        Parameters
        ----------
        timeout
            Seconds to wait at most; the job goes on if they are over (TimeoutError).
        progress
            True draws a progress bar on stderr; a function is called with the job after each look.
        check
            Raise JobFailed if the job does not end as COMPLETED.
        """
        end = None if timeout is None else time.monotonic() + timeout
        if progress is True:
            with ProgressBar() as bar:
                return self.wait(timeout, progress=bar, check=check)
        while True:
            self.refresh()
            if isinstance(progress, ProgressBar):
                progress.show(
                    self.state.get("progress"), f"{self.phase} {self.state.get('stage', '')}".strip()
                )
            elif progress:
                progress(self)
            if self.is_final:
                break
            left = POLL_SECONDS if end is None else min(POLL_SECONDS, end - time.monotonic())
            if left <= 0:
                raise TimeoutError(f"Job {self.id} is {self.phase} after {timeout:g} s; it goes on.")
            self._pause(left)
        if check and self.phase != "COMPLETED":
            raise JobFailed(f"Job {self.id} ended as {self.phase}. {self.error}".strip(), self)
        return self

    def _pause(self, seconds: float) -> None:
        """Let the gateway wake us when the phase changes; at most `seconds`."""
        if self.phase not in ("QUEUED", "EXECUTING") or seconds < 1:
            time.sleep(min(seconds, 0.5))
            return
        query = urllib.parse.urlencode({"WAIT": int(seconds), "PHASE": self.phase})
        begun = time.monotonic()
        with self.connection.open(f"{self.url}?{query}") as response:
            response.read()
        if time.monotonic() - begun < 0.05:
            time.sleep(0.1)

    @property
    def results(self) -> dict[str, Result]:
        """Results by name; empty until the job has completed."""
        known = self.state.get("results")
        if known is None or (not known and not self.is_final):
            self.refresh()
        fields = ("name", "file_name", "url", "media_type", "size", "sha256", "role", "label")
        return {
            row["name"]: Result(self.connection, **{name: row[name] for name in fields})
            for row in self.state["results"]
        }

    def save(self, folder: str | Path | None = None) -> list[Path]:
        """Save all results into a folder (by default one named after the job)."""
        target = Path(folder if folder is not None else self.id)
        return [result.save(target) for result in self.results.values()]

    def log(self) -> str:
        """The whole log."""
        pieces, offset = [], 0
        while True:
            answer = self.connection.json(f"{self._path}/log?offset={offset}")
            pieces.append(answer["text"])
            if not answer["text"] or answer["next_offset"] <= offset:
                return "".join(pieces)
            offset = answer["next_offset"]

    def start(self) -> Job:
        """Queue a job that was made with `run=False`."""
        self.state = self.connection.json(f"{self._path}/phase", {"phase": "RUN"})
        return self

    def cancel(self) -> Job:
        """End the job if it has not ended."""
        self.state = self.connection.json(f"{self._path}/phase", {"phase": "ABORT"})
        return self

    def rerun(self) -> Job:
        """A new job of the same tool version, parameters and inputs."""
        return Job(self.connection, self.connection.json(f"{self._path}/rerun", {}))

    def delete(self) -> None:
        """Delete the job with its files."""
        self.connection.json(self._path, method="DELETE")
