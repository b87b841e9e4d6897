"""What a TAP request asks for, the same for /sync and for jobs (TAP 1.1, section 2.7; DALI 1.1, section 3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO

from gateway.vo.dali import Parameters
from gateway.vo.errors import UsageError
from tap.formats import Format, writer
from tap.service import UploadedTable
from tap.uploads import UploadLimits, parse_parameter, read_uploads
from tap.workers import query_settings

LANGUAGES = ("ADQL", "ADQL-2.0", "ADQL-2.1")
NAMES = ("REQUEST", "VERSION", "LANG", "QUERY", "MAXREC", "RESPONSEFORMAT", "FORMAT", "RUNID", "UPLOAD")

__all__ = ["LANGUAGES", "NAMES", "QueryRequest", "check", "parse"]


@dataclass(frozen=True)
class QueryRequest:
    """A checked request."""

    query: str
    format: Format
    maxrec: int | None = None
    run_id: str = ""
    uploads: tuple[UploadedTable, ...] = ()


def check(parameters: Parameters, *, complete: bool = True) -> tuple[str, Format, int | None]:
    """Query, format and MAXREC.

    Parameters
    ----------
    complete
        Whether QUERY has to be there (a job that is still PENDING may get it later).

    Raises
    ------
    UsageError
        Naming the parameter at fault.
    """
    if parameters.one("REQUEST", "doQuery").lower() not in ("doquery", ""):
        raise UsageError("REQUEST must be doQuery; VOSI documents have URLs of their own.", field="REQUEST")
    language = parameters.one("LANG", "ADQL").upper().replace(" ", "")
    if language not in ("", *LANGUAGES):
        raise UsageError(
            "LANG names a language that this service does not speak.",
            hint=f"Use {', '.join(LANGUAGES)}.",
            field="LANG",
        )
    query = parameters.required("QUERY") if complete else parameters.one("QUERY")
    wanted = parameters.one("RESPONSEFORMAT") or parameters.one("FORMAT")
    parse_parameter(parameters.all("UPLOAD"))
    return query, writer(wanted), parameters.integer("MAXREC")


def parse(parameters: Parameters, parts: Mapping[str, IO[bytes]]) -> QueryRequest:
    """The whole request; `parts` are the files in its body by name.

    Raises
    ------
    UsageError, TooLarge
        Naming the parameter at fault.
    """
    query, form, maxrec = check(parameters)
    limits = query_settings()
    uploads = read_uploads(
        parameters.all("UPLOAD"),
        parts,
        UploadLimits(limits.upload_rows, limits.upload_bytes, limits.upload_hosts),
    )
    return QueryRequest(query, form, maxrec, parameters.one("RUNID"), uploads)
