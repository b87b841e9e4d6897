"""A small catalogue to publish and query."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from gateway.vo.columns import Column, ForeignKey, Schema, Table

ROWS = 40_000

COLUMNS = (
    Column("source_id", "long", ucd="meta.id;meta.main", principal=True, indexed=True),
    Column("ra", unit="deg", ucd="pos.eq.ra;meta.main", coosys="ICRS", indexed=True),
    Column("dec", unit="deg", ucd="pos.eq.dec;meta.main", coosys="ICRS", indexed=True),
    Column("mag", "float", unit="mag", ucd="phot.mag", description="Brightness & <errors>"),
    Column("n_obs", "int"),
    Column("name", "char", "*", ucd="meta.id"),
    Column("size", "double", unit="arcsec"),
    Column("link", "char", "*", ucd="meta.ref.url", base_url=True),
)
NOTES = (
    Column("source_id", "long", ucd="meta.id"),
    Column("Note Text", "char", "*"),
)
SCHEMA = Schema(
    "syn",
    (
        Table(
            "syn",
            "cat",
            COLUMNS,
            "Synthetic sources",
            position=("ra", "dec"),
            info=(("rights", "CC-0"), ("citation", "2025SynAp...1....1X")),
        ),
        Table(
            "syn",
            "notes",
            NOTES,
            "Remarks on sources",
            keys=(ForeignKey("syn.cat", ("source_id",), ("source_id",), "the source it is about"),),
        ),
    ),
    description="A schema for tests",
)


def sources(count: int = ROWS, seed: int = 7) -> pa.Table:
    """Sources all over the sky; every tenth has no magnitude, every seventh no number."""
    random = np.random.default_rng(seed)
    index = np.arange(count)
    return pa.table(
        {
            "source_id": index + 4_000_000_000_000_000_000,
            "ra": random.uniform(0, 360, count),
            "dec": np.degrees(np.arcsin(random.uniform(-1, 1, count))),
            "mag": pa.array(random.normal(15, 2, count), pa.float32(), mask=index % 10 == 0),
            "n_obs": pa.array(index % 50, pa.int32(), mask=index % 7 == 0),
            "name": [f"S {number}" for number in range(count)],
            "size": random.uniform(0, 5, count),
            "link": [f"/data/{number}" for number in range(count)],
        }
    )


def notes() -> pa.Table:
    return pa.table({"source_id": [4_000_000_000_000_000_001], "Note Text": ["größer"]})


def data(count: int = ROWS) -> dict[str, pa.Table]:
    return {"cat": sources(count), "notes": notes()}
