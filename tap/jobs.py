"""TAP queries as jobs: what the worker calls (`VOGATE_JOB_RUNNERS`)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import IO, Any

import pyarrow as pa

from gateway.vo.caller import Caller
from gateway.vo.dali import Parameters
from gateway.vo.errors import GatewayError
from tap import record, request, service
from tap.output import result_info
from tap.uploads import INLINE
from uws.models import Job
from uws.runners import Context, ResultFile

RESULT = "result"
"""Id of a TAP job's only result (TAP 1.1, section 2.2.2)."""

ADDED = ("UPLOAD",)
"""Tables that are uploaded to a job in several requests are all there when it runs."""


def parameters_of(values: Mapping[str, Any]) -> Parameters:
    """A job's parameters as those of a request; lists are repeated parameters."""
    pairs: list[tuple[str, str]] = []
    for name, value in values.items():
        items = value if isinstance(value, list | tuple) else [value]
        pairs.extend((name, str(item)) for item in items)
    return Parameters(pairs)


def validate(values: Mapping[str, Any], caller: Caller, complete: bool) -> dict[str, Any]:
    """The parameters as a job keeps them: all of them, unchecked.

    A job with a wrong query or language is accepted and ends in ERROR, where clients look for the reason
    (STILTS taplint reports a refusal at creation as an error).
    """
    return dict(values)


def run(job: Job, context: Context) -> list[ResultFile]:
    """Run the query of a job and write its result into the attempt's folder.

    Raises
    ------
    GatewayError
        As the query fails.
    """
    with contextlib.ExitStack() as files:
        wanted = request.parse(parameters_of(job.parameters), _parts(job, files))
        result = files.enter_context(
            service.open_query(
                wanted.query,
                context.caller,
                maxrec=wanted.maxrec,
                base_url=context.base_url,
                seconds=context.seconds,
                uploads=wanted.uploads,
                background=True,
                on_leave=context.on_cancel,
            )
        )
        context.used += record.used_tables((table.schema, table.name) for table in result.tables)
        info = result_info(result, wanted.query, context.base_url)
        path = context.folder / f"{RESULT}.{wanted.format.extension}"
        batches = Watched(result.batches(), context)
        with path.open("wb") as out:
            for piece in wanted.format.write(result.columns, batches, info):
                out.write(piece)
        if batches.error is not None:
            raise batches.error
    return [ResultFile(RESULT, path, wanted.format.mime)]


def _parts(job: Job, files: contextlib.ExitStack) -> dict[str, IO[bytes]]:
    """The uploads that were stored with the job."""
    return {
        row.identifier[len(INLINE) :]: files.enter_context(open(row.path, "rb"))
        for row in job.inputs.all()
        if row.identifier.startswith(INLINE)
    }


class Watched:
    """Batches that report progress and remember a failure, which some formats write down and go on."""

    def __init__(self, batches: Iterator[pa.RecordBatch], context: Context) -> None:
        self.batches, self.context = batches, context
        self.error: GatewayError | None = None

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        rows = 0
        try:
            for batch in self.batches:
                yield batch
                rows += batch.num_rows
                self.context.progress(None, f"{rows} rows")
        except GatewayError as error:
            self.error = error
            raise
