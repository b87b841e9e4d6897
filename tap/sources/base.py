"""What every reader gives: columns with their metadata, and rows in batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pyarrow as pa

from gateway.vo.columns import Column

ROWS = 65536
"""Rows of a batch, about."""


@dataclass(frozen=True)
class Source:
    """A table in a file."""

    columns: tuple[Column, ...]
    """With the names of the file, which may clash or be empty."""
    batches: Callable[[], Iterator[pa.RecordBatch]]
    """The rows from the beginning; the arrays in the order of `columns`, of types that fit them."""
    name: str = ""
    description: str = ""
    rows: int | None = None
    """How many rows there are, where the file says so."""


def numbered(arrays: list[pa.Array]) -> pa.RecordBatch:
    """A batch of arrays whose names do not matter."""
    return pa.RecordBatch.from_arrays(arrays, names=[f"c{number}" for number in range(len(arrays))])
