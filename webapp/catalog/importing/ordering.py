"""A file's rows in file order or, when asked, in the order of time: the needed columns are then held in memory, packed by Arrow."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from webapp.catalog.importing.reading import ROWS_PER_BATCH, Batch, BrokenRow
from webapp.catalog.importing.rows import Row, RowMaker

_NO_TIME = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True)
class TimeRange:
    """Rows at or after `from_ms` and before `until_ms`. A row without a readable time is always in, to be refused by name."""

    from_ms: int | None = None
    until_ms: int | None = None

    def holds(self, timestamp_ms: int | None) -> bool:
        if timestamp_ms is None:
            return True
        after_start = self.from_ms is None or timestamp_ms >= self.from_ms
        return after_start and (self.until_ms is None or timestamp_ms < self.until_ms)


ALL_TIME = TimeRange()


def in_file_order(batches: Iterator[Batch], maker: RowMaker, within: TimeRange) -> Iterator[Row | BrokenRow]:
    for batch in batches:
        yield from batch.broken
        yield from (row for row in maker.rows(batch) if within.holds(row.timestamp_ms))


def in_time_order(
    batches: Iterator[Batch],
    maker: RowMaker,
    within: TimeRange,
    on_read: Callable[[int], None] = lambda _: None,
) -> Iterator[Row | BrokenRow]:
    """Broken rows first, then by time; rows of the same time keep the file's order; rows without a time come last.

    `on_read` hears how many rows have been read so far.
    """
    kept: list[pa.RecordBatch] = []
    numbers: list[np.ndarray] = []
    times: list[np.ndarray] = []
    num_read = 0
    for batch in batches:
        yield from batch.broken
        stamps = maker.times(batch)
        chosen = [index for index, stamp in enumerate(stamps) if within.holds(stamp)]
        kept.append(batch.columns.take(pa.array(chosen, pa.int64())))
        numbers.append(np.array([batch.numbers[index] for index in chosen], np.int64))
        times.append(np.array([_NO_TIME if (stamp := stamps[index]) is None else stamp for index in chosen], np.int64))
        num_read += len(stamps)
        on_read(num_read)
    if not kept:
        return
    order = np.argsort(np.concatenate(times), kind="stable")
    all_numbers = np.concatenate(numbers)
    table = pa.Table.from_batches(kept).combine_chunks()
    for start in range(0, len(order), ROWS_PER_BATCH):
        chosen_now = order[start : start + ROWS_PER_BATCH]
        part = table.take(pa.array(chosen_now, pa.int64())).combine_chunks().to_batches()
        yield from maker.rows(Batch(all_numbers[chosen_now].tolist(), part[0]))
