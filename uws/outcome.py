"""From what a shepherd left to how the job ended."""

from __future__ import annotations

import shutil
import signal
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from gateway.vo.errors import GatewayError
from uws import remote_uws, results, storage
from uws.models import AttemptOutcome, ErrorType, Job, JobResult
from uws.moves import Outcome
from uws.phases import Phase
from uws.record import read_steps as record_steps
from uws.tools.description import Output, Tool

_TAIL_BYTES = 8192
DISK_FULL_BYTES = 1 << 20
"""With less room than this a tool cannot even say what is wrong."""
_OVERUSE = {
    "MEMORY": "The tool used {detail} of memory; {limits.memory_mb} MB is its limit.",
    "DISK": "The tool filled {detail} of disk; {limits.disk_mb} MB is its limit.",
    "PROCESSES": "The tool started {detail} processes; {limits.processes} is its limit.",
}


def read(job: Job, tool: Tool, record: dict[str, Any]) -> Outcome | None:
    """The outcome of an attempt that left `exit.json`; None if the gateway itself stopped it.

    Never raises: what cannot be taken in becomes an ERROR with a sentence that says why.
    """
    why = str(record.get("why") or "")
    if why == "STOPPED":
        return None
    try:
        phase, taken, message, attempt, error_type = _judge(job, tool, record, why)
    except results.ResultError as error:
        phase, taken, message = Phase.ERROR, [], str(error)
        attempt, error_type = AttemptOutcome.FAILED, ErrorType.FATAL
    except OSError as error:
        phase, taken = Phase.ERROR, []
        message = f"The results cannot be kept: {storage.plain(error)}. Tell the operators, and run it again."
        attempt, error_type = AttemptOutcome.FAILED, ErrorType.TRANSIENT
    return Outcome(
        phase,
        results=taken,
        message=message,
        error_type=error_type,
        attempt=attempt,
        end_time=_moment(record.get("ended")),
        exit_code=record.get("exit"),
        cpu_seconds=record.get("cpu_seconds"),
        max_rss_kb=record.get("max_rss_kb"),
        platform=str(record.get("platform") or ""),
        extra={"steps": record_steps(job, taken)},
    )


Verdict = tuple[Phase, list[JobResult], str, AttemptOutcome, ErrorType]


def _judge(job: Job, tool: Tool, record: dict[str, Any], why: str) -> Verdict:
    if why == "TIMEOUT":
        taken = results.collect(job, tool, partial=True)
        text = f"The job ran longer than its executionDuration of {job.execution_duration} s and was ended."
        hint = "Ask for more time, or for less work." + (
            " What it had written by then is kept." * bool(taken)
        )
        return Phase.ABORTED, taken, f"{text} {hint}", AttemptOutcome.TIMEOUT, ErrorType.FATAL
    if why in _OVERUSE:
        text = _OVERUSE[why].format(detail=record.get("detail", ""), limits=tool.limits)
        return Phase.ERROR, [], f"{text} Ask for less work.", AttemptOutcome.FAILED, ErrorType.FATAL
    code = record.get("exit")
    if code == 0:
        taken = results.collect(job, _with_provenance(job, tool))
        return Phase.COMPLETED, taken, "", AttemptOutcome.COMPLETED, ErrorType.FATAL
    return Phase.ERROR, [], failure_text(job, code), AttemptOutcome.FAILED, ErrorType.FATAL


def _with_provenance(job: Job, tool: Tool) -> Tool:
    """A partner's provenance is a result beside the tool's own."""
    if not (job.attempt_folder / "work" / remote_uws.PROVENANCE).is_file():
        return tool
    extra = Output(
        "partner-provenance",
        remote_uws.PROVENANCE,
        "Provenance of the partner's job",
        "application/json",
        role="log",
    )
    return replace(tool, outputs=(*tool.outputs, extra))


def failure_text(job: Job, code: int | None) -> str:
    """What the tool says of its failure: the last line of stderr, else how it ended."""
    said = _last_line(job)
    if code is not None and code < 0:
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = str(-code)
        ended = f"The tool was ended by signal {name}."
        if name in ("SIGKILL", "SIGSEGV", "SIGBUS"):
            ended += " It may have run out of memory."
        if name == "SIGXFSZ":
            ended = "The tool wrote a file larger than its limit."
        if name == "SIGXCPU":
            ended = "The tool used more processor time than its limit."
        return f"{ended} {said}".strip()
    if said:
        return said
    if shutil.disk_usage(job.folder).free < DISK_FULL_BYTES:
        return f"The tool ended with status {code}: the server's disk is full. Tell the operators."
    return f"The tool ended with status {code} and said nothing; see its log."


def _last_line(job: Job) -> str:
    """The last line of stderr that is not empty, without paths of the server."""
    try:
        with (job.attempt_folder / "stderr.log").open("rb") as file:
            file.seek(max(0, file.seek(0, 2) - _TAIL_BYTES))
            lines = file.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return ""
    text = next((line.strip() for line in reversed(lines) if line.strip()), "")
    for row in job.inputs.all():
        text = text.replace(row.path, row.title or row.identifier)
    for folder in (job.attempt_folder / "work", job.attempt_folder, job.folder):
        text = text.replace(f"{folder}/", "").replace(str(folder), "")
    return "".join(c for c in text if c.isprintable())[:500]


def _moment(seconds: Any) -> datetime | None:
    if not isinstance(seconds, int | float):
        return None
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def of_error(error: Exception) -> Outcome:
    """The outcome of an attempt that could not be started."""
    if isinstance(error, GatewayError):
        message, kind = str(error), ErrorType.FATAL
    elif isinstance(error, OSError):
        text = storage.plain(error)
        message, kind = f"The job could not be started: {text}. Try again later.", ErrorType.TRANSIENT
    else:
        message, kind = (
            "The job could not be started; the operators find why in the worker's log.",
            (ErrorType.TRANSIENT),
        )
    return Outcome(Phase.ERROR, message=message, error_type=kind, attempt=AttemptOutcome.FAILED)
