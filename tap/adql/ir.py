"""The resolved query: every name bound, every expression typed and with its metadata.

This is what emitters read (duckdb.py; a second dialect would read the same).  `Call.op` and `Spatial` are a closed
vocabulary: an emitter's tables say what each becomes, and nothing of the user's text reaches SQL except literals.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from gateway.vo.columns import Column
from tap.adql.shapes import Shape


class Kind(Enum):
    """What sort of value an expression has, for type checks."""

    BOOLEAN = "a boolean"
    INTEGER = "an integer"
    REAL = "a real number"
    TEXT = "a string"
    TIMESTAMP = "a timestamp"
    POINT = "a point"
    CIRCLE = "a circle"
    POLYGON = "a polygon"
    REGION = "a region"
    MOC = "a MOC"
    NULL = "NULL"
    OTHER = "an array"

    @property
    def is_number(self) -> bool:
        return self in (Kind.INTEGER, Kind.REAL, Kind.NULL)

    @property
    def is_text(self) -> bool:
        return self in (Kind.TEXT, Kind.NULL)

    @property
    def is_geometry(self) -> bool:
        return self in (Kind.POINT, Kind.CIRCLE, Kind.POLYGON, Kind.REGION, Kind.MOC)


@dataclass(frozen=True, slots=True)
class PositionIndex:
    """The HEALPix column that covers a pair of coordinate columns of one source."""

    source: str
    lon: str
    lat: str
    healpix: str


@dataclass(frozen=True, slots=True)
class RegionIndex:
    """The hidden columns that stand for a region column of one source: names by role (see tap.spatial)."""

    source: str
    names: tuple[str, ...]
    reach: float | None = None
    """No bounding cap is larger, degrees; None if that is not known."""


@dataclass(slots=True)
class Expr:
    """A typed expression; `meta` describes it as a result column."""

    kind: Kind
    meta: Column

    def children(self) -> tuple[Expr, ...]:
        return ()

    def key(self) -> tuple[object, ...]:
        """Equal for expressions that compute the same (metadata aside)."""
        return (type(self).__name__, *(child.key() for child in self.children()))


@dataclass(slots=True)
class Const(Expr):
    value: int | float | str | None

    def key(self) -> tuple[object, ...]:
        return ("Const", type(self.value).__name__, self.value)


@dataclass(slots=True)
class Ref(Expr):
    """Column `name` of the source that the query calls `source`."""

    source: str
    name: str
    prefix: str = ""
    """Text put before the stored value (base URL)."""
    position: PositionIndex | None = None
    region: RegionIndex | None = None

    def key(self) -> tuple[object, ...]:
        return ("Ref", self.source, self.name)


def position_of(lon: Expr, lat: Expr) -> PositionIndex | None:
    """The index that covers a pair of columns, in this order."""
    if isinstance(lon, Ref) and isinstance(lat, Ref):
        index = lon.position
        if index is not None and index == lat.position and (lon.name, lat.name) == (index.lon, index.lat):
            return index
    return None


@dataclass(slots=True)
class Call(Expr):
    op: str
    args: tuple[Expr, ...]
    extra: object = None
    """A compile-time parameter: decimal places, a factor, a length."""

    def children(self) -> tuple[Expr, ...]:
        return self.args

    def key(self) -> tuple[object, ...]:
        return ("Call", self.op, self.extra, *(arg.key() for arg in self.args))


@dataclass(slots=True)
class Arithmetic(Expr):
    """`args[0] ops[0] args[1] ops[1] ...` from the left; ops are + - * / || & | ^."""

    args: tuple[Expr, ...]
    ops: tuple[str, ...]

    def children(self) -> tuple[Expr, ...]:
        return self.args

    def key(self) -> tuple[object, ...]:
        return ("Arithmetic", self.ops, *(arg.key() for arg in self.args))


@dataclass(slots=True)
class Aggregate(Expr):
    """COUNT, SUM, AVG, MIN, MAX, STRING_AGG (value, delimiter), HISTOGRAM (value, lower, upper, bins)."""

    op: str
    args: tuple[Expr, ...]
    distinct: bool = False

    def children(self) -> tuple[Expr, ...]:
        return self.args

    def key(self) -> tuple[object, ...]:
        return ("Aggregate", self.op, self.distinct, *(arg.key() for arg in self.args))


@dataclass(slots=True)
class Case(Expr):
    branches: tuple[tuple[Expr, Expr], ...]
    otherwise: Expr | None

    def children(self) -> tuple[Expr, ...]:
        rest = (self.otherwise,) if self.otherwise else ()
        return tuple(part for branch in self.branches for part in branch) + rest

    def key(self) -> tuple[object, ...]:
        return ("Case", len(self.branches), *(child.key() for child in self.children()))


# Geometries: an expression that has a shape


@dataclass(slots=True)
class Point(Expr):
    lon: Expr
    lat: Expr

    def children(self) -> tuple[Expr, ...]:
        return (self.lon, self.lat)


@dataclass(slots=True)
class Circle(Expr):
    lon: Expr
    lat: Expr
    radius: Expr

    def children(self) -> tuple[Expr, ...]:
        return (self.lon, self.lat, self.radius)


@dataclass(slots=True)
class Polygon(Expr):
    coordinates: tuple[Expr, ...]
    """lon, lat, lon, lat, ..."""

    def children(self) -> tuple[Expr, ...]:
        return self.coordinates


@dataclass(slots=True)
class Box(Expr):
    lon: Expr
    lat: Expr
    width: Expr
    height: Expr

    def children(self) -> tuple[Expr, ...]:
        return (self.lon, self.lat, self.width, self.height)


@dataclass(slots=True)
class Fixed(Expr):
    """A shape known when the query is compiled; `text` is its serialisation as a result."""

    shape: Shape
    values: tuple[float, ...] = ()
    """DALI coordinates of points, circles and polygons."""
    text: str = ""

    def key(self) -> tuple[object, ...]:
        return ("Fixed", self.values, self.text)


@dataclass(slots=True)
class FixedMoc(Expr):
    """A MOC known when the query is compiled, in its shortest text form (tap.adql.moc)."""

    text: str

    def key(self) -> tuple[object, ...]:
        return ("FixedMoc", self.text)


# Conditions (kind BOOLEAN)


@dataclass(slots=True)
class Logic(Expr):
    """AND, OR, NOT."""

    op: str
    args: tuple[Expr, ...]

    def children(self) -> tuple[Expr, ...]:
        return self.args

    def key(self) -> tuple[object, ...]:
        return ("Logic", self.op, *(arg.key() for arg in self.args))


@dataclass(slots=True)
class Compare(Expr):
    op: str
    left: Expr
    right: Expr

    def children(self) -> tuple[Expr, ...]:
        return (self.left, self.right)

    def key(self) -> tuple[object, ...]:
        return ("Compare", self.op, self.left.key(), self.right.key())


@dataclass(slots=True)
class Test(Expr):
    """BETWEEN, IN, LIKE, ILIKE, ISNULL over values; `negated` puts NOT before it."""

    op: str
    args: tuple[Expr, ...]
    negated: bool = False

    def children(self) -> tuple[Expr, ...]:
        return self.args

    def key(self) -> tuple[object, ...]:
        return ("Test", self.op, self.negated, *(arg.key() for arg in self.args))


@dataclass(slots=True)
class QueryTest(Expr):
    """EXISTS (no value) and IN (a value) over a sub-query."""

    value: Expr | None
    query: Query
    negated: bool = False

    def children(self) -> tuple[Expr, ...]:
        return (self.value,) if self.value else ()

    def key(self) -> tuple[object, ...]:
        return ("QueryTest", id(self))


@dataclass(slots=True)
class Within(Expr):
    """Two positions closer than `radius` degrees, all of them expressions; `strict` is < rather than <=."""

    a: Point
    b: Point
    radius: Expr
    strict: bool

    def children(self) -> tuple[Expr, ...]:
        return (self.a, self.b, self.radius)

    def key(self) -> tuple[object, ...]:
        return ("Within", self.strict, self.a.key(), self.b.key(), self.radius.key())


@dataclass(slots=True)
class InMoc(Expr):
    """A position in the cells of a MOC, which is known when the query is compiled."""

    point: Point
    moc: str

    def children(self) -> tuple[Expr, ...]:
        return (self.point,)

    def key(self) -> tuple[object, ...]:
        return ("InMoc", self.moc, self.point.key())


@dataclass(slots=True)
class Spatial(Expr):
    """CONTAINS (`a` in `b`) or INTERSECTS of two geometries."""

    op: str
    a: Expr
    b: Expr

    def children(self) -> tuple[Expr, ...]:
        return (self.a, self.b)

    def key(self) -> tuple[object, ...]:
        return ("Spatial", self.op, self.a.key(), self.b.key())


# Tables and queries


@dataclass(slots=True)
class TableSource:
    schema: str
    table: str
    alias: str


@dataclass(slots=True)
class NamedSource:
    """A query of the WITH clause."""

    name: str
    alias: str


@dataclass(slots=True)
class DerivedSource:
    query: Query
    alias: str


@dataclass(slots=True)
class JoinSource:
    kind: str
    left: Source
    right: Source
    on: Expr


Source = TableSource | NamedSource | DerivedSource | JoinSource


@dataclass(slots=True)
class Select:
    distinct: bool
    items: list[tuple[Expr, str]]
    """Expressions with the names they have in SQL."""
    sources: list[Source]
    where: Expr | None = None
    group_by: list[Expr] = field(default_factory=list)
    having: Expr | None = None
    grouped: bool = False
    """Whether rows are aggregated, so that index columns are out of reach after WHERE."""


@dataclass(slots=True)
class SetOperation:
    op: str
    keep_duplicates: bool
    left: Query
    right: Query


@dataclass(slots=True)
class SortKey:
    """`key` is the number of an output column (from 1) or an expression."""

    key: int | Expr
    descending: bool


@dataclass(slots=True)
class Query:
    body: Select | SetOperation | Query
    outputs: tuple[Column, ...]
    names: tuple[str, ...]
    """SQL names of the outputs; hidden index columns may follow them."""
    order_by: list[SortKey] = field(default_factory=list)
    limit: int | None = None
    offset: int | None = None
    named: list[tuple[str, Query]] = field(default_factory=list)
    positions: list[PositionIndex] = field(default_factory=list)
    """Indexed pairs of outputs (by SQL name), for the query around this one; `source` is empty."""
    regions: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Names of the index columns of outputs that are indexed regions."""
