"""A result with everything that is hard to write, and what readers have to give back."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pyarrow as pa

from gateway.vo.columns import Column
from tap.arrowtypes import arrow_type

NAN, INF = math.nan, math.inf

COLUMNS = (
    Column("id", "long", ucd="meta.id;meta.main", description='Number & <name> of the "source"'),
    Column("flag", "boolean"),
    Column("byte", "unsignedByte"),
    Column("small", "short", null=-99),
    Column("whole", "int", unit="count"),
    Column("ra", "double", unit="deg", ucd="pos.eq.ra;meta.main", coosys="ICRS"),
    Column("mag", "float", unit="mag"),
    Column("t_min", "double", unit="d", timesys="UTC"),
    Column("name", "char", "*"),
    Column("title", "unicodeChar", "*"),
    Column("when", "char", "*", xtype="timestamp"),
    Column("pair", "double", "2"),
    Column("many", "int", "*"),
)

ROWS: tuple[tuple[object, ...], ...] = (
    (
        1,
        True,
        0,
        1,
        2147483647,
        83.63308,
        1.5,
        53000.25,
        "Crab",
        "Krebsnebel",
        "2004-01-01T00:00:00",
        [1.0, -2.5],
        [1, 2, 3],
    ),
    (
        2,
        False,
        255,
        -32768,
        -2147483648,
        -0.0,
        0.1,
        1e-20,
        "a&b<c>d",
        "π ≈ 3.14 𝛼",
        "2004-01-01T00:00:00.25",
        [NAN, INF],
        [],
    ),
    (3, None, None, None, None, None, None, None, None, None, None, None, None),
    (
        9223372036854775807,
        True,
        7,
        32767,
        0,
        NAN,
        NAN,
        NAN,
        '"quoted", with comma',
        "Ünï\tcode",
        "",
        [0.0, 0.0],
        [7],
    ),
    (
        -9223372036854775808,
        False,
        1,
        0,
        -1,
        INF,
        -INF,
        INF,
        "two\nlines",
        "",
        "1900-01-01",
        [5e-324, 1e308],
        [-1],
    ),
    (
        0,
        True,
        128,
        5,
        17,
        -INF,
        INF,
        -INF,
        " padded ",
        "日本語" + "x" * 100,
        "2000-06-30T12:00:00.123456",
        [1.0, 2.0],
        list(range(50)),
    ),
)


def batches(rows: tuple[tuple[object, ...], ...] = ROWS, size: int = 4) -> Iterator[pa.RecordBatch]:
    """The rows in record batches of `size`, each a slice of a larger one, as engines deliver them."""
    schema = pa.schema([(column.name, arrow_type(column)) for column in COLUMNS])
    columns = list(zip(*rows, strict=True)) or [()] * len(COLUMNS)
    arrays = [pa.array(values, item.type) for values, item in zip(columns, schema, strict=True)]
    batch = pa.RecordBatch.from_arrays(arrays, schema=schema)
    for start in range(0, len(rows), size):
        yield batch.slice(start, size)


def same(left: object, right: object) -> bool:
    """Equality in which NaN equals NaN and -0.0 differs from 0.0."""
    if isinstance(left, float) and isinstance(right, float):
        return (math.isnan(left) and math.isnan(right)) or (
            left == right and math.copysign(1, left) == math.copysign(1, right)
        )
    return left == right
