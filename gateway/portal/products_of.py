"""The files behind rows of `ivoa.obscore`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from obscore.models import ArchiveFile, Role

_MTYPES = {"image": "image.load.fits", "spectrum": "spectrum.load.ssa-generic"}


@dataclass(frozen=True)
class ProductFile:
    """The data product of one observation, as pages link and send it."""

    url: str
    """Path part of its URL."""
    size: int
    mtype: str
    """SAMP message that loads it."""
    name: str = ""
    """What the product is called where it is sent."""


def mtype_of(product_type: str) -> str:
    """The SAMP message for a FITS file with a product of this ObsCore type."""
    return _MTYPES.get(product_type, "table.load.fits")


def files_of(dids: Sequence[str]) -> dict[str, ProductFile]:
    """Publisher DID -> its product's file, where this archive has it."""
    files = ArchiveFile.objects.filter(
        observation__did__in=list(dids), role=Role.THIS, missing=False
    ).select_related("observation", "collection")
    return {
        file.observation.did: ProductFile(
            file.url_path,
            file.size,
            mtype_of(str(file.observation.row.get("dataproduct_type", ""))),
            f"{file.observation.row.get('target_name') or ''} {file.observation.obs_id}".strip(),
        )
        for file in files
        if file.observation is not None
    }
