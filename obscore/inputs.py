"""Observations as inputs of jobs: one of the resolvers named in `VOGATE_INPUT_RESOLVERS`."""

from __future__ import annotations

from gateway.vo.caller import Caller
from gateway.vo.errors import Forbidden, NotFound
from obscore import lookup, rights
from obscore.checksums import sha256_of
from obscore.models import ArchiveFile
from uws.inputs import ResolvedInput


def resolve(identifier: str, caller: Caller) -> ResolvedInput | None:
    """The product file of an observation, given by publisher DID, by URL or as `collection/obs_id`.

    Returns
    -------
    ResolvedInput or None
        None if the identifier is none of this archive.

    Raises
    ------
    NotFound
        If the observation was known but its file is gone or is no longer what was ingested.
    Forbidden
        If the caller has no right to the observation.
    """
    observation = lookup.find(identifier)
    if observation is None:
        return None
    if not rights.may_read(observation.row, caller):
        raise Forbidden(f"Observation {observation.obs_id} is {observation.row['data_rights']}.")
    product = observation.product
    if observation.missing or product is None:
        raise NotFound(f"Observation {observation.obs_id} is no longer in the archive.")
    check_unchanged(product)
    collection = observation.collection
    return ResolvedInput(
        identifier=observation.did,
        path=product.absolute,
        sha256=product.sha256,
        size=product.size,
        media_type=product.media_type,
        title=observation.title,
        collection=collection.name,
        terms=collection.terms,
        notice=collection.notice,
    )


def check_unchanged(file: ArchiveFile) -> None:
    """Make sure that the recorded checksum is that of the file: provenance relies on it.

    Raises
    ------
    NotFound
        If the file is gone, or was changed since it was ingested.
    """
    try:
        status = file.absolute.stat()
        if (status.st_size, status.st_mtime_ns) == (file.size, file.mtime_ns):
            return
        if status.st_size == file.size and sha256_of(file.absolute) == file.sha256:
            return
    except OSError:
        raise NotFound(
            f"The file {file.name} cannot be read at the moment.",
            hint="Tell the operators; they can see what is missing with `vogate ingest`.",
        ) from None
    raise NotFound(
        f"The file {file.name} was changed after it was taken into the archive.",
        hint="The operators have to run `vogate ingest` before it can be used.",
    )
