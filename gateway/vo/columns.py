"""Columns and tables as all protocols describe them (VODataService, TAP_SCHEMA, VOTable FIELD)."""

from __future__ import annotations

from dataclasses import dataclass, field

# VOTable primitive types that the gateway stores and returns.
DATATYPES = ("boolean", "unsignedByte", "short", "int", "long", "float", "double", "char", "unicodeChar")


@dataclass(frozen=True)
class Column:
    """One column of a table or of a result.

    `datatype`, `arraysize` and `xtype` are those of VOTable 1.4; `arraysize` is '' for scalars and '*'
    for strings and variable arrays.
    """

    name: str
    datatype: str = "double"
    arraysize: str = ""
    xtype: str = ""
    unit: str = ""
    ucd: str = ""
    utype: str = ""
    description: str = ""
    null: int | None = None
    """Value that stands for null in VOTable forms of integer columns without null flags."""
    principal: bool = False
    indexed: bool = False
    std: bool = False
    column_index: int | None = None
    base_url: bool = False
    """The stored text is a path; queries see it with the service's base URL in front (access_url)."""
    coosys: str = ""
    """ID of the COOSYS that the column refers to (see `gateway.vo.votable`)."""
    timesys: str = ""
    """ID of the TIMESYS that the column refers to."""

    def __hash__(self) -> int:
        # What descriptions are kept by is looked up with each query: all of a column's words would take long.
        return hash((self.name, self.datatype))


@dataclass(frozen=True)
class ForeignKey:
    """`from_columns` of the owning table refer to `target_columns` of `target_table`."""

    target_table: str
    from_columns: tuple[str, ...]
    target_columns: tuple[str, ...]
    description: str = ""


@dataclass(frozen=True)
class Table:
    """A published table: metadata, and which columns carry positions and regions."""

    schema: str
    name: str
    """Unqualified name, as stored."""
    columns: tuple[Column, ...]
    description: str = ""
    utype: str = ""
    table_type: str = "table"
    table_index: int | None = None
    keys: tuple[ForeignKey, ...] = ()
    nrows: int | None = None
    position: tuple[str, str] | None = None
    """(ra, dec) columns, degrees ICRS, that the HEALPix index `_hpx29` covers."""
    region: str | None = None
    """The column of STC-S or DALI regions that has index columns."""
    region_reach: float | None = None
    """Radius in degrees of the largest of the caps that bound its regions; None if that is not known."""
    live: bool = False
    """Its rows come from Django's database with each query (`tap.live`), not from a file."""
    info: tuple[tuple[str, str], ...] = field(default=())
    """(name, value) INFO elements that every result from this table carries: citation, rights, terms."""

    @property
    def qualified_name(self) -> str:
        return f"{self.schema}.{self.name}"


@dataclass(frozen=True)
class Schema:
    """A schema of TAP_SCHEMA with its tables."""

    name: str
    tables: tuple[Table, ...]
    description: str = ""
    utype: str = ""
    schema_index: int | None = None
