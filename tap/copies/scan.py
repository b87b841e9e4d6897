"""Plans at work: from the copy of a table, and the rows uploaded beside it, to record batches."""

from __future__ import annotations

import math
import socket
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tap.adql import functions, healpix, reach
from tap.copies import plan as plans
from tap.copies.layout import Copy, Opened
from tap.copies.plan import CELLS, Cone, Inside, Item, Known, Match, Plan
from tap.engines import wire
from tap.engines.faults import Failure, Frames

BATCH_ROWS, BATCH_BYTES = 16384, 8 << 20
"""Most rows of a batch that is sent, and about how many bytes."""
MOST_PAIRS = 1 << 16
"""Pairs that a cross-match looks at at once."""
CORNERS = 1 << 18
"""Rows times numbers of a shape that are tested at once."""
TOGETHER = 16
"""Blocks that a cross-match looks at together."""
HELD_BYTES = 1 << 18
"""A result up to this size is sent whole, with its end."""

Floats = NDArray[np.float64]
Numbers = NDArray[np.int64]
_OPENED = Opened()
_ORDER = {
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
    "=": np.equal,
    "<>": np.not_equal,
}


class Stopped(Exception):
    """Somebody has interrupted the scan."""


class Scan:
    """A plan with the tables that it reads; `interrupt` from another thread stops it between two blocks."""

    def __init__(self) -> None:
        self._stopped = False
        self.plan: Plan
        self.copy: Copy
        self.upload: pa.RecordBatch | None = None
        self.schema: pa.Schema

    def open(self, plan: Plan, uploads: Mapping[str, pa.Table], opened: Opened = _OPENED) -> Scan:
        """Open what the plan reads.

        Raises
        ------
        OSError, ValueError, KeyError
            If the copy is not there any more.
        """
        self.plan = plan
        tested = [test.column for test in plan.tests if isinstance(test, plans.Comparison | Known)]
        needed = {item.column for item in plan.items if not item.uploaded} | set(tested)
        if plan.ranges is not None or plan.match is not None:
            needed |= {CELLS, plan.lon, plan.lat}
        self.copy = opened.get(plan.path, tuple(sorted(needed or {CELLS})))
        if plan.match is not None:
            self.upload = _one_batch(uploads[plan.match.upload])
        types = [self._source(item.uploaded).schema.field(item.column).type for item in plan.items]
        self.schema = pa.schema(
            [pa.field(item.name, found) for item, found in zip(plan.items, types, strict=True)]
        )
        return self

    def _source(self, uploaded: bool) -> Copy | pa.RecordBatch:
        if not uploaded:
            return self.copy
        assert self.upload is not None
        return self.upload

    def interrupt(self) -> None:
        self._stopped = True

    def answer(
        self, sock: socket.socket, text: bytes | bytearray, uploads: Mapping[str, bytearray]
    ) -> Frames:
        """Send what a plan (`plan.dumps`) finds, or give back what may go with the END.

        Parameters
        ----------
        uploads
            Tables by name, as Arrow IPC streams.

        Raises
        ------
        Failure
            If the copy is not there any more or cannot be read, or the scan was interrupted.
        """
        try:
            rows = {
                name: pa.ipc.open_stream(pa.py_buffer(table)).read_all() for name, table in uploads.items()
            }
            self.open(plans.loads(text), rows)
        except (OSError, KeyError, ValueError) as error:  # pa.ArrowInvalid is a ValueError
            raise Failure(type(error).__name__, str(error), "stale") from error
        frames: Frames = [(wire.SCHEMA, self.schema.serialize())]
        size = 0
        try:
            for batch in self.batches():
                frames.append((wire.BATCH, batch.serialize()))
                size += batch.nbytes
                if size > HELD_BYTES:
                    wire.send_all(sock, frames)
                    frames = []
        except Stopped:
            raise Failure("Stopped", "the scan was interrupted", "cancelled") from None
        except ConnectionError:
            raise
        except (OSError, pa.ArrowException, MemoryError) as error:
            fault = "memory" if isinstance(error, MemoryError) else "ours"
            raise Failure(type(error).__name__, str(error), fault) from error
        return frames

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The result in batches of BATCH_ROWS, as many rows as the plan wants at most."""
        if self.plan.match is not None:
            found = self._matched(self.plan.match)
        elif self.plan.ranges is not None:
            found = self._in_ranges(self.plan.ranges)
        else:
            found = (self._picked(block) for block in map(self._block, range(len(self.copy))))
        return _gathered(self.schema, found, self.plan.limit)

    def _block(self, number: int) -> pa.RecordBatch:
        if self._stopped:
            raise Stopped
        return self.copy.block(number)

    def _picked(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        """The columns of the result."""
        arrays = [_prefixed(rows.column(item.column), item) for item in self.plan.items]
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)

    # Regions

    def reads(self) -> float:
        """How much work a region is: the blocks that may have something of it, weighed by what is tested of their rows."""
        corners = sum(len(test.shape) for test in self.plan.tests if isinstance(test, Inside))
        return len(self._holding(self.plan.ranges or ())) * (1 + corners / 16)

    def _holding(self, ranges: Sequence[tuple[int, int]]) -> list[int]:
        low, high = np.array(ranges, np.int64).reshape(-1, 2).T
        begin, end = self.copy.holding(low, high)
        found: list[int] = []
        for start, stop in zip(begin.tolist(), end.tolist(), strict=True):
            found += range(max(start, found[-1] + 1 if found else 0), stop + 1)
        return found

    def _in_ranges(self, ranges: Sequence[tuple[int, int]]) -> Iterator[pa.RecordBatch]:
        low, high = np.array(ranges, np.int64).reshape(-1, 2).T
        for number in self._holding(ranges):
            block = self._block(number)
            rows = self._within(block, low, high)
            if len(rows) == block.num_rows:
                yield self._picked(block)
            elif len(rows):
                yield self._picked(_taken(block, rows))

    def _within(self, block: pa.RecordBatch, low: Numbers, high: Numbers) -> Numbers:
        """Numbers of a block's rows that are in the ranges and pass the tests."""
        cells = _values(block.column(CELLS))
        near = slice(np.searchsorted(high, cells[0], "left"), np.searchsorted(low, cells[-1], "right"))
        begin = np.searchsorted(cells, low[near], "left")
        end = np.searchsorted(cells, high[near], "right")
        rows, _ = _spread(begin, end - begin)
        if len(rows) and self.plan.tests:
            part = block if len(rows) == len(cells) else _taken(block, rows, self._tested)
            passed = _passed(self.plan, part)
            rows = rows[passed]
        return rows

    @property
    def _tested(self) -> list[str]:
        names = {test.column for test in self.plan.tests if isinstance(test, plans.Comparison | Known)}
        return [self.plan.lon, self.plan.lat, *sorted(names - {self.plan.lon, self.plan.lat})]

    # Cross-matches

    def _matched(self, match: Match) -> Iterator[pa.RecordBatch]:
        assert self.upload is not None
        lon, lat = (_floats(self.upload.column(name)) for name in (match.lon, match.lat))
        low, high, rows = _reached(match, lon, lat)
        begin, end = self.copy.holding(low, high)
        # Where the ranges lie apart, the blocks between them are not read.
        wanted = _numbers(begin, end)
        for first in range(0, len(wanted), TOGETHER):
            numbers = wanted[first : first + TOGETHER]
            part = pa.Table.from_batches([self._block(number) for number in numbers.tolist()])
            block = part.combine_chunks().to_batches()[0]
            # A pair of blocks may leave others out between them, whose cells are in no range.
            touched = (begin <= numbers[-1]) & (end >= numbers[0])
            yield from self._pairs(match, block, low[touched], high[touched], rows[touched], lon, lat)

    def _pairs(
        self,
        match: Match,
        block: pa.RecordBatch,
        low: Numbers,
        high: Numbers,
        asking: Numbers,
        lon: Floats,
        lat: Floats,
    ) -> Iterator[pa.RecordBatch]:
        assert self.upload is not None
        cells = _values(block.column(CELLS))
        begin = np.searchsorted(cells, low, "left")
        count = np.searchsorted(cells, high, "right") - begin
        names = [*dict.fromkeys([*(item.column for item in self.plan.items if not item.uploaded), CELLS])]
        for part in _parts(count, MOST_PAIRS):
            if self._stopped:
                raise Stopped
            theirs, which = _spread(begin[part], count[part])
            ours = asking[part][which]
            x, y = (_floats(block.column(name))[theirs] for name in (self.plan.lon, self.plan.lat))
            square = _haversine(x, y, lon[ours], lat[ours])
            limit = math.sin(math.radians(match.radius) / 2) ** 2
            near = square < limit if match.strict else square <= limit
            theirs, ours = theirs[near], ours[near]
            for start in range(0, len(theirs), BATCH_ROWS):
                pick = slice(start, start + BATCH_ROWS)
                left = _taken(block, theirs[pick], names)
                right = self.upload.take(pa.array(ours[pick]))
                arrays = [
                    _prefixed((right if item.uploaded else left).column(item.column), item)
                    for item in self.plan.items
                ]
                yield pa.RecordBatch.from_arrays(arrays, schema=self.schema)


def _prefixed(array: pa.Array, item: Item) -> pa.Array:
    return pc.binary_join_element_wise(item.prefix, array, "") if item.prefix else array


def _one_batch(table: pa.Table) -> pa.RecordBatch:
    batches = table.combine_chunks().to_batches()
    return batches[0] if batches else pa.RecordBatch.from_pylist([], schema=table.schema)


def _values(array: pa.Array) -> Numbers:
    numbers: Numbers = array.to_numpy()
    return numbers


def _floats(array: pa.Array) -> Floats:
    """Numbers as doubles, NaN for null."""
    if array.type != pa.float64():
        array = pc.cast(array, pa.float64(), safe=False)
    values: Floats = array.to_numpy(zero_copy_only=not array.null_count)
    return values


def _taken(block: pa.RecordBatch, rows: Numbers, names: list[str] | None = None) -> pa.RecordBatch:
    """Some rows of a block, of all columns or of those named; a view of it where the rows stand together."""
    part = block if names is None else block.select(names)
    first, last = int(rows[0]), int(rows[-1])
    if last - first + 1 == len(rows) and (len(rows) < 3 or bool((np.diff(rows) == 1).all())):
        return part.slice(first, len(rows))
    return part.take(pa.array(rows))


def _spread(begin: Numbers, count: Numbers) -> tuple[Numbers, Numbers]:
    """The numbers from each of `begin` on, and from which one of them each is."""
    which = np.repeat(np.arange(len(begin)), count)
    before = np.cumsum(count) - count
    return np.arange(len(which)) + (begin - before)[which], which


def _numbers(begin: Numbers, end: Numbers) -> Numbers:
    """All numbers in ranges that may overlap, each once, in ascending order."""
    rows, _ = _spread(begin, np.maximum(end - begin + 1, 0))
    return np.unique(rows)


def _parts(count: Numbers, most: int) -> Iterator[slice]:
    """Cut a sequence so that the counts in each part add up to about `most`."""
    total = np.cumsum(count)
    start = 0
    while start < len(count):
        done = total[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(total, done + most, "right")))
        yield slice(start, stop)
        start = stop


def _reached(match: Match, lon: Floats, lat: Floats) -> tuple[Numbers, Numbers, Numbers]:
    """Ranges of cells that can hold what is near each position, in ascending order, and whose they are."""
    rows = np.flatnonzero(np.isfinite(lon) & (np.abs(lat) <= 90.0))
    margin = reach.margin_of(match.order, match.radius)
    counts, cells = reach.reached(match.order, lon[rows], lat[rows], margin)
    shift = 2 * (healpix.MAX_ORDER - match.order)
    sequence = np.argsort(cells)
    low = cells[sequence] << shift
    return low, low + ((1 << shift) - 1), np.repeat(rows, counts)[sequence]


def _haversine(lon: Floats, lat: Floats, x: Floats | float, y: Floats | float) -> Floats:
    """Squares of the sines of half the distances; all in degrees."""
    up = np.sin(np.radians(lat - y) / 2)
    along = np.sin(np.radians(lon - x) / 2)
    square: Floats = up * up + np.cos(np.radians(lat)) * np.cos(np.radians(y)) * along * along
    return square


def _passed(plan: Plan, rows: pa.RecordBatch) -> NDArray[np.bool_]:
    passed: NDArray[np.bool_] = np.ones(rows.num_rows, bool)
    for test in plan.tests:
        if isinstance(test, Cone):
            lon, lat = (_floats(rows.column(name)) for name in (plan.lon, plan.lat))
            square = _haversine(lon, lat, test.lon, test.lat)
            passed &= _ORDER[("<", ">")[test.beyond] + "=" * (not test.strict)](square, test.limit)
        elif isinstance(test, Inside):
            passed &= _inside(_doubles(rows.column(plan.lon)), _doubles(rows.column(plan.lat)), test)
        elif isinstance(test, Known):
            passed &= np.asarray(
                rows.column(test.column).is_null() if test.negated else rows.column(test.column).is_valid()
            )
        else:
            passed &= _compared(rows.column(test.column), test)
    return passed


def _inside(lon: pa.Array, lat: pa.Array, test: Inside) -> NDArray[np.bool_]:
    shape = pa.array([list(test.shape)], pa.list_(pa.float64()))
    size = max(64, CORNERS // len(test.shape))
    found = [
        pc.fill_null(functions.point_in(lon.slice(start, size), lat.slice(start, size), shape), False)
        for start in range(0, len(lon), size)
    ]
    return np.concatenate([np.asarray(part) for part in found])


def _doubles(array: pa.Array) -> pa.Array:
    return array if array.type == pa.float64() else pc.cast(array, pa.float64(), safe=False)


def _compared(array: pa.Array, test: plans.Comparison) -> NDArray[np.bool_]:
    """As the databases do it: NaN is larger than any number, null is nothing."""
    values = _floats(array)
    result: NDArray[np.bool_] = _ORDER[test.op](values, test.value)
    if test.op in (">", ">="):
        result |= np.isnan(values)
    if array.null_count:
        result &= np.asarray(array.is_valid())
    return result


def _gathered(
    schema: pa.Schema, found: Iterator[pa.RecordBatch], limit: int | None
) -> Iterator[pa.RecordBatch]:
    """The same rows in larger batches, at most `limit` of them."""
    left = math.inf if limit is None else limit
    held: list[pa.RecordBatch] = []
    count = size = 0
    if left <= 0:
        return
    for batch in found:
        if batch.num_rows >= left - count:
            held.append(batch.slice(0, int(left - count)))
            yield from _joined(schema, held)
            return
        held.append(batch)
        count += batch.num_rows
        size += batch.nbytes
        if count >= BATCH_ROWS or size >= BATCH_BYTES:
            yield from _joined(schema, held)
            left -= count
            held, count, size = [], 0, 0
    yield from _joined(schema, held)


def _joined(schema: pa.Schema, batches: list[pa.RecordBatch]) -> list[pa.RecordBatch]:
    if len(batches) < 2:
        return batches
    return pa.Table.from_batches(batches, schema).combine_chunks().to_batches(max_chunksize=BATCH_ROWS)
