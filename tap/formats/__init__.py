"""Output formats: Arrow record batches in, bytes out.

`writer(name_or_mime)` finds one.  Writers are pure and work on whole batches; the batches must have
exactly the Arrow types of the columns (`tap.arrowtypes.conform`).
"""

from __future__ import annotations

from dataclasses import replace

from gateway.vo.errors import UsageError
from gateway.vo.votable import DEFAULT_VERSION, VERSIONS
from tap.formats.base import Format, ResultInfo
from tap.formats.fits import FITS
from tap.formats.jsonrows import JSON
from tap.formats.pages import HTML, Text
from tap.formats.parquet import Parquet
from tap.formats.separated import CSV, TSV
from tap.formats.votable import BINARY, BINARY2, TABLEDATA, VOTable

__all__ = ["DEFAULT", "FORMATS", "Format", "ResultInfo", "writer"]

DEFAULT = replace(TABLEDATA, name="votable", mime="application/x-votable+xml", aliases=("votable",))
FORMATS: tuple[Format, ...] = (
    DEFAULT,
    TABLEDATA,
    BINARY2,
    BINARY,
    CSV(),
    TSV(),
    FITS(),
    Parquet(),
    JSON(),
    HTML(),
    Text(),
)
_BY_NAME: dict[str, Format] = {
    key.lower().replace(" ", ""): item
    for item in reversed(FORMATS)
    for key in (item.name, item.mime, item.mime.split(";")[0], *item.aliases)
}
XML_TYPES = ("text/xml", "application/xml")
_SERIALIZATIONS = {"tabledata": TABLEDATA, "binary": BINARY, "binary2": BINARY2}


def writer(name_or_mime: str) -> Format:
    """The format of a short name or media type, whatever its case, blanks and further parameters.

    `application/x-votable+xml` takes `serialization` and `version` (1.4 or 1.5), `text/csv` takes `header` (RFC 4180).

    Raises
    ------
    UsageError
        If there is none; the message lists the short names.
    """
    # In a URL an unescaped + is a blank, and many clients forget to escape it.
    wanted = name_or_mime.strip().lower().replace("x-votable xml", "x-votable+xml").replace(" ", "")
    if not wanted:
        return DEFAULT
    if wanted in XML_TYPES:  # for viewers that show XML and know no VOTable
        return replace(TABLEDATA, mime=wanted)
    if wanted in _BY_NAME and "serialization" not in wanted:
        return _BY_NAME[wanted]
    base, *raw = wanted.split(";")
    found = _BY_NAME.get(base)
    parameters = {key: value.strip("\"'") for key, _, value in (item.partition("=") for item in raw)}
    if isinstance(found, VOTable):
        return _votable(found, parameters)
    if found is None:
        names = ", ".join(item.name for item in FORMATS)
        raise UsageError(
            "RESPONSEFORMAT names a format that this service does not have.",
            hint=f"It has {names}.",
            field="RESPONSEFORMAT",
        )
    if isinstance(found, CSV) and parameters.get("header") == "absent":
        return replace(found, header=False, mime="text/csv;header=absent;charset=utf-8")
    return found


def _votable(found: VOTable, parameters: dict[str, str]) -> Format:
    if "serialization" in parameters:
        kind = _SERIALIZATIONS.get(parameters["serialization"])
        if kind is None:
            raise UsageError(
                "VOTable has the serializations TABLEDATA, BINARY and BINARY2.", field="RESPONSEFORMAT"
            )
        found = kind
    version = parameters.get("version", DEFAULT_VERSION)
    if version not in VERSIONS:
        raise UsageError(f"VOTable is written in versions {' and '.join(VERSIONS)}.", field="RESPONSEFORMAT")
    if version != DEFAULT_VERSION:
        return replace(found, version=version, mime=f"{found.mime};version={version}")
    return found
