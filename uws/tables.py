"""The caller's jobs as a live table of the TAP service (`VOGATE_LIVE_SCHEMAS`): `uws.job`."""

from __future__ import annotations

from datetime import UTC, datetime

import pyarrow as pa

from gateway.vo.caller import Caller
from gateway.vo.columns import Column, Schema, Table
from uws.access import jobs_of

COLUMNS = {
    "job_id": ("id", "identifier of the job, also provenance.activity.job", "meta.id;meta.main"),
    "tool": ("tool_name", "name of the tool", "meta.id"),
    "tool_version": ("tool_version", "its version", "meta.version"),
    "run_id": ("run_id", "label that the client chose", "meta.id"),
    "phase": ("phase", "phase of UWS 1.1", "meta.code.status"),
    "creation_time": ("creation_time", "when it was made, UTC", "time.creation"),
    "start_time": ("start_time", "when its last attempt began, UTC", "time.start"),
    "end_time": ("end_time", "when it ended, UTC", "time.end"),
    "destruction": ("destruction", "when its results go, UTC", "time"),
    "error_message": ("error_message", "why it failed", "meta.note"),
}
TIMES = ("creation_time", "start_time", "end_time", "destruction")


def schema() -> Schema:
    """The metadata."""
    columns = tuple(
        Column(
            name,
            "char",
            "*",
            xtype="timestamp" if name in TIMES else "",
            ucd=ucd,
            utype=f"uws:job.{field}",
            description=text,
            principal=name in ("job_id", "tool", "phase"),
            indexed=name == "job_id",
            timesys="UTC_ISO" if name in TIMES else "",
        )
        for name, (field, text, ucd) in COLUMNS.items()
    )
    table = Table(
        "uws", "job", columns, description="the jobs that are yours", utype="uws:jobs", table_index=1
    )
    return Schema("uws", (table,), description="your jobs on this service (UWS 1.1)", schema_index=60)


def rows(table: str, caller: Caller) -> pa.Table:
    """The caller's jobs."""
    found = list(jobs_of(caller).values_list(*(field for field, _, _ in COLUMNS.values())))
    columns = list(zip(*found, strict=True)) or [()] * len(COLUMNS)
    arrays = [pa.array([_text(value) for value in values], pa.string()) for values in columns]
    return pa.Table.from_arrays(arrays, names=list(COLUMNS))


def _text(value: object) -> str | None:
    if isinstance(value, datetime):
        return value.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds")
    return str(value) if value not in (None, "") else None
