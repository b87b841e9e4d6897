"""What all writers share: the facts about a result that go into its document, and the interface."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

import pyarrow as pa

from gateway.vo.columns import Column


def _never() -> bool:
    return False


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class ResultInfo:
    """Origin and state of a result (DALI 1.1, section 4.4; STANDARDS 16 to 18)."""

    query: str = ""
    server: str = ""
    """Name and version of the server's software."""
    publisher: str = ""
    contact: str = ""
    service_url: str = ""
    notice: str = ""
    """A sentence that every result has to carry, e.g. that the data are simulated."""
    request_date: datetime = field(default_factory=_now)
    infos: tuple[tuple[str, str], ...] = ()
    """(name, value) of the tables that were queried: citation, rights, terms."""
    resources: tuple[str, ...] = ()
    """Complete RESOURCE elements to append to a VOTable: service descriptors."""
    overflow: Callable[[], bool] = _never
    """Whether the result was cut at MAXREC; known when the batches have been drained."""

    @property
    def request_mjd(self) -> float:
        """`request_date` as Modified Julian Date."""
        return self.request_date.timestamp() / 86400 + 40587

    def facts(self) -> list[tuple[str, str]]:
        """(name, value) in the order and by the names of the IVOA note on data origin."""
        named = [
            ("query", self.query),
            ("server_software", self.server),
            ("service_protocol", "ivo://ivoa.net/std/TAP" if self.query else ""),
            ("request_url", self.service_url),
            ("request_date", self.request_date.strftime("%Y-%m-%dT%H:%M:%SZ")),
            ("publisher", self.publisher),
            ("contact", self.contact),
            ("notice", self.notice),
        ]
        return [(name, value) for name, value in [*named, *self.infos] if value]


class Format(Protocol):
    """One output format."""

    @property
    def name(self) -> str:
        """Short name for RESPONSEFORMAT."""
        ...

    @property
    def mime(self) -> str: ...

    @property
    def extension(self) -> str: ...

    @property
    def aliases(self) -> tuple[str, ...]:
        """Other names and media types that ask for it."""
        ...

    @property
    def ivo_id(self) -> str:
        """Identifier of the TAPRegExt output format, '' for none."""
        ...

    @property
    def streams(self) -> bool:
        """Whether the first bytes come before the last rows are known."""
        ...

    def write(
        self, columns: Sequence[Column], batches: Iterable[pa.RecordBatch], info: ResultInfo
    ) -> Iterator[bytes]:
        """The document in pieces; `batches` have exactly the Arrow types of `columns`.

        Errors that `batches` raises pass through, except where the format has a place for them.
        """
        ...
