"""A small archive for tests: tables in DuckDB files, attached as the query worker attaches them."""

from __future__ import annotations

from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa

from gateway.vo.columns import Column, Schema, Table
from tap import spatial
from tap.adql import CompiledQuery, compile_query, functions, shapes
from tap.adql.duckdb import Emitter
from tests.tap.adql import oracle


def column(name, datatype="double", **fields):
    if datatype == "char":
        fields.setdefault("arraysize", "*")
    return Column(name, datatype, **fields)


STARS = Table(
    "survey",
    "stars",
    (
        column("id", "int", ucd="meta.id;meta.main"),
        column("ra", unit="deg", ucd="pos.eq.ra;meta.main", description="Right ascension", coosys="icrs"),
        column("dec", unit="deg", ucd="pos.eq.dec;meta.main", description="Declination"),
        column("parallax", unit="mas", ucd="pos.parallax"),
        column("pm_ra", "float", unit="mas/yr", ucd="pos.pm;pos.eq.ra"),
        column("pm_dec", "float", unit="mas/yr", ucd="pos.pm;pos.eq.dec"),
        column("flag", "short", null=-1),
        column("big", "long"),
        column("name", "char", ucd="meta.id"),
        column("size", "float", unit="arcsec"),
        column("Kind", "char"),
        column("seen", "char", xtype="timestamp"),
        column("good", "boolean"),
    ),
    position=("ra", "dec"),
)
EXTRA = Table(
    "survey",
    "extra",
    (column("id", "int"), column("name", "char"), column("mag", "float", unit="mag", ucd="phot.mag")),
)
FIELDS = Table(
    "ivoa",
    "obscore",
    (
        column("obs_id", "char"),
        column("s_ra", unit="deg", ucd="pos.eq.ra"),
        column("s_dec", unit="deg", ucd="pos.eq.dec"),
        column("s_region", "char", xtype="adql:REGION", ucd="pos.outline;obs.field"),
        column("access_url", "char", base_url=True),
        column("outline", arraysize="*", xtype="polygon"),
        column("centre", arraysize="2", xtype="point"),
    ),
    position=("s_ra", "s_dec"),
    region="s_region",
)
UPLOAD = Table(
    "tap_upload", "mine", (column("ra", unit="deg"), column("dec", unit="deg"), column("label", "char"))
)

SCHEMAS = (Schema("survey", (STARS, EXTRA)), Schema("ivoa", (FIELDS,)))
BASE_URL = "https://example.org"


def stars(count=4000, seed=1):
    """Stars all over the sky, thick at the poles, at the seam and around (40, 20)."""
    rng = np.random.default_rng(seed)
    lon, lat = oracle.degrees(oracle.random_directions(rng, count))
    for part, (x, y, r) in enumerate([(0, 90, 3), (0, -90, 3), (0, 0, 3), (40, 20, 3)]):
        rows = slice(part * count // 8, (part + 1) * count // 8)
        lon[rows], lat[rows] = oracle.around(rng, x, y, r, count // 8)
    number = np.arange(count)
    return pa.table(
        {
            "id": pa.array(number, pa.int32()),
            "ra": lon,
            "dec": lat,
            "parallax": pa.array(rng.uniform(0, 10, count), mask=number % 50 == 7),
            "pm_ra": pa.array(rng.normal(size=count), pa.float32()),
            "pm_dec": pa.array(rng.normal(size=count), pa.float32()),
            "flag": pa.array(number % 7 - 3, pa.int16(), mask=number % 11 == 0),
            "big": pa.array(number * 10**14, pa.int64()),
            "name": [None if i % 13 == 5 else f"Star {i:04d}" for i in range(count)],
            "size": pa.array(rng.uniform(1, 2, count), pa.float32()),
            "Kind": [("A", "b", "C")[i % 3] for i in range(count)],
            "seen": [f"2020-{i % 12 + 1:02d}-{i % 28 + 1:02d}T{i % 24:02d}:00:00" for i in range(count)],
            "good": [None if i % 17 == 3 else i % 2 == 0 for i in range(count)],
        }
    )


def extra(count=100):
    number = np.arange(count) * 3
    return pa.table(
        {
            "id": pa.array(number, pa.int32()),
            "name": [f"Extra {i}" for i in number],
            "mag": pa.array(number / 10, pa.float32()),
        }
    )


def written(values):
    return " ".join(repr(float(value)) for value in values)


def fields(count=600, seed=2):
    """Observations with circles, boxes and concave polygons as regions, and a few with none."""
    rng = np.random.default_rng(seed)
    lon, lat = oracle.degrees(oracle.random_directions(rng, count))
    lon[:8], lat[:8] = [0, 0, 0, 180, 359.9, 0.1, 40, 41], [90, -90, 0, 0, 10, 10, 20, 20]
    texts, outlines = [], []
    for i in range(count):
        x, y = float(lon[i]), float(lat[i])
        a, d = oracle.star(rng, x, y, rng.uniform(1, 12), int(rng.integers(3, 9)))
        star = np.stack([a, d], 1).ravel()
        outlines.append(star.tolist() if i % 9 else None)
        if i % 10 == 9:
            texts.append(None if i % 20 == 9 else "")
        elif i % 3 == 0:
            texts.append(f"CIRCLE ICRS {written([x, y, rng.uniform(0.1, 8)])}")
        elif i % 3 == 1:
            texts.append(f"POLYGON ICRS {written(star)}")
        else:
            texts.append(f"Box ICRS {written([x, y, rng.uniform(0.1, 10), rng.uniform(0.1, 10)])}")
    return pa.table(
        {
            "obs_id": [f"obs {i}" for i in range(count)],
            "s_ra": lon,
            "s_dec": lat,
            "s_region": texts,
            "access_url": [f"/datalink/links?ID={i}" for i in range(count)],
            "outline": pa.array(outlines, pa.list_(pa.float64())),
            "centre": pa.array(np.stack([lon, lat], 1).tolist(), pa.list_(pa.float64())),
        }
    )


def indexed():
    return {
        "stars": spatial.index_columns(stars(), STARS),
        "extra": spatial.index_columns(extra(), EXTRA),
        "obscore": spatial.index_columns(fields(), FIELDS),
    }


class Archive:
    """A connection set up like the query worker's, and the data that it serves."""

    engine = "duckdb"
    failure = duckdb.Error
    emitter = Emitter

    def __init__(self, folder: Path) -> None:
        self.tables = indexed()
        self.connection = duckdb.connect()
        for schema, names in {"survey": ("stars", "extra"), "ivoa": ("obscore",)}.items():
            path = folder / f"{schema}-1.duckdb"
            with duckdb.connect(str(path)) as writer:
                for name in names:
                    writer.register("incoming", self.tables[name])
                    writer.execute(f"CREATE TABLE {name} AS SELECT * FROM incoming")
            self.connection.execute(f"""ATTACH '{path}' AS "s_{schema}" (READ_ONLY)""")
        self.connection.execute('CREATE SCHEMA "tap_upload"')
        self.connection.execute(
            "CREATE TABLE tap_upload.mine AS "
            "SELECT * FROM (VALUES (40.0, 20.0, 'here'), (0.0, 90.0, 'pole')) t(ra, dec, label)"
        )
        functions.register(self.connection)
        self.connection.execute("SET threads = 1")
        self.connection.execute("SET enable_external_access = false")
        self.connection.execute("SET lock_configuration = true")

    def compile(self, text: str, **options) -> CompiledQuery:
        options.setdefault("emitter", self.emitter)
        return compile_query(text, SCHEMAS, base_url=BASE_URL, uploads=(UPLOAD,), **options)

    def run(self, query: str | CompiledQuery, **options) -> list[tuple]:
        compiled = self.compile(query, **options) if isinstance(query, str) else query
        return self.connection.execute(compiled.sql).fetchall()

    def arrow(self, query: str | CompiledQuery) -> pa.Table:
        compiled = self.compile(query) if isinstance(query, str) else query
        result = self._arrow(compiled.sql)
        assert result.column_names == [column.name for column in compiled.columns]
        return result

    def matches_by_cells(self, compiled: CompiledQuery) -> bool:
        """Whether a join by position compares neighbours alone."""
        return '"_cell"' in compiled.sql

    def _arrow(self, sql: str) -> pa.Table:
        return self.connection.sql(sql).to_arrow_table()

    def ids(self, condition: str) -> list[int]:
        """Ids of the stars that fulfil a condition."""
        return sorted(row[0] for row in self.run(f"SELECT id FROM survey.stars WHERE {condition}"))


def shape_of(text: str | None) -> shapes.Shape | None:
    from tap.adql import regions

    return regions.parse(text) if text else None
