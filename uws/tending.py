"""One attempt in a worker's care, from its claim to the final phase of its job."""

from __future__ import annotations

import json
import logging
import time
from enum import Enum
from pathlib import Path

from django.db import Error as DatabaseError
from django.db import close_old_connections

from gateway.vo.errors import GatewayError
from uws import attempts, moves, outcome, rows, storage
from uws.executor import Executor
from uws.models import AttemptOutcome, Job
from uws.phases import Phase
from uws.tools import registry
from uws.tools.description import Tool

log = logging.getLogger("vogate.uws")

PROGRESS_SECONDS = 0.25
RETRY_SECONDS = 5.0
_READ_BYTES = 1 << 16


class State(Enum):
    """Where an attempt stands in this worker."""

    RUNNING = "running"
    ENDING = "ending"
    """The job is no longer ours (aborted, deleted, passed on): its processes are being ended."""
    COLLECTING = "collecting"
    """Its processes have ended; results are being taken in."""
    TIDYING = "tidying"
    """The job has ended; its work folder is being removed, which may take longer than a short job runs."""
    DONE = "done"


class Tended:
    """A shepherded attempt."""

    def __init__(self, job: Job, executor: Executor, state: State = State.RUNNING) -> None:
        self.job, self.attempt, self.executor, self.state = job, job.attempt, executor, state
        self.folder: Path = job.attempt_folder
        self.retry_at = 0.0
        self.stopped_at = 0.0
        self._offset = 0
        self._rest = b""
        self._looked = 0.0

    def begin(self) -> None:
        """Prepare the folder and start the shepherd; a failure is the job's ERROR, at once."""
        try:
            tool = self.tool()
            if tool.digest != self.job.tool_digest:
                # The description changed since the job was made: the record says what really runs.
                Job.objects.filter(pk=self.job.pk).update(tool_digest=tool.digest)
            attempts.prepare(self.job, tool)
            self.executor.launch(self.folder)
        except DatabaseError as error:
            # No fault of the job's: it is lost before it began, and tried again when the database is back.
            log.error("job %s: the database fails while it is started: %s", self.job.pk, error)
        except Exception as error:
            if not isinstance(error, GatewayError):
                log.exception("job %s cannot be started", self.job.pk)
            self.state = State.DONE
            moves.finish(self.job.pk, self.attempt, outcome.of_error(error))

    def tool(self) -> Tool:
        return registry.get(self.job.tool_name, self.job.tool_version)

    @property
    def alive(self) -> bool:
        return self.executor.alive(self.folder)

    def end(self) -> None:
        """Have its processes ended; the job has ended or passed on already."""
        if self.state is State.RUNNING:
            self.state = State.ENDING
        self.stopped_at = self.stopped_at or time.monotonic()
        self.executor.stop(self.folder)

    def take_progress(self, *, at_once: bool = False) -> None:
        """Read what the tool has reported since the last look, and put the newest into the job."""
        moment = time.monotonic()
        if moment - self._looked < PROGRESS_SECONDS and not at_once:
            return
        self._looked = moment
        newest = self._newest_line()
        if newest is None:
            return
        progress, stage = newest.get("progress"), newest.get("stage", "")
        number = isinstance(progress, int | float) and not isinstance(progress, bool)
        moves.report(
            self.job.pk,
            self.attempt,
            progress=min(1.0, max(0.0, float(progress))) if number else None,  # type: ignore[arg-type]
            stage=str(stage),
        )

    def _newest_line(self) -> dict[str, object] | None:
        try:
            with (self.folder / "progress.jsonl").open("rb") as file:
                file.seek(self._offset)
                data = file.read(_READ_BYTES)
        except OSError:
            return None
        self._offset += len(data)
        *lines, self._rest = (self._rest + data).split(b"\n")
        self._rest = self._rest[-_READ_BYTES:]
        for line in reversed(lines):
            try:
                value = json.loads(line)
            except ValueError:
                continue
            if isinstance(value, dict):
                return value
        return None

    # -- its end ------------------------------------------------------------------------------------

    def conclude(self) -> None:
        """Its processes have ended: decide by what they left.  Runs in a thread of its own; never raises."""
        try:
            close_old_connections()
            if self.state is State.ENDING:
                self._close()
            else:
                self.state = State.COLLECTING
                self._decide()
            self.state = State.DONE
            self.executor.forget(self.folder)
        except Exception:
            log.exception("job %s attempt %s: not concluded, will try again", self.job.pk, self.attempt)
            if self.state in (State.COLLECTING, State.TIDYING):
                self.state = State.RUNNING
            self.retry_at = time.monotonic() + RETRY_SECONDS
        finally:
            close_old_connections()

    def _decide(self) -> None:
        record = storage.read_json(self.folder / "exit.json")
        if record is None:
            self._lost()
            return
        self.take_progress(at_once=True)
        try:
            result = outcome.read(self.job, self.tool(), record)
        except GatewayError as error:  # the tool's description has gone meanwhile
            result = outcome.of_error(error)
        if result is None:
            moves.requeue(self.job.pk, self.attempt, AttemptOutcome.STOPPED, "The gateway was stopped.")
        elif not moves.finish(self.job.pk, self.attempt, result):
            log.info("job %s attempt %s ended after the job had", self.job.pk, self.attempt)
        self.state = State.TIDYING
        self._tidy()

    def _lost(self) -> None:
        """No exit record: the shepherd was killed, or never started."""
        self.job.folder.mkdir(parents=True, exist_ok=True)
        # From here on a late shepherd of this attempt does not start; if one has started, its lock shows.
        (self.job.folder / f"fence-{self.attempt + 1}").touch()
        if self.alive:
            self.state = State.RUNNING
            raise RuntimeError("the shepherd lives after all")
        self.executor.clear(self.folder)
        moves.requeue(self.job.pk, self.attempt, AttemptOutcome.LOST, "its processes ended without a word")
        self._tidy()

    def _close(self) -> None:
        """The job ended before its processes did."""
        self.executor.clear(self.folder)
        suspended = Job.objects.filter(pk=self.job.pk, phase=Phase.SUSPENDED).exists()
        why = AttemptOutcome.STOPPED if suspended else AttemptOutcome.ABORTED
        moves.close_attempt(self.job.pk, self.attempt, why, moves.Outcome(Phase.ABORTED))
        self._tidy()

    def _tidy(self) -> None:
        """Remove the work folder; and all of it if the job is deleted or archived."""
        job = rows.first(Job, "id = %s", [self.job.pk])
        if job is None or job.deleted_at is not None:
            storage.discard(job or self.job)
            return
        if job.phase == Phase.ARCHIVED:
            storage.empty(job)
            return
        storage.remove(self.folder / "work")
        storage.remove(self.folder / "tmp")
        if job.is_final and not rows.results_of(job):
            storage.remove(job.results_folder)
