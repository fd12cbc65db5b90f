"""Columns of raw values straight from a Parquet file, without a Python object for any row."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from engine.errors import InvalidDocument, Problem
from engine.features.columns import Columns

PIECE_ROWS: Final = 32_768
"""So many rows are decoded at once: a page is decoded much faster in one go, and a slice of what came out costs nothing."""


class ColumnFile:
    """Rows of some of a file's columns, any part of them; reading on costs no seeking. Not thread-safe; close it."""

    def __init__(
        self,
        path: Path,
        columns: Sequence[str] | None = None,
        *,
        piece_rows: int = PIECE_ROWS,
        prepared: Callable[[pa.RecordBatch], pa.RecordBatch] = lambda piece: piece,
    ) -> None:
        """`prepared` is called once for each piece, whose rows it keeps. Raises OSError and `pa.ArrowException` for no Parquet file."""
        self._file = pq.ParquetFile(path, memory_map=True)
        self.schema = self._file.schema_arrow
        self._columns = None if columns is None else list(columns)
        self._piece_rows = piece_rows
        self._prepared = prepared
        metadata = self._file.metadata
        sizes = (metadata.row_group(group).num_rows for group in range(metadata.num_row_groups))
        self._starts = list(accumulate(sizes, initial=0))
        self._pieces: Iterator[pa.RecordBatch] = iter(())
        self._piece: pa.RecordBatch | None = None
        self._first = 0

    @property
    def num_rows(self) -> int:
        return self._starts[-1]

    def select(self, columns: Sequence[str]) -> None:
        """Read only these columns from now on."""
        self._columns, self._piece = list(columns), None

    def rows(self, first: int, num_rows: int) -> list[pa.RecordBatch]:
        """The rows from `first` on, at most `num_rows`, in one part or more."""
        parts, end = [], min(first + num_rows, self.num_rows)
        while first < end:
            piece, start = self._piece_of(first)
            part = piece.slice(first - start, end - first)
            parts.append(part)
            first += part.num_rows
        return parts

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> ColumnFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _piece_of(self, row: int) -> tuple[pa.RecordBatch, int]:
        """The piece that holds a row, and its first row."""
        end = self._first + (0 if self._piece is None else self._piece.num_rows)
        if self._piece is not None and self._first <= row < end:
            return self._piece, self._first
        if self._piece is None or row != end:
            self._seek(row)
        else:
            self._next()
        while row >= self._first + (0 if self._piece is None else self._piece.num_rows):
            self._next()
        assert self._piece is not None
        return self._piece, self._first

    def _seek(self, row: int) -> None:
        group = bisect_right(self._starts, row) - 1
        groups = list(range(group, len(self._starts) - 1))
        self._pieces = self._file.iter_batches(self._piece_rows, row_groups=groups, columns=self._columns)
        self._piece, self._first = None, self._starts[group]

    def _next(self) -> None:
        self._first += 0 if self._piece is None else self._piece.num_rows
        self._piece = self._prepared(next(self._pieces))


def read_columns(path: Path, column_of: Mapping[str, str], batch_rows: int = 2048) -> Iterator[tuple[Columns, int]]:
    """The file's rows in their order, at most `batch_rows` at a time: columns by source, and how many rows they have.

    `column_of` names the file's column for each source (`FeatureEncoder.sources`). Any Arrow type that the encoder knows will do:
    strings, integers, booleans, floats, timestamps, and lists of one of these. Raises `InvalidDocument` when the file has no
    such column, OSError when it cannot be read.
    """
    wanted = sorted(set(column_of.values()))
    with ColumnFile(path, wanted, piece_rows=max(1, PIECE_ROWS // batch_rows) * batch_rows) as file:
        known = set(file.schema.names)
        problems = [
            Problem(source, f"must name a column of {path.name}", repr(column))
            for source, column in column_of.items()
            if column not in known
        ]
        if problems:
            raise InvalidDocument("columns", problems)
        for start in range(0, file.num_rows, batch_rows):
            batch = joined(file.rows(start, batch_rows))
            yield {source: batch.column(column) for source, column in column_of.items()}, batch.num_rows


def joined(parts: Sequence[pa.RecordBatch]) -> Any:
    """One batch of several of the same columns; of one, itself."""
    return parts[0] if len(parts) == 1 else pa.Table.from_batches(parts).combine_chunks().to_batches()[0]
