"""Many jobs at once."""

from __future__ import annotations

import time
import urllib.parse
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from .http import Connection
from .jobs import Job
from .progress import ProgressBar

AT_ONCE = 100
"""Jobs whose states one request asks for (the gateway answers up to 500; addresses have an end)."""
POLL_SECONDS = 1.0


class Batch:
    """Jobs that were submitted together; iterable, in the order of submission.

    They are watched with one request for 100 jobs a second, not one for each.
    """

    def __init__(self, connection: Connection, jobs: Iterable[Job] = ()) -> None:
        self.connection = connection
        self.jobs = list(jobs)

    def __iter__(self) -> Iterator[Job]:
        return iter(self.jobs)

    def __len__(self) -> int:
        return len(self.jobs)

    @property
    def phases(self) -> Counter[str]:
        """How many jobs are in which phase, as last seen."""
        return Counter(job.phase for job in self.jobs)

    @property
    def completed(self) -> list[Job]:
        return [job for job in self.jobs if job.phase == "COMPLETED"]

    @property
    def failed(self) -> list[Job]:
        """Jobs that ended otherwise than COMPLETED."""
        return [job for job in self.jobs if job.is_final and job.phase != "COMPLETED"]

    def refresh(self) -> Batch:
        """Look at the jobs that have not ended."""
        open_jobs = {job.id: job for job in self.jobs if not job.is_final}
        ids = list(open_jobs)
        for first in range(0, len(ids), AT_ONCE):
            part = ids[first : first + AT_ONCE]
            query = urllib.parse.urlencode([("id", one) for one in part])
            seen = {state["id"]: state for state in self.connection.json(f"api/v1/jobs?{query}")}
            for one in part:
                # A job that is not listed was deleted meanwhile.
                found = seen.get(one, {"phase": "ABORTED", "error_message": "The job was deleted."})
                job = open_jobs[one]
                job.state = {**job.state, **found, "results": None}
        return self

    def wait(self, timeout: float | None = None, *, progress: bool = False) -> Batch:
        """Wait until all have ended; failures are in `failed`, none is raised.

        Raises
        ------
        TimeoutError
            If `timeout` seconds are over; the jobs go on.
        """
        end = None if timeout is None else time.monotonic() + timeout
        bar = ProgressBar() if progress else None
        while True:
            self.refresh()
            ended = sum(job.is_final for job in self.jobs)
            if bar is not None:
                text = ", ".join(f"{count} {phase.lower()}" for phase, count in sorted(self.phases.items()))
                bar.show(ended / max(1, len(self.jobs)), text)
            if ended == len(self.jobs):
                break
            if end is not None and time.monotonic() > end:
                raise TimeoutError(
                    f"{len(self.jobs) - ended} of {len(self.jobs)} jobs have not ended; they go on."
                )
            time.sleep(POLL_SECONDS)
        if bar is not None:
            bar.__exit__()
        return self

    def save(self, folder: str | Path) -> list[Path]:
        """Save the results of all completed jobs, each in a folder of its id."""
        return [path for job in self.completed for path in job.save(Path(folder) / job.id)]

    def cancel(self) -> Batch:
        """End all that have not ended."""
        for job in self.jobs:
            if not job.is_final:
                job.cancel()
        return self

    def rerun_failed(self) -> Batch:
        """Run what failed again; the new jobs, in a batch of their own."""
        return Batch(self.connection, [job.rerun() for job in self.failed])
