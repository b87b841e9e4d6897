"""Simple Cone Search 1.03: every table with positions, without a word of ADQL from the caller."""

from __future__ import annotations

from dataclasses import replace

from gateway.vo import vosi
from gateway.vo.columns import Column, Schema, Table
from gateway.vo.dali import Parameters
from gateway.vo.errors import NotFound, UsageError
from gateway.vo.vosi import Capability, Interface
from gateway.vo.votable import info, quote
from tap.archive import Manifest
from tap.names import qualified, quoted

STANDARD = "ivo://ivoa.net/std/ConeSearch"
WHOLE_SKY = 180.0
UCDS = ("ID_MAIN", "POS_EQ_RA_MAIN", "POS_EQ_DEC_MAIN")
"""What the identifier and the position have to be called (SCS 1.03, section 2.2.1)."""

__all__ = [
    "STANDARD",
    "capabilities",
    "error_votable",
    "find",
    "identifier",
    "listing",
    "query",
    "renamed",
    "searchable",
    "selected",
]


def searchable(table: Table) -> bool:
    return table.position is not None and not table.live


def find(manifest: Manifest, name: str) -> Table:
    """A table with positions by its qualified name.

    Raises
    ------
    NotFound
        If there is none; the hint says where they are listed.
    """
    wanted = name.lower()
    for schema in manifest.schemas:
        for table in schema.tables:
            if wanted in (table.qualified_name.lower(), qualified(table.schema, table.name).lower()):
                if searchable(table):
                    return table
                raise NotFound(f"{table.qualified_name} has no positions to search by.")
    raise NotFound("There is no such table.", hint="/scs lists the tables that can be searched.")


def identifier(table: Table) -> Column | None:
    """The column that names the rows: by UCD, else the first text or whole number."""
    for wanted in ("meta.id;meta.main", "ID_MAIN", "meta.id"):
        for column in table.columns:
            if column.ucd.lower() == wanted.lower():
                return column
    for column in table.columns:
        if column.datatype in ("char", "unicodeChar", "int", "long") and column.arraysize in ("", "*"):
            return column
    return None


def selected(table: Table, verbosity: int) -> tuple[Column, ...]:
    """The columns that a VERB asks for: 1 the least, 2 the principal ones, 3 all."""
    assert table.position is not None
    name = identifier(table)
    needed = {*table.position, *([name.name] if name else [])}
    if verbosity >= 3:
        return table.columns
    if verbosity == 2:
        principal = {column.name for column in table.columns if column.principal}
        if not principal - needed:
            return table.columns  # nobody said what matters
        needed |= principal
    return tuple(column for column in table.columns if column.name in needed)


def _number(parameters: Parameters, name: str, low: float, high: float) -> float:
    text = parameters.required(name).strip()
    try:
        value = float(text)
    except ValueError:
        raise UsageError(
            f"{name}={text[:40]!r} is not a number.", hint="Give decimal degrees.", field=name
        ) from None
    if not low <= value <= high:  # NaN too
        raise UsageError(f"{name} must be between {low:g} and {high:g} degrees.", field=name)
    return value


def query(table: Table, parameters: Parameters) -> tuple[str, bool]:
    """The ADQL of a cone search, and whether only the metadata are wanted (SR=0).

    Raises
    ------
    UsageError
        For a parameter that is missing, no number, or out of range.
    """
    ra = _number(parameters, "RA", -360.0, 720.0) % 360.0
    dec = _number(parameters, "DEC", -90.0, 90.0)
    radius = _number(parameters, "SR", 0.0, 360.0)
    verbosity = parameters.integer("VERB", minimum=1)
    if verbosity is not None and verbosity > 3:
        raise UsageError("VERB must be 1, 2 or 3.", field="VERB")
    assert table.position is not None
    columns = ", ".join(quoted(column.name) for column in selected(table, verbosity or 2))
    lon, lat = (quoted(name) for name in table.position)
    text = (
        f"SELECT {columns} FROM {qualified(table.schema, table.name)} WHERE 1 = CONTAINS(POINT({lon}, {lat}), "
        f"CIRCLE({ra!r}, {dec!r}, {min(radius, WHOLE_SKY)!r}))"
    )
    return text, radius == 0.0


def renamed(table: Table, columns: tuple[Column, ...]) -> tuple[Column, ...]:
    """Columns with the UCDs of SCS, each on exactly one."""
    assert table.position is not None
    name = identifier(table)
    roles = dict(zip((name.name if name else "", *table.position), UCDS, strict=True))
    return tuple(
        replace(
            column,
            ucd=roles.get(column.name, "" if column.ucd.upper() in UCDS else column.ucd),
            datatype="double" if column.name in table.position else column.datatype,
        )
        for column in columns
    )


def capabilities(
    base_url: str,
    table: Table,
    security: tuple[str, ...],
    *,
    most_rows: int,
    example: tuple[float, float] | None,
) -> str:
    """The capabilities of one table's cone search (SimpleConeSearch 1.0 of VOResource)."""
    root = f"{base_url}/scs/{table.qualified_name}"
    lon, lat = example or (0.0, 0.0)
    body = (
        f"<maxSR>{WHOLE_SKY:g}</maxSR>\n<maxRecords>{most_rows}</maxRecords>\n<verbosity>true</verbosity>\n"
        f"<testQuery>\n<ra>{lon:.6f}</ra>\n<dec>{lat:.6f}</dec>\n<sr>0.1</sr>\n</testQuery>\n"
    )

    def at(path: str, version: str = "") -> tuple[Interface, ...]:
        return (Interface(f"{root}{path}", version=version, security=security),)

    cone = Interface(f"{root}?", use="base", version="1.03", security=security)
    return vosi.capabilities(
        [
            Capability(STANDARD, (cone,), "cs:ConeSearch", body, description=table.description),
            Capability(vosi.CAPABILITIES, at("/capabilities")),
            Capability(vosi.AVAILABILITY, at("/availability")),
            Capability(vosi.TABLES, at("/tables", "1.1")),
        ]
    )


def listing(base_url: str, schemas: tuple[Schema, ...]) -> str:
    """The tables that can be searched, one URL a line."""
    return "".join(
        f"{base_url}/scs/{table.qualified_name}\t{table.description}\n"
        for schema in schemas
        for table in schema.tables
        if searchable(table)
    )


def error_votable(message: str) -> str:
    """An error in the form of SCS 1.03 (an INFO called Error) and in that of DALI, in one document."""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<VOTABLE xmlns="http://www.ivoa.net/xml/VOTable/v1.3" version="1.4">\n'
        f'<INFO ID="Error" name="Error" value={quote(message)}/>\n'
        f'<RESOURCE type="results">\n{info("QUERY_STATUS", "ERROR", message)}</RESOURCE>\n</VOTABLE>\n'
    )
