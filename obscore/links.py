"""One row of a DataLink answer, and how a file of the archive becomes one."""

from __future__ import annotations

from dataclasses import dataclass

from obscore.models import ArchiveFile, Observation, Role

__all__ = ["Link", "file_link", "qualifier"]


@dataclass(frozen=True)
class Link:
    """One row of an answer; exactly one of access_url, service_def and error_message is filled."""

    ID: str
    semantics: str
    access_url: str = ""
    service_def: str = ""
    error_message: str = ""
    description: str = ""
    content_type: str = ""
    content_length: int | None = None
    content_qualifier: str = ""
    link_auth: str = ""
    link_authorized: bool | None = None


_SEMANTICS = {Role.THIS: "#this", Role.CALIBRATION: "#calibration", Role.AUXILIARY: "#auxiliary"}


def file_link(
    identifier: str,
    file: ArchiveFile,
    base_url: str,
    auth: str,
    allowed: bool,
    *,
    semantics: str = "",
    description: str = "",
) -> Link:
    """The link to a file; its role tells semantics and description where they are not given."""
    observation = file.observation
    said = {
        Role.THIS: observation.title if observation else "",
        Role.CALIBRATION: f"Instrument responses or calibration: {file.name}",
        Role.AUXILIARY: f"Index of the whole collection: {file.name}",
    }[Role(file.role)]
    return Link(
        identifier,
        semantics or _SEMANTICS[Role(file.role)],
        access_url=base_url + file.url_path,
        description=description or said,
        content_type=file.media_type,
        content_length=file.size,
        content_qualifier=qualifier(observation) if observation and file.role == Role.THIS else "",
        link_auth="false" if file.role == Role.AUXILIARY else auth,
        link_authorized=allowed or file.role == Role.AUXILIARY,
    )


def qualifier(observation: Observation) -> str:
    """The term of http://www.ivoa.net/rdf/product-type: that vocabulary has ObsCore's terms."""
    kind = observation.row.get("dataproduct_type")
    return f"#{kind}" if kind else ""
