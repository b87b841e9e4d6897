"""The files of a copy: `rows.arrow` with all columns and the cells, and `first.npy` with the first cell of each block.

`rows.arrow` is an Arrow IPC file without compression.  Its blocks hold BLOCK_BYTES or a little less, so that a cone
reads few rows that it does not want.  They are read, not mapped: a worker's address space is limited, and a disk that
fails is an error then and not a signal.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tap.copies.plan import CELLS

ROWS, FIRST = "rows.arrow", "first.npy"
BLOCK_BYTES = 400_000
MOST_ROWS = 4096
FEWEST_ROWS = 256
NOWHERE = 2**63 - 1
"""The cell of rows without a position."""


class Unsorted(ValueError):
    """Rows that should come in the order of their cells do not."""


def write(folder: Path, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> int:
    """Write a copy into a new folder; the number of its rows.

    Parameters
    ----------
    schema
        Of the rows; CELLS (int64, null without a position) is one of its columns.
    batches
        Sorted by CELLS, nulls last.

    Raises
    ------
    Unsorted
        If they are not.
    OSError
        If the disk is full, for example.
    """
    folder.mkdir()
    first: list[int] = []
    count, last = 0, -1
    with (
        pa.OSFile(str(folder / ROWS), "wb") as file,
        pa.ipc.new_file(file, schema) as writer,
    ):
        for block in _blocks(schema, batches):
            place = schema.get_field_index(CELLS)
            cells = pc.fill_null(block.column(place), NOWHERE)
            values = cells.to_numpy()
            if values[0] < last or (np.diff(values) < 0).any():
                raise Unsorted("the rows are not in the order of their cells")
            first.append(int(values[0]))
            last = int(values[-1])
            count += len(values)
            writer.write_batch(block.set_column(place, schema.field(place), cells))
    np.save(folder / FIRST, np.array(first, np.int64))
    for name in (ROWS, FIRST):
        with open(folder / name, "rb") as written:
            os.fsync(written.fileno())
    return count


def _blocks(schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The same rows in blocks of one size, which the first rows decide."""
    size = 0
    rest: list[pa.RecordBatch] = []
    held = 0
    for batch in batches:
        if not batch.num_rows:
            continue
        if not size:
            size = max(FEWEST_ROWS, min(MOST_ROWS, BLOCK_BYTES * batch.num_rows // max(batch.nbytes, 1)))
        rest.append(batch)
        held += batch.num_rows
        if held >= 8 * size:
            *whole, last = _joined(schema, rest).to_batches(max_chunksize=size)
            yield from whole
            rest, held = [last], last.num_rows
    if rest:
        yield from _joined(schema, rest).to_batches(max_chunksize=size)


def _joined(schema: pa.Schema, batches: list[pa.RecordBatch]) -> pa.Table:
    return pa.Table.from_batches(batches, schema).combine_chunks()


class Copy:
    """An open copy, of which some columns are read.

    Attributes
    ----------
    schema
        Of the columns that are read, in the file's order.
    first
        First cell of each block.
    """

    def __init__(self, path: str, columns: Sequence[str]) -> None:
        file = pa.OSFile(str(Path(path) / ROWS), "rb")
        whole = pa.ipc.open_file(file)
        wanted = sorted({whole.schema.get_field_index(name) for name in columns})
        if wanted and wanted[0] < 0:
            raise KeyError("the copy has not all columns of the plan")
        self._reader = whole
        if len(wanted) < len(whole.schema):
            options = pa.ipc.IpcReadOptions(included_fields=wanted)
            self._reader = pa.ipc.open_file(file, options=options)
        self.schema: pa.Schema = self._reader.schema
        self.first: NDArray[np.int64] = np.load(Path(path) / FIRST)
        self._one = threading.Lock()

    def __len__(self) -> int:
        return int(self._reader.num_record_batches)

    def block(self, number: int) -> pa.RecordBatch:
        with self._one:  # Arrow's readers say nothing of threads
            return self._reader.get_batch(number)

    def holding(self, low: NDArray[np.int64], high: NDArray[np.int64]) -> tuple[NDArray[np.int64], ...]:
        """First and last block that can hold cells of each range (both ends included)."""
        begin = np.maximum(np.searchsorted(self.first, low, "left") - 1, 0)
        end = np.searchsorted(self.first, high, "right") - 1
        return begin, end


class Opened:
    """The copies that were used last stay open: opening one takes as long as many a query."""

    MOST = 16

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[str, tuple[str, ...]], Copy] = OrderedDict()
        self._one = threading.Lock()

    def get(self, path: str, columns: tuple[str, ...]) -> Copy:
        key = (path, columns)
        with self._one:
            found = self._known.get(key)
            if found is None:
                found = self._known[key] = Copy(path, columns)
                # What has been removed takes room on the disk for as long as it is open.
                for other in [item for item in self._known if not Path(item[0]).is_dir()]:
                    del self._known[other]
                if len(self._known) > self.MOST:
                    self._known.popitem(last=False)
            else:
                self._known.move_to_end(key)
            return found
